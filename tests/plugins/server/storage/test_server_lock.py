"""A server's lock ends with it, also where something it was just starting outlives it a moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meetcore_server.storage.server_lock import AlreadyServed, held_file

KILLED = """
import os, signal, sys, time
from pathlib import Path
from meetcore_server.storage.server_lock import held_file
with held_file(Path(sys.argv[1]), "The folder"):
    if os.fork() == 0:
        time.sleep(float(sys.argv[2]))  # has its descriptors, as a process has that is being born
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(path: Path, child_s: float) -> None:
    command = [sys.executable, "-c", KILLED, str(path), str(child_s)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9


def test_what_a_killed_server_held_is_free_when_nothing_of_it_is_left(tmp_path):
    killed(tmp_path / "lock", 0.3)
    with held_file(tmp_path / "lock", "The folder"):
        pass


def test_nobody_is_waited_for_who_lives(tmp_path):
    with (
        held_file(tmp_path / "lock", "The folder"),
        pytest.raises(AlreadyServed, match=f"process number {os.getpid()}"),
        held_file(tmp_path / "lock", "The folder"),
    ):
        pytest.fail("it was held twice")
