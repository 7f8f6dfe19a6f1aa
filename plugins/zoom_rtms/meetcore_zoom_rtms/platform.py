"""The platform `zoom_rtms`: knows the links of streams, opens its calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from meetcore import Call, CallEvents, CallRequest, Capability, MeetingLink, Platform
from meetcore_zoom_rtms.options import RtmsOptions
from meetcore_zoom_rtms.stream_address import LINK_EXAMPLES, PLATFORM_NAME, parse_link

__all__ = ["ZoomRtmsPlatform"]

END_S = 10.0


class ZoomRtmsPlatform(Platform[RtmsOptions]):
    """Receives meetings that Zoom streams to an app; nobody joins, so nobody is let in."""

    name: ClassVar[str] = PLATFORM_NAME
    link_examples: ClassVar[tuple[str, ...]] = LINK_EXAMPLES
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "Zoom's media socket: a stream per person, or one of all",
        "names": "the packets' user id; with one stream of all, Zoom's active speaker",
        "people": "Zoom's events of joining and leaving",
        "speakers": "Zoom's active speaker",
        "chat": "Zoom's chat stream",
        "captions": "Zoom's transcript stream",
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.READ_CHAT, Capability.CAPTIONS}
    )

    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting of a stream's link, or None."""
        return parse_link(url)

    def longest_join_s(self, join_timeout_s: float) -> float:
        """Return how long it may take until there is media, with the time to say that none came."""
        return join_timeout_s + END_S

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Begin to receive; see `meetcore_zoom_rtms.call`."""
        from meetcore_zoom_rtms.call import open_rtms_call  # brings TLS and WebSockets with it

        async with open_rtms_call(link, request, events, self.options) as call:
            yield call
