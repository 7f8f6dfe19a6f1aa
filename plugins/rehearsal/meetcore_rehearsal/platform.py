"""The platform `rehearsal`: knows its links, opens its calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from meetcore import Call, CallEvents, CallRequest, Capability, MeetingLink, Platform
from meetcore_browser.options import ATTEMPT_SLACK_S
from meetcore_rehearsal.links import LINK_EXAMPLES, PLATFORM_NAME, parse_link

__all__ = ["RehearsalPlatform"]


class RehearsalPlatform(Platform):
    """Joins rooms of the rehearsal site as a guest."""

    name: ClassVar[str] = PLATFORM_NAME
    link_examples: ClassVar[tuple[str, ...]] = LINK_EXAMPLES
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "peer connections, a track per person",
        "names": "the track's stream, which carries the person's id",
        "people": "the page's list, whole",
        "speakers": "the page's list",
        "chat": "the page's list of messages",
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SEND_CHAT,
            Capability.SEND_DIRECT_CHAT,
            Capability.READ_CHAT,
            Capability.SPEAK,
            Capability.SHOW_IMAGE,
            Capability.SHOW_PAGE,
            Capability.SHARE_SCREEN,
            Capability.VIDEO,
            Capability.SCREENSHOT,
            Capability.LOOK_IN,
        }
    )

    def parse(self, url: str) -> MeetingLink | None:
        """Return the room `url` means, or None."""
        return parse_link(url)

    def longest_join_s(self, join_timeout_s: float) -> float:
        """Return how long joining may take with the start of a browser."""
        return join_timeout_s + ATTEMPT_SLACK_S

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Begin to join; see `meetcore_rehearsal.joiner`."""
        from meetcore_rehearsal.joiner import open_rehearsal_call  # brings Playwright with it

        async with open_rehearsal_call(link, request, events) as call:
            yield call
