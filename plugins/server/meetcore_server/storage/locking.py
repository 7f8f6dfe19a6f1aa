"""One at a time, also where several processes share a PostgreSQL."""

from __future__ import annotations

import zlib

import sqlalchemy as sa

__all__ = ["one_at_a_time"]


def one_at_a_time(connection: sa.Connection, what: str) -> None:
    """Let no other transaction pass here with the same word before this one has ended.

    In SQLite every transaction of ours has the whole database to itself.
    """
    if connection.dialect.name == "postgresql":
        number = zlib.crc32(what.encode())
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
