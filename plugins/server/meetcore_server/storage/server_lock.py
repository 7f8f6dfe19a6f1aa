"""Who holds a database's file and a bots' folder; a second server is told who.

A SQLite and its folder are held by one server. Servers that share a PostgreSQL hold their folder
together. Both are the kernel's locks on files, which end with their holder, SIGKILL included.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from uuid import uuid4

from meetcore import ConfigError

__all__ = ["AlreadyServed", "folder_identity", "held_file", "shared_folder"]

_IDENTITY = ".identity"
_OF_THE_DEAD_S = 2.0
_REMEDY = "Stop that server first, or give this one a database and a folder of its own."


class AlreadyServed(ConfigError):
    """Another server holds the database or the bots' folder."""


def _oneself() -> dict[str, Any]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since}


def _words(what: str, holder: dict[str, Any]) -> str:
    try:
        return (
            f"{what} is held by the server with process number {holder['pid']} on "
            f"{holder['host']}, since {holder['since']}."
        )
    except KeyError:
        return f"{what} is held by another server."


def _opened(path: Path, what: str) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{what} cannot be used: {path}: {error.strerror}.") from error


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _note(fd: int, holder: dict[str, Any]) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(holder).encode(), 0)


def _noted(fd: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _locked_soon(fd: int) -> bool:
    """Lock a file; wait a moment where whoever held it is dead.

    A process that it was starting when it was killed has its descriptors until it is another
    program.
    """
    until = time.monotonic() + _OF_THE_DEAD_S
    while not _locked(fd, fcntl.LOCK_EX):
        if time.monotonic() > until or not _is_dead(_noted(fd)):
            return False
        time.sleep(0.02)
    return True


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether a holder was a process of this machine that is no more."""
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def held_file(path: Path, what: str) -> Iterator[None]:
    """Hold something alone, by a lock on a file.

    Args:
        path: The file; it is made, and stays.
        what: What is held, for people.

    Raises:
        AlreadyServed: Another server holds it.
        ConfigError: The file cannot be made.
    """
    fd = _opened(path, what)
    try:
        if not _locked_soon(fd):
            raise AlreadyServed(_words(what, _noted(fd)), _REMEDY)
        _note(fd, _oneself())
        yield
    finally:
        os.close(fd)


@contextmanager
def shared_folder(path: Path, what: str, database: str) -> Iterator[None]:
    """Hold a folder together with the other servers of the same database.

    Args:
        path: The file that is locked; it is made, and stays.
        what: What is held, for people.
        database: Names the database; servers of another one are kept out.

    Raises:
        AlreadyServed: A server of another database holds it.
        ConfigError: The file cannot be made.
    """
    fd = _opened(path, what)
    try:
        if _locked(fd, fcntl.LOCK_EX):
            _note(fd, {**_oneself(), "database": database})
            fcntl.flock(fd, fcntl.LOCK_SH)
        elif not _locked(fd, fcntl.LOCK_SH) or _noted(fd).get("database") != database:
            raise AlreadyServed(_words(what, _noted(fd)), _REMEDY)
        yield
    finally:
        os.close(fd)


def folder_identity(folder: Path) -> str:
    """Return what names a folder, wherever it is reached from; it lies in the folder.

    Raises:
        ConfigError: It cannot be read or made.
    """
    path = folder / _IDENTITY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), NamedTemporaryFile(dir=folder, prefix=_IDENTITY) as made:
            made.write(uuid4().hex.encode())
            made.flush()
            os.link(made.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"The folder {folder} cannot be used: {error.strerror}.") from error
