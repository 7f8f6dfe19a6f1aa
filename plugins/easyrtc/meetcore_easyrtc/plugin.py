"""What the plugin registers: the platform `easyrtc`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl
from meetcore_easyrtc.platform import EasyrtcPlatform

if TYPE_CHECKING:
    from meetcore import Platform

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Offer the platform `easyrtc`."""
    register(EasyrtcPlatform)
