"""What this plugin hooks into: the platforms, and the server's routes for Zoom's webhook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import Platform, hookimpl
from meetcore_zoom_rtms.platform import ZoomRtmsPlatform

if TYPE_CHECKING:
    from meetcore.gateway import App

__all__ = ["meetcore_register_platforms", "meetcore_register_routes"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_platforms(register: Callable[[type[Platform]], None]) -> None:
    """Offer `zoom_rtms`."""
    register(ZoomRtmsPlatform)


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Take Zoom's webhook, where its secret is set: a bot is sent to each stream that starts."""
    from meetcore_zoom_rtms.webhook import add_to

    add_to(app)
