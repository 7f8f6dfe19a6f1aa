"""The platform keeps what every platform has to keep, through its stand-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from attrs import define

from meetcore import Call, CallEvents, CallRequest, MeetingLink, Plugins
from meetcore.testing import PlatformConformance
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.testing import SharedChromium
from meetcore_zoom.options import ZoomOptions
from meetcore_zoom.platform import ZoomPlatform
from tests.plugins.zoom.stage import MEETING, STANDIN
from tests.standins.site import StandinRoom, serve_standin


class InTheSharedBrowser(ZoomPlatform):
    """The platform, but for a Chromium of its own: all tests share one."""

    chromium: ClassVar[SharedChromium]

    @asynccontextmanager
    async def open_call(
        self, link: MeetingLink, request: CallRequest, events: CallEvents
    ) -> AsyncIterator[Call]:
        joiner = self.make_joiner(self.chosen_pack().pack)
        can = self.capabilities
        async with (
            self.chromium.lend() as browser,
            open_guest_call(joiner, link, request, events, can, browser=browser) as call,
        ):
            yield call


@define
class SteeredRoom:
    """A meeting of the stand-in with somebody in it who talks."""

    room: StandinRoom
    link: str = f"https://us02web.zoom.us/j/{MEETING}?pwd=584706"
    wrong_passcode_link: str = f"https://us02web.zoom.us/j/{MEETING}?pwd=1"
    missing_link: str = "https://us02web.zoom.us/j/99999999999"

    async def admit(self) -> None:
        self.room.tell("admit")
        # Who comes later knocks for themselves.
        self.room.told[:] = [done for done in self.room.told if done["what"] != "admit"]

    async def deny(self) -> None:
        self.room.tell("deny")

    async def remove(self) -> None:
        self.room.tell("remove")

    async def end(self) -> None:
        self.room.tell("end")

    async def say(self, text: str) -> None:
        self.room.tell("chat", who="a", text=text)

    async def say_directly(self, text: str) -> None:
        self.room.tell("chat", who="a", text=text, direct=True)


@pytest.mark.browser
class TestZoom(PlatformConformance):
    origin: str

    @pytest.fixture(autouse=True)
    def _chromium(self, shared_chromium: SharedChromium) -> None:
        InTheSharedBrowser.chromium = shared_chromium

    def make_platform(self) -> Any:
        options = ZoomOptions(
            origin=getattr(self, "origin", None), look_again_s=0.3, host_wait_s=0.8
        )
        return InTheSharedBrowser(options)

    @asynccontextmanager
    async def open_meeting(self) -> AsyncIterator[SteeredRoom]:
        with serve_standin(STANDIN) as site:
            self.origin = site.origin
            room = site.room(MEETING, joining_ms=50, passcode="584706")
            room.tell("join", who="a", name="Ada", hz=440)
            room.tell("speak", who="a", on=True)
            yield SteeredRoom(room)


def test_the_platform_is_found_by_its_name() -> None:
    assert Plugins().platforms["zoom"] is ZoomPlatform
