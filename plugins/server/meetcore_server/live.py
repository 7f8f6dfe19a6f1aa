"""The bots that run now: their histories as they unfold, and who is told.

One task per bot takes what happens in order and, before anybody else sees it, brings the row in the
database up to date. Everything it needs is in the journal, so a server that starts anew goes on
where the journal is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import TypeVar

import trio
from attrs import define, field

from meetcore import (
    BotHistory,
    BotLog,
    BotStore,
    CommandRefused,
    Dialect,
    Draft,
    Event,
    RunningBot,
    SegmentFinalized,
    StateChanged,
)
from meetcore.gateway import BotRow
from meetcore_server.feeds import Feed
from meetcore_server.served_socket import ServedSocket

__all__ = ["LiveBot", "LiveBots", "LiveLog"]

_LOG = logging.getLogger("meetcore.server")
_TELL_WITHIN_S = 10.0
_NEWEST = 512
_REACHED_WITHIN_S = 5.0
E = TypeVar("E")


class LiveLog(BotLog):
    """The log of a bot that runs: what the store has, and then the newest that were told.

    A store may have what a bot writes a little later than whoever listens to the bot.

    Args:
        log: The store's.
        lags: Whether the store may be late; otherwise there is nothing to remember.
    """

    def __init__(self, log: BotLog, *, lags: bool = True) -> None:
        self.bot_id = log.bot_id
        self._log = log
        self._newest: deque[Event] = deque(maxlen=_NEWEST if lags else 0)

    def take(self, event: Event) -> None:
        """Remember an event that was told."""
        self._newest.append(event)

    def told(self, after: int) -> list[Event]:
        """Return the newest events after a number that were told here."""
        return [event for event in self._newest if event.seq > after]

    async def exists(self) -> bool:
        """Return whether there is anything of it."""
        return bool(self._newest) or await self._log.exists()

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield the events there are now."""
        at = after
        async with aclosing(self._log.read(after, types=types)) as events:
            async for event in events:
                at = event.seq
                yield event
        for event in list(self._newest):
            follows = event.seq == at + 1 or (types is not None and event.seq > at)
            if follows and (types is None or isinstance(event, tuple(types))):
                at = event.seq
                yield event

    def finalized(self, after: int = 0) -> AsyncGenerator[SegmentFinalized, None]:
        """Yield the newest event of each segment, as the store has it."""
        return self._log.finalized(after)


@define(eq=False)
class LiveBot:
    """A bot that has not ended.

    Attributes:
        row: What the server knows about it.
        log: Its events, for whoever follows.
        history: Its history so far.
        feeds: The dialects it is followed in.
        ended: Set when its last event was told.
        ours: Whether this server looks after it; otherwise another does, and it is followed only.
        asked_at: Trio's time when somebody asked for it last.
        caught_up: Whether all that its log held at the last look is known here.
    """

    row: BotRow
    log: LiveLog
    ours: bool = True
    asked_at: float = 0.0
    caught_up: bool = False
    history: BotHistory = field(factory=BotHistory)
    feeds: dict[str, Feed] = field(factory=dict)
    ended: trio.Event = field(factory=trio.Event)
    _in_turn: trio.Lock = field(factory=trio.Lock)
    _running: RunningBot | None = field(default=None, init=False)
    _found: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    @property
    def running(self) -> RunningBot | None:
        """Where it runs, None before it does, and while this server does not reach it."""
        return self._running

    @running.setter
    def running(self, running: RunningBot | None) -> None:
        self._running = running
        if running is not None:
            self._found.unpark_all()

    async def reached(self) -> RunningBot:
        """Return where it runs, as soon as this server reaches it.

        Whoever looks after it may have changed a moment ago, and its connection may be new.

        Raises:
            CommandRefused: It has ended, or is not reached within 5 s.
        """
        with trio.move_on_after(_REACHED_WITHIN_S):
            while self._running is None and not self.history.ended:
                await self._found.park()
        if self.history.ended:
            raise CommandRefused("The bot has ended.")
        if self._running is None:
            raise CommandRefused(
                "This server does not reach the bot, which another one runs.",
                "Ask again; if it stays so, ask that one, or give both a bus.",
            )
        return self._running

    async def feed(self, variant: str, make: Callable[[], Dialect]) -> Feed:
        """Return the feed of a dialect, which has seen everything so far if it remembers."""
        known = self.feeds.get(variant)
        if known is not None:
            return known
        made = Feed(self.row.bot_id, variant, make, self.log)
        if not made.remembers:
            async with self._in_turn:
                made.stand_at(self.history.last_seq)
                return self.feeds.setdefault(variant, made)
        while True:
            async with aclosing(self.log.read(made.seq)) as events:
                async for event in events:
                    if event.seq > self.history.last_seq:
                        break  # nobody has been told of it yet
                    made.see(event)
            async with self._in_turn:
                if made.seq >= self.history.last_seq:
                    return self.feeds.setdefault(variant, made)

    async def tell(self, event: Event) -> None:
        """Take an event, and tell it to everybody who follows.

        Once it is taken it is told, whoever is cancelled meanwhile: nobody tells it again.
        """
        async with self._in_turn:
            if event.seq <= self.history.last_seq:
                return
            self.log.take(event)
            self.history.take(event)
            if self.history.ended:
                self._found.unpark_all()
            self.feeds = {name: feed for name, feed in self.feeds.items() if len(feed)}
            with trio.CancelScope(shield=True):  # each feed has a deadline of its own
                for feed in list(self.feeds.values()):
                    if event.seq > feed.seq:
                        await self._alone(feed, feed.tell, event)

    async def show(self, draft: Draft) -> None:
        """Show a draft to everybody who wants drafts."""
        for feed in list(self.feeds.values()):
            await self._alone(feed, feed.show, draft)

    async def _alone(self, feed: Feed, tell: Callable[[E], Awaitable[None]], item: E) -> None:
        """Tell one dialect something; one that fails or hangs is parted with, the others go on."""
        try:
            with trio.fail_after(_TELL_WITHIN_S):
                await tell(item)
        except Exception:  # noqa: BLE001  one dialect's trouble is not the others'
            _LOG.exception("bot=%s the dialect %s failed", self.row.bot_id, feed.variant)
            self.feeds.pop(feed.variant, None)
            feed.end("this dialect failed; its server's log says how")


