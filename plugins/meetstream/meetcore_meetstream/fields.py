"""What MeetStream says of fields, and the kinds of field that only it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from meetcore import PrivateTargets
from meetcore.gateway import BodyFields, FieldWords, is_web_address, parse_utc
from meetcore_meetstream.errors import wrong

__all__ = ["address", "fields_of", "printable_key", "socket_address", "time_of", "webhook_address"]

_WORDS = FieldWords(
    {
        "body": "The request body must be a JSON object",
        "zero": "The request body must not contain zero characters",
        "required": "{name} is required",
        "text": "{name} must be a string",
        "flag": "{name} must be a boolean",
        "part": "{name} must be an object",
        "whole": "{name} must be a whole number of seconds",
        "range": "{name} must be a whole number of seconds",
        "url": "{name} must be a valid {schemes} URL",
        "webhook": "{name} {trouble}",
        "time": "{name} must be a time such as 2024-01-15T14:30:00Z or 2024-01-15 14:30:00",
    },
    is_absent=lambda text: not text.strip(),
)
_LONGEST_KEY = 2000
_WEB = ("http", "https")


def fields_of(body: object) -> BodyFields:
    """Return the fields of a body.

    Raises:
        BadField: It is no object, or holds a zero character, which no database keeps.
    """
    fields = BodyFields.of(body, _WORDS)
    if _has_zero(body):
        fields.wrong_at((), "zero")
    return fields


def _has_zero(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_has_zero(key) or _has_zero(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_has_zero(inner) for inner in value)


def address(fields: BodyFields, name: str, schemes: tuple[str, ...] = _WEB) -> str | None:
    """Return a URL in ASCII, without a user.

    Raises:
        BadField: It is none, or of another scheme.
    """
    url = (fields.text(name) or "").strip()
    good = is_web_address(url, schemes, ascii_only=True) and "@" not in urlsplit(url).netloc
    if url and not good:
        fields.wrong(name, "url", schemes=" or ".join(schemes))
    return url or None


def webhook_address(fields: BodyFields, name: str, private: PrivateTargets) -> str | None:
    """Return a URL to which something can be posted, in ASCII, without a user.

    Raises:
        BadField: It is none.
    """
    url = address(fields, name)
    trouble = private.webhook_trouble(url) if url else None
    if trouble is not None:
        fields.wrong(name, "webhook", trouble=trouble)
    return url


def socket_address(
    fields: BodyFields, name: str, schemes: tuple[str, ...], *, plain: bool = False
) -> str | None:
    """Return the URL of a WebSocket, given as `{"websocket_url": …}`.

    Args:
        fields: The object it is in.
        name: Its field.
        schemes: Which are taken.
        plain: Whether the bare URL is taken too.

    Raises:
        BadField: It is none.
    """
    if plain and isinstance(fields.get(name), str):
        return address(fields, name, schemes)
    within = fields.part(name)
    return address(within, "websocket_url", schemes) or address(within, "websocketUrl", schemes)


def printable_key(value: object, name: str) -> str | None:
    """Return a key that tells requests apart: 1 to 2000 printable ASCII characters.

    Raises:
        Refusal: It is none.
    """
    if value is None:
        return None
    usable = isinstance(value, str) and value.isascii() and value.isprintable()
    if not usable or not 1 <= len(str(value)) <= _LONGEST_KEY:
        raise wrong(f"{name} must be 1 to {_LONGEST_KEY} printable ASCII characters")
    return str(value)


def time_of(fields: BodyFields, name: str) -> datetime:
    """Return the time `YYYY-MM-DD HH:MM:SS` or an ISO 8601 text means; in UTC unless it says so.

    Raises:
        BadField: It is none.
    """
    value = fields.get(name)
    try:
        return parse_utc(value.strip() if isinstance(value, str) else "")
    except ValueError:
        fields.wrong(name, "time")
        raise
