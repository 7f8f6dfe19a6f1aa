"""What this plugin hooks into: it offers two sinks."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import Sink, hookimpl
from meetcore_websocket.push_sink import WebSocketPushSink
from meetcore_websocket.sink import WebSocketSink

__all__ = ["meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `websocket` and `websocket_push`."""
    register(WebSocketSink)
    register(WebSocketPushSink)
