"""The leak guard: what was there before must be all that is there after (law 1).

It compares threads, child processes, open sockets and files, Trio tasks and temporary files with a
snapshot taken at its start. Things that end by themselves are given a moment: in a Trio program
with `await guard.settled()`, which lets the loop go on, so that a server in the same program can
close its end of a connection; elsewhere with `guard.check()`.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import trio
from attrs import frozen

__all__ = ["LeakError", "LeakGuard", "Snapshot"]

# Trio keeps idle worker threads for ten seconds on purpose.
_IDLE_THREADS = ("Trio thread",)
_PATIENCE_S = 3.0
_LOOK_S = 0.02
_PREFIXES = ("meetcore", "playwright", ".org.chromium", "com.google.Chrome")


class LeakError(AssertionError):
    """Something remains that was not there before; the message names it."""


@frozen
class Snapshot:
    """What a process holds at one moment."""

    threads: frozenset[str]
    children: frozenset[int]
    descriptors: frozenset[str]
    temporary: frozenset[str]

    @classmethod
    def take(cls) -> Snapshot:
        """Look at this process (Linux: through /proc)."""
        threads = frozenset(
            f"{t.name}#{t.ident}"
            for t in threading.enumerate()
            if not t.name.startswith(_IDLE_THREADS)
        )
        return cls(threads, _children(), _descriptors(), _temporary_files())


def _children() -> frozenset[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(int(pid) for pid in task.read_text().split())
        except OSError:
            continue
    return frozenset(pid for pid in found if not _is_gone(pid))


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _descriptors() -> frozenset[str]:
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = entry.readlink()
        except OSError:
            continue
        text = str(target)
        if text.startswith("socket:"):
            text += _ends_of(int(entry.name))
        if text.startswith(("socket:", "pipe:")) or not text.startswith(("/dev", "/proc", "anon")):
            found.add(f"{entry.name} -> {text}")
    return frozenset(found)


def _ends_of(descriptor: int) -> str:
    """Return a socket's two ends in words: whose it is shows in them."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return f" listening at {_address(copy.getsockname())}"
            try:
                return f" {_address(copy.getsockname())} to {_address(copy.getpeername())}"
            except OSError:
                return ""
    except OSError:
        return ""


def _address(name: object) -> str:
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "unnamed")


def _temporary_files() -> frozenset[str]:
    try:
        names = os.listdir(tempfile.gettempdir())
    except OSError:
        return frozenset()
    return frozenset(name for name in names if name.startswith(_PREFIXES))


def _describe_child(pid: int) -> str:
    try:
        words = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        words = "?"
    return f"process {pid} ({words.strip()[:120]})"


class LeakGuard:
    """Remembers what there is; `check` and `settled` raise if more is there later.

    Args:
        whose: What is being looked after, for the message: `The platform 'demo'`.
    """

    def __init__(self, whose: str = "") -> None:
        self._whose = whose
        self._before = Snapshot.take()

    def remains(self) -> list[str]:
        """Return what is there now and was not before, in words."""
        after, before = Snapshot.take(), self._before
        found = [f"thread {name}" for name in sorted(after.threads - before.threads)]
        found += [_describe_child(pid) for pid in sorted(after.children - before.children)]
        found += [f"descriptor {item}" for item in sorted(after.descriptors - before.descriptors)]
        found += [f"temporary {name}" for name in sorted(after.temporary - before.temporary)]
        return found

    def check(self) -> None:
        """Wait a moment for what ends by itself, then raise if anything remains.

        Holds up the thread; in a Trio program use `settled`.

        Raises:
            LeakError: It names what remains.
        """
        deadline = time.monotonic() + _PATIENCE_S
        remains = self.remains()
        while remains and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            remains = self.remains()
        self._told(remains)

    async def settled(self) -> None:
        """Do as `check`, and let the other tasks of this Trio program run meanwhile.

        The wait is one of real time under any clock.

        Raises:
            LeakError: It names what remains.
        """
        deadline = time.monotonic() + _PATIENCE_S
        remains = self.remains()
        while remains and time.monotonic() < deadline:
            await trio.to_thread.run_sync(time.sleep, _LOOK_S)
            remains = self.remains()
        self._told(remains)

    def _told(self, remains: list[str]) -> None:
        if remains:
            what = f"{self._whose} left behind" if self._whose else "Left behind"
            raise LeakError(f"{what}: " + "; ".join(remains))

    def check_tasks(self, nursery_task: trio.lowlevel.Task | None = None) -> None:
        """Raise if a Trio task other than the caller's own ancestors is running.

        Args:
            nursery_task: The task to look below; by default the caller.

        Raises:
            LeakError: It names the tasks.
        """
        task = nursery_task or trio.lowlevel.current_task()
        children = [child.name for nursery in task.child_nurseries for child in nursery.child_tasks]
        if children:
            raise LeakError(f"Tasks left behind: {', '.join(children)}")
