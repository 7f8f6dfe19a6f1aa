"""Targets do not wait for each other, and idle ones cost nothing."""

from __future__ import annotations

import trio

from meetcore.gateway.records import BotRequest
from meetcore.model.lifecycle import State
from meetcore_server.webhooks.fair_queue import FairQueue
from tests.plugins.server.storage.orders_of_tests import LINK, facts
from tests.plugins.server.webhooks.receiver import hang_up, never, receiving, status
from tests.plugins.server.webhooks.stage import staged, target


async def test_targets_that_stand_still_delay_no_other(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        rows = []
        for number in range(60):
            path = f"/still/{number}"
            receiver.standing[path] = never
            rows.append(await stage.bot(target(receiver.url(path, "localhost"), "unhurried")))
        good = await stage.bot(target(receiver.url()))
        for row in rows:
            stage.write(row, "a")
        await receiver.until(lambda: len(receiver.got) >= 16)
        stage.write(good, *["a"] * 20)
        await receiver.until_got(20)  # while all of those stand still, for much longer than this
        assert sum(got.path != "/hook" for got in receiver.got) == 16


async def test_two_targets_of_a_bot_do_not_wait_for_each_other(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.standing["/still"] = never
        receiver.standing["/down"] = hang_up
        row = await stage.bot(
            target(receiver.url("/still"), "patient"),
            target(receiver.url("/down"), "patient"),
            target(receiver.url()),
        )
        stage.write(row, "a", "b", "c")
        await receiver.until_got(3)
        assert len(receiver.at("/still")) == 1
        await receiver.until_got(1, "/down")


async def test_a_host_is_visited_by_so_many_at_once_and_no_more(sqlite_url: str) -> None:
    line = FairQueue(most=50, most_per_host=3)
    async with receiving() as receiver, staged(sqlite_url, line=line) as stage:
        rows = [await stage.bot(target(receiver.url())) for _ in range(30)]
        for row in rows:
            stage.write(row, "a", "b")
        await receiver.until_got(60)
        assert receiver.most_open <= 4


async def test_hundreds_of_idle_targets_have_no_task_and_the_one_with_news_is_served_at_once(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        rows = []

        async def order() -> None:
            for _ in range(15):
                row = await stage.bot(target(receiver.url()), target(receiver.url("/two")))
                rows.append(row)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(order)
        assert len(rows) == 300
        for row in rows:
            stage.write(row, "quiet")
        await stage.until_idle()
        tasks = trio.lowlevel.current_statistics().tasks_living
        assert tasks < 30
        began = trio.current_time()
        stage.write(rows[222], "a")
        await receiver.until_got(1, "/two")
        assert trio.current_time() - began < 60
        assert receiver.at("/two")[0].body == b"2"


async def test_two_hundred_targets_that_pause_have_no_task(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        receiver.standing["/down"] = status(503)
        rows = [await stage.bot(target(receiver.url("/down"), "patient")) for _ in range(200)]
        for row in rows:
            stage.write(row, "a", "b")
        await receiver.until_got(200, "/down")
        await stage.until_quiet()
        assert trio.lowlevel.current_statistics().tasks_living < 40
        assert stage.dispatcher.waiting == 200
        for row in rows:
            stage.write(row, "c")
        await stage.until_quiet()
        assert len(receiver.got) == 200


async def test_a_journal_is_read_on_and_not_from_the_start_each_time(sqlite_url: str) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url()))
        for number in range(5):
            stage.write(row, "a")
            await receiver.until_got(number + 1)
            await stage.until_idle()
        assert stage.reads == [0, 1, 2, 3, 4]


async def test_a_long_backlog_leaves_others_their_turn(sqlite_url: str) -> None:
    line = FairQueue(most=1)
    async with receiving() as receiver, staged(sqlite_url, line=line) as stage:
        long = await stage.bot(target(receiver.url("/long")))
        short = await stage.bot(target(receiver.url("/short", "localhost")))
        stage.write(long, *["a"] * 350)
        await receiver.until_got(1, "/long")
        stage.write(short, "a")
        await receiver.until_got(1, "/short")
        assert len(receiver.at("/long")) <= 101
        await receiver.until_got(350, "/long")
        await stage.until_idle()
        assert [got.body for got in receiver.at("/long")] == [b"%d" % n for n in range(1, 351)]


async def test_a_rescheduled_bot_tells_its_new_targets_and_the_old_ones_nothing(
    sqlite_url: str,
) -> None:
    async with receiving() as receiver, staged(sqlite_url) as stage:
        row = await stage.bot(target(receiver.url("/old")), about=facts(state=State.SCHEDULED))
        stage.write(row, "a")
        await receiver.until_got(1, "/old")
        await stage.until_idle()
        order = BotRequest(url=LINK, webhooks=(target(receiver.url("/new")),))
        await stage.bots.replace_order(row.bot_id, order, facts())
        stage.dispatcher.targets_changed(row.bot_id)
        stage.write(row, "b")
        await receiver.until_got(2, "/new")
        assert len(receiver.at("/old")) == 1
