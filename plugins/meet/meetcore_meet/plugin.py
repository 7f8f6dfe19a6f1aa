"""What this plugin hooks into: the platforms."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import Platform, hookimpl
from meetcore_meet.platform import MeetPlatform

__all__ = ["meetcore_register_platforms"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Offer `meet`."""
    register(MeetPlatform)
