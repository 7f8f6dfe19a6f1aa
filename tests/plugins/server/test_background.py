"""A task of the server that fails is its own trouble: bots record on, and it begins again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
import trio
import trio.testing

from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.log import journal_path, make_bot_folder
from meetcore.log.folder_store import FolderStore
from meetcore.log.journal import Journal
from meetcore.model.addresses import PrivateTargets
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import State
from meetcore_server import assembly, background
from meetcore_server.background import keep_running
from meetcore_server.draining import Draining
from meetcore_server.leftovers import carry_the_rest
from meetcore_server.membership import Membership
from meetcore_server.openings import Openings
from meetcore_server.storage.cursors import HeldElsewhere
from meetcore_server.storage.database import open_database
from meetcore_server.transcriptions import Transcriptions
from meetcore_server.webhooks.dispatcher import WebhookDispatcher
from meetcore_server.webhooks.fair_queue import FairQueue

from .empty_tables import with_tables
from .running import STAY, http, ordered, serving, until

ERRORS: dict[str, Callable[[], Exception]] = {
    "RuntimeError": lambda: RuntimeError("boom"),
    "DatabaseError": lambda: sa.exc.DatabaseError(
        "SELECT", {}, sqlite3.DatabaseError("database disk image is malformed")
    ),
}
TASKS: list[tuple[Any, str]] = [
    (Membership, "run"),
    (WebhookDispatcher, "run"),
    (Transcriptions, "run"),
    (Openings, "run"),
    (Draining, "run"),
    (assembly, "hear_neighbours"),
    (assembly, "keep_retention"),
    (assembly, "_say_trouble"),
    (assembly, "carry_the_rest"),
]


class Failing:
    """Takes the place of a task: fails with each error, then says that it began again."""

    def __init__(self) -> None:
        self.left = list(ERRORS.values())
        self.begun_again = trio.Event()

    async def run(self, *args: Any, **kwargs: Any) -> None:
        await trio.lowlevel.checkpoint()
        if self.left:
            raise self.left.pop()()
        self.begun_again.set()
        await trio.sleep_forever()


async def test_bots_record_on_whichever_task_of_the_server_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_AGAIN_AFTER_S", 0.05)
    failing = []
    for owner, name in TASKS:
        each = Failing()
        failing.append(each)
        monkeypatch.setattr(owner, name, each.run)
    async with serving(tmp_path, config={"fsync": False}) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        assert (await until(client, bot_id, "recording"))["state"] == "recording"
        with trio.fail_after(30):
            for each in failing:
                await each.begun_again.wait()
        assert (await client.get(f"/v1/bots/{bot_id}")).json()["state"] == "recording"


def test_every_task_that_the_server_begins_is_among_those() -> None:
    """A task that is begun bare would end the server."""
    text = Path(assembly.__file__).read_text("utf-8")
    assert text.count("nursery.start_soon(") == text.count("nursery.start_soon(keep_running,") == 1
    assert text.count("\n    begin(") == len(TASKS)


async def test_a_task_that_fails_is_logged_and_begun_again_until_it_returns(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [make() for make in ERRORS.values()]

    async def task(answer: int) -> None:
        await trio.lowlevel.checkpoint()
        assert answer == 42
        if errors:
            raise errors.pop()

    await keep_running("the thing", task, 42)
    assert trio.current_time() == pytest.approx(10.0)
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == [
        "the thing failed, and begins again in 5 s"
    ] * 2
    assert "boom" in caplog.text


@pytest.mark.parametrize("error", ERRORS)
async def test_what_keys_opened_is_looked_up_again_after_any_error(
    autojump_clock: trio.testing.MockClock, error: str
) -> None:
    asked: list[float] = []

    async def valid(keys: Any) -> list[str]:
        await trio.lowlevel.checkpoint()
        asked.append(trio.current_time())
        if len(asked) < 3:
            raise ERRORS[error]()
        return []

    def ends_badly() -> None:
        raise ERRORS[error]()

    openings = Openings(valid)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(openings.run)
        openings.add("void", ends_badly)
        with openings.opened_by("void") as scope:
            await trio.sleep(5.0)
        openings.add("void", ends_badly)
        assert scope.cancelled_caught
        assert asked[:3] == pytest.approx([0.0, 0.4, 0.8])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", [*ERRORS, "OSError"])
async def test_what_is_left_here_is_asked_for_again_after_any_error(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, error: str
) -> None:
    make = ERRORS.get(error, lambda: OSError(5, "Input/output error"))
    asked = 0

    class Store(FolderStore):
        async def uncarried(self) -> list[str]:
            nonlocal asked
            await trio.lowlevel.checkpoint()
            asked += 1
            if asked == 1:
                raise make()
            return ["bot"] if asked == 2 else []

        def log(self, bot_id: str) -> Any:
            raise make()

    with trio.move_on_after(150.0):
        await carry_the_rest(Store(tmp_path))
    assert asked == 3


async def test_what_a_bot_leaves_here_later_is_carried_too(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A process may be killed at any time; nothing was left when the server began."""
    left: list[str] = []
    carried: list[tuple[str, float]] = []

    class Store(FolderStore):
        async def uncarried(self) -> list[str]:
            await trio.lowlevel.checkpoint()
            return [bot_id for bot_id in left if bot_id not in dict(carried)]

        def log(self, bot_id: str, *, urgent: bool = False) -> Any:
            class Log:
                async def exists(self) -> bool:
                    await trio.lowlevel.checkpoint()
                    return True

            return Log()

        @asynccontextmanager
        async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
            yield self.workplace(bot_id)
            carried.append((bot_id, trio.current_time()))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry_the_rest, Store(tmp_path), {"looked-after"}.__contains__)
        await trio.sleep(150.0)
        left += ["looked-after", "dead"]
        await trio.sleep(60.0)
        assert carried == [("dead", 180.0)]
        left += ["later"]
        await trio.sleep(600.0)
        assert carried == [("dead", 180.0), ("later", 240.0)]
        nursery.cancel_scope.cancel()


