"""Column types that mean the same in SQLite and in PostgreSQL.

SQLite forgets the zone of a time, and PostgreSQL takes no NUL in a text; clients send both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

__all__ = ["LARGEST_NUMBER", "BigNumber", "CleanText", "UtcTime", "storable", "storable_limit"]

LARGEST_NUMBER = 2**63 - 1
"""The largest integer both databases take, as a number or in a comparison."""


def BigNumber() -> sa.types.TypeEngine[int]:  # noqa: N802  it stands where types stand
    """Return the type of running numbers: 64 bits, and one that SQLite counts up by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def storable(text: str) -> str:
    """Return a text as it can be stored: NUL and half surrogate pairs become U+FFFD."""
    text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable_limit(limit: int | None) -> int | None:
    """Return a limit as it can be stored: none below 0, none above `LARGEST_NUMBER`."""
    return None if limit is None else max(0, min(limit, LARGEST_NUMBER))


class CleanText(sa.types.TypeDecorator[str]):
    """A text of somebody else's; stored and compared as `storable`."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Return what is stored."""
        del dialect
        return None if value is None else storable(value)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware time, in UTC wherever it is read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return what is stored.

        Raises:
            ValueError: The time has no zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Return what was stored, aware."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if dialect.name == "sqlite" else at.astimezone(UTC)
