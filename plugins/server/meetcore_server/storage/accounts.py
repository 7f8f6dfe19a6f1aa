"""Users, and what dialects keep for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from meetcore import UnknownOption
from meetcore.gateway import NoSuchBot, UserRow
from meetcore_server.storage.columns import LARGEST_NUMBER, storable_limit
from meetcore_server.storage.database import Database
from meetcore_server.storage.errors import EmailTaken
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.tables import users

__all__ = ["OPERATOR_ID", "AccountStore", "utc_now"]

OPERATOR_ID = 1
"""The first user, `operator`, who is always there."""

_CHANGEABLE = ("name", "image_url", "max_bots", "email")


def utc_now() -> datetime:
    """Return the wall time, aware, in UTC."""
    return datetime.now(UTC)


@frozen
class AccountStore:
    """The users."""

    database: Database
    now: Callable[[], datetime] = utc_now

    async def user(self, user_id: int) -> UserRow | None:
        """Return a user."""
        return await self.database.do(lambda c: _by_id(c, user_id))

    async def users(self, *, email: str | None = None) -> list[UserRow]:
        """Return the users, by number; only the one with that email if one is given."""
        query = sa.select(users).order_by(users.c.id)
        if email is not None:
            query = query.where(users.c.email == email.strip())
        return await self.database.do(lambda c: [_user(row) for row in c.execute(query)])

    async def create_user(
        self,
        email: str,
        *,
        name: str | None = None,
        image_url: str | None = None,
        max_bots: int | None = None,
    ) -> tuple[UserRow, bool]:
        """Return the user with that email, and whether it is new."""
        values = {"email": email.strip(), "name": name, "image_url": image_url}

        def create(c: sa.Connection) -> tuple[UserRow, bool]:
            one_at_a_time(c, "users")
            found = _by_email(c, email.strip())
            if found is not None:
                return found, False
            new = sa.insert(users).values(
                **values, max_bots=storable_limit(max_bots), created_at=self.now(), settings={}
            )
            return _user(c.execute(new.returning(*users.c)).one()), True

        return await self.database.do(create)

    async def change_user(self, user_id: int, **changes: Any) -> UserRow:
        """Change `name`, `image_url`, `max_bots` or `email`.

        Raises:
            NoSuchBot: There is no such user.
            EmailTaken: Another user has that email.
            UnknownOption: Something else was to be changed.
        """
        for name in changes:
            if name not in _CHANGEABLE:
                raise UnknownOption(name, _CHANGEABLE, "a change to a user")
        if changes.get("email") is not None:
            changes["email"] = changes["email"].strip()
        if "max_bots" in changes:
            changes["max_bots"] = storable_limit(changes["max_bots"])

        def change(c: sa.Connection) -> UserRow:
            one_at_a_time(c, "users")
            present = _by_id(c, user_id)
            if present is None:
                raise NoSuchBot(f"There is no user {user_id}.")
            if changes.get("email") is not None:
                other = _by_email(c, changes["email"])
                if other is not None and other.id != user_id:
                    raise EmailTaken(f"User {other.id} has the email {changes['email']} already.")
            if not changes:
                return present
            update = sa.update(users).where(users.c.id == user_id).values(**changes)
            return _user(c.execute(update.returning(*users.c)).one())

        return await self.database.do(change)

    async def remove(self, user_id: int) -> None:
        """Forget who a user is; the number stays."""
        gone: dict[str, Any] = dict.fromkeys(("name", "image_url", "max_bots"))
        gone |= {"email": f"removed-{user_id}", "settings": {}}
        update = sa.update(users).where(users.c.id == user_id).values(gone)
        await self.database.do(lambda c: c.execute(update).rowcount)

    async def settings(self, user_id: int, dialect: str) -> Mapping[str, Any]:
        """Return what a dialect keeps for a user; empty at first, and for no such user."""
        user = await self.user(user_id)
        kept = user.settings.get(dialect, {}) if user is not None else {}
        return dict(kept)

    async def put_settings(self, user_id: int, dialect: str, settings: Mapping[str, Any]) -> None:
        """Keep that instead.

        Raises:
            NoSuchBot: There is no such user.
        """

        def put(c: sa.Connection) -> None:
            one_at_a_time(c, "users")
            user = _by_id(c, user_id)
            if user is None:
                raise NoSuchBot(f"There is no user {user_id}.")
            kept = {**user.settings, dialect: dict(settings)}
            c.execute(sa.update(users).where(users.c.id == user_id).values(settings=kept))

        await self.database.do(put)


def _by_id(c: sa.Connection, user_id: int) -> UserRow | None:
    if not 0 < user_id <= LARGEST_NUMBER:
        return None
    row = c.execute(sa.select(users).where(users.c.id == user_id)).one_or_none()
    return _user(row) if row is not None else None


def _by_email(c: sa.Connection, email: str) -> UserRow | None:
    row = c.execute(sa.select(users).where(users.c.email == email)).one_or_none()
    return _user(row) if row is not None else None


def _user(row: sa.Row[Any]) -> UserRow:
    return UserRow(**row._mapping)
