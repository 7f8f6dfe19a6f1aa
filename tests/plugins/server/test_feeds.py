"""Who follows a bot has each event once, whatever is cancelled and however late the store is."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from meetcore.gateway import BotRow
from meetcore.model.dialect import NativeDialect
from meetcore.model.errors import CommandRefused, StorageUnavailable
from meetcore.model.event import Event
from meetcore.model.events import ChatReceived, StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.plugin.launcher import RunningBot
from meetcore.plugin.store import BotLog
from meetcore_server.feeds import Feed
from meetcore_server.live import LiveBot, LiveLog
from meetcore_server.served_socket import ServedSocket

BOT = "5f0d2a52-6a4e-4c7a-9a2e-3d1d1c7b9e10"
BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def event_of(seq: int) -> Event:
    said = ChatReceived(
        message_id=f"m{seq}", sender_id="p1", sender_name="Ada", text=f"message {seq}"
    )
    return evolve(said, bot_id=BOT, seq=seq, at=BEGAN + timedelta(seconds=seq))


class Kept(BotLog):
    """A log that has the events up to a number, however many there were."""

    def __init__(self, upto: int = 0) -> None:
        self.bot_id = BOT
        self.upto = upto

    async def exists(self) -> bool:
        await trio.lowlevel.checkpoint()
        return True

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        await trio.lowlevel.checkpoint()
        for seq in range(after + 1, self.upto + 1):
            yield event_of(seq)


class Follower:
    """A socket, and its subscriber, of somebody who reads everything at once."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.closed_with: int | None = None
        self.callbacks: list[Callable[[], None]] = []

    @property
    def subscriber(self) -> Follower:
        return self

    @property
    def closed(self) -> bool:
        return self.closed_with is not None

    def on_close(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def off_close(self, callback: Callable[[], None]) -> None:
        self.callbacks.remove(callback)

    def forget(self, key: str) -> None:
        """Nothing: it has read it."""

    def send(self, message: str) -> None:
        self.seqs.append(json.loads(message)["seq"])

    def push(self, frame: bytes, key: str | None = None) -> None:
        self.send(frame[frame.index(b"{") :].decode())

    async def room(self, below_bytes: int = 0) -> None:
        await trio.lowlevel.checkpoint()

    def close(self, code: int, reason: str = "", **how: Any) -> None:
        self.closed_with = code


def row_of_a_bot() -> BotRow:
    return BotRow(
        number=1,
        bot_id=BOT,
        user_id=1,
        key_id="k",
        dialect="native",
        platform="fake",
        native_id="one",
        public_url="https://meet.example/one",
        url="https://meet.example/one",
        name="Notes",
        state=State.IN_CALL,
        created_at=BEGAN,
        updated_at=BEGAN,
    )


class CancelsAt(trio.abc.Instrument):
    """Cancels a scope when a task is about to take its nth step within it."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self._scope, self._left = scope, step
        self._task = trio.lowlevel.current_task()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def test_what_is_taken_is_told_wherever_its_teller_is_cancelled() -> None:
    """A server listens anew now and then, and parts with a bot amid what the bot tells."""
    for step in range(1, 12):
        live = LiveBot(row_of_a_bot(), LiveLog(Kept()))
        feeds = [await live.feed(name, NativeDialect) for name in ("one", "two")]
        followers = [Follower(), Follower()]
        for feed, follower in zip(feeds, followers, strict=True):
            await feed.follow(cast("ServedSocket", follower), 0, drafts=False)
        with trio.CancelScope() as scope:
            instrument = CancelsAt(scope, step)
            trio.lowlevel.add_instrument(instrument)
            try:
                for seq in range(1, 4):
                    await live.tell(event_of(seq))
            finally:
                trio.lowlevel.remove_instrument(instrument)
        for seq in range(live.history.last_seq + 1, 6):
            await live.tell(event_of(seq))
        assert [f.seqs for f in followers] == [[1, 2, 3, 4, 5]] * 2, f"cancelled at step {step}"


async def test_an_event_that_the_store_does_not_have_yet_is_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log, follower = Kept(upto=3), Follower()
    feed = Feed(BOT, "native", NativeDialect, log)
    feed.stand_at(5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, feed, follower, 2)
        await trio.sleep(3)
        assert follower.seqs == [3]
        await feed.tell(event_of(6))
        log.upto = 6
        await trio.sleep(3)
        await feed.tell(event_of(7))
    assert follower.seqs == [3, 4, 5, 6, 7]
    assert not follower.closed


async def test_who_cannot_be_told_the_next_event_is_closed_and_told_no_later_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log, follower = Kept(upto=3), Follower()
    feed = Feed(BOT, "native", NativeDialect, log)
    feed.stand_at(5)
    with trio.fail_after(60):
        await _follow(feed, follower, 2)
    await feed.tell(event_of(6))
    assert follower.seqs == [3]
    assert follower.closed_with == 1013
    assert not len(feed)


async def test_a_replay_that_breaks_off_leaves_nobody_who_is_told_nothing() -> None:
    class Breaking(Kept):
        async def read(
            self, after: int = 0, *, types: Collection[type[Event]] | None = None
        ) -> AsyncGenerator[Event, None]:
            yield event_of(after + 1)
            raise StorageUnavailable("The bucket does not answer.")

    follower = Follower()
    feed = Feed(BOT, "native", NativeDialect, Breaking())
    feed.stand_at(100)
    await _follow(feed, follower, 0)
    assert follower.closed_with == 1013
    assert not len(feed)
    await feed.tell(event_of(101))
    assert follower.seqs in ([], [1])


async def test_a_socket_keeps_nothing_of_bots_that_it_followed_before() -> None:
    follower = Follower()
    for _ in range(3):
        feed = Feed(BOT, "native", NativeDialect, Kept(upto=1))
        feed.stand_at(1)
        await _follow(feed, follower, 0)
        await _follow(feed, follower, 0)
        assert len(follower.callbacks) == 1
        feed.leave(cast("ServedSocket", follower))
        assert follower.callbacks == []


async def test_a_store_that_falls_far_behind_makes_no_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """More has happened than the server remembers: the store is waited for."""
    kept = Kept()
    live = LiveBot(row_of_a_bot(), LiveLog(kept))
    feed = await live.feed("native", NativeDialect)
    first = Follower()
    await feed.follow(cast("ServedSocket", first), 0, drafts=False)
    for seq in range(1, 1001):
        await live.tell(event_of(seq))
    second = Follower()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow, feed, second, 100)
        await trio.sleep(1)
        kept.upto = 700
    assert first.seqs == list(range(1, 1001))
    assert second.seqs == list(range(101, 1001))


async def _follow(feed: Feed, follower: Follower, after: int) -> None:
    await feed.follow(cast("ServedSocket", follower), after, drafts=False)


async def test_a_bot_that_changes_hands_is_waited_for_and_not_refused(
    autojump_clock: MockClock,
) -> None:
    """Amid a handover this server has let its connection go and has no new one yet."""
    live = LiveBot(row_of_a_bot(), LiveLog(Kept()))
    with pytest.raises(CommandRefused, match="does not reach"):
        await live.reached()
    assert trio.current_time() == 5

    async def ends() -> None:
        await trio.sleep(1)
        await ended.tell(
            evolve(
                StateChanged(state=State.COMPLETED, reason=EndReason.REMOVED),
                bot_id=BOT,
                seq=1,
                at=BEGAN,
            )
        )

    ended = LiveBot(row_of_a_bot(), LiveLog(Kept()))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends)
        with pytest.raises(CommandRefused, match="has ended"):
            await ended.reached()
    assert trio.current_time() == 6
    running = cast("RunningBot", object())

    async def found() -> None:
        await trio.sleep(3)
        live.running = running

    async with trio.open_nursery() as nursery:
        nursery.start_soon(found)
        assert await live.reached() is running
    assert trio.current_time() == 9
