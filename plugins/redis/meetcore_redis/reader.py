"""Many streams read over a few connections: one waiting `XREAD` for up to 64 of them.

A stream is read into a channel of its own. Whoever does not take what came is left out of the next
read until they did: it stays with the broker, and holds up nobody.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast
from uuid import uuid4

import trio
from attrs import define, field
from coredis import PureToken, Redis
from coredis.response.types import StreamEntry

from meetcore import BusUnavailable
from meetcore_redis.answering import answered

__all__ = ["Entry", "OpenStream", "StreamReader", "str_of"]

Entry = tuple[tuple[int, int], Mapping[bytes, bytes]]
"""The id of an entry of a stream, as its two numbers, and its fields."""

_MOST_STREAMS = 64
_MOST_AT_ONCE = 200
_WAITING = 4
_BLOCK_S = 5.0
_ANSWER_WITHIN_S = 5.0
_ASLEEP_FOR_S = 600


@define(eq=False)
class _Stream:
    """One stream that somebody reads.

    Attributes:
        key: The stream.
        at: The id of the last entry that was handed on.
        send: Where its entries go.
        full: Whether the reader has to take something first.
        error: Why nothing comes any more.
    """

    key: bytes
    at: tuple[int, int]
    send: trio.MemorySendChannel[list[Entry]]
    full: bool = False
    error: BusUnavailable | None = None


@define(eq=False)
class _Group:
    """Streams that are read together.

    Attributes:
        wake_key: A stream among them, by which whoever waits for the others is woken.
        woken: The id of its last entry that was seen.
        stale: Whether what is waited for is not what there is now: one wake is enough for all.
        waking: Held by whoever wakes.
        stays_until: Trio's time up to which the broker keeps the wake stream, at least.
    """

    wake_key: bytes
    streams: list[_Stream] = field(factory=list)
    woken: tuple[int, int] = (0, 0)
    running: bool = False
    stale: bool = True
    waking: trio.Lock = field(factory=trio.Lock)
    stays_until: float = 0.0


class OpenStream:
    """What comes on one stream."""

    def __init__(
        self,
        reader: StreamReader,
        group: _Group,
        stream: _Stream,
        channel: trio.MemoryReceiveChannel[list[Entry]],
    ) -> None:
        self._reader = reader
        self._group = group
        self._stream = stream
        self._channel = channel

    async def next(self, within_s: float) -> list[Entry]:
        """Return the next entries, none where none came within a time.

        Raises:
            BusUnavailable: The broker went away.
        """
        stream = self._stream
        if stream.full and not self._channel.statistics().current_buffer_used:
            stream.full = False
            await self._reader.wake(self._group)
        try:
            with trio.move_on_after(within_s):
                return await self._channel.receive()
        except trio.EndOfChannel:
            raise stream.error or BusUnavailable("The bus is closed.") from None
        return []


class StreamReader:
    """Reads streams.

    Args:
        client: The broker's client, open.
        nursery: For the connections; cancelled by whoever opened it.
        prefix: What keys begin with.
        broker: Where it is, for messages.
    """

    def __init__(
        self, client: Redis[bytes], nursery: trio.Nursery, prefix: str, broker: object
    ) -> None:
        self._client = client
        self._nursery = nursery
        self._prefix = prefix
        self._broker = broker
        self._groups: list[_Group] = []

    @asynccontextmanager
    async def reading(self, key: str, after: str) -> AsyncIterator[OpenStream]:
        """Read a stream after an entry while the block runs.

        Raises:
            BusUnavailable: The broker does not answer.
        """
        send, receive = trio.open_memory_channel[list[Entry]](_WAITING)
        stream = _Stream(key.encode(), _number(after.encode()), send)
        group = self._room()
        group.streams.append(stream)
        try:
            await self.wake(group)
            with receive:
                yield OpenStream(self, group, stream, receive)
        finally:
            if stream in group.streams:
                group.streams.remove(stream)
            send.close()

    def _room(self) -> _Group:
        for group in self._groups:
            if len(group.streams) < _MOST_STREAMS:
                return group
        group = _Group(f"{self._prefix}:wake:{uuid4().hex}".encode())
        self._groups.append(group)
        return group

    async def wake(self, group: _Group) -> None:
        """Have a group read its streams as they are now.

        Raises:
            BusUnavailable: The broker does not answer.
        """
        group.stale = True
        if not group.running:
            group.running = True
            self._nursery.start_soon(self._run, group)
            await trio.lowlevel.checkpoint()
            return
        async with group.waking:
            if not group.stale:
                return  # somebody else's wake was after ours was needed
            with answered(self._broker, _ANSWER_WITHIN_S):
                await self._client.xadd(
                    group.wake_key, {b"1": b"1"}, trim_strategy=PureToken.MAXLEN, threshold=1
                )
                now = trio.current_time()
                if now > group.stays_until - _ASLEEP_FOR_S / 2:
                    await self._client.expire(group.wake_key, _ASLEEP_FOR_S)
                    group.stays_until = now + _ASLEEP_FOR_S

    async def _run(self, group: _Group) -> None:
        """Read a group's streams for as long as it has some."""
        try:
            while group.streams:
                await self._read(group)
        except BusUnavailable as error:
            for stream in group.streams:
                stream.error = error
                stream.send.close()
            group.streams.clear()
            group.stays_until = 0.0  # it may have lost what it had
        finally:
            group.running = False

    async def _read(self, group: _Group) -> None:
        group.stale = False
        wanted: dict[bytes, tuple[int, int]] = {group.wake_key: group.woken}
        for stream in group.streams:
            if not stream.full:
                known = wanted.get(stream.key, stream.at)
                wanted[stream.key] = min(known, stream.at)
        asked = {key: b"%d-%d" % at for key, at in wanted.items()}
        with answered(self._broker, _BLOCK_S + _ANSWER_WITHIN_S):
            found = await self._client.xread(asked, count=_MOST_AT_ONCE, block=int(_BLOCK_S * 1000))
        for key, entries in (found or {}).items():
            if key == group.wake_key:
                group.woken = _number(entries[-1].identifier)
                continue
            for stream in [each for each in group.streams if each.key == key]:
                _hand_on(stream, entries)


def _hand_on(stream: _Stream, entries: Sequence[StreamEntry]) -> None:
    """Give a stream's reader what is new to it, or nothing while it takes nothing."""
    found = [(_number(entry.identifier), _fields(entry)) for entry in entries]
    if found[0][0] <= stream.at:
        found = [entry for entry in found if entry[0] > stream.at]
    if not found:
        return
    try:
        stream.send.send_nowait(found)
    except trio.WouldBlock:
        stream.full = True
    except trio.BrokenResourceError:
        return  # nobody reads it any more
    else:
        stream.at = found[-1][0]


def str_of(text: bytes | str) -> str:
    """Return what the broker gave as text."""
    return text.decode() if isinstance(text, bytes) else text


def _fields(entry: StreamEntry) -> Mapping[bytes, bytes]:
    # The client is told to decode nothing: what it gives are bytes.
    return cast(Mapping[bytes, bytes], entry.field_values)


def _number(identifier: bytes | str) -> tuple[int, int]:
    """Return the two numbers of an entry's id."""
    first, _, second = str_of(identifier).partition("-")
    return int(first), int(second or 0)
