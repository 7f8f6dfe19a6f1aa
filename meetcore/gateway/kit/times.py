"""Times as vendors read and write them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from meetcore.model.plain import parse_time

__all__ = ["format_ms", "parse_utc"]


def parse_utc(text: str) -> datetime:
    """Return the time an ISO 8601 text means, in UTC; one without a zone is in UTC.

    Raises:
        ValueError: It means none.
    """
    try:
        at = parse_time(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} lies before the first or after the last year") from error


def format_ms(at: datetime) -> str:
    """Return a time as JavaScript writes it: in UTC, to the millisecond, with a `Z`."""
    at = at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
