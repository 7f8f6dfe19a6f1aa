"""From Vexa's platform and native id to a link, and from a link back to them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from attrs import field, frozen

from meetcore.meeting import without_query
from meetcore.orders import BotRow

__all__ = ["NATIVE_IDS", "Place", "build_url", "constructed_url", "place_of"]

NATIVE_IDS = {
    "google_meet": (
        re.compile(r"[a-z]{3}-[a-z]{4}-[a-z]{3}"),
        "Google Meet ID must be in format 'abc-defg-hij' (lowercase letters only)",
    ),
    "teams": (
        re.compile(r"[0-9]{10,15}"),
        "Teams meeting ID must be 10 to 15 digits; it stands in a teams.live.com link",
    ),
    "zoom": (re.compile(r"[0-9]{9,11}"), "Zoom meeting ID must be 9 to 11 digits"),
}
"""What the ids of E1 to E3 look like, and what is said of one that does not."""


@frozen(kw_only=True)
class Place:
    """A meeting in Vexa's words."""

    platform: str
    native_id: str
    passcode: str | None = field(default=None, repr=False)


def build_url(platform: str, native_id: str, passcode: str | None = None) -> str | None:
    """Return the link of a meeting; None for a platform whose links cannot be built."""
    key = quote(native_id, safe="-._~:@")
    secret = quote(passcode or "", safe="")
    if platform == "google_meet":
        return f"https://meet.google.com/{key}"
    if platform == "teams":
        return f"https://teams.live.com/meet/{key}" + (f"?p={secret}" if secret else "")
    if platform == "zoom":
        return f"https://zoom.us/j/{key}" + (f"?pwd={secret}" if secret else "")
    return None


def place_of(url: str) -> Place | None:
    """Return the meeting a link of one of Vexa's three platforms means, None for any other."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    path = [part for part in parts.path.split("/") if part]
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if host == "meet.google.com" and len(path) == 1:
        return Place(platform="google_meet", native_id=path[0].lower())
    if host == "teams.live.com" and len(path) == 2 and path[0] == "meet":
        return Place(platform="teams", native_id=path[1], passcode=query.get("p"))
    if host == "teams.microsoft.com" and len(path) == 2 and path[0] == "meet":
        return Place(platform="teams", native_id=path[1], passcode=query.get("p"))
    on_zoom = host == "zoom.us" or host.endswith(".zoom.us")
    if on_zoom and len(path) == 2 and path[0] in ("j", "w") and path[1].isdecimal():
        return Place(platform="zoom", native_id=path[1], passcode=query.get("pwd"))
    return None


def constructed_url(row: BotRow) -> str:
    """Return the link of a bot's meeting without its secrets."""
    given = row.extras.get("meeting_url")
    if isinstance(given, str):
        return given
    built = build_url(
        str(row.extras.get("platform") or row.platform),
        str(row.extras.get("native_meeting_id") or row.native_id),
    )
    return built or without_query(row.public_url)
