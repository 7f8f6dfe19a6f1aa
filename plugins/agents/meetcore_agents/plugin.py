"""What this plugin hooks into: it offers the sink `agent`."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import Sink, hookimpl
from meetcore_agents.sink import AgentSink

__all__ = ["meetcore_register_sinks"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_sinks(register: Callable[[type[Sink]], None]) -> None:
    """Offer `agent`."""
    register(AgentSink)
