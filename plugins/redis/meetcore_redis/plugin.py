"""What this plugin hooks into: it offers the bus."""

from __future__ import annotations

from collections.abc import Callable

from meetcore import BotBus, hookimpl
from meetcore_redis.bus import RedisBus

__all__ = ["meetcore_register_buses"]

meetcore_api_version = "1.0"


@hookimpl
def meetcore_register_buses(register: Callable[[type[BotBus]], None]) -> None:
    """Offer `redis`."""
    register(RedisBus)  # type: ignore[type-abstract]  # a BrokerBus comes of it
