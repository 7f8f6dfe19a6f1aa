"""The bus `redis`: each bot has a stream of its own, whose entries have the numbers of its events.

So an event that comes again stands as it is, whoever has seen an event asks for what comes after
it, and what the store has is let go of by its number: nothing has to be kept in step. A draft is an
entry between two events. Redis 7 and later and Valkey speak the same here.

What is sent to a bot is a stream, too; an answer is a list that lives for a minute. Live sound is a
short stream that is written only while somebody says, through a request, that they listen.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from uuid import uuid4

import trio
from attrs import define, field
from coredis import PureToken, Redis
from coredis.commands import Script

from meetcore import BusItem, BusRequest, BusUnavailable
from meetcore_redis.answering import answered
from meetcore_redis.bus import RedisBus
from meetcore_redis.client import make_client
from meetcore_redis.options import Broker, RedisOptions, brokers_of
from meetcore_redis.reader import StreamReader, str_of
from meetcore_redis.scripts import ASK, CLAIM, LEAVE, NOW, PUBLISH, SPEND

__all__ = ["BrokerBus"]

_ANSWER_WITHIN_S = 5.0
_AGAIN_S = 0.5
_ASK_AGAIN_S = 4.0
_ANSWERS_STAY_S = 60
_SILENT_S = 2.0
_MOST_ASKED = 1000
_MOST_WAITING = 2000
_MOST_FRAMES = 512
_SOUND_STAYS_S = 30
_LAST_DRAFT = 2**63


@define
class _Taken:
    """Where a request lies on the broker, and Trio's time up to which it is waited for."""

    until: float
    places: set[tuple[str, str]] = field(factory=set)


