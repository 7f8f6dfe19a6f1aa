"""One bot's trouble is its own: whatever fails or hangs in its supervision, its siblings go on."""

from __future__ import annotations

import ast
import inspect
import shutil
import sqlite3
from contextlib import aclosing, asynccontextmanager
from functools import partial

import pytest
import sqlalchemy as sa
import trio
import trio_websocket

import meetcore
from meetcore.fleet.launching.in_process import InProcessLauncher, TaskBot
from meetcore.gateway.records import BotRequest
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path
from meetcore.log.journal import Journal
from meetcore.model.errors import BusUnavailable, StorageUnavailable
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import TERMINAL, EndReason, State
from meetcore_server import bot_supervision as supervision
from meetcore_server import dead_bots, live, service
from meetcore_server.bot_supervision import Supervision
from meetcore_server.feeds import Feed
from meetcore_server.orders_to_specs import beginning
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.errors import DatabaseUnavailable

from .running import DENY, STAY, http, ordered, plugin_files_of_tests, say, serving, socket, until


def operational() -> Exception:
    return sa.exc.OperationalError(
        "COMMIT", {}, sqlite3.OperationalError("database or disk is full")
    )


TROUBLES = {
    "OSError": lambda: OSError(28, "No space left on device"),
    "OperationalError": operational,
    "RuntimeError": lambda: RuntimeError("boom"),
    "ClosedResourceError": trio.ClosedResourceError,
    "hang": None,
}

KINDS = {
    **TROUBLES,
    "away": lambda: DatabaseUnavailable("The database is away."),
    "store away": lambda: StorageUnavailable("The bucket does not answer."),
}

REACHED_BY = {
    # what a supervision awaits: how a bot comes there
    "hold": "order", "let_go": "order", "adopt": "order", "catch_up": "order",
    "launch": "order", "exists": "resume",
    "order_of": "resume", "forget": "resume", "_recover": "crash", "recover_bot": "crash",
    "begin": "missing", "end": "missing", "runner": "order",
    "give_up": "lost", "perform": "stop", "tell": "lost",
    # and what these await in turn
    "update": "order", "items": "order", "gone": "order", "Feed.tell": "follow",
    "Feed.show": "follow",
}  # fmt: skip


CALLED = {"order": "order_of"}


class Trouble:
    """Lets one await of some bots fail or hang until healed."""

    def __init__(self, where: str) -> None:
        self.where, self.healed = where, False
        self.kinds: dict[str, str] = {}
        self.met: dict[str, trio.Event] = {}

    def befall(self, bot_id: str, kind: str) -> None:
        self.kinds[bot_id], self.met[bot_id] = kind, trio.Event()

    async def strike(self, where: str, bot_id: str) -> None:
        if self.healed or where != self.where or bot_id not in self.kinds:
            return
        self.met[bot_id].set()
        make = KINDS[self.kinds[bot_id]]
        if make is None:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        raise make()