class LiveBots:
    """Every bot that has not ended, by id.

    Args:
        update: Brings a bot's row up to date with an event; durable on return.
        woken: Called with what is new in the log of a bot that this server looks after.
        store: Where their logs are.
    """

    def __init__(
        self,
        update: Callable[[BotRow, Event], Awaitable[BotRow]],
        woken: Callable[[Event], None],
        store: BotStore,
    ) -> None:
        self._store = store
        self._update = update
        self._woken = woken
        self._bots: dict[str, LiveBot] = {}

    def __len__(self) -> int:
        return len(self._bots)

    def __contains__(self, bot_id: str) -> bool:
        return bot_id in self._bots

    def get(self, bot_id: str) -> LiveBot | None:
        """Return a bot, None if it is not live."""
        live = self._bots.get(bot_id)
        if live is not None:
            live.asked_at = trio.current_time()
        return live

    def all(self) -> list[LiveBot]:
        """Return all that this server looks after, the oldest first."""
        return [live for live in self._bots.values() if live.ours]

    def add(self, row: BotRow, *, ours: bool = True) -> LiveBot:
        """Take a bot in, or over, with whoever follows it; `catch_up` brings its history."""
        live = self._bots.get(row.bot_id)
        if live is None:
            log = LiveLog(self._store.log(row.bot_id), lags=self._store.lags)
            live = self._bots[row.bot_id] = LiveBot(row, log)
        live.row, live.ours, live.asked_at = row, ours, trio.current_time()
        live.caught_up = False
        return live

    async def take(self, live: LiveBot, event: Event) -> None:
        """Take one event: first the row, then everybody else.

        Who stops at a deadline after the row is written would write it anew each time.
        """
        if event.seq <= live.history.last_seq:
            return
        if isinstance(event, StateChanged):
            live.row = await self._update(live.row, event)
        with trio.CancelScope(shield=isinstance(event, StateChanged)):
            await live.tell(event)
        if live.ours:  # nothing waits between the two: what is told is also counted
            self._woken(event)

    async def catch_up(self, live: LiveBot) -> None:
        """Take what the log holds and was not taken yet."""
        log = self._store.log(live.row.bot_id, urgent=True)
        live.caught_up = False
        async with aclosing(log.read(live.history.last_seq)) as events:
            async for event in events:
                await self.take(live, event)
        live.caught_up = True

    async def accompany(self, live: LiveBot, running: RunningBot) -> None:
        """Take what a running bot tells, until it tells no more. No deadline of its own."""
        async with aclosing(running.items(live.history.last_seq)) as items:
            async for item in items:
                if isinstance(item, Event):
                    await self.take(live, item)
                else:
                    await live.show(item)

    def remove(self, live: LiveBot) -> None:
        """Let a bot go that has ended."""
        self._bots.pop(live.row.bot_id, None)
        live.ended.set()

    def forget(self, live: LiveBot) -> None:
        """Let a bot go that nobody follows here."""
        self._bots.pop(live.row.bot_id, None)

    def let_go(self, row: BotRow, socket: ServedSocket) -> None:
        """Tell a socket nothing more of a bot."""
        live = self._bots.get(row.bot_id)
        for feed in list(live.feeds.values()) if live else ():
            feed.leave(socket)
