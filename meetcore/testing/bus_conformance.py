"""What every bus has to keep: subclass `BusConformance`, and say how yours is opened."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from math import isclose

import pytest
import trio

from meetcore.model.errors import BusUnavailable
from meetcore.plugin.bus import BotBus, BusItem

__all__ = ["BusConformance"]

BOT = "b-1"
ALIVE_S = 30.0


class BusConformance:
    """Override `make_bus`.

    The tests are coroutines of Trio: with pytest-trio set `trio_mode = true` for your project.

    Attributes:
        within_s: How long a test may take.
    """

    within_s = 30.0

    @abstractmethod
    def make_bus(self) -> BotBus:
        """Return a bus, not yet open; each call in a test another way to the same broker."""

    @asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[BotBus, BotBus]]:
        """Hold the bus of a bot and that of somebody on another machine."""
        with trio.fail_after(self.within_s):
            here, there = self.make_bus(), self.make_bus()
            async with here.open(), there.open():
                yield here, there

    async def test_what_is_published_is_followed_in_order_from_any_event(self) -> None:
        """Drafts come between their events; who comes later misses nothing."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            items = [_event(1), _draft(1, "he"), _draft(1, "hel"), _event(2), _event(3)]
            assert await here.publish(BOT, claim, items[:3], alive_s=ALIVE_S)
            assert await here.publish(BOT, claim, items[3:], alive_s=ALIVE_S)
            assert await _next(there, 0, 5) == items
            assert await _next(there, 2, 1) == [_event(3)]

    async def test_what_comes_while_somebody_follows_is_told_at_once(self) -> None:
        """To each of them; one that reads nothing holds up nobody."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            async with aclosing(there.follow(BOT)) as idle, aclosing(there.follow(BOT)) as eager:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_publish_many, here, claim, 1, 3000)
                    seqs = []
                    async for item in eager:
                        if item is not None:
                            seqs.append(item.seq)
                            if item.seq == 3000:
                                break
                assert seqs == list(range(1, 3001))
                late = [item async for item in _first(idle, 3000)]
                assert [item.seq for item in late] == seqs

    async def test_silence_is_told(self) -> None:
        """So whoever follows can look whether the bot is gone."""
        async with self.two() as (here, there):
            await here.claim(BOT)
            async with aclosing(there.follow(BOT)) as items:
                async for item in items:
                    assert item is None
                    break

    async def test_an_event_that_comes_again_stands_as_it_is(self) -> None:
        """As it does where an answer was lost."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            assert await here.publish(BOT, claim, [_event(1), _event(2)], alive_s=ALIVE_S)
            again = [_event(1), _event(2), _event(3)]
            assert await here.publish(BOT, claim, again, alive_s=ALIVE_S)
            assert await _next(there, 0, 3) == again

    async def test_who_has_an_older_claim_is_refused(self) -> None:
        """And nothing of what it says is published."""
        async with self.two() as (here, there):
            old = await here.claim(BOT)
            new = await there.claim(BOT)
            assert new > old
            assert not await here.publish(BOT, old, [_event(1, "old")], alive_s=ALIVE_S)
            assert await there.publish(BOT, new, [_event(1, "new")], alive_s=ALIVE_S)
            await here.leave(BOT, old)
            assert await there.alive(BOT)
            assert await _next(here, 0, 1) == [_event(1, "new")]

    async def test_what_was_let_go_of_is_left_out(self) -> None:
        """What came after it is there."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            await _publish_many(here, claim, 1, 1000)
            await here.trim(BOT, 900)
            async with aclosing(there.follow(BOT)) as items:
                seqs = [item.seq async for item in _first(items, 100)]
            assert 1 < seqs[0] <= 901
            assert seqs == list(range(seqs[0], seqs[0] + 100))

    async def test_what_is_forgotten_is_gone_and_an_older_claim_stays_refused(self) -> None:
        """Its data was deleted: nothing of it may come back."""
        async with self.two() as (here, there):
            old = await there.claim(BOT)
            claim = await here.claim(BOT)
            await _publish_many(here, claim, 1, 10)
            await there.forget(BOT)
            async with aclosing(there.follow(BOT)) as items:
                with trio.fail_after(10):
                    assert await anext(items) is None
            assert not await there.publish(BOT, old, [_event(1, "old")], alive_s=ALIVE_S)

    async def test_a_bot_is_alive_for_as_long_as_it_says(self) -> None:
        """Or until it leaves."""
        async with self.two() as (here, there):
            assert not await there.alive(BOT)
            claim = await here.claim(BOT)
            await here.publish(BOT, claim, [], alive_s=0.3)
            assert await there.alive(BOT)
            assert await there.living() == [BOT]
            await trio.sleep(0.6)
            assert not await there.alive(BOT)
            assert await there.living() == []
            await here.publish(BOT, claim, [], alive_s=ALIVE_S)
            assert await there.alive(BOT)
            await here.leave(BOT, claim)
            assert not await there.alive(BOT)

    async def test_what_is_asked_is_answered(self) -> None:
        """Each asker gets the answer to what it asked."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_answer_all, here, claim)
                answers = {}

                async def ask(word: bytes) -> None:
                    answers[word] = await there.ask(BOT, word, within_s=20.0)

                async with trio.open_nursery() as askers:
                    for word in (b"one", b"two", b"three"):
                        askers.start_soon(ask, word)
                nursery.cancel_scope.cancel()
            assert answers == {b"one": b"ONE", b"two": b"TWO", b"three": b"THREE"}

    async def test_a_bot_that_does_not_answer_is_not_waited_for_longer_than_asked(self) -> None:
        """The asker is told so."""
        async with self.two() as (_, there):
            with pytest.raises((trio.TooSlowError, BusUnavailable)):
                await there.ask("b-none", b"are you there?", within_s=0.5)

    async def test_what_nobody_waits_for_any_more_is_not_asked(self) -> None:
        """Whoever asked was told so, and may have asked for it anew."""
        async with self.two() as (here, there):
            claim = await here.claim(BOT)
            with pytest.raises((trio.TooSlowError, BusUnavailable)):
                await there.ask(BOT, b"early", within_s=0.3)
            await trio.sleep(0.1)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(there.ask, BOT, b"late", within_s=20.0))
                async with aclosing(here.requests(BOT, claim)) as requests:
                    async for request in requests:
                        assert request.content == b"late"
                        assert request.left_s is not None
                        assert 0 < request.left_s <= 20.0
                        await here.answer(request, b"LATE")
                        break

    async def test_live_sound_comes_to_who_listens_now(self) -> None:
        """What was sent before does not."""
        async with self.two() as (here, there):
            await here.send_audio(BOT, [b"before"])
            heard: list[bytes] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_talk, here)
                async with aclosing(there.audio(BOT)) as frames:
                    async for frame in frames:
                        heard += [frame] if frame else []
                        if len(heard) == 5:
                            break
                nursery.cancel_scope.cancel()
            numbers = [int(frame) for frame in heard]
            assert numbers == list(range(numbers[0], numbers[0] + 5))

    async def test_an_account_is_shared_and_refills(self) -> None:
        """Whoever spends too much is told for how long to wait."""
        async with self.two() as (here, there):
            for bus in (here, there, here):
                assert await bus.spend("key-7", per_s=0.01, burst=3.0) == 0.0
            waits_s = await there.spend("key-7", per_s=0.01, burst=3.0)
            assert isclose(waits_s, 100.0, rel_tol=0.05)
            assert await there.spend("key-8", per_s=0.01, burst=3.0) == 0.0

    async def test_a_bus_that_takes_what_bots_tell_can_be_probed(self) -> None:
        """As often as anybody likes, and of a bot that nobody knows, too."""
        async with self.two() as (here, there):
            for bus in (here, there, here, there):
                await bus.probe(BOT)

    async def test_bots_with_strange_ids_are_kept_apart(self) -> None:
        """An id is not a pattern, and no part of another's."""
        async with self.two() as (here, there):
            for bot_id in ("b", "b:1", "b*", "b{1}"):
                claim = await here.claim(bot_id)
                await here.publish(bot_id, claim, [_event(1, bot_id)], alive_s=ALIVE_S)
            for bot_id in ("b", "b:1", "b*", "b{1}"):
                async with aclosing(there.follow(bot_id)) as items:
                    assert [item async for item in _first(items, 1)] == [_event(1, bot_id)]