def let_it_befall(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Supervision._step

    async def troubled_step(self, ask, *args, **options):
        async def ask_in_trouble(*given):
            await trouble.strike(CALLED.get(ask.__name__, ask.__name__), self.live.row.bot_id)
            return await ask(*given)

        ask_in_trouble.__name__ = ask.__name__
        return await step(self, ask_in_trouble, *args, **options)

    def troubled(owner, name, where, bot_id):
        whole = getattr(owner, name)

        async def instead(self, *args, **kwargs):
            await trouble.strike(where, bot_id(self, *args))
            return await whole(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, instead)

    monkeypatch.setattr(Supervision, "_step", troubled_step)
    troubled(BotRows, "update", "update", lambda self, bot_id: bot_id)
    troubled(TaskBot, "gone", "gone", lambda self: self.bot_id)
    if trouble.where == "runner":  # it is asked who runs a bot that cannot be waited for

        async def cannot_be_waited_for(self):
            await trio.lowlevel.checkpoint()
            if self.bot_id in trouble.kinds:
                raise RuntimeError("no such process of ours")
            await self._gone.wait()

        monkeypatch.setattr(TaskBot, "gone", cannot_be_waited_for)
    troubled(Feed, "tell", "Feed.tell", lambda self, event: event.bot_id)
    troubled(Feed, "show", "Feed.show", lambda self, draft: draft.bot_id)
    items = TaskBot.items

    async def troubled_items(self, after=0):
        async with aclosing(items(self, after)) as whole:
            async for item in whole:
                await trouble.strike("items", self.bot_id)
                yield item

    monkeypatch.setattr(TaskBot, "items", troubled_items)
    recover = dead_bots.recover_bot

    async def troubled_recover(store, bot_id, **options):
        await trouble.strike("recover_bot", bot_id)
        return await recover(store, bot_id, **options)

    monkeypatch.setattr(dead_bots, "recover_bot", troubled_recover)


async def row_without_a_server(server, trouble, kind, *, state=None, journal=True):
    """Keep an order as a server does that is killed then; return its row."""
    its = server.service
    order = BotRequest(url=STAY)
    link, bot_id = its.specs.link(STAY), f"bot-{kind}"
    trouble.befall(bot_id, kind)
    row = await its.stores.bots.insert(
        order, its._facts(order, link), bot_id=bot_id, user_id=1, key_id="k"
    )
    if journal:
        head = beginning(its.specs.spec(bot_id, order), link)
        await its.store.begin(bot_id, head)
    if state is not None:
        async with its.store.checkout(bot_id) as folder:
            with_journal = Journal(journal_path(folder), bot_id)
            with_journal.append(StateChanged(state=state, previous=State.REQUESTED))
            with_journal.close()
    return row


async def befallen(server, client, trouble, kind: str, how: str, monkeypatch) -> str:
    """Send a bot that meets a trouble; return its id."""
    its = server.service
    if how in ("resume", "crash", "lost"):
        state = None if how == "resume" else State.JOINING
        row = await row_without_a_server(
            server, trouble, kind, state=state, journal=trouble.where != "forget"
        )
        if how == "lost":
            row_id = row.bot_id

            async def nothing(store, bot_id, **options):
                await trio.lowlevel.checkpoint()
                return [] if bot_id == row_id else await whole(store, bot_id, **options)

            whole = dead_bots.recover_bot
            monkeypatch.setattr(dead_bots, "recover_bot", nothing)
        await its.supervisor.resume([row])
        return row.bot_id
    monkeypatch.setattr(service, "uuid4", lambda: f"bot-{kind}")
    trouble.befall(f"bot-{kind}", kind)
    if how == "missing":
        bot = await ordered(client, DENY, join_at="2099-01-01T00:00:00Z")
        monkeypatch.undo_uuid()
        await its.store.delete(bot["id"])
        return bot["id"]
    with trio.fail_after(90):
        bot = await ordered(client, STAY if how in ("stop", "follow") else DENY)
    monkeypatch.undo_uuid()
    return bot["id"]


@asynccontextmanager
async def three_siblings(tmp_path):
    async with (
        serving(tmp_path, config={"fsync": False}) as server,
        http(server) as client,
    ):
        siblings = [(await ordered(client, STAY))["id"] for _ in range(3)]
        for bot_id in siblings:
            assert (await until(client, bot_id, "recording"))["state"] == "recording"
        yield server, client, siblings


def recording(server, siblings) -> bool:
    bots = [server.service.live.get(bot_id) for bot_id in siblings]
    return all(bot is not None and bot.history.state is State.RECORDING for bot in bots)


@pytest.mark.parametrize("where", REACHED_BY)
async def test_whatever_fails_or_hangs_for_a_bot_its_siblings_record_on(
    tmp_path, monkeypatch, short_limits, where
):
    trouble = Trouble(where)
    let_it_befall(trouble, monkeypatch)
    how = REACHED_BY[where]
    its_uuid = service.uuid4
    monkeypatch.undo_uuid = lambda: monkeypatch.setattr(service, "uuid4", its_uuid)
    async with three_siblings(tmp_path) as (server, client, siblings):
        sent = [
            await befallen(server, client, trouble, kind, how, monkeypatch) for kind in TROUBLES
        ]
        its = server.service
        async with trio.open_nursery() as nursery:
            for bot_id in sent:
                if how == "follow":
                    nursery.start_soon(follow_to_the_end, server, bot_id)
                elif how == "missing":
                    nursery.start_soon(partial(client.post, f"/v1/bots/{bot_id}/stop"))
                elif how == "stop":
                    await until(client, bot_id, "recording")
                    nursery.start_soon(partial(client.post, f"/v1/bots/{bot_id}/stop"))
            with trio.fail_after(90):
                for bot_id in sent:
                    await trouble.met[bot_id].wait()
            assert recording(server, siblings)
            trouble.healed = True
            for bot_id in sent:
                await client.post(f"/v1/bots/{bot_id}/stop")
            with trio.fail_after(90):
                for bot_id in sent:
                    bot = its.live.get(bot_id)
                    if bot is not None:
                        await bot.ended.wait()
        for bot_id in sent:
            if where != "forget":
                assert (await its.stores.bots.get(bot_id)).state in TERMINAL
        assert recording(server, siblings)
        assert its.supervisor.troubles == {}
        assert (await client.get("/ready")).status_code == 200


async def follow_to_the_end(server, bot_id: str) -> None:
    """Follow a bot over a socket for as long as that goes."""
    async with socket(server) as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=True)
        try:
            while '"completed"' not in await connection.get_message():
                continue
        except trio_websocket.ConnectionClosed:
            return


