"""What the server plugin registers: its commands, and the sink that shows a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    import click

    from meetcore import HealthReport, Sink

__all__ = ["meetcore_check_health", "meetcore_register_cli", "meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `picture`."""
    from meetcore_server.picture_sink import PictureSink

    register(PictureSink)


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore serve`, `drain`, `keys`, `check` and `rebuild`."""
    from meetcore_server.command import serve_command
    from meetcore_server.consistency_commands import check, rebuild
    from meetcore_server.drain_command import drain
    from meetcore_server.keys_command import keys

    group.add_command(serve_command)
    group.add_command(drain)
    group.add_command(keys)
    group.add_command(check)
    group.add_command(rebuild)


@hookimpl
def meetcore_check_health(report: HealthReport) -> None:
    """Look at the server's settings, and whether its database answers, where it has any."""
    if "server" in report.config:
        from meetcore_server.health import check_server

        check_server(report)
