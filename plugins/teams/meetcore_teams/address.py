"""From a meeting's link to the address that the browser opens. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from meetcore import MeetingLink

__all__ = ["client_address", "thread_of", "without_light"]

_THREAD = re.compile(r"19:[\w+.=-]+@thread\.\w+")


def client_address(link: MeetingLink, origin: str | None = None, *, anonymous: bool = True) -> str:
    """Return where the web client opens a meeting for guests.

    A `meetup-join` link leads to a page that offers the installed app; the client's own address
    goes past it. A `/meet/` link stays as it is: its passcode is taken over from it. The host stays
    too: private accounts, companies and governments each have their own.

    Args:
        link: As `read_link` gives it.
        origin: In place of the link's scheme and host.
        anonymous: Whether the bot comes as a guest, and not with an account of its own.
    """
    parts = urlsplit(link.url)
    base = (origin or f"{parts.scheme}://{parts.netloc}").rstrip("/")
    query = f"?{parts.query}" if parts.query else ""
    if not parts.path.startswith("/l/meetup-join/"):
        return f"{base}{parts.path}{query}"
    if anonymous:
        query = f"{query}&anon=true" if query else "?anon=true"
    return f"{base}/v2/?meetingjoin=true#{parts.path}{query}"


def thread_of(link: MeetingLink) -> str | None:
    """Return the id of a meeting's thread; None for a link that does not name it."""
    found = _THREAD.search(unquote(link.url))
    return found.group() if found is not None else None


def without_light(url: str) -> str:
    """Return the address of a page with the full client in place of the light one."""
    parts = urlsplit(url)
    kept = [part for part in parts.query.split("&") if part]
    kept = [part for part in kept if not part.lower().startswith("lightexperience=")]
    return urlunsplit(parts._replace(query="&".join([*kept, "lightExperience=false"])))