WAITS_FOR_ITSELF = {"park",
    # ends by its bot's end, by a cancel scope beside it, or is quick
    "sleep", "sleep_forever", "wait", "checkpoint", "attempt", "ask", "write", "open_nursery",
    "_insist", "_step", "step", "_before", "_end", "_look", "_launch", "_launch_in_time",
    "_launch_now",
    "_until_its_time", "_accompany", "_adopted", "_say_stop", "_give_up", "accompany",
    "_see_out", "_find_late",
    "_deciding", "_in_turn", "run", "aclosing", "read", "_begin_if_missing", "_end_as", "events",
    "_write_end", "published", "_part_with", "_may_carry", "finish_dead",
    "_told_more_than_is_kept", "history", "_hold", "_let_go", "_order_stands", "_read_order",
    "may_launch", "launches_later",  # with several servers only: test_several_servers
    "get",  # where nobody knows which order stands: test_refused_orders
    "items", "take", "tell", "show", "_alone", "stop", "reschedule", "_update", "order_of",
}  # fmt: skip


def awaited(module) -> set[str]:
    """Return the names of everything that a module awaits, and what it hands to `_step`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        called: list[ast.expr] = []
        if isinstance(node, ast.Await):
            called.append(node.value)
        elif isinstance(node, ast.AsyncFor):
            called.append(node.iter)
        elif isinstance(node, ast.AsyncWith):
            called += [item.context_expr for item in node.items]
        for each in called:
            function = each.func if isinstance(each, ast.Call) else each
            name = getattr(function, "attr", getattr(function, "id", "?"))
            found.add(name)
            if name in ("_step", "step") and isinstance(each, ast.Call):
                asked = each.args[0]
                found.add(getattr(asked, "attr", getattr(asked, "id", "?")))
    return found


def test_every_await_of_a_bots_supervision_is_listed_here():
    found = awaited(supervision) | awaited(live) | awaited(dead_bots)
    assert found - WAITS_FOR_ITSELF - REACHED_BY.keys() == set()


async def test_a_bot_that_cannot_be_told_of_is_told_again_and_the_server_is_not_ready_meanwhile(
    tmp_path, monkeypatch, short_limits
):
    trouble = Trouble("update")
    let_it_befall(trouble, monkeypatch)
    async with three_siblings(tmp_path) as (server, client, siblings):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        trouble.befall(bot_id, "away")
        server.service.live.get(bot_id).running.runner.conclude(
            EndReason.REMOVED, meetcore.Evidence("test")
        )
        with trio.fail_after(90):
            await trouble.met[bot_id].wait()
            while (await client.get("/ready")).status_code != 503:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert "is away" in (await client.get("/ready")).json()["detail"]
        trouble.healed = True
        row = await until(client, bot_id, "completed")
        assert row["reason"] == "removed"
        with trio.fail_after(60):  # the row may be written a moment before that is noted
            while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert recording(server, siblings)


@pytest.mark.folder_store
async def test_a_scheduled_bot_whose_folder_went_away_is_called_off_all_the_same(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, DENY, join_at="2099-01-01T00:00:00Z")
        shutil.rmtree(tmp_path / "bots" / bot["id"])
        await client.post(f"/v1/bots/{bot['id']}/stop")
        row = await until(client, bot["id"], "completed")
        assert (row["state"], row["reason"]) == ("completed", "stop_requested")


@pytest.mark.folder_store
async def test_a_bot_whose_end_cannot_be_written_has_it_in_the_list_and_who_follows_hears_it(
    tmp_path, monkeypatch, short_limits
):
    def full(*args: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(FolderStore, "_end", full)
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, DENY, join_at="2099-01-01T00:00:00Z")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until, client, bot["id"], "completed")
            await client.post(f"/v1/bots/{bot['id']}/stop")
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert (row["state"], row["reason"]) == ("completed", "stop_requested")
        assert server.service.live.all() == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        TimeoutError("slow"),
        StorageUnavailable("The cluster's API does not answer."),
        BusUnavailable("The broker cannot be reached."),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_launch_that_fails_for_want_of_room_is_tried_again(
    tmp_path, monkeypatch, short_limits, error
):
    class Full(InProcessLauncher):
        tries = 0

        async def launch(self, spec, nursery):
            self.tries += 1
            if self.tries < 8:
                raise error
            return await super().launch(spec, nursery)

    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    async with serving(tmp_path, launcher=Full(plugins)) as server, http(server) as client:
        row = await until(client, (await ordered(client, DENY))["id"], "failed")
        assert row["reason"] == "denied"


@pytest.mark.parametrize("error", [StorageUnavailable, BusUnavailable, trio.TooSlowError])
async def test_a_bot_that_was_under_way_is_asked_for_until_somebody_can_say(
    tmp_path, monkeypatch, short_limits, error
):
    """However long ago it was ordered: it records meanwhile."""

    class Silent(InProcessLauncher):
        asked = -1

        async def adopt(self, bot_id, nursery):
            await trio.lowlevel.checkpoint()
            self.asked += 1
            if 0 < self.asked < 12:
                raise error("Nobody answers.")
            return server.service.supervisor.fleet.running.get(bot_id)

    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    launcher = Silent(plugins)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        its = server.service
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        monkeypatch.setattr(supervision, "LATEST_S", 0.0)
        row = its.live.get(bot_id).row
        await its.supervisor.give_up_all()
        launcher.asked = 0
        with trio.fail_after(90):
            await its.supervisor.resume([row])
            live = its.live.get(bot_id)
            while live.running is None or its.supervisor.troubles:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert launcher.asked == 12
        assert live.history.state is State.RECORDING
        await client.post(f"/v1/bots/{bot_id}/stop")
        assert (await until(client, bot_id, "completed"))["reason"] == "stop_requested"


class Strange(InProcessLauncher):
    """Knows of no bot, and says so in nonsense when it is told to be strange."""

    strange = False

    async def adopt(self, bot_id, nursery):
        await trio.lowlevel.checkpoint()
        if self.strange:
            raise RuntimeError("This cluster answers nonsense.")


async def test_a_bot_whose_journal_somebody_has_is_not_ended_before_it_is_let_go(
    tmp_path, monkeypatch, short_limits
):
    """Though it was given up: where it runs could not be seen, but it did."""
    plugins = meetcore.Plugins(only=["files", "server"], files=plugin_files_of_tests())
    launcher = Strange(plugins)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        its = server.service
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        running = its.live.get(bot_id).running
        row = its.live.get(bot_id).row
        await its.supervisor.give_up_all()
        launcher.strange = True
        await its.supervisor.resume([row])
        seen = its.supervisor._supervisions[bot_id]
        with trio.fail_after(90):
            while seen._ending is None:  # noqa: ASYNC110
                await trio.sleep(0.01)
            await trio.sleep(1.0)  # in which it would have been ended several times
            assert (await its.stores.bots.get(bot_id)).state is State.RECORDING
            running.runner.conclude(EndReason.REMOVED, meetcore.Evidence("test"))
            assert (await until(client, bot_id, "completed"))["reason"] == "removed"
        kept = await its.store.log(bot_id).history()
        assert kept.reason is EndReason.REMOVED


async def test_postgresql_is_restarted_while_a_bot_ends_and_nobody_is_lost(tmp_path, postgres):
    url = postgres.new_database()
    async with serving(tmp_path, database=url, api_key="k") as server, http(server, "k") as client:
        siblings = [(await ordered(client, STAY))["id"] for _ in range(3)]
        ending = (await ordered(client, STAY))["id"]
        for bot_id in (*siblings, ending):
            await until(client, bot_id, "recording")
        await trio.to_thread.run_sync(postgres.stop)
        try:
            its = server.service.live.get(ending)
            its.running.runner.conclude(EndReason.REMOVED, meetcore.Evidence("test"))
            await its.running.bot.wait_ended()
            with trio.fail_after(90):
                while not server.service.supervisor.troubles:  # noqa: ASYNC110
                    await trio.sleep(0.02)
            answer = await client.get("/ready")
            assert answer.status_code == 503
            assert "cannot be used" in answer.json()["detail"]
            assert recording(server, siblings)
        finally:
            await trio.to_thread.run_sync(postgres.start)
        with trio.fail_after(90):
            await its.ended.wait()
        row = (await client.get(f"/v1/bots/{ending}")).json()
        assert (row["state"], row["reason"]) == ("completed", "removed")
        assert (await client.get("/ready")).status_code == 200
        assert recording(server, siblings)


@pytest.mark.folder_store
async def test_a_scheduled_bot_where_whose_folder_was_a_file_lies_is_called_off_and_ends(
    tmp_path, short_limits
):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, DENY, join_at="2099-01-01T00:00:00Z")
        folder = tmp_path / "bots" / bot["id"]
        shutil.rmtree(folder)
        folder.write_text("in the way")
        await client.post(f"/v1/bots/{bot['id']}/stop")
        with trio.fail_after(90):
            while (live := server.service.live.get(bot["id"])) is not None:
                await live.ended.wait()
        row = (await client.get("/v1/bots")).json()["bots"][0]
        assert (row["state"], row["reason"]) == ("completed", "stop_requested")
    async with serving(tmp_path) as server, http(server) as client:  # and joins nothing later
        assert server.service.live.all() == []


@pytest.mark.folder_store
async def test_a_row_whose_folder_cannot_be_made_does_not_keep_a_server_from_starting(
    tmp_path, short_limits
):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client, DENY, join_at="2099-01-01T00:00:00Z")
    folder = tmp_path / "bots" / bot["id"]
    shutil.rmtree(folder)
    folder.write_text("in the way")
    async with serving(tmp_path) as server, http(server) as client:
        assert "bot" in (await client.get("/ready")).json()["detail"]
        other = await until(client, (await ordered(client, DENY))["id"], "failed")
        assert other["reason"] == "denied"
        folder.unlink()
        with trio.fail_after(90):
            while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110
                await trio.sleep(0.05)
        row = (await client.get(f"/v1/bots/{bot['id']}")).json()
        assert row["state"] == "scheduled"


async def test_a_stop_that_a_bot_out_of_reach_did_not_hear_is_said_again(
    tmp_path, monkeypatch, short_limits
):
    """As over a bus that is away: to end it over the same bus does nothing either."""
    perform, said = TaskBot.perform, []

    async def out_of_reach(self, command):
        said.append(command)
        if len(said) < 4:
            raise meetcore.CommandFailed("The bot does not answer over the bus.")
        await perform(self, command)

    monkeypatch.setattr(TaskBot, "perform", out_of_reach)
    monkeypatch.setattr(TaskBot, "abandon", lambda self: None)
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        await client.post(f"/v1/bots/{bot_id}/stop")
        assert (await until(client, bot_id, "completed"))["reason"] == "stop_requested"
    assert said == [meetcore.Stop("api")] * 4
