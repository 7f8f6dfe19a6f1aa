"""The two dialects of MeetStream's messages, and how they write times and platforms. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

__all__ = ["Variant", "attributes_of", "platform_name", "stamp_us"]

_PLATFORMS = {"google_meet": "GMeet", "zoom": "Zoom", "teams": "Teams"}


class Variant(StrEnum):
    """`legacy` is the first API, `current` the one of 2026."""

    LEGACY = "legacy"
    CURRENT = "current"

    @classmethod
    def named(cls, text: object) -> Variant | None:
        """Return the dialect a text names, in any case; None for neither."""
        if not isinstance(text, str):
            return None
        return cls.__members__.get(text.strip().upper())


def stamp_us(at: datetime) -> str:
    """Return a time in UTC to the microsecond, with its offset."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "+00:00"


def platform_name(platform: str) -> str:
    """Return a platform as MeetStream writes it; one it does not have keeps our name."""
    return _PLATFORMS.get(platform, platform)


def attributes_of(extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return the custom attributes a bot was made with."""
    attributes = extras.get("custom_attributes")
    return dict(attributes) if isinstance(attributes, Mapping) else {}
