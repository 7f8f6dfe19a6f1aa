"""Reads single fields of what a client sent, each with a sentence for what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from meetcore.model.errors import MeetcoreError
from meetcore.model.plain import parse_time

__all__ = [
    "BadField",
    "address",
    "has_zero",
    "part",
    "printable_key",
    "socket_address",
    "text",
    "time_of",
    "truth",
]

_LONGEST_KEY = 2000


class BadField(MeetcoreError):
    """A field that cannot be used; the message is what the client is told."""


def has_zero(value: Any) -> bool:
    """Whether a zero character, which no database keeps, is anywhere in a JSON value."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(has_zero(key) or has_zero(inner) for key, inner in value.items())
    return isinstance(value, list) and any(has_zero(inner) for inner in value)


def text(body: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """Return a text; None where it is absent, null or blank and need not be there.

    Raises:
        BadField: It is none, or required and not there.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise BadField(f"{name} must be a string")
    if value is None or not value.strip():
        if required:
            raise BadField(f"{name} is required")
        return None
    return value


def truth(body: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a boolean.

    Raises:
        BadField: It is none.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise BadField(f"{name} must be a boolean")
    return value


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object within another, empty where it is not there.

    Raises:
        BadField: It is none.
    """
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadField(f"{name} must be an object")
    return value


def address(
    body: Mapping[str, Any], name: str, schemes: tuple[str, ...] = ("http", "https")
) -> str | None:
    """Return a URL.

    Raises:
        BadField: It is none, or of another scheme.
    """
    url = text(body, name)
    if url is None:
        return None
    url = url.strip()
    if not _is_address(url, schemes):
        raise BadField(f"{name} must be a valid {' or '.join(schemes)} URL")
    return url


def _is_address(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return False
    bare = url.isascii() and not any(c.isspace() or ord(c) < 32 for c in url)
    return bare and parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc


def socket_address(
    body: Mapping[str, Any], name: str, schemes: tuple[str, ...], *, plain: bool = False
) -> str | None:
    """Return the URL of a WebSocket, given as `{"websocket_url": …}`.

    Args:
        body: The object it is in.
        name: Its field.
        schemes: Which are taken.
        plain: Whether the bare URL is taken too.

    Raises:
        BadField: It is none.
    """
    value = body.get(name)
    if plain and isinstance(value, str):
        return address(body, name, schemes)
    within = part(body, name)
    for key in ("websocket_url", "websocketUrl"):
        if (url := address(within, key, schemes)) is not None:
            return url
    return None


def printable_key(value: object, name: str) -> str | None:
    """Return a key that tells requests apart: 1 to 2000 printable ASCII characters.

    Raises:
        BadField: It is none.
    """
    if value is None:
        return None
    usable = isinstance(value, str) and value.isascii() and value.isprintable()
    if not usable or not 1 <= len(str(value)) <= _LONGEST_KEY:
        raise BadField(f"{name} must be 1 to {_LONGEST_KEY} printable ASCII characters")
    return str(value)


def time_of(value: object, name: str) -> datetime:
    """Return the time `YYYY-MM-DD HH:MM:SS` or an ISO 8601 text means; in UTC unless it says so.

    Raises:
        BadField: It is none.
    """
    try:
        at = parse_time(value.strip() if isinstance(value, str) else "")
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadField(
            f"{name} must be a time such as 2024-01-15T14:30:00Z or 2024-01-15 14:30:00"
        ) from error
