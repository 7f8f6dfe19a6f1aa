"""Values as plain data: times as text, JSON as it is written, and classes as mappings. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cattrs

from meetcore.model.errors import ConfigError

__all__ = [
    "ENVELOPE",
    "MISREAD",
    "NO_TIME",
    "as_utc",
    "converter",
    "data_of",
    "format_time",
    "parse_time",
    "rounded_s",
    "to_json",
]

ENVELOPE = frozenset({"bot_id", "seq", "at", "meeting_s", "after_seq"})
"""What of an event or a draft stands beside its data."""
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of what has not been written yet."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# What a converter raises that keeps no account of where in a message it met what does not fit.
MISREAD = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    cattrs.BaseValidationError,
)


def rounded_s(seconds: float) -> float:
    """Return seconds to the millisecond.

    Never -0.0, to which a time just before zero is rounded, and which reads as a fault.
    """
    return round(seconds, 3) + 0.0


def format_time(at: datetime) -> str:
    """Return an aware datetime as RFC 3339 in UTC with microseconds and a `Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Return the aware datetime an RFC 3339 text means; `z` and `t` may be small.

    Raises:
        ValueError: It means none.
    """
    text = text.strip()
    return datetime.fromisoformat(text[:-1] + "Z" if text.endswith("z") else text)


def as_utc(at: datetime, what: str) -> datetime:
    """Return an aware time in UTC.

    Args:
        at: It.
        what: Its name, for the error.

    Raises:
        ConfigError: It lies before the first or after the last year there is.
    """
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ConfigError(f"{what} is {at.isoformat()}, which no clock will show.") from error


@cache
def converter() -> cattrs.Converter:
    """Return what makes plain data of events, drafts and commands, and those of plain data."""
    converter = cattrs.Converter(
        unstruct_collection_overrides={tuple: list}, detailed_validation=False
    )
    converter.register_unstructure_hook(datetime, format_time)
    converter.register_structure_hook(datetime, lambda text, _: parse_time(text))
    converter.register_unstructure_hook(bytes, lambda raw: base64.b64encode(raw).decode())
    converter.register_structure_hook(bytes, lambda text, _: base64.b64decode(text, validate=True))
    return converter


def to_json(message: Mapping[str, Any]) -> str:
    """Return compact JSON, one line, characters as they are.

    Half of a surrogate pair, which JavaScript lets a chat message hold, becomes U+FFFD:
    nothing could be written or sent with it.
    """
    text = _encode(message)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def data_of(item: object) -> dict[str, Any]:
    """Return what is particular to an event or a draft as plain data."""
    raw: dict[str, Any] = converter().unstructure(item)
    return {name: value for name, value in raw.items() if name not in ENVELOPE}
