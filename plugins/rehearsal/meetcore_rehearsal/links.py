"""Links of rehearsal rooms: recognised by the mark in the room's id, on any host."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit, urlunsplit

from meetcore import MeetingLink

__all__ = ["LINK_EXAMPLES", "PLATFORM_NAME", "parse_link"]

PLATFORM_NAME = "rehearsal"
LINK_EXAMPLES = ("http://127.0.0.1:8765/r/mc-blue-door",)
PATH = re.compile(r"/r/(mc-[a-z0-9]+(?:-[a-z0-9]+)*)/?")


def parse_link(url: str) -> MeetingLink | None:
    """Return the room a link means, or None if it is not one of ours.

    The passcode may stand in the fragment (`#passcode=…`) or the query; it is taken out of
    the URL, so that it travels in no request and stands in no log.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return None
    path = PATH.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or not parts.hostname or path is None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port is None else f"{host}:{port}"
    given = {**parse_qs(parts.query), **parse_qs(parts.fragment)}
    return MeetingLink(
        platform=PLATFORM_NAME,
        native_id=path[1],
        url=urlunsplit((parts.scheme, place, f"/r/{path[1]}", "", "")),
        passcode=given.get("passcode", [None])[0],
    )
