"""What an answer means, and when to try again. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from random import Random

__all__ = ["Verdict", "pause_s", "retry_after_s", "verdict_of"]

_UNACCEPTABLE = frozenset({400, 406, 413, 414, 415, 422, 431})
_JITTER = 0.25


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


def pause_s(attempt: int, first_s: float, longest_s: float, random: Random) -> float:
    """Return the pause after so many failures: doubling, bounded, a quarter of it by chance.

    The chance keeps many bots whose target went down together from coming back together.
    """
    whole = min(longest_s, first_s * 2.0 ** min(attempt - 1, 60))
    return whole * (1 - _JITTER * random.random())


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
