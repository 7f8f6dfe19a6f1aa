"""Temporary folders with an owner: kept while it lives, gone when somebody sees to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import trio

import meetcore
from meetcore import MediaStore, StoredFile
from meetcore.log.folders import private_socket
from meetcore.log.scratch import (
    remove_stale,
    scratch_folder,
    scratch_in,
    scratch_root,
    temporary_in,
)
from meetcore.plugin import scratch

OWNER = """
import sys, time
from pathlib import Path
from meetcore.log.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_it_is_there_for_the_block(tmp_path):
    with scratch_folder(tmp_path) as folder:
        assert remove_stale(tmp_path) == []
        assert folder.is_dir()
    assert not folder.exists()


def test_one_that_is_just_being_made_is_left_alone(tmp_path, monkeypatch):
    """Somebody tidies up between the making of its lock and the locking."""
    really, tidied = scratch._try_lock, []

    def meanwhile(descriptor):
        if not tidied:
            tidied.append(None)
            tidied.extend(remove_stale(tmp_path))
        return really(descriptor)

    monkeypatch.setattr(scratch, "_try_lock", meanwhile)
    with scratch_folder(tmp_path) as folder:
        assert tidied == [None]
        assert folder.is_dir()
        assert remove_stale(tmp_path) == []


async def test_that_of_a_killed_process_goes_when_bots_are_recovered(tmp_path, monkeypatch):
    place, bots = tmp_path / "t", tmp_path / "bots"
    place.mkdir()
    bots.mkdir()
    monkeypatch.setattr(scratch, "scratch_root", lambda: place)
    folder = left_by_a_killed_process(place)
    assert folder.is_dir()
    assert await meetcore.recover(bots, plugins=meetcore.Plugins(entry_points=False)) == []
    assert not folder.exists()


def left_by_a_killed_process(place: Path) -> Path:
    command = [sys.executable, "-c", OWNER, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert remove_stale(place) == []
        owner.send_signal(signal.SIGKILL)
    return folder


def test_temporary_files_are_made_elsewhere_and_sockets_stay_where_they_are(tmp_path):
    before, socket = tempfile.gettempdir(), private_socket("a.sock")
    one, two = tmp_path / "one", tmp_path / "two"
    for place in (one, two):
        place.mkdir()
    with temporary_in(one):
        with temporary_in(two):
            assert tempfile.gettempdir() == str(two)
            assert scratch_root() == two
            with tempfile.NamedTemporaryFile() as file:
                assert Path(file.name).parent == two
            assert private_socket("a.sock") == socket
        assert tempfile.gettempdir() == str(one)
        assert scratch_root() == one
    assert tempfile.gettempdir() == before
    assert private_socket("a.sock") == socket


class Elsewhere(MediaStore):
    """Files that are not on this machine."""

    def __init__(self) -> None:
        self.kept = {"source.bin": b"as it was"}

    async def stat(self, name: str) -> StoredFile | None:
        data = self.kept.get(name)
        if data is None:
            return None
        return StoredFile(name=name, size_bytes=len(data), modified_at=datetime.now(UTC))

    async def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        for name in self.kept:
            found = await self.stat(name)
            assert found is not None
            yield found

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        yield self.kept[name]

    async def put(self, name: str, source: Path) -> StoredFile:
        self.kept[name] = await trio.Path(source).read_bytes()
        found = await self.stat(name)
        assert found is not None
        return found

    async def delete(self, name: str) -> bool:
        return self.kept.pop(name, None) is not None


async def test_files_that_are_had_from_elsewhere_lie_in_a_folder_that_somebody_owns(tmp_path):
    """Where the operator has temporary files, and swept if its process is killed."""
    media, made_in = Elsewhere(), []

    def make(source: Path, made: Path) -> None:
        made_in.append(made.parent)
        assert (made.parent / scratch.LOCK_NAME).is_file()
        made.write_bytes(source.read_bytes() + b", and more")

    with scratch_in(tmp_path):
        async with media.local("source.bin") as path:
            assert path.read_bytes() == b"as it was"
            assert path.parent.parent == tmp_path
            assert (path.parent / scratch.LOCK_NAME).is_file()
        await media.derive("made.bin", "source.bin", make)
    assert media.kept["made.bin"] == b"as it was, and more"
    assert [folder.parent for folder in made_in] == [tmp_path]
    assert list(tmp_path.iterdir()) == []
