"""What the plugin registers: the command `meetcore mcp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    import click

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore mcp`."""
    from meetcore_mcp.command import mcp_command

    group.add_command(mcp_command)
