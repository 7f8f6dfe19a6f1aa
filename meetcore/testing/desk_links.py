"""How the test desk reads links, and which bots a query means."""

from __future__ import annotations

from urllib.parse import parse_qs

from meetcore.meeting import MeetingLink
from meetcore.orders import BotQuery, BotRow

__all__ = ["any_link", "matches"]


def any_link(url: str) -> MeetingLink | None:
    """Return the meeting of a link as the three big platforms write them, None for any other."""
    host, _, rest = url.partition("://")[2].partition("/")
    platform = {
        "meet.google.com": "google_meet",
        "teams.live.com": "teams",
        "teams.microsoft.com": "teams",
        "zoom.us": "zoom",
    }.get(".".join(host.split(".")[-2:]) if host.endswith("zoom.us") else host)
    path, _, query = rest.partition("?")
    native_id = path.strip("/").rpartition("/")[2]
    if platform is None or not native_id:
        return None
    passcode = parse_qs(query).get("p", [None])[0]
    return MeetingLink(
        platform=platform,
        native_id=native_id,
        url=f"https://{host}/{path}",
        passcode=passcode,
    )


def matches(row: BotRow, query: BotQuery) -> bool:
    """Whether a query asks for a bot, apart from its limit."""
    return (
        query.dialect in (None, row.dialect)
        and query.platform in (None, row.platform)
        and query.native_id in (None, row.native_id)
        and query.public_url in (None, row.public_url)
        and (query.states is None or row.state in query.states)
        and (query.created_after is None or row.created_at >= query.created_after)
        and (query.created_before is None or row.created_at < query.created_before)
        and (
            query.ended_after is None
            or (row.ended_at is not None and row.ended_at >= query.ended_after)
        )
        and (
            query.before is None
            or (row.number > query.before if query.oldest_first else row.number < query.before)
        )
    )
