"""The part of the service that knows users and keys, and who comes in without one."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from meetcore.gateway import Client, KeyRow, Scope, UserRow
from meetcore_server.openings import Openings
from meetcore_server.storage.stores import Stores

__all__ = ["OPEN_KEY_ID", "AccountKeeper"]

OPEN_KEY_ID = "open"
"""Stands for the key of whoever needs none."""

_ALL = frozenset(Scope)
_OPERATOR = Client(key_id=OPEN_KEY_ID, user_id=1, scopes=_ALL)


class AccountKeeper:
    """Users and keys; see `meetcore.gateway.service.Service` for what each method does.

    Attributes:
        stores: What is kept.
        openings: What clients have open.
        anonymous_access: Whether a request without a key is the operator's.
    """

    stores: Stores
    openings: Openings
    anonymous_access: bool
    _secret: bytes
    _extra_key: bytes | None
    _operator: Client | None

    async def authenticate(self, key: str | None) -> Client | None:
        """Return whose key this is."""
        if key and self._extra_key and hmac.compare_digest(key.encode(), self._extra_key):
            return self._operator
        client = await self.stores.keys.authenticate(key) if key else None
        if client is None and self.anonymous_access and not await self.has_keys():
            return _OPERATOR
        return client

    def _holder_of_extra_key(self) -> Client | None:
        """Return whose the configured key is: named by it, so that another one is another's."""
        if self._extra_key is None:
            return None
        digest = hmac.digest(self._secret, b"configured key" + self._extra_key, "sha256")
        return Client(key_id=f"configured-{digest.hex()[:12]}", user_id=1, scopes=_ALL)

    async def key_is_valid(self, key_id: str) -> bool:
        """Return whether a key is still good, by its id."""
        return key_id in await self._valid_keys({key_id})

    async def _valid_keys(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return which of some keys are still good."""
        own = {OPEN_KEY_ID} if self._operator is None else {OPEN_KEY_ID, self._operator.key_id}
        good = await self.stores.keys.valid(set(key_ids) - own) if set(key_ids) - own else set()
        if self._operator is not None:
            good = {*good, self._operator.key_id}
        if OPEN_KEY_ID in key_ids and self.anonymous_access and not await self.has_keys():
            good = {*good, OPEN_KEY_ID}
        return frozenset(good)

    async def has_keys(self) -> bool:
        """Whether a key was ever made: from then on nobody comes in without one.

        Also when all of them are void: who revokes the last key does not want to let everybody in.
        """
        return self._extra_key is not None or await self.stores.keys.any_made()

    async def user(self, user_id: int) -> UserRow | None:
        """Return a user."""
        return await self.stores.accounts.user(user_id)

    async def users(self, *, email: str | None = None) -> list[UserRow]:
        """Return the users."""
        return await self.stores.accounts.users(email=email)

    async def create_user(
        self,
        email: str,
        *,
        name: str | None = None,
        image_url: str | None = None,
        max_bots: int | None = None,
    ) -> tuple[UserRow, bool]:
        """Return the user with that email, and whether it is new."""
        return await self.stores.accounts.create_user(
            email, name=name, image_url=image_url, max_bots=max_bots
        )

    async def change_user(self, user_id: int, **changes: Any) -> UserRow:
        """Change a user."""
        return await self.stores.accounts.change_user(user_id, **changes)

    async def settings(self, user_id: int, dialect: str) -> Mapping[str, Any]:
        """Return what a dialect keeps for a user."""
        return await self.stores.accounts.settings(user_id, dialect)

    async def put_settings(self, user_id: int, dialect: str, settings: Mapping[str, Any]) -> None:
        """Keep that instead."""
        await self.stores.accounts.put_settings(user_id, dialect, settings)

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
        return await self.stores.keys.create(
            user_id,
            label=label,
            prefix=prefix,
            scopes=scopes,
            expires_at=expires_at,
            max_bots=max_bots,
        )

    async def keys(self, user_id: int | None = None) -> list[KeyRow]:
        """Return the keys of a user, or all."""
        return await self.stores.keys.keys(user_id)

    async def revoke_key(self, key_id: str) -> bool:
        """Make a key void."""
        done = await self.stores.keys.revoke(key_id)
        self.openings.look()
        return done
