"""Servers that share a database: who lives, who inherits, what they ask of each other."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import pytest
import sqlalchemy as sa
import trio

from meetcore.gateway.records import NotNow, TranscriptionRequest, WebhookTarget
from meetcore.model.lifecycle import EndReason, State
from meetcore_server.storage import servers as module
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.cursors import (
    Attempt,
    Cursors,
    DeliveryResult,
    HeldElsewhere,
    Position,
)
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.storage.servers import Servers, ServersDiffer, Terms
from meetcore_server.storage.tables import servers, targets
from meetcore_server.storage.transcriptions import TranscriptionRows

from .lost_answers import LosesAnswers
from .orders_of_tests import LINK, facts, insert

TERMS = Terms(store="store")


@asynccontextmanager
async def two(url: str) -> AsyncIterator[tuple[Database, tuple[Holder, Holder]]]:
    """Open a database in which two servers live."""
    async with open_database(url) as database:
        its = Servers(database)
        first, _ = await its.enter(TERMS)
        second, seen = await its.enter(TERMS)
        if database.kind == "sqlite":
            assert seen.others == 0  # of a SQLite there is one: whoever comes is alone
        else:
            assert seen.others == 1
            assert second > first
        yield database, (Holder(first), Holder(second))


@pytest.fixture
def shared_url(postgres) -> str:
    url: str = postgres.new_database_with_tables()
    return url


async def let_die(database: Database, number: int | None) -> None:
    """Let so much time pass without a word of a server that it is taken for dead."""
    past = utc_now() - timedelta(seconds=1)
    late = sa.update(servers).where(servers.c.number == number).values(alive_until=past)
    await database.do(lambda c: c.execute(late).rowcount)


async def test_who_says_nothing_for_a_while_is_struck_off_and_another_inherits(shared_url):
    async with two(shared_url) as (database, (one, other)):
        rows = BotRows(database, holder=one)
        waiting = await insert(rows, about=facts(state=State.SCHEDULED))
        running = await insert(rows)
        ended = await insert(rows)
        await rows.update(ended.bot_id, state=State.COMPLETED, ended_at=utc_now(), last_seq=4)
        its = Servers(database)
        assert (await its.renew(other.number)).inherited == ()
        await let_die(database, one.number)
        renewal = await its.renew(other.number)
        assert (renewal.others, [each.number for each in renewal.gone]) == (0, [one.number])
        assert not renewal.gone[0].left
        inherited = [row.bot_id for row in renewal.inherited]
        assert inherited == [waiting.bot_id, running.bot_id]
        assert await rows.held_by(running.bot_id) == other.number
        assert await rows.held_by(ended.bot_id) is None  # nothing is left to look after
        assert await its.renew(one.number) is None
        again, seen = await its.enter(TERMS)
        assert again > other.number
        assert (seen.others, list(seen.inherited)) == (1, [])


async def test_what_was_taken_over_without_an_answer_is_told_by_the_next_renewal(shared_url):
    """The dead server is in no list any more: nobody else would ever look after its bots."""
    async with two(shared_url) as (database, (one, other)):
        rows = BotRows(database, holder=one)
        bot, over = await insert(rows), await insert(rows)
        mine = await insert(BotRows(database, holder=other))
        lossy = LosesAnswers(database)
        its = Servers(cast(Database, lossy))
        await let_die(database, one.number)
        lossy.lost = 2
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await its.renew(other.number)
        assert await rows.held_by(bot.bot_id) == other.number
        await rows.update(over.bot_id, state=State.COMPLETED, ended_at=utc_now(), last_seq=4)
        renewal = await its.renew(other.number)
        assert [each.number for each in renewal.gone] == [one.number]
        assert [row.bot_id for row in renewal.inherited] == [bot.bot_id]
        assert await rows.held_by(mine.bot_id) == other.number
        renewal = await its.renew(other.number)
        assert (renewal.gone, renewal.inherited) == ([], ())


async def test_what_another_has_meanwhile_is_not_taken_for_what_was_taken_over(shared_url):
    async with two(shared_url) as (database, (one, other)):
        rows = BotRows(database, holder=one)
        bot = await insert(rows)
        lossy = LosesAnswers(database)
        its = Servers(cast(Database, lossy))
        await let_die(database, one.number)
        lossy.lost = 1
        with pytest.raises(DatabaseUnavailable):
            await its.renew(other.number)
        await let_die(database, other.number)
        third, seen = await Servers(database).enter(TERMS)
        assert [row.bot_id for row in seen.inherited] == [bot.bot_id]
        assert await its.renew(other.number) is None
        again, _ = await its.enter(TERMS)
        assert (await its.renew(again)).inherited == ()
        assert await rows.held_by(bot.bot_id) == third


async def test_what_a_server_wrote_before_it_was_taken_for_dead_it_may_not_go_on_writing(
    shared_url,
):
    async with two(shared_url) as (database, (one, other)):
        rows = BotRows(database, holder=one)
        bot = await insert(rows, about=facts(state=State.SCHEDULED))
        assert (await rows.may_launch(bot.bot_id)).bot_id == bot.bot_id
        await let_die(database, one.number)
        await Servers(database).renew(other.number)
        with pytest.raises(NotHeld):
            await rows.may_launch(bot.bot_id)
        with pytest.raises(NotHeld):
            await insert(rows)
        with pytest.raises(NotHeld):
            await rows.take(bot.bot_id)
        between = BotRows(database, holder=Holder(0))  # taken for dead, and not back yet
        with pytest.raises(NotHeld):
            await insert(between)
        await rows.let_go(bot.bot_id)  # not its own any more: nothing happens
        assert await rows.held_by(bot.bot_id) == other.number
        theirs = BotRows(database, holder=other)
        assert (await theirs.may_launch(bot.bot_id)).bot_id == bot.bot_id


async def test_an_order_that_is_about_to_be_launched_stands(database_url):
    async with two(database_url) as (database, (_, me)):
        rows = BotRows(database, holder=me)
        bot = await insert(rows, about=facts(state=State.SCHEDULED))
        order = await rows.order(bot.bot_id)
        await rows.replace_order(bot.bot_id, order, facts(state=State.SCHEDULED, name="Newer"))
        assert (await rows.may_launch(bot.bot_id)).name == "Newer"
        with pytest.raises(NotNow, match="about to join"):
            await rows.replace_order(bot.bot_id, order, facts(state=State.SCHEDULED))
        await rows.launches_later(bot.bot_id)
        again = facts(state=State.SCHEDULED, name="Newest")
        assert (await rows.replace_order(bot.bot_id, order, again)).name == "Newest"


async def test_what_is_noted_late_by_another_server_changes_nothing(database_url):
    async with open_database(database_url) as database:
        rows = BotRows(database)
        bot = await insert(rows)
        await rows.update(bot.bot_id, state=State.RECORDING, last_seq=9)
        row = await rows.update(bot.bot_id, state=State.IN_CALL, last_seq=7)
        assert row.state is State.RECORDING
        ended = {"state": State.COMPLETED, "reason": EndReason.SILENCE, "ended_at": utc_now()}
        row = await rows.update(bot.bot_id, **ended, last_seq=12)
        assert (row.state, row.reason) == (State.COMPLETED, EndReason.SILENCE)


async def test_a_process_that_is_known_to_be_gone_need_not_be_waited_for(shared_url):
    command = [sys.executable, "-c", "import os; print(os.getpid())"]
    done = await trio.run_process(command, capture_stdout=True)
    async with two(shared_url) as (database, (one, other)):
        dead = sa.update(servers).where(servers.c.number == one.number)
        await database.do(lambda c: c.execute(dead.values(pid=int(done.stdout))).rowcount)
        assert len((await Servers(database).renew(other.number)).gone) == 1


async def test_of_another_machine_no_process_is_known_to_be_gone(shared_url, monkeypatch):
    async with two(shared_url) as (database, (_, other)):
        monkeypatch.setattr(module, "this_machine", lambda: "elsewhere")

        def nobody(*args: object) -> None:
            raise ProcessLookupError

        monkeypatch.setattr(os, "kill", nobody)
        assert (await Servers(database).renew(other.number)).gone == []


async def test_servers_that_may_not_inherit_from_each_other_are_told_apart(shared_url):
    async with two(shared_url) as (database, _):
        its = Servers(database)
        with pytest.raises(ServersDiffer, match=f"process number {os.getpid()}.*place of the bots"):
            await its.enter(Terms(store="another"))
        with pytest.raises(ServersDiffer, match="otherwise: --rehearsal"):
            await its.enter(Terms(store="store", rehearsal=True))
        with pytest.raises(ServersDiffer, match="otherwise: private_targets"):
            await its.enter(Terms(store="store", private_targets=("crm.internal",)))


async def test_a_server_that_left_is_inherited_from_at_the_next_look(shared_url):
    async with two(shared_url) as (database, (one, other)):
        bot = await insert(BotRows(database, holder=one))
        its = Servers(database)
        await its.leave(one.number)
        renewal = await its.renew(other.number, patient=True)
        assert [row.bot_id for row in renewal.inherited] == [bot.bot_id]
        assert [each.left for each in renewal.gone] == [True]


async def test_who_is_late_because_the_database_was_away_is_spared(shared_url):
    async with two(shared_url) as (database, (one, other)):
        its = Servers(database)
        await let_die(database, one.number)
        assert (await its.renew(other.number, patient=True)).others == 1
        assert await its.renew(one.number) is not None  # it comes to say it
        await let_die(database, one.number)
        assert (await its.renew(other.number)).others == 0


async def test_the_one_server_of_a_sqlite_inherits_all_at_once(sqlite_url):
    async with open_database(sqlite_url) as database:
        its = Servers(database)
        killed, _ = await its.enter(TERMS)
        bot = await insert(BotRows(database, holder=Holder(killed)))
        older = await insert(BotRows(database))  # as the version before wrote it
        number, seen = await its.enter(Terms(store="another"))
        assert seen.moved
        assert [row.bot_id for row in seen.inherited] == [bot.bot_id, older.bot_id]
        assert number > killed
        assert (await its.renew(number)).inherited == ()


async def test_what_is_asked_of_a_dead_server_is_asked_of_its_heir(shared_url):
    async with two(shared_url) as (database, (one, other)):
        its = Servers(database)
        await its.ask(one.number, "stop", "bot-1", "api")
        await its.ask(one.number, "stop", "bot-2")
        first, second = await its.asked(one.number)
        assert (first.kind, first.subject, first.detail) == ("stop", "bot-1", "api")
        await its.done(first)
        await let_die(database, one.number)
        await its.renew(other.number)
        assert await its.asked(other.number) == [second]
        assert await its.asked(one.number) == []


async def test_a_bot_that_has_ended_is_looked_after_by_whoever_is_first(shared_url):
    async with two(shared_url) as (database, (one, other)):
        mine, theirs = BotRows(database, holder=one), BotRows(database, holder=other)
        bot = await insert(mine)
        await mine.let_go(bot.bot_id)
        assert await theirs.take(bot.bot_id)
        assert not await mine.take(bot.bot_id)
        assert await theirs.take(bot.bot_id)
        await theirs.let_go(bot.bot_id)
        assert await mine.take(bot.bot_id)


async def test_a_target_is_served_by_one_server_until_it_is_settled(shared_url):
    async with two(shared_url) as (database, (one, other)):
        hook = WebhookTarget(format="native", url="https://x.example", secret="s", data={})
        bot = await insert(BotRows(database, holder=one), webhooks=[hook])
        mine, theirs = Cursors(database, holder=one), Cursors(database, holder=other)
        (due,) = await mine.due_targets([bot.bot_id])
        work = await mine.load(due.target_id)
        assert work is not None
        with pytest.raises(HeldElsewhere) as held:
            await theirs.load(due.target_id)
        assert held.value.server == one.number
        sent = Attempt(kind="x", event_seq=1, delivery_result=DeliveryResult.DELIVERED)
        await mine.record(work, sent, Position(cursor=1))
        await let_die(database, one.number)
        await Servers(database).renew(other.number)
        assert await theirs.load(due.target_id) is not None
        with pytest.raises(NotHeld):
            await mine.record(work, sent, Position(cursor=2))
        with pytest.raises((NotHeld, HeldElsewhere)):
            await mine.load(due.target_id)
        await theirs.move(due.target_id, Position(cursor=5), settled=True)
        free = sa.select(targets.c.held_by, targets.c.cursor)
        assert await database.do(lambda c: tuple(c.execute(free).one())) == (None, 5)


async def test_a_recording_is_transcribed_by_one_server(shared_url):
    async with two(shared_url) as (database, (one, other)):
        bot = await insert(BotRows(database, holder=one), url=LINK)
        mine = TranscriptionRows(database, holder=one)
        theirs = TranscriptionRows(database, holder=other)
        made = await mine.insert(
            bot.bot_id, TranscriptionRequest(transcriber="x"), transcriber="x", language=None,
            highest=0, most_waiting=9,
        )  # fmt: skip
        assert len(await theirs.waiting([], 5)) == 1
        assert await mine.began(made)
        assert await theirs.waiting([], 5) == []
        assert not await theirs.began(made)
        await theirs.ended(made, "not theirs to say")
        assert (await mine.of_bot(bot.bot_id))[0].error is None
        assert await theirs.done_by(bot.bot_id) == one.number
        await let_die(database, one.number)
        await Servers(database).renew(other.number)
        assert len(await theirs.waiting([], 5)) == 1
        assert await theirs.began(made)
        await mine.ended(made, "it was taken for dead")
        await theirs.ended(made, None)
        (shown,) = await mine.of_bot(bot.bot_id)
        assert shown.error is None
        assert await theirs.done_by(bot.bot_id) is None


DRAINING = Terms(store="store", draining=True)


async def test_what_one_that_drains_hands_over_goes_to_one_that_does_not(shared_url):
    async with two(shared_url) as (database, (one, other)):
        its, rows = Servers(database), BotRows(database, holder=one)
        waiting = await insert(rows, about=facts(state=State.SCHEDULED))
        running = await insert(rows)
        await its.ask(one.number or 0, "stop", running.bot_id)
        third, _ = await its.enter(TERMS)
        assert (await its.renew(one.number or 0, terms=DRAINING)).takers == 2
        assert (await its.renew(third, terms=DRAINING)).takers == 1
        new = await its.hand_over(one.number or 0, DRAINING)
        assert new is not None
        assert new > third
        for draining in (new, third):  # neither takes it, nor strikes off whoever left it
            seen = await its.renew(draining, terms=DRAINING)
            assert seen is not None
            assert (seen.gone, seen.inherited, seen.takers) == ((), (), 1)
        late, seen = await its.enter(DRAINING)
        assert (seen.gone, seen.inherited, seen.takers) == ((), (), 1)
        seen = await its.renew(other.number or 0, terms=TERMS)
        assert seen is not None
        assert [(each.number, each.left) for each in seen.gone] == [(one.number, True)]
        assert [row.bot_id for row in seen.inherited] == [waiting.bot_id, running.bot_id]
        assert seen.takers == 0
        assert [each.subject for each in await its.asked(other.number or 0)] == [running.bot_id]
        assert await its.hand_over(other.number or 0, DRAINING) is None  # nobody would take it
        assert await rows.held_by(running.bot_id) == other.number
        for number in (third, new, late):
            assert await its.renew(number, terms=TERMS) is not None  # each drains no longer
        assert (await its.renew(other.number or 0, terms=DRAINING)).takers == 3


async def test_where_nobody_else_is_there_one_that_drains_takes_over_what_is_left(shared_url):
    async with two(shared_url) as (database, (one, other)):
        its, rows = Servers(database), BotRows(database, holder=one)
        bot = await insert(rows)
        await let_die(database, one.number)
        seen = await its.renew(other.number or 0, terms=DRAINING)
        assert seen is not None
        assert [row.bot_id for row in seen.inherited] == [bot.bot_id]
        await let_die(database, other.number)
        _, seen = await its.enter(DRAINING)
        assert [row.bot_id for row in seen.inherited] == [bot.bot_id]
        assert await its.hand_over(one.number or 0, DRAINING) is None  # it was taken for dead


async def test_that_one_drains_is_nothing_in_which_servers_have_to_be_alike(database_url):
    async with open_database(database_url) as database:
        its = Servers(database)
        await its.enter(DRAINING)
        number, _ = await its.enter(TERMS)
        assert await its.renew(number, terms=DRAINING) is not None
        assert await its.hand_over(number, DRAINING) is None


async def test_a_server_is_outdated_only_while_one_that_knows_the_newer_tables_serves(shared_url):
    async with two(shared_url) as (database, (one, _)):
        its, number = Servers(database), one.number or 0
        newer = Servers(database, version="9999")

        async def outdated() -> bool:
            seen = await its.renew(number, terms=TERMS)
            assert seen is not None
            return seen.outdated

        await database.do(
            lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        )
        assert not await outdated()  # nobody of the newer version is there: the tables alone
        theirs, seen = await newer.enter(TERMS)
        assert not seen.outdated
        assert not await outdated()  # it has only begun, and may fail yet
        early = sa.update(servers).where(servers.c.number == theirs)
        since = utc_now() - timedelta(seconds=module._SETTLED_S + 1)
        await database.do(lambda c: c.execute(early.values(since=since)))
        assert await outdated()
        assert (await its.enter(TERMS))[1].outdated
        assert await newer.renew(theirs, terms=DRAINING) is not None
        assert not await outdated()
        seen = await newer.renew(theirs, terms=TERMS)
        assert seen is not None
        assert not seen.outdated
        assert await outdated()
        await newer.leave(theirs)
        assert not await outdated()
