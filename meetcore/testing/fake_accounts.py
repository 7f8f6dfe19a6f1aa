"""The fake service's keys and users, in memory."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from meetcore.gateway.records import (
    BotRow,
    Client,
    KeyRow,
    LimitOf,
    LimitReached,
    NoSuchBot,
    Scope,
    UserRow,
)

__all__ = ["START", "FakeAccounts"]

START = datetime(2026, 3, 4, 9, 0, 0, 123456, tzinfo=UTC)


class FakeAccounts:
    """Keys, users and what dialects keep for them."""

    def __init__(self) -> None:
        super().__init__()
        self._now: datetime = START
        self._users = {1: UserRow(id=1, email="operator@localhost", created_at=START)}
        self._keys: dict[str, KeyRow] = {}
        self._settings: dict[tuple[int, str], Mapping[str, Any]] = {}

    def new_key(self, key: str = "", *, user_id: int = 1, admin: bool = False) -> str:
        """Make a key valid and return it."""
        key = key or f"key-{len(self._keys) + 1}"
        scopes = {Scope.READ, Scope.WRITE} | ({Scope.ADMIN} if admin else set())
        self._keys[key] = KeyRow(
            id=f"k{len(self._keys) + 1}",
            number=len(self._keys) + 1,
            user_id=user_id,
            label="",
            hint=key[:4],
            scopes=frozenset(scopes),
            created_at=self._now,
        )
        return key

    async def authenticate(self, key: str | None) -> Client | None:
        """Return whose key this is."""
        row = self._keys.get(key or "")
        if row is None or row.revoked_at or (row.expires_at and row.expires_at <= self._now):
            return None
        return Client(key_id=row.id, user_id=row.user_id, scopes=row.scopes)

    async def key_is_valid(self, key_id: str) -> bool:
        """Return whether a key is still good."""
        rows = [row for row in self._keys.values() if row.id == key_id and not row.revoked_at]
        return any(row.expires_at is None or row.expires_at > self._now for row in rows)

    async def user(self, user_id: int) -> UserRow | None:
        """Return a user."""
        return self._users.get(user_id)

    async def users(self, *, email: str | None = None) -> list[UserRow]:
        """Return the users."""
        return [user for user in self._users.values() if email in (None, user.email)]

    async def create_user(
        self,
        email: str,
        *,
        name: str | None = None,
        image_url: str | None = None,
        max_bots: int | None = None,
    ) -> tuple[UserRow, bool]:
        """Return the user with that email, and whether it is new."""
        for user in self._users.values():
            if user.email == email:
                return user, False
        user = UserRow(
            id=max(self._users) + 1,
            email=email,
            name=name,
            image_url=image_url,
            max_bots=max_bots,
            created_at=self._now,
        )
        self._users[user.id] = user
        return user, True

    async def change_user(self, user_id: int, **changes: Any) -> UserRow:
        """Change a user."""
        if user_id not in self._users:
            raise NoSuchBot(f"There is no user {user_id}.")
        self._users[user_id] = evolve(self._users[user_id], **changes)
        return self._users[user_id]

    async def settings(self, user_id: int, dialect: str) -> Mapping[str, Any]:
        """Return what a dialect keeps for a user."""
        return self._settings.get((user_id, dialect), {})

    async def put_settings(self, user_id: int, dialect: str, settings: Mapping[str, Any]) -> None:
        """Keep that instead."""
        self._settings[user_id, dialect] = jsonlib.loads(jsonlib.dumps(dict(settings)))

    async def create_key(
        self,
        user_id: int,
        *,
        label: str = "",
        prefix: str = "mc_",
        scopes: frozenset[Scope] = frozenset({Scope.READ, Scope.WRITE}),
        expires_at: datetime | None = None,
        max_bots: int | None = None,
    ) -> tuple[KeyRow, str]:
        """Make a key."""
        key = f"{prefix}{len(self._keys) + 1:032d}"
        self.new_key(key, user_id=user_id)
        row = evolve(self._keys[key], label=label, scopes=scopes, expires_at=expires_at)
        self._keys[key] = evolve(row, max_bots=max_bots)
        return self._keys[key], key

    async def keys(self, user_id: int | None = None) -> list[KeyRow]:
        """Return the keys of a user, or all."""
        return [key for key in self._keys.values() if user_id in (None, key.user_id)]

    async def revoke_key(self, key_id: str) -> bool:
        """Make a key void."""
        for key, row in self._keys.items():
            if row.id == key_id and row.revoked_at is None:
                self._keys[key] = evolve(row, revoked_at=self._now)
                return True
        return False

    def _refuse_too_many(self, client: Client, rows: Collection[BotRow], per_user: int) -> None:
        """Raise `LimitReached` where the bots of a user are as many as key or user may have."""
        counted = [row for row in rows if not row.ended]
        most = next((key.max_bots for key in self._keys.values() if key.id == client.key_id), None)
        if most is not None and sum(row.key_id == client.key_id for row in counted) >= most:
            raise LimitReached(most, of=LimitOf.KEY)
        user = self._users[client.user_id]
        limit = per_user if user.max_bots is None else user.max_bots
        if len(counted) >= limit:
            raise LimitReached(limit)
