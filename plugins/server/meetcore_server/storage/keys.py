"""Keys: made, shown once, kept as hashes, checked, revoked.

A key is 32 random bytes, so a plain SHA-256 is enough: there is nothing to guess. The hash is what
is looked up, and compared once more in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from meetcore.gateway import Client, KeyRow, NoSuchBot, Scope
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.columns import LARGEST_NUMBER, storable_limit
from meetcore_server.storage.database import Database
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.tables import keys, users

__all__ = ["Keys"]

_BELIEVED_S = 0.5
_MOST_REMEMBERED = 4096
_HINT_LETTERS = 6
_KEY_BYTES = 32
_SHOWN = [column for column in keys.c if column.name != "hash"]

# What is asked with each request is built once: that takes longer than to look it up.
_GOOD = sa.and_(
    keys.c.revoked_at.is_(None),
    sa.or_(keys.c.expires_at.is_(None), keys.c.expires_at > sa.bindparam("now")),
)
_VALID = sa.select(keys.c.id).where(keys.c.id.in_(sa.bindparam("ids", expanding=True)), _GOOD)
_ANY_VALID = sa.select(keys.c.number).where(_GOOD).limit(1)
_ANY = sa.select(keys.c.number).limit(1)
_BY_HASH = sa.select(keys).where(keys.c.hash == sa.bindparam("digest"))


@frozen
class Keys:
    """The keys of all users.

    A key that was found is believed for half a second without asking again; one that was not is
    looked up each time, so that a key another process made is valid at once. How many guesses
    there may be is decided by `Callers`, before anything is looked up.
    """

    database: Database
    now: Callable[[], datetime] = utc_now
    clock: Callable[[], float] = time.monotonic
    _remembered: dict[bytes, tuple[float, KeyRow]] = field(factory=dict, init=False)

    async def authenticate(self, key: str) -> Client | None:
        """Return whose key this is; None for an unknown, revoked or expired one."""
        digest = _hash(key)
        row = self._recalled(digest)
        if row is None:
            row = await self.database.do(lambda c: _by_hash(c, digest))
            if row is None:
                return None
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (self.clock(), row)
        if row.revoked_at is not None:
            return None
        if row.expires_at is not None and row.expires_at <= self.now():
            return None
        return Client(key_id=row.id, user_id=row.user_id, scopes=row.scopes)

    async def valid(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return which of some keys, by their ids, are good now."""
        asked = {"ids": list(key_ids), "now": self.now()}
        return await self.database.do(lambda c: frozenset(c.scalars(_VALID, asked)))

    async def create(
        self,
        user_id: int,
        *,
        label: str = "",
        prefix: str = "mc_",
        scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.WRITE}),
        expires_at: datetime | None = None,
        max_bots: int | None = None,
    ) -> tuple[KeyRow, str]:
        """Make a key; return its row, and the key itself, which is kept nowhere.

        `max_bots` is how many bots ordered with it there may be at once, None for the server's
        limit.

        Raises:
            NoSuchBot: There is no such user.
        """
        key = prefix + secrets.token_urlsafe(_KEY_BYTES)
        key_id = str(uuid.uuid4())
        new = sa.insert(keys).values(
            id=key_id,
            user_id=user_id,
            hash=_hash(key),
            hint=key[: len(prefix) + _HINT_LETTERS],
            label=label,
            scopes=" ".join(sorted(scopes)),
            created_at=self.now(),
            expires_at=expires_at,
            max_bots=storable_limit(max_bots),
        )

        def create(c: sa.Connection) -> KeyRow:
            known = 0 < user_id <= LARGEST_NUMBER and c.scalar(
                sa.select(users.c.id).where(users.c.id == user_id)
            )
            if not known:
                raise NoSuchBot(f"There is no user {user_id}.")
            return _key(c.execute(new.returning(*_SHOWN)).one())

        try:
            return await self.database.do(create), key
        except DatabaseUnavailable:
            made = [row for row in await self.keys(user_id) if row.id == key_id]
            if not made:
                raise
            return made[0], key  # it was done, and its answer did not come

    async def keys(self, user_id: int | None = None) -> list[KeyRow]:
        """Return the keys of a user, or all, by number."""
        query = sa.select(*_SHOWN).order_by(keys.c.number)
        if user_id is not None:
            query = query.where(keys.c.user_id == min(user_id, LARGEST_NUMBER))
        return await self.database.do(lambda c: [_key(row) for row in c.execute(query)])

    async def revoke(self, key_id: str) -> bool:
        """Make a key void; return whether it was there and not revoked before."""
        now = self.now()
        update = (
            sa.update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        done = await self.database.do(lambda c: c.execute(update).rowcount > 0)
        for digest, (_, row) in list(self._remembered.items()):
            if row.id == key_id:
                del self._remembered[digest]
        return done

    async def any_valid(self) -> bool:
        """Return whether there is a key that somebody could use now."""
        asked = {"now": self.now()}
        return await self.database.do(lambda c: c.execute(_ANY_VALID, asked).first() is not None)

    async def any_made(self) -> bool:
        """Return whether a key was ever made, also if it is void by now."""
        return await self.database.do(lambda c: c.execute(_ANY).first() is not None)

    def _recalled(self, digest: bytes) -> KeyRow | None:
        at, row = self._remembered.get(digest, (0.0, None))
        return row if row is not None and self.clock() - at < _BELIEVED_S else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _by_hash(c: sa.Connection, digest: bytes) -> KeyRow | None:
    row = c.execute(_BY_HASH, {"digest": digest}).one_or_none()
    if row is None or not hmac.compare_digest(row.hash, digest):
        return None
    return _key(row)


def _key(row: sa.Row[Any]) -> KeyRow:
    values = {name: value for name, value in row._mapping.items() if name != "hash"}
    scopes = frozenset(Scope(word) for word in values.pop("scopes").split())
    return KeyRow(**values, scopes=scopes)
