"""A server whose bots are kept in a store that lags: what was told is kept in the end."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore.log.folder_store import FolderStore
from meetcore.model.errors import StorageUnavailable
from meetcore.model.lifecycle import EndReason

from .running import STAY, http, ordered, serving, until


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
        running.bot.conclude(EndReason.REMOVED, meetcore.Evidence("test"))
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
