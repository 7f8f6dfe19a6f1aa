"""A stream as a link: what Zoom's webhook says of one, so that a bot can be sent to it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from attrs import frozen

from meetcore import MeetingLink

__all__ = ["LINK_EXAMPLES", "PLATFORM_NAME", "StreamAddress", "link_of_webhook", "parse_link"]

PLATFORM_NAME = "zoom_rtms"
SCHEME = "zoom-rtms"
LINK_EXAMPLES = (
    "zoom-rtms:4444AAAiAAAAAiAiAiiAii%3D%3D?stream=abc123&server=wss%3A%2F%2Frtms.zoom.us%2F",
)


@frozen
class StreamAddress:
    """Where a stream is.

    Attributes:
        meeting_uuid: The meeting's UUID, as Zoom writes it.
        stream_id: The stream's id.
        server_url: The signalling server.
    """

    meeting_uuid: str
    stream_id: str
    server_url: str

    def link(self) -> str:
        """Return it as a link; what stands behind the `?` is in no log."""
        query = urlencode({"stream": self.stream_id, "server": self.server_url})
        return f"{SCHEME}:{quote(self.meeting_uuid, safe='')}?{query}"

    @classmethod
    def read(cls, url: str) -> StreamAddress | None:
        """Return what a link means, None if it is none of a stream."""
        try:
            parts = urlsplit(url.strip())
            given = parse_qs(parts.query, max_num_fields=10)
            server = urlsplit(given["server"][0])
            server.port  # noqa: B018  raises for a port that is none
            address = cls(unquote(parts.path), given["stream"][0], given["server"][0])
        except (ValueError, KeyError, IndexError):
            return None
        if parts.scheme != SCHEME or parts.netloc or not address.meeting_uuid.strip():
            return None
        if server.scheme not in ("wss", "ws") or not server.hostname:
            return None
        return address


def parse_link(url: str) -> MeetingLink | None:
    """Return the meeting that a stream's link means, or None."""
    address = StreamAddress.read(url)
    if address is None:
        return None
    return MeetingLink(platform=PLATFORM_NAME, native_id=address.meeting_uuid, url=address.link())


def link_of_webhook(payload: Mapping[str, Any]) -> str | None:
    """Return the link of a stream that Zoom's webhook tells of; None where it does not say all.

    Zoom's pages show the fields in the payload itself and also in an `object` of it; and
    `server_urls` as one address, though its name says several: the first counts.
    """
    inner = payload.get("object")
    given = {**payload, **(inner if isinstance(inner, Mapping) else {})}
    servers = str(given.get("server_urls") or "").split(",")
    uuid, stream = given.get("meeting_uuid"), given.get("rtms_stream_id")
    if not (isinstance(uuid, str) and isinstance(stream, str)):
        return None
    link = StreamAddress(uuid, stream, servers[0].strip()).link()
    return link if parse_link(link) is not None else None
