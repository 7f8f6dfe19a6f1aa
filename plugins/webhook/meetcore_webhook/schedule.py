"""What an answer means, and when to try again. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

__all__ = ["Verdict", "retry_after_s", "verdict_of"]

_UNACCEPTABLE = frozenset({400, 406, 413, 414, 415, 422, 431})


class Verdict(Enum):
    """What follows from an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    UNACCEPTABLE = "unacceptable"
    """The target will never take this message; others it may."""
    GONE = "gone"
    """The target wants no message any more."""


def verdict_of(status: int) -> Verdict:
    """Return what an HTTP status means for the message.

    A redirect is no delivery: it is not followed, so that a target cannot point us elsewhere.
    """
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.GONE
    return Verdict.UNACCEPTABLE if status in _UNACCEPTABLE else Verdict.RETRY


def retry_after_s(header: str | None, now: datetime, longest_s: float) -> float | None:
    """Return the seconds a `Retry-After` header asks for (RFC 9110, 10.2.3), None for none."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(longest_s, float(text[:12]))
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(longest_s, max(0.0, (at - now).total_seconds()))
