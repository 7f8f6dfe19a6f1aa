"""Bots: ordered once, limited, listed, followed, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
import trio
from sqlalchemy.dialects import sqlite

from meetcore.gateway.records import (
    AlreadyThere,
    BotQuery,
    BotRequest,
    BotRow,
    LimitOf,
    LimitReached,
    NoSuchBot,
    NotNow,
    WebhookTarget,
)
from meetcore.model.lifecycle import EndReason, State
from meetcore_server.storage.accounts import AccountStore
from meetcore_server.storage.bot_rows import matching
from meetcore_server.storage.bots import BotLimits, BotRows
from meetcore_server.storage.database import open_database
from meetcore_server.storage.keys import Keys
from tests.plugins.server.storage.orders_of_tests import LINK, facts, insert

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HUGE = 10**30
WHOLE = BotRequest(
    url=LINK,
    dialect="spoke",
    name="Notes é",
    language="en-GB",
    join_at=NOON,
    automatic_leave={"waiting_room_s": 600.0, "silence_s": None},
    record=False,
    entry_message="hello",
    metadata={"k": "v"},
    sinks=("push", "other"),
    plugins={"push": {"url": "wss://x", "deep": {"a": [1, 2.5, None, True]}}},
    webhooks=(WebhookTarget(format="spoke", url="https://x/y?z", secret="s", data={"e": [1]}),),
    extras={"any": {"thing": [None, "\x00"]}},
    keep_s=3600.0,
    idempotency_key="i" * 10_000,
    exclusive="e" * 10_000,
    script="two",
)


async def test_a_bot_is_kept_as_it_was_ordered(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        row = await bots.insert(
            WHOLE,
            facts(state=State.SCHEDULED, scheduled_for=NOON, native_id="n" * 10_000),
            bot_id="b-1",
            user_id=1,
            key_id="k",
        )
        assert (row.number, row.state, row.scheduled_for, row.replayed) == (
            1,
            State.SCHEDULED,
            NOON,
            False,
        )
        assert row == await bots.get("b-1") == await bots.get_numbered(1, user_id=1)
        assert row.extras == WHOLE.extras
        assert row.created_at.tzinfo is UTC
        assert await bots.order("b-1") == WHOLE


async def test_who_asks_for_another_users_bot_or_none_is_told_there_is_none(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        await insert(bots, bot_id="b")
        for user_id in (2, HUGE):
            with pytest.raises(NoSuchBot):
                await bots.get("b", user_id=user_id)
            with pytest.raises(NoSuchBot):
                await bots.get_numbered(1, user_id=user_id)
        for number in (0, -1, 2, HUGE):
            with pytest.raises(NoSuchBot):
                await bots.get_numbered(number)
        for bot_id in ("", "x", "\x00", "\ud800"):
            with pytest.raises(NoSuchBot):
                await bots.get(bot_id)
        for doing in (bots.order("x"), bots.update("x", state=State.JOINING)):
            with pytest.raises(NoSuchBot):
                await doing
        with pytest.raises(NoSuchBot):
            await bots.put_extras("x", {})
        with pytest.raises(NoSuchBot):
            await insert(bots, user_id=5)


async def test_an_idempotency_key_makes_one_bot_a_user(database_url: str) -> None:
    async with open_database(database_url) as database:
        ada, _ = await AccountStore(database).create_user("ada@example.org")
        bots = BotRows(database)
        limits = BotLimits(per_user=1)
        first = await insert(bots, idempotency_key="i", exclusive="x", limits=limits)
        again = await insert(bots, idempotency_key="i", exclusive="x", limits=limits)
        other = await insert(bots, idempotency_key="i", user_id=ada.id)
        assert (first.replayed, again.replayed, other.replayed) == (False, True, False)
        assert again.bot_id == first.bot_id != other.bot_id


async def test_orders_that_come_at_once_make_one_bot(database_url: str) -> None:
    rows: list[BotRow] = []
    async with open_database(database_url) as database, open_database(database_url) as second:

        async def order(bots: BotRows) -> None:
            rows.append(await insert(bots, idempotency_key="i"))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(order, BotRows(second if number % 2 else database))
    assert len({row.bot_id for row in rows}) == 1
    assert sum(not row.replayed for row in rows) == 1


async def test_an_exclusive_bot_keeps_a_second_away_until_it_ends(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        first = await insert(bots, exclusive="meet/abc")
        with pytest.raises(AlreadyThere) as caught:
            await insert(bots, exclusive="meet/abc")
        assert caught.value.row == first
        await insert(bots, exclusive="meet/other")
        await bots.update(first.bot_id, state=State.FAILED, reason=EndReason.DENIED)
        await insert(bots, exclusive="meet/abc")


async def test_limits_count_what_runs_of_a_user_and_of_all(database_url: str) -> None:
    async with open_database(database_url) as database:
        accounts, bots = AccountStore(database), BotRows(database)
        ada, _ = await accounts.create_user("ada@example.org", max_bots=1)
        limits = BotLimits(per_user=2, total=3, scheduled_per_user=1)
        first = await insert(bots, limits=limits)
        await insert(bots, limits=limits)
        with pytest.raises(LimitReached) as caught:
            await insert(bots, limits=limits)
        assert caught.value.limit == 2
        await insert(bots, user_id=ada.id, limits=limits)
        with pytest.raises(LimitReached, match="limit of 1"):
            await insert(bots, user_id=ada.id, limits=limits)
        assert (await bots.count_running(), await bots.count_running(1)) == (3, 2)
        await bots.update(first.bot_id, state=State.COMPLETED)
        await insert(bots, limits=limits)
        await bots.update((await bots.list(BotQuery()))[0].bot_id, state=State.FAILED)
        later = facts(state=State.SCHEDULED, scheduled_for=NOON)
        await insert(bots, about=later, limits=limits)
        with pytest.raises(LimitReached):
            await insert(bots, about=later, limits=limits)
        await insert(bots, limits=limits)
        with pytest.raises(LimitReached):
            await insert(bots, user_id=ada.id, limits=BotLimits(total=3))


async def test_limits_count_what_runs_of_a_key(database_url: str) -> None:
    async with open_database(database_url) as database:
        keys, bots = Keys(database), BotRows(database)
        own, _ = await keys.create(1, max_bots=1)
        plain, _ = await keys.create(1)
        limits = BotLimits(per_key=2, per_user=4, total=5)

        async def refused(key_id: str, **more: Any) -> tuple[LimitOf, int]:
            with pytest.raises(LimitReached) as caught:
                await insert(bots, key_id=key_id, limits=limits, **more)
            return caught.value.of, caught.value.limit

        first = await insert(bots, key_id=own.id, limits=limits, idempotency_key="i")
        assert await refused(own.id) == (LimitOf.KEY, 1)
        again = await insert(bots, key_id=own.id, limits=limits, idempotency_key="i")
        assert (again.bot_id, again.replayed) == (first.bot_id, True)
        for _ in range(2):
            await insert(bots, key_id=plain.id, limits=limits)
        assert await refused(plain.id) == (LimitOf.KEY, 2)
        await insert(bots, key_id="open", limits=limits)
        assert await refused("open") == (LimitOf.USER, 4)
        ada, _ = await AccountStore(database).create_user("ada@example.org")
        hers, _ = await keys.create(ada.id, max_bots=9)
        await insert(bots, key_id=hers.id, user_id=ada.id, limits=limits)
        assert await refused(hers.id, user_id=ada.id) == (LimitOf.ALL, 5)
        await bots.update(first.bot_id, state=State.COMPLETED)
        await insert(bots, key_id=own.id, limits=limits)
        assert await refused(own.id) == (LimitOf.KEY, 1)


async def test_a_key_of_the_configurations_has_the_limits_of_its_user_alone(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        for _ in range(3):
            await insert(bots, key_id="open", limits=BotLimits(per_key=1))
        assert await bots.count_running() == 3


async def test_scheduled_bots_do_not_count_for_a_key(database_url: str) -> None:
    later = facts(state=State.SCHEDULED, scheduled_for=NOON)
    async with open_database(database_url) as database:
        key, _ = await Keys(database).create(1, max_bots=1)
        bots = BotRows(database)
        for _ in range(3):
            waiting = await insert(bots, key_id=key.id, about=later)
        await insert(bots, key_id=key.id)
        await bots.update(waiting.bot_id, state=State.REQUESTED)
        await insert(bots, key_id=key.id, about=later)
        with pytest.raises(LimitReached):
            await insert(bots, key_id=key.id)
        with pytest.raises(LimitReached, match="1 scheduled bots"):
            await insert(bots, key_id="k", about=later, limits=BotLimits(scheduled_per_user=1))


async def test_the_bots_of_a_revoked_key_stay(database_url: str) -> None:
    async with open_database(database_url) as database:
        keys, bots = Keys(database), BotRows(database)
        key, _ = await keys.create(1, max_bots=1)
        row = await insert(bots, key_id=key.id)
        await keys.revoke(key.id)
        assert (await bots.get(row.bot_id, user_id=1)).key_id == key.id
        with pytest.raises(LimitReached):  # an order that was let in before it was revoked
            await insert(bots, key_id=key.id)


async def test_orders_that_come_at_once_never_pass_the_limit_of_their_key(
    database_url: str,
) -> None:
    made: list[BotRow] = []
    refused: list[LimitOf] = []
    async with open_database(database_url) as database, open_database(database_url) as second:
        own, _ = await Keys(database).create(1, max_bots=3)
        plain, _ = await Keys(database).create(1)

        async def order(bots: BotRows, key_id: str) -> None:
            try:
                made.append(await insert(bots, key_id=key_id, limits=BotLimits(per_key=5)))
            except LimitReached as error:
                refused.append(error.of)

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(
                    order,
                    BotRows(second if number % 2 else database),
                    own.id if number % 3 else plain.id,
                )
    counts = [sum(row.key_id == key.id for row in made) for key in (own, plain)]
    assert counts == [3, 5]
    assert refused == [LimitOf.KEY] * 52


async def test_a_refused_order_leaves_nothing_behind(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        hook = WebhookTarget(format="native", url="https://x")
        with pytest.raises(LimitReached):
            await insert(bots, limits=BotLimits(total=0), webhooks=(hook,))
        count = await database.do(lambda c: c.scalar(sa.text("SELECT count(*) FROM targets")))
        assert count == 0
        assert await bots.list(BotQuery()) == []


async def test_bots_are_listed_by_what_is_asked_and_in_pages(database_url: str) -> None:
    clock = NOON
    async with open_database(database_url) as database:
        ada, _ = await AccountStore(database).create_user("ada@example.org")
        bots = BotRows(database, lambda: clock)
        for number in range(1, 8):
            clock = NOON + timedelta(hours=number)
            about = facts(native_id=f"m{number % 2}", name=f"bot {number}")
            await insert(
                bots,
                bot_id=f"b{number}",
                user_id=1 if number < 7 else ada.id,
                about=about,
                dialect="vexa" if number % 3 else "spoke",
            )
        for number in (2, 4):
            at = NOON + timedelta(hours=10 + number)
            await bots.update(f"b{number}", state=State.COMPLETED, ended_at=at)

        async def numbers(user_id: int | None = 1, **query: Any) -> list[int]:
            return [row.number for row in await bots.list(BotQuery(**query), user_id=user_id)]

        assert await numbers() == [6, 5, 4, 3, 2, 1]
        assert await numbers(user_id=None) == [7, 6, 5, 4, 3, 2, 1]
        assert await numbers(user_id=HUGE) == []
        assert await numbers(limit=2) == [6, 5]
        assert await numbers(limit=2, before=5) == [4, 3]
        assert await numbers(limit=2, before=3) == [2, 1]
        assert await numbers(limit=2, before=1) == []
        assert await numbers(oldest_first=True, limit=2) == [1, 2]
        assert await numbers(oldest_first=True, limit=2, before=2) == [3, 4]
        assert await numbers(limit=None, before=HUGE) == [6, 5, 4, 3, 2, 1]
        assert await numbers(limit=HUGE, before=-HUGE) == []
        assert await numbers(limit=-5) == []
        assert await numbers(dialect="spoke") == [6, 3]
        assert await numbers(platform="meet", native_id="m1") == [5, 3, 1]
        assert await numbers(platform="zoom") == []
        assert await numbers(public_url="https://meet.example/abc", limit=1) == [6]
        assert await numbers(states=frozenset({State.COMPLETED})) == [4, 2]
        assert await numbers(states=frozenset()) == []
        assert await numbers(created_after=NOON + timedelta(hours=5)) == [6, 5]
        assert await numbers(created_before=NOON + timedelta(hours=2)) == [1]
        assert await numbers(ended_after=NOON + timedelta(hours=14)) == [4]
        east = timezone(timedelta(hours=9))
        assert await numbers(created_after=(NOON + timedelta(hours=6)).astimezone(east)) == [6]
        assert [row.number for row in await bots.unfinished()] == [1, 3, 5, 6, 7]


async def test_pages_and_meetings_are_found_by_an_index(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:

        async def plan(query: BotQuery) -> str:
            statement = matching(query, 1).compile(
                dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
            )
            return await database.do(
                lambda c: str(c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all())
            )

        assert "ix_bots_user_id_number" in await plan(BotQuery(before=100))
        assert "TEMP B-TREE" not in await plan(BotQuery(before=100))
        assert "ix_bots_user_id_native_hash_number" in await plan(BotQuery(native_id="x"))


async def test_a_bot_follows_its_journal_and_its_end_stays(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        bot_id = (await insert(bots, keep_s=60.0)).bot_id
        later = NOON + timedelta(minutes=5)
        row = await bots.update(bot_id, state=State.IN_CALL, in_call_at=NOON, last_seq=7)
        assert (row.state, row.in_call_at) == (State.IN_CALL, NOON)
        row = await bots.update(bot_id, in_call_at=later, last_seq=3)
        assert (row.state, row.in_call_at) == (State.IN_CALL, NOON)
        assert await bots.last_seq(bot_id) == 7
        row = await bots.update(
            bot_id, state=State.COMPLETED, reason=EndReason.SILENCE, ended_at=later, last_seq=9
        )
        assert (row.ended, row.reason, row.ended_at) == (True, EndReason.SILENCE, later)
        assert row.delete_after == later + timedelta(seconds=60)
        row = await bots.update(bot_id, state=State.FAILED, reason=EndReason.CRASHED, ended_at=NOON)
        assert (row.state, row.reason, row.ended_at) == (State.COMPLETED, EndReason.SILENCE, later)
        row = await bots.put_extras(bot_id, {"a": 1})
        assert (row.extras, row.state) == ({"a": 1}, State.COMPLETED)


async def test_an_order_is_replaced_only_while_it_waits(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        later = facts(state=State.SCHEDULED, scheduled_for=NOON)
        bot_id = (await insert(bots, about=later, extras={"a": 1}, idempotency_key="i")).bot_id
        order = BotRequest(url=LINK + "2", extras={"b": 2}, keep_s=5.0)
        row = await bots.replace_order(bot_id, order, facts(name="Other"))
        assert (row.state, row.scheduled_for, row.name) == (State.REQUESTED, None, "Other")
        assert (row.url, row.extras) == (LINK + "2", {"b": 2})
        assert await bots.order(bot_id) == order
        assert (await insert(bots, idempotency_key="i")).bot_id == bot_id
        with pytest.raises(NotNow) as caught:
            await bots.replace_order(bot_id, order, later)
        assert caught.value.state is State.REQUESTED
        with pytest.raises(NoSuchBot):
            await bots.replace_order("x", order, later)


async def test_what_was_kept_long_enough_is_due_until_it_is_deleted(database_url: str) -> None:
    async with open_database(database_url) as database:
        bots = BotRows(database)
        for number, keep_s in enumerate((60.0, 10.0, None, 0.0, 1e300)):
            await insert(bots, bot_id=f"b{number}", keep_s=keep_s)
            await bots.update(f"b{number}", state=State.COMPLETED, ended_at=NOON)
        await insert(bots, bot_id="running", keep_s=1.0)

        async def due(after_s: float) -> list[str]:
            rows = await bots.due_for_deletion(NOON + timedelta(seconds=after_s))
            return [row.bot_id for row in rows]

        assert await due(30) == ["b3", "b1"]
        assert await bots.next_deletion() == NOON
        assert await bots.mark_deleted("b3")
        assert not await bots.mark_deleted("b3")
        assert await bots.next_deletion() == NOON + timedelta(seconds=10)
        assert await due(3600) == ["b1", "b0"]
        assert (await bots.get("b3")).deleted_at is not None