async def test_a_bot_that_runs_here_is_left_alone_whoever_looks_after_it(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Its lease may have lapsed for a moment: to take it would end the bot in its meeting."""
    carried: list[str] = []

    class Store(FolderStore):
        async def uncarried(self) -> list[str]:
            await trio.lowlevel.checkpoint()
            return ["runs", "dead"]

        @asynccontextmanager
        async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
            yield self.workplace(bot_id)
            carried.append(bot_id)

    for bot_id in ("runs", "dead"):
        make_bot_folder(tmp_path, bot_id)
        journal = Journal(journal_path(tmp_path / bot_id), bot_id, fsync=False)
        journal.append(StateChanged(state=State.REQUESTED, previous=None))
        if bot_id == "dead":
            journal.close()
        else:
            runs = journal
    with trio.move_on_after(30.0):
        await carry_the_rest(Store(tmp_path))
    assert carried == ["dead"]
    runs.close()
    with trio.move_on_after(30.0):
        await carry_the_rest(Store(tmp_path))
    assert carried == ["dead", "runs", "dead"]


@pytest.mark.parametrize("error", ERRORS)
async def test_a_target_that_another_server_cannot_be_asked_to_serve_comes_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    async def elsewhere(server: int, target: int) -> None:
        await trio.lowlevel.checkpoint()
        raise ERRORS[error]()

    async def held(self: Any, target_id: int, sender: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise HeldElsewhere(7)

    monkeypatch.setattr(WebhookDispatcher, "_round", held)
    async with dispatching(sqlite_url, elsewhere=elsewhere) as (dispatcher, line):
        await dispatcher._serve(1, None)
        assert (line.served, line.waiting) == (0, 1)


async def test_a_target_that_is_served_as_webhooks_begin_again_is_in_line_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forever(self: Any, target_id: int, sender: Any) -> Any:
        await trio.sleep_forever()

    monkeypatch.setattr(WebhookDispatcher, "_round", forever)
    async with dispatching(sqlite_url) as (dispatcher, line):
        with trio.move_on_after(0):
            await dispatcher._serve(1, None)
        assert (line.served, line.waiting) == (0, 1)


@asynccontextmanager
async def dispatching(url: str, **options: Any) -> AsyncIterator[tuple[Any, FairQueue]]:
    """A dispatcher that does not run, and its line, of which target 1 has its turn."""
    line = FairQueue()
    line.ask(1, "example.org")
    assert line.next(trio.current_time()) == 1
    async with open_database(url) as database:
        yield (
            WebhookDispatcher(
                database, {}, cast(Any, None), private=PrivateTargets(), line=line, **options
            ),
            line,
        )


@pytest.mark.parametrize("error", ERRORS)
async def test_a_server_drains_though_it_cannot_look_around(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: str,
) -> None:
    async def fails(*args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        raise ERRORS[error]()

    class Unknown:
        bot_id, on_this_machine, gone = "bot", True, fails

    async def two(self: Any) -> list[str]:
        await trio.lowlevel.checkpoint()
        return ["bot", "other"]

    async def reach(self: Any, bot_id: str) -> Any:
        return Unknown() if bot_id == "bot" else await fails()

    monkeypatch.setattr(InProcessLauncher, "list", two)
    monkeypatch.setattr(InProcessLauncher, "reach", reach)
    async with serving(tmp_path, drain_s=0) as server:
        draining = server.service.draining
        draining.begin()
        with trio.fail_after(30):
            while not draining.state().drained:  # noqa: ASYNC110  nobody tells
                await trio.sleep(0.02)
        await trio.testing.wait_all_tasks_blocked(0.05)
    assert "whether more bots run on this machine cannot be known" in caplog.text
    assert "bot=bot cannot be waited for" in caplog.text
    assert "begins again" not in caplog.text


async def test_a_drain_that_was_undone_at_once_is_none_and_it_can_be_begun_again(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, drain_s=0) as server:
        draining = server.service.draining
        draining.begin()
        draining.undo()
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not draining.state().closed
        draining.begin()
        with trio.fail_after(30):
            while not draining.state().drained:  # noqa: ASYNC110  nobody tells
                await trio.sleep(0.02)


async def test_bots_that_are_looked_after_are_not_taken_over_twice(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        supervisor = server.service.supervisor
        its = supervisor._supervisions[bot_id]
        await supervisor.resume([its.live.row])
        assert supervisor._supervisions[bot_id] is its


async def test_a_damaged_database_is_503_and_bots_record_on(tmp_path: Path) -> None:
    file = tmp_path / "server.db"
    with_tables(file)
    async with (
        serving(tmp_path, config={"fsync": False}, database=f"sqlite:///{file}") as server,
        http(server) as client,
    ):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        _, key = await server.service.create_key(1)
        damage(file, "keys")
        answer = await client.get("/v1/bots", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == 503, answer.text
        with server.service.openings.opened_by("some key"):
            await trio.sleep(1.0)
        bot = server.service.live.get(bot_id)
        assert bot is not None
        assert bot.history.state is State.RECORDING


def damage(file: Path, table: str) -> None:
    """Overwrite the first page of each tree of a table, as a failing disk does."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE tbl_name = ?"
        pages = [page for (page,) in connection.execute(query, (table,))]
    with file.open("r+b") as opened:
        for page in pages:
            opened.seek((page - 1) * size)
            opened.write(b"\xff" * size)
        os.fsync(opened.fileno())
