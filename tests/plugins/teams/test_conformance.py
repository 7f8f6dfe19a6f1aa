"""What every platform has to keep, through the stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from attrs import define

from meetcore import Call
from meetcore.testing import PlatformConformance
from meetcore_browser.guest import guest_call
from meetcore_browser.testing import SharedChromium
from meetcore_teams.options import TeamsOptions
from meetcore_teams.platform import TeamsPlatform
from tests.plugins.teams.visiting import LINK, ROOM, STANDIN
from tests.standins.site import StandinRoom, StandinSite, serve_standin

pytestmark = pytest.mark.browser


@define
class TeamsMeeting:
    """A room of the stand-in as the suite steers it."""

    room: StandinRoom
    link: str = LINK
    missing_link: str = "https://teams.microsoft.com/meet/9999999999999?p=x"

    async def admit(self) -> None:
        self.room.tell("admit")
        self.room.told.pop()  # who comes again knocks again

    async def deny(self) -> None:
        self.room.tell("deny")

    async def end(self) -> None:
        self.room.tell("end")

    async def remove(self) -> None:
        self.room.tell("remove")

    async def say(self, text: str) -> None:
        self.room.tell("chat", name="Ada", text=text)


class TestTeamsConformance(PlatformConformance):
    """The suite, with bots in the Chromium that all tests share."""

    @pytest.fixture(autouse=True)
    def stage(self, shared_chromium: SharedChromium, monkeypatch: pytest.MonkeyPatch) -> None:
        real = guest_call.open_guest_call

        @asynccontextmanager
        async def lent(*args: Any) -> AsyncIterator[Call]:
            async with shared_chromium.lend() as browser, real(*args, browser=browser) as call:
                yield call

        monkeypatch.setattr(guest_call, "open_guest_call", lent)
        self.site: StandinSite | None = None

    def make_platform(self) -> TeamsPlatform:
        origin = self.site.origin if self.site else None
        return TeamsPlatform(TeamsOptions(origin=origin, attempts=1, roster_every_s=5.0))

    def open_meeting(self) -> AbstractAsyncContextManager[TeamsMeeting]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[TeamsMeeting]:
            with serve_standin(STANDIN) as site:
                self.site = site
                room = site.room(ROOM)
                room.tell("joins", id="ada", name="Ada", hz=440, source=11)
                room.tell("speaks", id="ada", on=True)
                yield TeamsMeeting(room)

        return opened()
