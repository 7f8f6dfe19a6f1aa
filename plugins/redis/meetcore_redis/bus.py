"""The bus `redis` as it is registered; what it is made of is loaded when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from meetcore import BotBus
from meetcore_redis.options import RedisOptions

if TYPE_CHECKING:
    from meetcore_redis.broker_bus import BrokerBus

__all__ = ["RedisBus"]


class RedisBus(BotBus):
    """A bus on Redis or Valkey.

    The client is a quarter of a second of importing, for everybody who has the plugin and no bus;
    so what comes of this class is a `BrokerBus`, from a module that is imported then.

    Args:
        url: `redis://[user@]host[:6379][/db]`.
        options: As in `[plugins.redis]`.

    Raises:
        ConfigError: The URL names no broker.
    """

    name: ClassVar[str] = "redis"
    Options = RedisOptions

    def __new__(cls, *_: object) -> BrokerBus:
        """Return the bus."""
        from meetcore_redis.broker_bus import BrokerBus

        return super().__new__(cls if issubclass(cls, BrokerBus) else BrokerBus)
