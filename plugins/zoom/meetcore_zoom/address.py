"""Where the web client of a Zoom meeting is. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

from meetcore import MeetingLink

__all__ = ["client_address"]

CLIENT_ORIGIN = "https://app.zoom.us"


def client_address(
    link: MeetingLink, origin: str | None = None, registrant: str | None = None
) -> str:
    """Return the address that the browser opens.

    The web client is one for all of Zoom's hosts, but for the government's, which keep to their
    own. A link with a registrant's token is good as it was sent, and is not written anew.

    Args:
        link: The meeting, as `meetcore.read_link` gives it.
        origin: Another place for the client: a gateway, a test.
        registrant: A registrant's token, for a link that has none.
    """
    parts = urlsplit(link.url)
    if "tk" in parse_qs(parts.query):
        if origin is None:
            return link.url
        return f"{origin.rstrip('/')}{parts.path}?{parts.query}"
    host = parts.hostname or ""
    if registrant is not None:
        own = (origin or f"https://{host}").rstrip("/")
        passcode = f"&pwd={quote(link.passcode, safe='')}" if link.passcode else ""
        return f"{own}/w/{link.native_id}?tk={quote(registrant, safe='')}{passcode}"
    if origin is None:
        government = host == "zoomgov.com" or host.endswith(".zoomgov.com")
        origin = f"https://{host}" if government else CLIENT_ORIGIN
    secret = f"?pwd={quote(link.passcode, safe='')}" if link.passcode else ""
    return f"{origin.rstrip('/')}/wc/{link.native_id}/join{secret}"
