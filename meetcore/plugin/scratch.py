"""Temporary folders with an owner, and the removal of those that killed processes left behind.

Programs that a plugin starts put things into the system's temporary folder and remove them when
they end; a browser its profile, for instance. Killed, they leave them, and nothing about them says
whose they were. So each gets a folder of its own as `TMPDIR`, with a lock file that its owner keeps
locked: the kernel lets go of that lock whatever way the owner dies. A folder whose lock can be
had is nobody's: who sees to a killed bot's end removes it, and so does whoever makes the next.
Process ids would not do: they are used again.

Chromium puts a socket into that folder, and the path of a socket has about a hundred characters.
Where the system's temporary folder has a long name (macOS, some test runners), `/tmp` stands in.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["LOCK_NAME", "PREFIX", "remove_stale", "scratch_folder", "scratch_in", "scratch_root"]
__all__ += ["system_temporary", "temporary_folder", "temporary_in"]

PREFIX = "meetcore-browser-"
_PLAIN_PREFIX = "meetcore-scratch-"
LOCK_NAME = "owner.lock"


MAX_ROOT_CHARS = 32
"""Then ROOT/meetcore-browser-xxxxxxxx/org.chromium.Chromium.xxxxxx/SingletonSocket is below 104."""


_chosen: list[Path] = []


@contextmanager
def scratch_in(root: Path) -> Iterator[None]:
    """Have this process make its scratch folders in a folder, for as long as the block runs."""
    _chosen.append(root)
    try:
        yield
    finally:
        _chosen.remove(root)


_systems: list[str] = []
"""What the temporary folder was before each block of `temporary_in`."""


@contextmanager
def temporary_in(root: Path) -> Iterator[None]:
    """Have every temporary file of this process made in a folder, those of plugins too.

    A local socket stays where other processes look for it: see `system_temporary`.
    """
    _systems.append(tempfile.gettempdir())
    tempfile.tempdir = str(root)
    try:
        with scratch_in(root):
            yield
    finally:
        tempfile.tempdir = _systems.pop()


def system_temporary() -> Path:
    """Return the temporary folder of the system, the same in all processes of a user."""
    return Path(_systems[0] if _systems else tempfile.gettempdir())


def scratch_root() -> Path:
    """Return the folder in which scratch folders are made."""
    if _chosen:
        return _chosen[-1]
    root = Path(tempfile.gettempdir())
    if sys.platform != "win32" and len(str(root)) > MAX_ROOT_CHARS and os.access("/tmp", os.W_OK):
        return Path("/tmp")
    return root


def _try_lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False  # stale folders stay there until the system's own clean-up
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def scratch_folder(parent: Path | None = None, *, prefix: str = PREFIX) -> Iterator[Path]:
    """Hold a locked temporary folder; it is gone afterwards.

    Args:
        parent: Where to make it; `scratch_root()` by default.
        prefix: What its name begins with.
    """
    root = parent if parent is not None else scratch_root()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    unseen = folder / f"{LOCK_NAME}.new"
    descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _try_lock(descriptor)
        unseen.rename(folder / LOCK_NAME)  # nobody sees the lock before it is taken
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder() -> AbstractContextManager[Path]:
    """Hold such a folder for files alone: where the system keeps temporary ones, however named."""
    root = _chosen[-1] if _chosen else Path(tempfile.gettempdir())
    return scratch_folder(root, prefix=_PLAIN_PREFIX)


def remove_stale(parent: Path | None = None) -> list[Path]:
    """Remove the folders of owners that are dead; return them.

    Only folders of the same user are touched, and only when their lock can be taken.
    """
    roots = {parent} if parent is not None else {scratch_root(), Path(tempfile.gettempdir())}
    removed = []
    for folder in [found for root in roots for found in root.glob("meetcore-*-*")]:
        with suppress(OSError):
            named = folder.name.startswith((PREFIX, _PLAIN_PREFIX))
            if named and _is_ours(folder) and _owner_is_dead(folder):
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _is_ours(folder: Path) -> bool:
    about = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and _uid() in (None, about.st_uid)


def _uid() -> int | None:
    return os.getuid() if hasattr(os, "getuid") else None


def _owner_is_dead(folder: Path) -> bool:
    # A folder without a lock file is one being made this very moment: leave it.
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR)
    try:
        return _try_lock(descriptor)
    finally:
        os.close(descriptor)
