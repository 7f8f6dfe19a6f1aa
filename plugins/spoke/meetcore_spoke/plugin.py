"""What this plugin hooks into: the server, and the sinks with the streaming one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from meetcore import hookimpl

if TYPE_CHECKING:
    from meetcore import Sink
    from meetcore.gateway import App

__all__ = ["meetcore_register_routes", "meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `spoke_stream`."""
    from meetcore_spoke.stream_sink import SpokeStreamSink

    register(SpokeStreamSink)


@hookimpl
def meetcore_register_routes(app: App) -> None:
    """Mount the API at `/spoke`, and offer the webhook format `spoke`."""
    from meetcore_spoke.mount import add_to

    add_to(app)
