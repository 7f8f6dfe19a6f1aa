"""The store that is built in: a folder of bots' folders."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import trio

import meetcore
from meetcore.fleet.moving import move_bot, move_bots, stored_hashes
from meetcore.log.folder_store import FolderStore, folder_of_url
from meetcore.log.stores import store_of
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.store import BotStore
from meetcore.testing.store_conformance import StoreConformance


class TestFolderStore(StoreConformance):
    def open_store(self, place: Path) -> BotStore:
        return FolderStore(place, fsync=False)


def test_it_is_chosen_by_a_url_and_is_the_folder_of_old_otherwise(tmp_path: Path) -> None:
    plugins = meetcore.Plugins(entry_points=False)
    plain = meetcore.load_config(None, {"out_dir": tmp_path}, environ={})
    named = meetcore.load_config(None, {"store": {"url": f"folder://{tmp_path}/b%20c"}}, environ={})
    assert store_of(plain, plugins).workplace("x") == tmp_path / "x"
    assert store_of(named, plugins).workplace("x") == tmp_path / "b c" / "x"


@pytest.mark.parametrize("url", ["folder://host/x", "folder:", "folder:///a?b=c", "folder:///a#b"])
def test_a_url_that_is_no_folder_says_so(url: str) -> None:
    with pytest.raises(meetcore.ConfigError, match="not the URL of a folder"):
        folder_of_url(url)


def test_a_store_that_nobody_registered_is_named_with_those_there_are() -> None:
    config = meetcore.load_config(None, {"store": {"url": "s3://bucket"}}, environ={})
    with pytest.raises(meetcore.UnknownPlugin, match="s3"):
        store_of(config, meetcore.Plugins(entry_points=False))
    with pytest.raises(meetcore.ConfigError, match="does not begin with a scheme"):
        meetcore.load_config(None, {"store": {"url": "/var/lib/meetcore"}}, environ={})


async def test_a_link_out_of_a_bots_folder_leads_nowhere(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bots")
    await store.prepare("b-1")
    (tmp_path / "secret").write_text("s")
    (store.workplace("b-1") / "link").symlink_to(tmp_path / "secret")
    media = store.media("b-1")
    assert await media.stat("link") is None
    assert [file async for file in media.files()] == []
    with pytest.raises(meetcore.NoSuchFile):
        await media.read_bytes("link")


@pytest.mark.parametrize("spelled", ["{0}/x/../bots", "{0}/link", "{0}/bots/"])
async def test_however_a_folder_is_spelled_nothing_is_moved_onto_itself(
    tmp_path: Path, spelled: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "bots").mkdir()
    (tmp_path / "link").symlink_to("bots")
    store, same = FolderStore(tmp_path / "bots"), FolderStore(spelled.format(tmp_path))
    await TestFolderStore().attended(store)
    before = await stored_hashes(store, "b-1")
    for source, target in ((store, same), (same, store)):
        with pytest.raises(meetcore.ConfigError, match="same place"):
            await move_bots(source, target)
        with pytest.raises(meetcore.ConfigError, match="same place"):
            await move_bot(source, target, "b-1")
    assert await stored_hashes(store, "b-1") == before
    assert sorted(path.name for path in (tmp_path / "bots").iterdir()) == ["b-1"]


async def test_what_is_put_is_its_owners_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "bots")
    await store.prepare("b-1")
    given = tmp_path / "given"
    given.write_text("x")
    await store.media("b-1").put("files/deep/note.txt", given)
    folder = store.workplace("b-1")
    for path in (folder / "files", folder / "files" / "deep", folder / "files/deep/note.txt"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


async def test_a_folder_that_cannot_be_written_is_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "cannot be written" in await FolderStore(tmp_path / "none").trouble()
    monkeypatch.undo()
    usage = type("Usage", (), {"free": 5})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert "0.0 MB left" in await FolderStore(tmp_path).trouble()


async def test_a_beginning_that_was_cut_short_by_a_kill_is_completed(tmp_path: Path) -> None:
    """A journal that holds the request alone."""
    store = FolderStore(tmp_path)
    head = TestFolderStore().head()
    await store.prepare("b-1")
    journal = meetcore.Journal(store.workplace("b-1") / "journal.jsonl", "b-1")
    journal.append(head[0])
    journal.close()
    await store.begin("b-1", head)
    assert [event.type async for event in store.log("b-1").read()] == [
        "bot.requested",
        "state.changed",
    ]
    await store.end("b-1", EndReason.STOP_REQUESTED, Evidence("test"))


async def test_whoever_gives_up_on_a_beginning_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes it stands still, and finishes when nobody waits for it any more."""
    written, go_on = trio.Event(), __import__("threading").Event()
    whole = FolderStore._begin

    def slow(self, bot_id, head):
        trio.from_thread.run_sync(written.set)
        go_on.wait(60)
        whole(self, bot_id, head)

    monkeypatch.setattr(FolderStore, "_begin", slow)
    store = FolderStore(tmp_path)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.begin, "b-1", TestFolderStore().head())
            await written.wait()
            go_on.set()
            scope.cancel()
    with trio.fail_after(60):
        while (tmp_path / "b-1").exists():  # noqa: ASYNC110  a thread tells nobody
            await trio.sleep(0.01)
