"""A server among others, on a clock of the test's own: sure of what it holds, or it asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from meetcore_server.membership import Membership, ServerDraining
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.storage.servers import LIVES_S, Gone, Renewal, Terms


class Told:
    """The servers of a database that does as it is told."""

    def __init__(self) -> None:
        self.numbers = 0
        self.renewed: list[float] = []
        self.patient: list[bool] = []
        self.away = False
        self.dead = False
        self.left: list[int] = []
        self.takers = 0
        self.terms: list[Terms] = []
        self.handed_over: list[int] = []
        self.fails = False
        self.struck: tuple[Gone, ...] = ()
        self.taken: tuple[str, ...] = ()

    async def enter(self, terms: Terms) -> tuple[int, Renewal]:
        await trio.lowlevel.checkpoint()
        self.numbers, self.dead = self.numbers + 1, False
        return self.numbers, Renewal(1, takers=self.takers)

    async def renew(self, number: int, *, patient: bool, terms: Terms) -> Renewal | None:
        await trio.lowlevel.checkpoint()
        self.terms.append(terms)
        if self.away:
            raise DatabaseUnavailable("away")
        self.renewed.append(trio.current_time())
        self.patient.append(patient)
        gone, self.struck = self.struck, ()
        taken, self.taken = self.taken, ()
        if self.dead:
            return None
        return Renewal(1, gone=gone, takers=self.takers, inherited=taken)  # type: ignore[arg-type]

    async def hand_over(self, number: int, terms: Terms) -> int | None:
        await trio.lowlevel.checkpoint()
        assert terms.draining
        if self.fails:
            raise DatabaseUnavailable("away")
        if not self.takers:
            return None
        self.handed_over.append(number)
        self.numbers += 1
        return self.numbers

    async def leave(self, number: int) -> None:
        await trio.lowlevel.checkpoint()
        self.left.append(number)


class Stage:
    def __init__(self, *, shared: bool = True) -> None:
        self.servers, self.holder = Told(), Holder()
        self.membership = Membership(self.servers, self.holder, Terms(store="s"), shared=shared)  # type: ignore[arg-type]
        self.outlived, self.inherited = 0, []

    async def taken_for_dead(self) -> None:
        await trio.lowlevel.checkpoint()
        assert self.holder.number == 0
        self.outlived += 1

    async def run(self) -> None:
        await self.membership.run(self.taken_for_dead, self.inherited.append)


async def test_it_says_that_it_lives_well_before_it_is_taken_for_dead(autojump_clock):
    stage = Stage()
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(60)
        nursery.cancel_scope.cancel()
    gaps = [b - a for a, b in zip(stage.servers.renewed, stage.servers.renewed[1:], strict=False)]
    assert max(gaps) < LIVES_S / 3
    assert stage.servers.left == [1]


async def test_where_it_is_alone_it_asks_nothing(autojump_clock):
    stage = Stage(shared=False)
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(1000)
        await stage.membership.hold()
        nursery.cancel_scope.cancel()
    assert stage.servers.renewed == []


async def test_when_the_database_is_away_it_is_not_sure_and_says_so(autojump_clock):
    stage = Stage()
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.servers.away = True
        await stage.membership.hold()  # it said that it lives a moment ago
        await trio.sleep(LIVES_S)
        assert not stage.membership.sure
        with pytest.raises(DatabaseUnavailable, match="away"):
            await stage.membership.hold()
        stage.servers.away = False
        await stage.membership.hold()
        assert stage.membership.sure
        assert (stage.outlived, stage.inherited) == (0, [])
        await trio.sleep(2 * LIVES_S)  # so long the others have to say that they live, too
        assert stage.servers.patient[0]
        assert not stage.servers.patient[-1]
        nursery.cancel_scope.cancel()


async def test_who_was_taken_for_dead_holds_nothing_and_comes_back_under_a_new_number(
    autojump_clock,
):
    stage = Stage()
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.servers.away = True
        await trio.sleep(LIVES_S)
        stage.servers.away, stage.servers.dead = False, True
        with pytest.raises(NotHeld):
            await stage.membership.hold()
        assert (stage.outlived, stage.membership.number) == (1, 2)
        assert stage.inherited == [()]
        await stage.membership.hold()
        nursery.cancel_scope.cancel()
    assert stage.servers.left == [2]


async def test_one_that_drains_hands_over_once_somebody_takes_it(autojump_clock):
    stage = Stage()
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(1)
        stage.membership.go()
        with pytest.raises(ServerDraining, match="draining"):
            stage.membership.check_staying()
        stage.servers.takers = 1
        await trio.sleep(10)
        assert stage.servers.terms[-1].draining
        assert (stage.servers.handed_over, stage.outlived) == ([], 0)  # not told to, so far
        stage.servers.takers = 0
        await trio.sleep(10)
        stage.membership.go(hand_over=True)
        await trio.sleep(10)
        assert not stage.membership.handed_over
        stage.servers.takers = 1
        await trio.sleep(10)
        assert stage.membership.handed_over
        assert (stage.servers.handed_over, stage.outlived, stage.inherited) == ([1], 1, [])
        assert (stage.membership.number, stage.membership.sure) == (2, True)
        stage.membership.stay()
        stage.membership.check_staying()
        await trio.sleep(1)
        assert not stage.servers.terms[-1].draining
        assert not stage.membership.handed_over
        nursery.cancel_scope.cancel()
    assert stage.servers.left == [2]


async def test_what_could_not_be_handed_over_is_still_its_own_and_is_tried_again(autojump_clock):
    stage = Stage()
    stage.servers.takers, stage.servers.fails = 1, True
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.membership.go(hand_over=True)
        await trio.sleep(5)
        assert (stage.membership.number, stage.outlived) == (1, 0)
        await stage.membership.hold()
        stage.servers.fails = False
        await trio.sleep(5)
        assert (stage.membership.number, stage.outlived) == (2, 1)
        nursery.cancel_scope.cancel()


async def test_one_that_drains_and_inherits_all_the_same_hands_that_over_too(autojump_clock):
    stage = Stage()
    stage.servers.takers = 1
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.membership.go(hand_over=True)
        await trio.sleep(5)
        assert stage.servers.handed_over == [1]
        stage.servers.takers = 0
        gone = Gone(1, "host", 1, left=True)
        stage.servers.struck = (gone,)
        await trio.sleep(5)
        assert not stage.membership.handed_over  # nobody else was there
        stage.servers.takers = 1
        await trio.sleep(5)
        assert stage.servers.handed_over == [1, 2]
        nursery.cancel_scope.cancel()


async def test_one_whose_hand_over_was_not_answered_is_sure_of_nothing_before_it_renews(
    autojump_clock, monkeypatch
):
    """It may be done: then others look after what it held, at this very moment."""
    stage = Stage()
    stage.servers.takers, stage.servers.fails = 1, True
    sure = []
    tried = stage.servers.hand_over

    async def hand_over(number, terms):
        try:
            return await tried(number, terms)
        finally:
            sure.append(stage.membership.sure)
            nursery.start_soon(look)

    async def look():
        await trio.testing.wait_all_tasks_blocked()
        sure.append(stage.membership.sure)

    monkeypatch.setattr(stage.servers, "hand_over", hand_over)
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(4)
        stage.membership.go(hand_over=True)
        await trio.sleep(0.5)
        assert sure == [False, False]
        await stage.membership.hold()  # the next renewal says that it was not done
        assert stage.membership.sure
        stage.servers.dead = True
        await trio.sleep(5)
        assert stage.outlived == 1
        nursery.cancel_scope.cancel()


async def test_bots_whose_taking_over_is_told_late_are_looked_after(autojump_clock):
    """Of whoever had them nothing may be in the list any more."""
    stage = Stage()
    async with stage.membership.held(), trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(1)
        stage.servers.taken = (cast(Any, SimpleNamespace(bot_id="bot")),)
        await trio.sleep(5)
        assert [[row.bot_id for row in rows] for rows in stage.inherited] == [["bot"]]
        nursery.cancel_scope.cancel()
