"""The bus `redis` over several brokers: each bot is on one of them, by its id.

Which one follows from the bot's id and the brokers' addresses alone, so everybody who has the same
list agrees, and nothing is asked. A broker more takes its part of the bots from all others, and
moves no bot between those (highest random weight). A broker that is away takes nothing from the
bots of the others; its own go on without it, as with one broker.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from hashlib import blake2b

import trio
from attrs import field, frozen

from meetcore import BusItem, BusRequest
from meetcore_redis.broker_bus import BrokerBus
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions, brokers_of

__all__ = ["ShardedBus"]


@frozen
class _ShardRequest(BusRequest):
    """What is asked of a bot, and the broker on which the answer is waited for."""

    shard: BrokerBus = field(kw_only=True)


class ShardedBus(RedisBus):
    """A bus over several brokers: see `RedisBus`."""

    def __init__(self, url: str, options: RedisOptions | None = None) -> None:
        chosen = options or RedisOptions()
        self._shards = {str(each): BrokerBus(each, chosen) for each in brokers_of(url)}

    def __repr__(self) -> str:
        return f"RedisBus({','.join(self._shards)!r})"

    def _of(self, key: str) -> BrokerBus:
        """Return the broker of a bot's id, or of an account's name."""

        def weight(place: str) -> bytes:
            return blake2b(f"{place} {key}".encode(), digest_size=8).digest()

        return self._shards[max(self._shards, key=weight)]

    async def connected(self, nursery: trio.Nursery) -> AsyncGenerator[None, None]:
        """Have a client of each broker."""
        async with AsyncExitStack() as stack:
            for shard in self._shards.values():
                await stack.enter_async_context(asynccontextmanager(shard.connected)(nursery))
            yield

    async def ping(self) -> None:
        """Have each broker answer."""
        for shard in self._shards.values():
            await shard.ping()

    # --- for the process of a bot ------------------------------------------------------------

    async def claim(self, bot_id: str) -> int:
        """Be the one that publishes for a bot."""
        return await self._of(bot_id).claim(bot_id)

    async def publish(
        self, bot_id: str, claim: int, items: Sequence[BusItem], *, alive_s: float
    ) -> bool:
        """Publish items, and that the bot lives."""
        return await self._of(bot_id).publish(bot_id, claim, items, alive_s=alive_s)

    async def trim(self, bot_id: str, upto: int) -> None:
        """Let go of events up to a number."""
        await self._of(bot_id).trim(bot_id, upto)

    async def requests(self, bot_id: str, claim: int) -> AsyncGenerator[BusRequest, None]:
        """Yield what is asked of a bot."""
        shard = self._of(bot_id)
        async with aclosing(shard.requests(bot_id, claim)) as asked:
            async for request in asked:
                yield _ShardRequest(request.id, request.content, request.left_s, shard=shard)

    async def answer(self, request: BusRequest, content: bytes) -> None:
        """Answer what was asked, on the broker on which it was."""
        assert isinstance(request, _ShardRequest), "this bus did not yield it"
        await request.shard.answer(request, content)

    async def send_audio(self, bot_id: str, frames: Sequence[bytes]) -> None:
        """Give live sound to whoever listens."""
        await self._of(bot_id).send_audio(bot_id, frames)

    async def leave(self, bot_id: str, claim: int) -> None:
        """Say that a bot lives no more."""
        await self._of(bot_id).leave(bot_id, claim)

    # --- for everybody else ------------------------------------------------------------------

    async def alive(self, bot_id: str) -> bool:
        """Return whether a bot said not long ago that it lives."""
        return await self._of(bot_id).alive(bot_id)

    async def living(self) -> list[str]:
        """Return the ids of the bots that are alive, on all brokers."""
        return sorted([bot_id for each in self._shards.values() for bot_id in await each.living()])

    def follow(self, bot_id: str, after: int = 0) -> AsyncGenerator[BusItem | None, None]:
        """Yield what a bot published after an event, then what it publishes."""
        return self._of(bot_id).follow(bot_id, after)

    async def forget(self, bot_id: str) -> None:
        """Let go of all that was published for a bot and asked of it."""
        await self._of(bot_id).forget(bot_id)

    async def ask(self, bot_id: str, content: bytes, *, within_s: float) -> bytes:
        """Ask something of a bot and return its answer."""
        return await self._of(bot_id).ask(bot_id, content, within_s=within_s)

    def audio(self, bot_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the frames of a bot's live sound from now on."""
        return self._of(bot_id).audio(bot_id)

    async def spend(self, account: str, *, per_s: float, burst: float) -> float:
        """Take one from an account, which is on one broker."""
        return await self._of(account).spend(account, per_s=per_s, burst=burst)
