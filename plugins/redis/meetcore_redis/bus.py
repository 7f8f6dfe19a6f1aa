"""The bus `redis` as it is registered; what it is made of is loaded when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from meetcore import BotBus
from meetcore_redis.options import RedisOptions

if TYPE_CHECKING:
    from meetcore_redis.broker_bus import BrokerBus

__all__ = ["RedisBus"]


class RedisBus(BotBus):
    """A bus on Redis or Valkey.

    The client is a quarter of a second of importing, for everybody who has the plugin and no bus;
    so what comes of this class is a `BrokerBus`, or over several brokers a `ShardedBus`, from a
    module that is imported then.

    Args:
        url: `redis://[user@]host[:6379][,host[:6379]…][/db]`. Of several brokers each has a part of
            the bots; all who share the bus name the same.
        options: As in `[plugins.redis]`.

    Raises:
        ConfigError: The URL names no broker.
    """

    name: ClassVar[str] = "redis"
    Options = RedisOptions

    def __new__(cls, url: object = "", *_: object) -> BrokerBus:
        """Return the bus; either kind is a whole one, which is all that its type is to say."""
        from meetcore_redis.broker_bus import BrokerBus
        from meetcore_redis.sharded_bus import ShardedBus

        kind: type[RedisBus] = ShardedBus if "," in str(url) else BrokerBus
        made = super().__new__(cls if issubclass(cls, (BrokerBus, ShardedBus)) else kind)
        return cast("BrokerBus", made)
