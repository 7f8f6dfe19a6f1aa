"""The platform `teams`: knows the links of Microsoft Teams, joins as a guest of the web client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from meetcore import (
    Call,
    CallEvents,
    CallRequest,
    Capability,
    MeetingLink,
    Platform,
    read_link,
)
from meetcore_teams.options import TeamsOptions

__all__ = ["TeamsPlatform"]


class TeamsPlatform(Platform[TeamsOptions]):
    """Attends Teams meetings in a browser, under the bot's own name, as any guest does."""

    name: ClassVar[str] = "teams"
    link_examples: ClassVar[tuple[str, ...]] = (
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0?context=…",
        "https://teams.microsoft.com/meet/1234567890123?p=AbCdEf",
        "https://teams.live.com/meet/9312345678901?p=XyZ123",
    )
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SEND_CHAT, Capability.READ_CHAT, Capability.CAPTIONS}
    )

    def parse(self, url: str) -> MeetingLink | None:
        """Return the one Teams meeting a text means, or None."""
        link = read_link(url)
        return link if link is not None and link.platform == self.name else None

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        """Begin to join; see `meetcore_browser.guest`."""
        from meetcore_browser.guest.guest_call import open_guest_call  # brings Playwright with it
        from meetcore_teams.joiner import TeamsJoiner

        joiner = TeamsJoiner.with_options(self.options)
        async with open_guest_call(joiner, link, request, events, self.capabilities) as call:
            yield call
