"""A store that does not answer for a moment, and files that go away: neither ends a bot."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import meetcore
from examples.row_store import BlobMedia, RowStore, RowStoreOptions
from meetcore.fleet.launching import worker
from meetcore.log.folder_store import FolderMedia
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore.testing.store_conformance import StoreConformance, attend

from .blobs import blob_server

NAME = "files/mix.bin"


class Kit(StoreConformance):
    __test__ = False

    def open_store(self, place: Path) -> RowStore:
        mine = hashlib.sha256(str(place).encode()).hexdigest()[:12]
        options = RowStoreOptions(blobs=f"{blob_server()}/{mine}", workplaces=place / "here")
        return RowStore(f"rows://{place}/bots.db", options)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RowStore, "again_after_s", 0.01)


def away_for(times: int, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a method that fails so often, as where a server answers 503, and works then."""
    left = times

    async def asked(*args: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            await trio.lowlevel.checkpoint()
            raise meetcore.StorageUnavailable("503: slow down")
        return await method(*args)

    return asked


@pytest.mark.parametrize("step", ["lines", "take", "append"])
async def test_a_store_that_is_away_as_a_bot_begins_is_waited_for(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker does not give up: laying out, the lease, and the first lines are tried again."""
    store = Kit().open_store(tmp_path)
    setattr(store, step, away_for(3, getattr(store, step)))
    monkeypatch.setattr(worker, "store_of", lambda config, plugins: store)
    spec = meetcore.BotSpec(
        bot_id="b-1",
        url="simulated:short",
        settings={"transcriber": "scripted"},
        plugin_files=(str(PLUGIN_FILE),),
    )
    with trio.fail_after(60):
        await worker.run(spec)
        history = await Kit().open_store(tmp_path).log("b-1").history()
    assert history.reason is meetcore.EndReason.MEETING_ENDED
    assert await store.uncarried() == []


async def test_a_lease_whose_answer_was_lost_as_a_bot_began_is_waited_for(tmp_path: Path) -> None:
    """It looks like another's until it lapses."""
    kit = Kit()
    store = kit.open_store(tmp_path)
    take, asked = store.take, 0

    async def lost(bot_id: str, holder: str, for_s: float) -> int | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            assert await take(bot_id, holder, 0.2) is not None
            raise meetcore.StorageUnavailable("the connection was cut")
        return await take(bot_id, holder, for_s)

    store.take = lost  # type: ignore[method-assign]
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
    assert asked > 2
    assert await store.uncarried() == []


async def test_a_store_that_stays_away_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RowStore, "begin_within_s", 0.1)
    kit = Kit()
    store = kit.open_store(tmp_path)
    store.take = away_for(10**6, store.take)  # type: ignore[method-assign]
    with trio.fail_after(60), pytest.raises(meetcore.StorageUnavailable, match="slow down"):
        async with kit.running(store):
            pytest.fail("it runs without a lease")


async def test_a_bot_that_another_runs_is_refused_at_once(tmp_path: Path) -> None:
    kit = Kit()
    store = kit.open_store(tmp_path)
    with trio.fail_after(20):
        assert await store.take("b-1", "another", 600.0)
        began = trio.current_time()
        with pytest.raises(meetcore.JournalBusy):
            async with kit.running(store):
                pytest.fail("two run it")
        assert trio.current_time() - began < 10


async def test_a_file_that_is_renamed_as_it_is_carried_is_carried_under_its_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list and the reading; the bot goes on, and nothing of it is left out."""
    kit = Kit()
    store = kit.open_store(tmp_path)
    stat, renamed = FolderMedia._stat, []

    def rename_first(self: FolderMedia, name: str) -> Any:
        found = stat(self, name)
        path = store.workplace("b-1") / name
        if name == NAME and found is not None and not renamed and path.exists():
            renamed.append(path.rename(path.with_name("mix-Ada.bin")))
        return found

    monkeypatch.setattr(FolderMedia, "_stat", rename_first)
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
        names = [file.name async for file in store.media("b-1").files()]
    assert renamed
    assert "files/mix-Ada.bin" in names
    assert NAME not in names
    assert await store.uncarried() == []


async def test_a_file_that_goes_away_as_it_is_sent_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit()
    store = kit.open_store(tmp_path)
    put = BlobMedia.put

    async def gone(self: BlobMedia, name: str, source: Path) -> meetcore.StoredFile:
        if name == NAME:
            await trio.Path(source).unlink()
        return await put(self, name, source)

    monkeypatch.setattr(BlobMedia, "put", gone)
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
        assert await store.media("b-1").stat(NAME) is None
    assert await store.uncarried() == []


async def test_a_store_that_does_not_have_what_it_took_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`NoSuchFile` of the store is a trouble of the store, and ends no bot."""
    caplog.set_level(logging.WARNING)
    kit = Kit()
    store = kit.open_store(tmp_path)
    put, asked = BlobMedia.put, 0

    async def lost(self: BlobMedia, name: str, source: Path) -> meetcore.StoredFile:
        nonlocal asked
        asked += 1
        found = await put(self, name, source)
        if asked < 4:
            raise meetcore.NoSuchFile(name)
        return found

    monkeypatch.setattr(BlobMedia, "put", lost)
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
            while asked < 2:  # noqa: ASYNC110  while it runs, too
                await trio.sleep(0.01)
        assert await store.media("b-1").stat(NAME) is not None
    assert "does not have the file" in caplog.text
    assert await store.uncarried() == []


async def test_a_file_that_another_machine_deletes_as_it_is_laid_out_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = Kit()
    store = kit.open_store(tmp_path)
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
        (store.workplace("b-1") / NAME).unlink()
        files = BlobMedia.files

        async def then_deleted(self: BlobMedia, under: str = "") -> Any:
            async for file in files(self, under):
                await self.delete(file.name)
                yield file

        monkeypatch.setattr(BlobMedia, "files", then_deleted)
        (store.workplace("b-1") / ".uncarried").touch()
        async with store.checkout("b-1") as folder:
            assert not (folder / NAME).exists()


async def test_nothing_is_carried_again_of_a_bot_that_is_being_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another machine, which has something left of it."""
    kit = Kit()
    store, other = kit.open_store(tmp_path), kit.open_store(tmp_path)
    delete, refused = BlobMedia.delete, 0

    async def then_carried(self: BlobMedia, name: str) -> bool:
        nonlocal refused
        found = await delete(self, name)
        with pytest.raises(meetcore.JournalBusy):
            async with other.checkout("b-1"):
                pytest.fail("It is carried again.")
        refused += 1
        return found

    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
        (store.workplace("b-1") / ".uncarried").touch()
        monkeypatch.setattr(BlobMedia, "delete", then_carried)
        assert (await store.delete("b-1")).files > 1
        assert refused
        assert not await store.log("b-1").exists()
        assert await store.media("b-1").stat(NAME) is None


async def test_a_bot_whose_lease_cannot_be_had_is_deleted_all_the_same(tmp_path: Path) -> None:
    kit = Kit()
    store = kit.open_store(tmp_path)
    with trio.fail_after(60):
        async with kit.running(store) as journal:
            attend(journal, store.workplace("b-1"))
        store.take = away_for(10**6, store.take)  # type: ignore[method-assign]
        assert (await store.delete("b-1")).files > 1
        assert not await store.log("b-1").exists()
