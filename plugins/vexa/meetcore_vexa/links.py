"""Vexa's platform and native id: what each era takes, and the link they stand for."""

from __future__ import annotations

import re

from attrs import field, frozen

from meetcore.model import known_id

__all__ = ["LOOSE_ID", "NATIVE_IDS", "MeetingPlace", "same_meeting"]

NATIVE_IDS = {
    "google_meet": (
        re.compile(r"[a-z0-9][a-z0-9-]{3,38}[a-z0-9]"),
        "Google Meet ID must be in format 'abc-defg-hij' (lowercase letters only) or a nickname",
    ),
    "teams": (
        re.compile(r"[0-9]{10,15}|[0-9a-f]{16}"),
        "Teams meeting ID must be 10 to 15 digits, or 16 hexadecimal ones beside a meeting_url",
    ),
    "zoom": (re.compile(r"[0-9]{9,11}"), "Zoom meeting ID must be 9 to 11 digits"),
}
"""What the ids of E1 to E3 look like, and what is said of one that does not."""

LOOSE_ID = re.compile(r"[^\x00-\x20\x7f?#&=/]{1,255}")
"""What an id of E4, and one beside a link, looks like."""


@frozen(kw_only=True)
class MeetingPlace:
    """A meeting in Vexa's words."""

    platform: str
    native_id: str
    passcode: str | None = field(default=None, repr=False)


def same_meeting(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two platforms with native ids mean one meeting, however the ids are written."""
    return one[0] == other[0] and known_id(*one) == known_id(*other)
