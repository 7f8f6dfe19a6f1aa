"""Bots' workplaces on this machine: what is noted in them, and those that are there for a while.

A server works on what bots of many machines left. If the workplaces in which it does so stayed, it
would have on its disk, in the end, what the store has.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from meetcore.log.folder_store import delete_folder
from meetcore.log.folders import journal_path, make_bot_folder, private_file

__all__ = ["CARRIED", "NOTES", "UNCARRIED", "as_guest", "carried_from", "listing", "note_carried"]

_LOG = logging.getLogger("meetcore.log")
_TIDY_WITHIN_S = 10.0
_GUEST = ".guest"
"""A file in a workplace that was laid out for a while."""
CARRIED = ".carried"
"""A file in a workplace that names the files which the store had when it had all of them."""
UNCARRIED = ".uncarried"
"""A file in a workplace that may hold something which the store does not have."""
NOTES = frozenset({_GUEST, CARRIED, UNCARRIED})
"""What is noted in a workplace about itself; other hidden files are of work that was begun."""


@asynccontextmanager
async def as_guest(folder: Path) -> AsyncIterator[None]:
    """Use a workplace while the block runs; one that is there for this alone does not stay.

    It stays only as long as it may hold something that the store does not have.
    """
    guest = await trio.to_thread.run_sync(_come, folder)
    try:
        yield
    finally:
        if guest:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _TIDY_WITHIN_S):
                await trio.to_thread.run_sync(_leave, folder, abandon_on_cancel=True)


def _come(folder: Path) -> bool:
    """Return whether a workplace is to be laid out for a while, and mark it then."""
    mark = folder / _GUEST
    if journal_path(folder).exists() and not mark.exists():
        return False
    make_bot_folder(folder.parent, folder.name)
    private_file(mark)
    return True


def _leave(folder: Path) -> None:
    if (folder / UNCARRIED).exists():
        return
    if stayed := delete_folder(folder).stayed:
        _LOG.warning("bot=%s of its copy on this machine stays: %s", folder.name, stayed)


def note_carried(folder: Path, names: Sequence[str]) -> None:
    """Note which files the store has, now that it has all."""
    private_file(folder / CARRIED).write_text(json.dumps(names), encoding="utf-8")


def carried_from(folder: Path) -> list[str]:
    """Return the files that the store had when all was carried; none where that is not known."""
    try:
        return [str(name) for name in json.loads((folder / CARRIED).read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file in a folder, notes of unfinished work among them."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            about = path.stat()
            found[str(path)] = (about.st_size, about.st_mtime_ns)
    return found
