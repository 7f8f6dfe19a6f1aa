"""The bodies of the native API about users and keys, as attrs classes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from attrs import Factory, frozen

from meetcore.gateway import KeyRow, UserRow

__all__ = ["Key", "KeyCreate", "NewKey", "User"]


@frozen(kw_only=True)
class KeyCreate:
    """A key to make.

    Attributes:
        label: What the key is for, in your own words; 200 characters at most.
        scopes: What it may do; at least one.
        expires_at: When it becomes void, with a time zone; without it never.
        max_bots: How many bots ordered with it there may be at once; without it the server's limit.
        user_email: Whose key it is, by email; a user who is not there yet is made. Without it the
            key is of your own user.
    """

    label: str = ""
    scopes: list[Literal["read", "write", "admin", "take_over", "operate"]] = Factory(
        lambda: ["read", "write"]
    )
    expires_at: datetime | None = None
    max_bots: int | None = None
    user_email: str | None = None


@frozen(kw_only=True)
class User:
    """A user. `id` is the number by which a user is removed."""

    id: int
    email: str
    name: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: UserRow) -> User:
        """Return a user as the API shows it."""
        return cls(id=row.id, email=row.email, name=row.name, created_at=row.created_at)


@frozen(kw_only=True)
class Key:
    """A key, without what only its holder knows."""

    id: str
    label: str
    hint: str
    user_id: int
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    max_bots: int | None

    @classmethod
    def of(cls, row: KeyRow) -> Key:
        """Return a key as the API shows it."""
        return cls(**_key(row))


@frozen(kw_only=True)
class NewKey:
    """A key just made; `secret` is shown this once."""

    id: str
    label: str
    hint: str
    user_id: int
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    max_bots: int | None
    secret: str

    @classmethod
    def made(cls, row: KeyRow, secret: str) -> NewKey:
        """Return a new key."""
        return cls(**_key(row), secret=secret)


def _key(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "label": row.label,
        "hint": row.hint,
        "user_id": row.user_id,
        "scopes": sorted(scope.value for scope in row.scopes),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "max_bots": row.max_bots,
    }
