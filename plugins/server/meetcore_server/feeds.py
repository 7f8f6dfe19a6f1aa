"""Live dialects: what happens to a bot, told in a dialect to many sockets, each message made once.

A feed numbers messages by the event they belong to and their place among that event's messages;
so a socket that comes with `after` gets the rest of the journal and then what happens, with no gap
and nothing twice, also where one event makes several messages or none.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from meetcore import BotLog, Dialect, Draft, Event, SegmentFinalized, StorageUnavailable
from meetcore_server.served_socket import ServedSocket
from meetcore_websocket.hub import Topic

__all__ = ["Feed"]

_LOG = logging.getLogger("meetcore.server")
_PLACES = 256
_INTERNAL_ERROR = 1011
_TRY_AGAIN_LATER = 1013
_THERE_WITHIN_S = 20.0
_LOOK_EVERY_S = 0.25
_AT_A_TIME = 64
_WAITING_BYTES = 32 * 1024


class Feed:
    """One bot in one dialect.

    Args:
        bot_id: The bot.
        variant: Names the dialect.
        make: Makes the dialect.
        log: The bot's log.
    """

    def __init__(self, bot_id: str, variant: str, make: Callable[[], Dialect], log: BotLog) -> None:
        self.variant = variant
        self.seq = 0
        self._bot_id = bot_id
        self._make = make
        self._log = log
        self._dialect = make()
        self._topic = Topic(f"{bot_id}/{variant}")
        self._sockets: dict[ServedSocket, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    @property
    def remembers(self) -> bool:
        """Whether the dialect must see every event."""
        return self._dialect.remembers

    def see(self, event: Event) -> None:
        """Show the dialect an event that happened before anybody followed."""
        self._dialect.messages(event)
        self.seq = event.seq
        self._topic.advance(_end_of(event.seq))

    def stand_at(self, seq: int) -> None:
        """Stand after an event without having seen any.

        For a dialect that remembers nothing, or a bot to which nothing will happen again.
        """
        self.seq = seq
        self._topic.advance(_end_of(seq))

    async def tell(self, event: Event) -> None:
        """Tell an event to everybody."""
        stale = None
        if isinstance(event, SegmentFinalized):
            stale = f"{self._bot_id}:segment:{event.segment.id}"
        self.seq = event.seq
        for place, text in enumerate(self._dialect.messages(event), 1):
            position = event.seq * _PLACES + place
            await self._topic.publish(text, position=position, supersedes=stale)
        self._topic.advance(_end_of(event.seq))

    async def show(self, draft: Draft) -> None:
        """Show a draft to everybody who wants drafts."""
        for text in self._dialect.messages(draft):
            await self._topic.publish(text, key=f"{self._bot_id}:{draft.key}")

    async def follow(self, socket: ServedSocket, after: int | None, *, drafts: bool) -> None:
        """Send a socket what it has missed, at its own pace, then let it be live.

        There is no checkpoint between the last look at what is missing and the joining. A log that
        does not have yet what was told already is waited for; where it stays away, or cannot be
        read, the socket is closed: it can come again with the number of the last event that it has.
        """
        if socket not in self._sockets:
            self._sockets[socket] = partial(self.leave, socket)
            socket.on_close(self._sockets[socket])
        try:
            await self._bring(socket, after, drafts=drafts)
        except StorageUnavailable as error:
            _LOG.warning("bot=%s cannot be read for a follower now: %s", self._bot_id, error)
            self._come_again(socket)
        except BaseException:
            self.leave(socket)  # a socket that misses something is told nothing more
            raise

    def _come_again(self, socket: ServedSocket) -> None:
        self.leave(socket)
        socket.close(_TRY_AGAIN_LATER, "some of its events cannot be read now")

    async def _bring(self, socket: ServedSocket, after: int | None, *, drafts: bool) -> None:
        at = self._topic.position if after is None else min(_end_of(after), self._topic.position)
        missed = _Missed(self._make(), self._log, at)
        async with missed.closing():
            there_by = math.inf
            while at < self._topic.position and self._follows(socket):
                upto = self._topic.position
                told = await missed.take(upto)
                for _, text in told:
                    socket.send(text)
                if told or not missed.lacks(upto):
                    at, there_by = told[-1][0] if told else upto, math.inf
                    await socket.room(_WAITING_BYTES)
                elif trio.current_time() > there_by:
                    self._come_again(socket)
                else:
                    there_by = min(there_by, trio.current_time() + _THERE_WITHIN_S)
                    await trio.sleep(_LOOK_EVERY_S)
            if self._follows(socket):
                self._topic.join(socket.subscriber, mutable=drafts)

    def _follows(self, socket: ServedSocket) -> bool:
        return socket in self._sockets and not socket.closed

    def end(self, reason: str) -> None:
        """Part with everybody who follows."""
        for socket in list(self._sockets):
            self.leave(socket)
            socket.close(_INTERNAL_ERROR, reason)

    def leave(self, socket: ServedSocket) -> None:
        """Tell a socket nothing more."""
        callback = self._sockets.pop(socket, None)
        if callback is not None:
            socket.off_close(callback)
        self._topic.leave(socket.subscriber)


def _end_of(seq: int) -> int:
    """Return the position after every message of an event."""
    return seq * _PLACES + _PLACES - 1


class _Missed:
    """The messages after a position, from the log, a few at a time.

    Args:
        dialect: Sees every event from the first on, unless it remembers nothing.
        log: The bot's log.
        after: The position.
    """

    def __init__(self, dialect: Dialect, log: BotLog, after: int) -> None:
        self._dialect = dialect
        self._log = log
        self._after = after
        self._seq = 0 if dialect.remembers else max(0, (after + 1) // _PLACES - 1)
        self._events: AsyncGenerator[Event, None] | None = None
        self._ready: deque[tuple[int, str]] = deque()

    @asynccontextmanager
    async def closing(self) -> AsyncGenerator[None, None]:
        """Close what is read from, at the end of the block."""
        try:
            yield
        finally:
            await self._close()

    async def _close(self) -> None:
        events, self._events = self._events, None
        if events is not None:
            with trio.CancelScope(shield=True):
                await events.aclose()

    async def take(self, upto: int) -> list[tuple[int, str]]:
        """Return the next messages with their positions; none if there are no more up to one.

        What lies after `upto` was not told to anybody yet: it is kept for the next time.
        """
        taken: list[tuple[int, str]] = []
        size = 0
        while len(taken) < _AT_A_TIME and size < _WAITING_BYTES:
            if not self._ready and not await self._see_more(upto):
                break
            if self._ready and self._ready[0][0] > upto:
                break
            while self._ready and self._ready[0][0] <= upto:
                taken.append(self._ready.popleft())
                size += len(taken[-1][1])
        await trio.lowlevel.checkpoint()
        return taken

    def lacks(self, upto: int) -> bool:
        """Whether the log did not have every event up to a position."""
        return self._seq < upto // _PLACES

    async def _see_more(self, upto: int) -> bool:
        """Show the dialect the next event, if one up to a position is there."""
        if not self.lacks(upto):
            return False
        event = await self._next()
        if event is None:  # the log has grown since
            await self._close()
            event = await self._next()
        if event is None:
            return False
        self._seq = event.seq
        for place, text in enumerate(self._dialect.messages(event), 1):
            position = event.seq * _PLACES + place
            if position > self._after:
                self._ready.append((position, text))
        return True

    async def _next(self) -> Event | None:
        if self._events is None:
            self._events = self._log.read(self._seq)
        return await anext(self._events, None)
