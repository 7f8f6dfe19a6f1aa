"""What the server plugin registers: its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["meetcore_register_cli"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore serve`, `keys`, `check` and `rebuild`."""
    from meetcore_server.command import serve_command
    from meetcore_server.consistency_commands import check, rebuild
    from meetcore_server.keys_command import keys

    group.add_command(serve_command)
    group.add_command(keys)
    group.add_command(check)
    group.add_command(rebuild)
