"""The platform holds to what the core relies on, through the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import pytest

from meetcore import Call, CallEvents, CallRequest, MeetingLink, Platform
from meetcore.testing.conformance import ConformanceMeeting, PlatformConformance
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.testing import SharedChromium
from meetcore_meet.options import MeetOptions
from meetcore_meet.platform import MeetPlatform
from tests.plugins.meet.visits import CODE, PEOPLE, standin
from tests.standins.site import StandinRoom, StandinSite

pytestmark = pytest.mark.browser


class StandinMeeting:
    """A room of the stand-in, as the suite steers it."""

    def __init__(self, site: StandinSite, room: StandinRoom) -> None:
        self.link = f"https://meet.google.com/{CODE}"
        self.missing_link = "https://meet.google.com/zzz-zzzz-zzz"
        self._site, self._room = site, room

    def _do(self, what: str, **more: object) -> None:
        self._room.tell(what, **more)
        # What was done to one page is no news to the next that comes.
        self._room.told.clear()

    async def admit(self) -> None:
        self._do("admit")
        await self._room.until_reported("in call", len(self._room.reported("knocked")))
        self._do("speaks", id="ada", on=True)

    async def deny(self) -> None:
        self._do("deny")

    async def remove(self) -> None:
        self._do("remove")

    async def end(self) -> None:
        self._do("end")

    async def say(self, text: str) -> None:
        self._do("says", id="ada", text=text)


class SharedPlatform(MeetPlatform):
    """The platform, in the Chromium that all tests share."""

    chromium: ClassVar[SharedChromium]
    origin: ClassVar[str]

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        async with self.chromium.lend() as browser:
            self.options = MeetOptions(origin=self.origin)
            joiner = self.make_joiner(self.chosen_pack().pack)
            async with open_guest_call(
                joiner, link, request, events, self.capabilities, browser=browser
            ) as call:
                yield call


class TestMeetPlatform(PlatformConformance):
    @pytest.fixture(autouse=True)
    def served(self, shared_chromium: SharedChromium) -> Iterator[None]:
        with standin() as site:
            self.site = site
            SharedPlatform.chromium, SharedPlatform.origin = shared_chromium, site.origin
            yield

    def make_platform(self) -> Platform:
        return SharedPlatform()

    def open_meeting(self) -> AbstractAsyncContextManager[ConformanceMeeting]:
        return self._meeting()

    @asynccontextmanager
    async def _meeting(self) -> AsyncIterator[ConformanceMeeting]:
        room = self.site.room(CODE, people=PEOPLE[:2])
        yield StandinMeeting(self.site, room)
