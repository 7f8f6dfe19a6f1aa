"""One server holds a database and a bots' folder; a second one is told who.

Both are held by locks that end with their holder, SIGKILL included: files by the kernel, PostgreSQL
by the session. The session is the very connection that writes, so a server that lost it, and found
another holding the lock when it came back, writes nothing more.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from meetcore import ConfigError
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.tables import server_secrets

__all__ = ["LOCK_NUMBER", "AlreadyServed", "held_file", "hold_database"]

LOCK_NUMBER = 6_386_004
_HOLDER = "holder"
_REMEDY = "Stop that server first, or give this one a database and a folder of its own."


class AlreadyServed(ConfigError):
    """Another server holds the database or the bots' folder."""


def _oneself() -> dict[str, Any]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since}


def _words(what: str, found: bytes | None) -> str:
    try:
        holder = json.loads(found or b"")
        return (
            f"{what} is held by the server with process number {holder['pid']} on "
            f"{holder['host']}, since {holder['since']}."
        )
    except (ValueError, KeyError, TypeError):
        return f"{what} is held by another server."


@contextmanager
def held_file(path: Path, what: str) -> Iterator[None]:
    """Hold something by a lock on a file.

    Args:
        path: The file; it is made, and stays.
        what: What is held, for people.

    Raises:
        AlreadyServed: Another server holds it.
        ConfigError: The file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{what} cannot be used: {path}: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(_words(what, os.pread(fd, 4096, 0)), _REMEDY) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(_oneself()).encode(), 0)
        yield
    finally:
        os.close(fd)


def hold_database(connection: sa.Connection, shown: str, *, first: bool) -> None:
    """Take PostgreSQL's lock for as long as the connection lives; in a transaction.

    Args:
        connection: The one that everything is written over.
        shown: The database as it may be shown.
        first: Whether the server begins; otherwise it has lost its connection.

    Raises:
        AlreadyServed: Another server holds it, at the beginning.
        DatabaseUnavailable: The same later.
    """
    if connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK_NUMBER))):
        connection.execute(sa.delete(server_secrets).where(server_secrets.c.name == _HOLDER))
        value = json.dumps(_oneself()).encode()
        new = sa.insert(server_secrets).values(
            name=_HOLDER, value=value, created_at=datetime.now(UTC)
        )
        connection.execute(new)
        return
    query = sa.select(server_secrets.c.value).where(server_secrets.c.name == _HOLDER)
    words = _words(f"The database {shown}", connection.scalar(query))
    if first:
        raise AlreadyServed(words, _REMEDY)
    raise DatabaseUnavailable(words, "It may also be this server's own session that has not ended.")
