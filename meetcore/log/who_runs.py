"""Who runs a bot: the process that holds the lock on its journal, wherever that was started.

The lock ends with its holder, SIGKILL included, so nobody is taken for alive who is not. What the
holder's number is stands in a file beside the journal, for whoever did not start it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

import attrs

from meetcore.log.folders import journal_path, private_file
from meetcore.plugin.store import Runner

__all__ = ["RUNNER_NAME", "is_running", "note_runner", "runner_of"]

RUNNER_NAME = "process.json"


def is_running(folder: Path) -> bool:
    """Whether a process holds the journal of the bot in a folder."""
    try:
        fd = os.open(journal_path(folder), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def runner_of(folder: Path) -> Runner | None:
    """Return who runs the bot in a folder, None if nobody does."""
    return _noted(folder) if is_running(folder) else None


def note_runner(folder: Path, runner: Runner) -> None:
    """Leave in a bot's folder who runs it, before it begins.

    Raises:
        OSError: It cannot be written.
    """
    private_file(folder / RUNNER_NAME).write_text(json.dumps(attrs.asdict(runner)))


def _noted(folder: Path) -> Runner:
    try:
        note: dict[str, Any] = json.loads((folder / RUNNER_NAME).read_text())
        rules = {
            name: float(note[name])
            for name in ("max_duration_s", "waiting_room_s")
            if note.get(name) is not None
        }
        return Runner(pid=int(note["pid"]), **rules)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Runner()
