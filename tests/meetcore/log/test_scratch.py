"""Temporary folders with an owner: kept while it lives, gone when somebody sees to its end."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import meetcore
from meetcore.log import scratch
from meetcore.log.folders import private_socket
from meetcore.log.scratch import remove_stale, scratch_folder, scratch_root, temporary_in

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