def _event(seq: int, what: str = "event") -> BusItem:
    return BusItem(seq, f'{{"seq": {seq}, "what": "{what}"}}'.encode())


def _draft(seq: int, text: str) -> BusItem:
    return BusItem(seq, f'{{"text": "{text}"}}'.encode(), draft=True)


async def _publish_many(bus: BotBus, claim: int, first: int, last: int) -> None:
    for begin in range(first, last + 1, 50):
        items = [_event(seq) for seq in range(begin, min(begin + 50, last + 1))]
        assert await bus.publish(BOT, claim, items, alive_s=ALIVE_S)


async def _first(items: AsyncIterator[BusItem | None], number: int) -> AsyncIterator[BusItem]:
    """Yield the first items of a stream."""
    async for item in items:
        if item is not None:
            yield item
            number -= 1
            if not number:
                return


async def _next(bus: BotBus, after: int, number: int) -> list[BusItem]:
    async with aclosing(bus.follow(BOT, after)) as items:
        return [item async for item in _first(items, number)]


async def _answer_all(bus: BotBus, claim: int) -> None:
    async with aclosing(bus.requests(BOT, claim)) as requests:
        async for request in requests:
            await bus.answer(request, request.content.upper())


async def _talk(bus: BotBus) -> None:
    number = 0
    while True:
        await bus.send_audio(BOT, [str(number).encode()])
        number += 1
        await trio.sleep(0.01)
