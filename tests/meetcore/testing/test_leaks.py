"""The leak guard names what remains, and is content with what ends by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import trio

from meetcore.testing import LeakError, LeakGuard, leaks


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch):
    monkeypatch.setattr(leaks, "_PATIENCE_S", 0.3)


def found(guard: LeakGuard) -> str:
    with pytest.raises(LeakError) as caught:
        guard.check()
    return str(caught.value)


def test_a_thread_is_named():
    guard, done = LeakGuard(), threading.Event()
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    assert "thread forgotten#" in found(guard)
    done.set()
    thread.join()
    guard.check()


def test_a_child_process_is_named_with_its_command():
    guard = LeakGuard()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        message = found(guard)
        child.communicate(b"\n")
    assert f"process {child.pid} (" in message
    assert "input()" in message
    guard.check()


def test_a_socket_and_an_open_file_are_named(tmp_path):
    guard = LeakGuard()
    with socket.socket(), (tmp_path / "forgotten.txt").open("w"):
        message = found(guard)
    assert "socket:" in message
    assert "forgotten.txt" in message
    guard.check()


def test_a_temporary_file_of_ours_is_named_and_anothers_is_not():
    guard = LeakGuard()
    ours = Path(tempfile.gettempdir()) / "meetcore-forgotten"
    others = Path(tempfile.gettempdir()) / "somebody-elses"
    for path in (ours, others):
        path.touch()
    message = found(guard)
    for path in (ours, others):
        path.unlink()
    assert "meetcore-forgotten" in message
    assert "somebody" not in message


def test_what_ends_by_itself_is_given_a_moment():
    guard = LeakGuard()
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()
    guard.check()
    thread.join()


async def test_a_task_below_the_callers_is_named():
    async with trio.open_nursery() as nursery:
        LeakGuard().check_tasks()
        nursery.start_soon(trio.sleep_forever, name="forgotten")
        with pytest.raises(LeakError, match="forgotten"):
            LeakGuard().check_tasks()
        nursery.cancel_scope.cancel()