class BrokerBus(RedisBus):
    """A bus on one broker, Redis or Valkey: see `RedisBus`."""

    def __init__(self, place: str | Broker, options: RedisOptions | None = None) -> None:
        self._options = options or RedisOptions()
        if isinstance(place, str):
            [place] = brokers_of(place)
        self._broker = place
        self._client: Redis[bytes] | None = None
        self._waiting: Redis[bytes] | None = None
        self._reader: StreamReader | None = None
        self._scripts: dict[str, Script[bytes]] = {}
        self._drafts: dict[str, tuple[int, int]] = {}
        self._asked_from: dict[tuple[str, int], str] = {}
        self._taken: dict[str, _Taken] = {}

    def __repr__(self) -> str:
        return f"RedisBus({str(self._broker)!r})"

    async def connected(self, nursery: trio.Nursery) -> AsyncGenerator[None, None]:
        """Have a client; connections are made when they are needed."""
        client = make_client(self._broker, self._options)
        # Each question holds a connection while its bot thinks: they take none from anything else.
        waiting = make_client(self._broker, self._options, most=_MOST_WAITING)
        async with client, waiting:
            self._client, self._waiting = client, waiting
            self._reader = StreamReader(client, nursery, self._options.prefix, self._broker)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                self._client = self._waiting = self._reader = None
                self._scripts.clear()

    @property
    def _open(self) -> Redis[bytes]:
        if self._client is None:
            raise BusUnavailable("The bus is not open.")
        return self._client

    @property
    def _reading(self) -> StreamReader:
        if self._reader is None:
            raise BusUnavailable("The bus is not open.")
        return self._reader

    def _key(self, bot_id: str, what: str) -> str:
        return f"{self._options.prefix}:{{{bot_id}}}:{what}"

    async def _run(self, script: str, keys: Sequence[str], *args: str | int | bytes) -> object:
        with answered(self._broker, _ANSWER_WITHIN_S):
            known = self._scripts.get(script)
            if known is None:
                known = self._scripts[script] = self._open.register_script(script)
            return await known(keys=keys, args=args)

    # --- for the process of a bot ------------------------------------------------------------

    async def claim(self, bot_id: str) -> int:
        """Be the one that publishes for a bot; numbers follow the broker's clock."""
        keys = [self._key(bot_id, what) for what in ("claim", "asked", "events")]
        reply = await self._run(CLAIM, keys, self._keep_ms)
        assert isinstance(reply, (list, tuple))
        number, at = reply
        claim = int(number)
        self._asked_from[bot_id, claim] = at.decode()
        return claim

    @property
    def _keep_ms(self) -> int:
        """For how long what nobody touches stays, in milliseconds."""
        return int(max(self._options.keep_s, 60.0) * 1000)

    async def publish(
        self, bot_id: str, claim: int, items: Sequence[BusItem], *, alive_s: float
    ) -> bool:
        """Publish items and that the bot lives, all in one step of the broker's."""
        args: list[str | int | bytes] = []
        for item in items:
            args += [self._id(bot_id, item), b"d" if item.draft else b"e", item.content]
        keys = [self._key(bot_id, what) for what in ("claim", "events", "alive")]
        kept = [claim, int(alive_s * 1000), self._keep_ms]
        return await self._run(PUBLISH, keys, *kept, *args) == 1

    def _id(self, bot_id: str, item: BusItem) -> str:
        """Return the id of an item's entry: of a draft, after that of the event before it."""
        if not item.draft:
            return f"{item.seq}-0"
        seq, number = self._drafts.get(bot_id, (item.seq, 0))
        number = number + 1 if seq == item.seq else 1
        self._drafts[bot_id] = (item.seq, number)
        return f"{item.seq}-{number}"

    async def trim(self, bot_id: str, upto: int) -> None:
        """Let go of events up to a number, a few more may stay."""
        with answered(self._broker, _ANSWER_WITHIN_S):
            await self._open.xtrim(
                self._key(bot_id, "events"),
                PureToken.MINID,
                upto + 1,
                PureToken.APPROXIMATELY,
            )

    async def requests(self, bot_id: str, claim: int) -> AsyncGenerator[BusRequest, None]:
        """Yield what is asked of a bot from its claim on, for ever."""
        at = self._asked_from.pop((bot_id, claim), "0-0")
        while True:
            try:
                async with self._reading.reading(self._key(bot_id, "asked"), at) as reading:
                    while True:
                        entries = await reading.next(_SILENT_S)
                        asked = any(b"id" in fields for _, fields in entries)
                        now_ms = await self._now_ms() if asked else 0
                        for (first, second), fields in entries:
                            at = f"{first}-{second}"
                            request = _request_in(fields, now_ms)
                            if request is not None and self._take(request, bot_id, at):
                                yield request
                        await self._drop_late()
            except BusUnavailable:
                if self._client is None:
                    raise
                await trio.sleep(_AGAIN_S)

    def _take(self, request: BusRequest, bot_id: str, at: str) -> bool:
        """Note where a request lies; return whether its answer is waited for still."""
        left_s = math.inf if request.left_s is None else request.left_s
        until = trio.current_time() + left_s
        taken = self._taken.setdefault(request.id, _Taken(until))
        taken.until = max(taken.until, until)
        taken.places.add((bot_id, at))
        return left_s > 0

    async def _drop_late(self) -> None:
        """Take off what nobody waits for any more."""
        now = trio.current_time()
        for request_id in [each for each, taken in self._taken.items() if taken.until <= now]:
            with answered(self._broker, _ANSWER_WITHIN_S):
                await self._take_off(request_id)

    async def _take_off(self, request_id: str) -> None:
        """Delete a request, which may be private: it was done, or it is too late for it."""
        taken = self._taken.get(request_id)
        for bot_id, at in list(taken.places) if taken else ():
            await self._open.xdel(self._key(bot_id, "asked"), [at])
        self._taken.pop(request_id, None)

    async def _now_ms(self) -> int:
        """Return the broker's time."""
        reply = await self._run(NOW, [])
        assert isinstance(reply, bytes)
        return int(reply)

    async def answer(self, request: BusRequest, content: bytes) -> None:
        """Answer what was asked."""
        key = f"{self._options.prefix}:answer:{request.id}"
        with answered(self._broker, _ANSWER_WITHIN_S):
            await self._open.rpush(key, [content])
            await self._open.expire(key, _ANSWERS_STAY_S)
            await self._take_off(request.id)

    async def send_audio(self, bot_id: str, frames: Sequence[bytes]) -> None:
        """Give live sound to whoever listens; about ten seconds of it stay."""
        key = self._key(bot_id, "audio")
        with answered(self._broker, _ANSWER_WITHIN_S):
            for content in frames:
                await self._open.xadd(
                    key,
                    {b"a": content},
                    trim_strategy=PureToken.MAXLEN,
                    trim_operator=PureToken.APPROXIMATELY,
                    threshold=_MOST_FRAMES,
                )
            if frames:
                await self._open.expire(key, _SOUND_STAYS_S)

    async def leave(self, bot_id: str, claim: int) -> None:
        """Say that a bot lives no more, if it is still ours."""
        keys = [self._key(bot_id, what) for what in ("claim", "alive", "asked")]
        await self._run(LEAVE, keys, claim)
        self._drafts.pop(bot_id, None)

    # --- for everybody else ------------------------------------------------------------------

    async def alive(self, bot_id: str) -> bool:
        """Return whether a bot said not long ago that it lives."""
        with answered(self._broker, _ANSWER_WITHIN_S):
            return bool(await self._open.exists([self._key(bot_id, "alive")]))

    async def living(self) -> list[str]:
        """Return the ids of the bots that are alive."""
        pattern, found = self._key("*", "alive"), set[str]()
        begin = len(self._options.prefix) + 2
        cursor = 0
        while True:
            with answered(self._broker, _ANSWER_WITHIN_S):
                cursor, keys = await self._open.scan(cursor, match=pattern, count=1000)
            found |= {key.decode()[begin : -len("}:alive")] for key in keys}
            if not cursor:
                return sorted(found)

    async def follow(self, bot_id: str, after: int = 0) -> AsyncGenerator[BusItem | None, None]:
        """Yield what a bot published after an event, then what it publishes."""
        at = f"{after}-{_LAST_DRAFT if after else 0}"
        async with self._reading.reading(self._key(bot_id, "events"), at) as reading:
            while True:
                entries = await reading.next(_SILENT_S)
                for (seq, _), fields in entries:
                    event = fields.get(b"e")
                    yield BusItem(seq, fields[b"d"], True) if event is None else BusItem(seq, event)
                if not entries:
                    yield None

    async def forget(self, bot_id: str) -> None:
        """Let go of what was published and asked. Who may publish stays known for a while."""
        with answered(self._broker, _ANSWER_WITHIN_S):
            keys = [self._key(bot_id, what) for what in ("events", "asked", "audio", "alive")]
            await self._open.delete(keys)

    async def ask(self, bot_id: str, content: bytes, *, within_s: float) -> bytes:
        """Ask something of a bot and return its answer; asked again while there is none."""
        request_id = uuid4().hex
        trouble: BusUnavailable | None = None
        with trio.move_on_after(within_s) as limit:
            while True:
                left_s = max(0.0, limit.deadline - trio.current_time())
                try:
                    return await self._asked(bot_id, request_id, content, left_s)
                except BusUnavailable as error:
                    trouble = error
                    await trio.sleep(_AGAIN_S)
                except trio.TooSlowError:
                    trouble = None
        if trouble is not None:
            raise trouble
        raise trio.TooSlowError(f"no answer within {within_s:g} s")

    async def _asked(self, bot_id: str, request_id: str, content: bytes, left_s: float) -> bytes:
        asked = [self._key(bot_id, "asked")]
        left_ms = int(left_s * 1000)
        await self._run(ASK, asked, self._keep_ms, _MOST_ASKED, request_id, content, left_ms)
        answer_key = f"{self._options.prefix}:answer:{request_id}"
        if self._waiting is None:
            raise BusUnavailable("The bus is not open.")
        with answered(self._broker, _ASK_AGAIN_S + _ANSWER_WITHIN_S):
            found = await self._waiting.blpop([answer_key], timeout=_ASK_AGAIN_S)
        if not found:
            raise trio.TooSlowError
        return found[1]

    async def audio(self, bot_id: str) -> AsyncGenerator[bytes, None]:
        """Yield the frames of a bot's live sound from now on."""
        key = self._key(bot_id, "audio")
        with answered(self._broker, _ANSWER_WITHIN_S):
            newest = await self._open.xrevrange(key, count=1)
        at = str_of(newest[0].identifier) if newest else "0-0"
        async with self._reading.reading(key, at) as reading:
            while True:
                entries = await reading.next(_SILENT_S)
                for _, fields in entries:
                    yield fields[b"a"]
                if not entries:
                    yield b""

    async def spend(self, account: str, *, per_s: float, burst: float) -> float:
        """Take one from an account that refills by the broker's clock."""
        key = f"{self._options.prefix}:account:{account}"
        waits = await self._run(SPEND, [key], repr(per_s), repr(burst))
        assert isinstance(waits, bytes)
        return float(waits)


def _request_in(fields: Mapping[bytes, bytes], now_ms: int) -> BusRequest | None:
    """Return what an entry asks; None where it asks nothing."""
    if b"id" not in fields:
        return None
    left_s = None
    if b"until" in fields:  # an older version does not say it
        left_s = (int(fields[b"until"]) - now_ms) / 1000
    return BusRequest(fields[b"id"].decode(), fields[b"content"], left_s)
