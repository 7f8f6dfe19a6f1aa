"""The right to write a bot's log in a folder: the kernel's lock on a file, and a number in it.

The lock ends with its holder, SIGKILL included. The number is greater with each holder, so that
one who held it before is told apart.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from meetcore.log.folders import make_private_folder

__all__ = ["LEASE_NAME", "HeldLease", "is_held", "take_lease"]

LEASE_NAME = "lease"
_MOST_DIGITS = 20


class HeldLease:
    """A lease that this process has.

    Args:
        path: The file.
        fd: The file, locked.
        number: Its number.
    """

    def __init__(self, path: Path, fd: int, number: int) -> None:
        self._path = path
        self._fd = fd
        self.number = number

    @property
    def valid(self) -> bool:
        """Whether the file is still the one at its place: who deletes a bot takes the lease."""
        try:
            return _same(self._fd, self._path)
        except OSError:
            return False

    def close(self) -> None:
        """Give it up; once."""
        os.close(self._fd)


def _same(fd: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def take_lease(folder: Path) -> HeldLease | None:
    """Take the lease of the bot in a folder, which is made; None while somebody has it.

    Raises:
        OSError: The folder or the file cannot be written.
    """
    path = folder / LEASE_NAME
    while True:
        make_private_folder(folder)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # the folder was deleted this moment
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            if _same(fd, path):
                text = os.pread(fd, _MOST_DIGITS, 0).strip()
                number = int(text) + 1 if text.isdigit() else 1
                os.pwrite(fd, b"%d\n" % number, 0)
                return HeldLease(path, fd, number)
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # it was that of a bot that is deleted


def is_held(folder: Path) -> bool:
    """Return whether anybody has the lease of the bot in a folder."""
    try:
        fd = os.open(folder / LEASE_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
