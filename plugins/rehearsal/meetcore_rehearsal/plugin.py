"""What the rehearsal plugin registers: its platforms, `meetcore rehearse` and `meetcore demo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_rehearsal.stage import RehearsalStage

if TYPE_CHECKING:
    import click

    from meetcore import Platform

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Offer the platforms `rehearsal` and `rehearsal_stage`."""
    register(RehearsalPlatform)
    register(RehearsalStage)


@hookimpl
def meetcore_register_cli(group: click.Group) -> None:
    """Add `meetcore rehearse` and `meetcore demo`."""
    from meetcore_rehearsal.command import rehearse
    from meetcore_rehearsal.demo import demo

    group.add_command(rehearse)
    group.add_command(demo)
