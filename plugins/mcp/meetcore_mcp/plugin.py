"""What the plugin registers: the command `meetcore mcp`, and `/mcp` of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    import click

    from meetcore.gateway import App

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore mcp`."""
    from meetcore_mcp.command import mcp_command

    group.add_command(mcp_command)


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount the protocol's streamable HTTP at `/mcp`."""
    from meetcore_mcp.mount import add_to

    add_to(app)
