"""The embedded store and vault: a folder of bots' folders."""

from __future__ import annotations

import pytest

import meetcore
from meetcore.log.store_folder import FolderStore, FolderVault
from meetcore.model.errors import StorageUnavailable
from meetcore.testing import SimMeeting, run_simulated
from tests.laws.conftest import MEETING


@pytest.fixture
def bots(tmp_path):
    for name in ("b-2", "b-1"):
        run_simulated(SimMeeting(MEETING), out_dir=tmp_path, bot_id=name)
    return tmp_path


def test_the_list_of_bots_is_what_the_folders_say(bots):
    (bots / "empty").mkdir()
    (bots / "broken").mkdir()
    (bots / "broken" / "journal.jsonl").write_bytes(b"x\ny\n")
    records = list(FolderStore(bots).records())
    assert [(r.bot_id, r.folder) for r in records] == [
        ("b-1", bots / "b-1"),
        ("b-2", bots / "b-2"),
    ]
    first = next(iter(meetcore.read_journal(bots / "b-1" / "journal.jsonl")))
    assert records[0].requested_at == first.at


def test_room_is_made_for_a_new_bot_or_refused_by_name(tmp_path):
    record = FolderStore(tmp_path / "deep").create("b-9")
    assert record.folder == tmp_path / "deep" / "b-9"
    assert list(record.folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match="file"):
        FolderStore(tmp_path / "file").create("b-9")


def test_deleting_media_leaves_the_journal(bots):
    vault = FolderVault(bots)
    folder = vault.folder_for("b-1")
    (folder / "files" / "deep").mkdir(parents=True)
    for name in ("mix.mka", "files/a.txt", "files/deep/b.txt"):
        (folder / name).write_text("x")
    assert vault.delete("b-1") == 3
    assert [p.name for p in folder.iterdir()] == ["journal.jsonl"]
    assert (bots / "b-2" / "journal.jsonl").is_file()
