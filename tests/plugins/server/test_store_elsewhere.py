"""A server whose bots are kept in a store that lags: what was told is kept in the end."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path

import pytest
import trio

import meetcore
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.log.folder_store import FolderStore
from meetcore.model.errors import StorageUnavailable
from meetcore.model.lifecycle import EndReason

from .running import STAY, http, ordered, serving, until
from .webhooks.receiver import receiving


async def test_what_a_killed_bot_had_told_and_not_carried_is_carried_at_its_recovery(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TESTS_STORE", "rows")
    async with serving(tmp_path) as server, http(server) as client:
        store = server.service.store
        assert store.lags
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        live = server.service.live.get(bot_id)
        append = type(store).append

        async def away(self, *args):
            await trio.lowlevel.checkpoint()
            raise StorageUnavailable("The store is away.")

        monkeypatch.setattr(type(store), "append", away)
        running = live.running
        running.runner.conclude(EndReason.REMOVED, meetcore.Evidence("test"))
        with trio.fail_after(90):
            while not live.history.ended:  # noqa: ASYNC110  it is told from memory
                await trio.sleep(0.02)
            running.abandon()
            await running.gone()
            kept = await store.log(bot_id).history()
            assert kept.last_seq < live.history.last_seq
            monkeypatch.setattr(type(store), "append", append)
            await live.ended.wait()
        kept = await store.log(bot_id).history()
        assert kept.ended
        assert kept.last_seq >= live.history.last_seq
        row = (await client.get(f"/v1/bots/{bot_id}")).json()
        assert row["reason"] == "removed"


async def test_what_was_told_keeps_its_number_where_the_bot_died_before_the_store_had_it(
    tmp_path, monkeypatch
):
    """Its machine is gone, too: what was told is all that is left. The end comes after it."""
    monkeypatch.setenv("TESTS_STORE", "rows")
    async with (
        serving(tmp_path, launcher=ChildProcessLauncher(), private_targets=("*",)) as server,
        http(server) as client,
        receiving() as receiver,
    ):
        store = server.service.store
        hook = {"url": receiver.url(), "events": ["chat.received", "state.changed"]}
        bot_id = (await ordered(client, STAY, webhooks=[hook]))["id"]
        await until(client, bot_id, "recording")
        live = server.service.live.get(bot_id)
        with taking_nothing(tmp_path / "rows.db"):
            for text in ("one", "two"):
                await client.post(f"/v1/bots/{bot_id}/chat", json={"text": text})
            await receiver.until(lambda: any(b'"two"' in got.body for got in receiver.got))
            os.kill(live.running.pid, signal.SIGKILL)
            with trio.fail_after(90):
                await live.running.gone()
            told = live.history.last_seq
            shutil.rmtree(store.workplace(bot_id))
            assert (await store.log(bot_id).history()).last_seq < told
        with trio.fail_after(90):
            await live.ended.wait()
        async with aclosing(store.log(bot_id).read()) as events:
            kept = [event async for event in events]
        assert [event.seq for event in kept] == list(range(1, told + 2))
        texts = [event.text for event in kept if isinstance(event, meetcore.ChatReceived)]
        assert texts == ["one", "two"]
        assert kept[-1].reason is EndReason.CRASHED
        await receiver.until(lambda: b'"crashed"' in receiver.got[-1].body)
        numbers = [got.json["seq"] for got in receiver.got]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == told + 1


@contextmanager
def taking_nothing(database: Path) -> Iterator[None]:
    """Have a store in rows take no line while the block lasts."""
    with closing(sqlite3.connect(database, isolation_level=None)) as held:
        held.execute(
            "CREATE TRIGGER full BEFORE INSERT ON lines BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        yield
        held.execute("DROP TRIGGER full")


@pytest.mark.folder_store
async def test_a_store_that_cannot_be_used_is_said_when_the_server_begins(
    tmp_path, monkeypatch, caplog
):
    async def away(self):
        await trio.lowlevel.checkpoint()
        return "the bucket is not there"

    monkeypatch.setattr(FolderStore, "trouble", away)
    async with serving(tmp_path):
        with trio.fail_after(90):
            while "refused: the bucket is not there" not in caplog.text:  # noqa: ASYNC110
                await trio.sleep(0.02)
