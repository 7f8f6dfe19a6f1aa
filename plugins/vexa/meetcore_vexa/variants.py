"""The eras of Vexa's wire format, and how each writes a time.

E1 is 0.6 (2025), E2 is 0.9, E3 is 0.10.3 to 0.10.7, E4 is 0.12. They differ in the live frames, in
a few statuses of answers and in whether a time says that it is UTC.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from meetcore import format_time

__all__ = ["DEFAULT", "Variant", "naive", "stamp", "zulu"]


class Variant(StrEnum):
    """One era."""

    E1 = "E1"
    E2 = "E2"
    E3 = "E3"
    E4 = "E4"

    @property
    def bundles(self) -> bool:
        """Whether the live transcript comes as bundles per speaker, webhooks in envelopes."""
        return self in (Variant.E3, Variant.E4)

    @classmethod
    def named(cls, text: object) -> Variant | None:
        """Return the era a client names, in any case; None for none of them."""
        if not isinstance(text, str):
            return None
        return cls.__members__.get(text.strip().upper())


DEFAULT = Variant.E1


def zulu(at: datetime) -> str:
    """Return a time in UTC, always 27 characters, so that texts sort as times do."""
    return format_time(at)


def naive(at: datetime) -> str:
    """Return a time in UTC that does not say so."""
    return format_time(at).removesuffix("Z")


def stamp(at: datetime | None, variant: Variant) -> str | None:
    """Return a time as the era's REST answers write it."""
    if at is None:
        return None
    return zulu(at) if variant is Variant.E4 else naive(at)
