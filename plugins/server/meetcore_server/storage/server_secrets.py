"""Random secrets of the server itself, made when first asked for, the same ever after."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.database import Database
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.tables import server_secrets

__all__ = ["server_secret"]


async def server_secret(database: Database, name: str = "signing") -> bytes:
    """Return the secret of that name: 32 bytes."""

    def find_or_make(c: sa.Connection) -> bytes:
        one_at_a_time(c, "server_secrets")
        found: bytes | None = c.scalar(
            sa.select(server_secrets.c.value).where(server_secrets.c.name == name)
        )
        if found is not None:
            return bytes(found)
        value = secrets.token_bytes(32)
        c.execute(sa.insert(server_secrets).values(name=name, value=value, created_at=utc_now()))
        return value

    return await database.do(find_or_make)
