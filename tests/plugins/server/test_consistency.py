"""The database and the store are compared, and rows made anew of logs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
from click.testing import CliRunner

from meetcore.cli import main
from meetcore.gateway import BotRow
from meetcore.model.lifecycle import EndReason, State
from meetcore_server.consistency import REBUILT_KEY, Difference, differences, rebuild
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.database import open_database
from meetcore_server.storage.tables import bots, targets

from .running import SHORT, STAY, http, ordered, serving, until


@asynccontextmanager
async def two_that_ended_and_one_that_runs(folder: Path):
    async with serving(folder) as server, http(server) as client:
        ended = [(await ordered(client, SHORT, metadata={"n": n}))["id"] for n in "12"]
        for bot_id in ended:
            await until(client, bot_id, "completed")
            if live := server.service.live.get(bot_id):
                with trio.fail_after(90):
                    await live.ended.wait()
        running = (await ordered(client, STAY))["id"]
        await until(client, running, "recording")
        yield server.service, ended


async def found_in(service) -> list[Difference]:
    return [each async for each in differences(service.stores.bots, service.store)]


def forgotten(bot_id: str):
    def forget(c: sa.Connection) -> int:
        c.execute(sa.delete(targets).where(targets.c.bot_id == bot_id))
        return c.execute(sa.delete(bots).where(bots.c.bot_id == bot_id)).rowcount

    return forget


async def test_what_agrees_is_left_alone_also_beside_bots_that_run(tmp_path):
    async with two_that_ended_and_one_that_runs(tmp_path) as (service, _):
        assert await found_in(service) == []


async def test_a_bot_without_a_row_gets_one_that_says_what_its_log_says(tmp_path):
    async with two_that_ended_and_one_that_runs(tmp_path) as (service, (first, _)):
        before = await service.stores.bots.get(first)
        await service.stores.bots.database.do(forgotten(first))
        (missing,) = await found_in(service)
        assert missing == Difference(first, "it has no row in the database", rebuildable=True)
        after = await rebuild(service.stores.bots, service.store, missing, user_id=1)
        for name in ("platform", "native_id", "public_url", "name", "state", "reason", "metadata",
                     "in_call_at", "ended_at", "transcriber", "user_id"):  # fmt: skip
            assert getattr(after, name) == getattr(before, name), name
        assert after.key_id == REBUILT_KEY
        assert abs((after.created_at - before.created_at).total_seconds()) < 60
        assert await found_in(service) == []


async def test_a_row_that_lags_is_brought_to_what_the_log_says(tmp_path):
    async with two_that_ended_and_one_that_runs(tmp_path) as (service, (first, _)):
        stale = sa.update(bots).where(bots.c.bot_id == first)
        values = {"state": "recording", "reason": None, "ended_at": None}
        await service.stores.bots.database.do(lambda c: c.execute(stale.values(values)).rowcount)
        (lags,) = await found_in(service)
        assert lags.detail == "its row says recording, its log completed (meeting_ended)"
        after = await rebuild(service.stores.bots, service.store, lags, user_id=1)
        assert (after.state, after.reason) == (State.COMPLETED, EndReason.MEETING_ENDED)
        assert await found_in(service) == []


async def test_what_is_gone_and_what_should_be_is_said_and_not_made_up(tmp_path):
    async with two_that_ended_and_one_that_runs(tmp_path) as (service, (first, second)):
        await service.store.delete(first)
        await service.stores.bots.mark_deleted(second)
        said = {each.bot_id: each for each in await found_in(service)}
        assert said[first].detail == "the store has nothing of it"
        assert said[second].detail == "its data was deleted, and the store has some of it"
        assert not any(each.rebuildable for each in said.values())


@pytest.mark.folder_store
def test_the_commands_say_it_and_mend_it(tmp_path: Path) -> None:
    async def prepare() -> BotRow:
        async with two_that_ended_and_one_that_runs(tmp_path) as (service, (first, _)):
            row = await service.stores.bots.get(first)
            await service.stores.bots.database.do(forgotten(first))
            return row

    async def row_of(bot_id: str) -> BotRow:
        async with open_database(f"sqlite:///{tmp_path}/server.db") as database:
            return await BotRows(database).get(bot_id)

    row = trio.run(prepare)
    database = ["--database", f"sqlite:///{tmp_path}/server.db"]
    settings = ["--set", f"out_dir={tmp_path / 'bots'}"]
    checked = CliRunner().invoke(main, ["check", *database, *settings])
    assert checked.exit_code == 1
    assert f"{row.bot_id}: it has no row in the database" in checked.output
    mended = CliRunner().invoke(main, ["rebuild", *database, *settings])
    assert mended.exit_code == 0, mended.output
    assert "mended" in mended.output
    again = CliRunner().invoke(main, ["check", *database, *settings])
    assert (again.exit_code, again.stdout) == (0, "The database and the store say the same.\n")
    assert f"Store: folder://{tmp_path}" in again.stderr
    assert trio.run(row_of, row.bot_id).native_id == row.native_id


def test_out_means_what_it_means_to_a_server(tmp_path: Path) -> None:
    """Its folder has the database, and the bots where no other store does."""
    (tmp_path / "out").mkdir()
    config = tmp_path / "meetcore.toml"
    config.write_text(f'[store]\nurl = "folder://{tmp_path}/elsewhere"\n')
    for command in ("check", "rebuild"):
        arguments = [command, "--config", str(config), "--out", str(tmp_path / "out")]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert f"Database: sqlite:///{tmp_path}/out/server.db" in done.stderr
        assert f"Store: folder://{tmp_path}/out\n" in done.stderr
