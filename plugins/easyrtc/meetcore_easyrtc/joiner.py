"""A bot that calls somebody on EasyRTC's stock page, and listens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from attrs import evolve

from meetcore import Capability, MeetingLink, NameSource, TrackAppeared
from meetcore_browser.capture import RemoteTrack
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.page_state import PageState

__all__ = ["EasyrtcJoiner"]

HERE = Path(__file__).parent
STREAM, HUNG_UP, WAITS = "stream", "hung up", "waits for somebody"
SWITCHES = ("share_sound", "share_picture")


class EasyrtcJoiner(GuestJoiner):
    """Connects without sharing anything, calls, and waits to be accepted."""

    name: ClassVar[str] = "easyrtc"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"
    hints: ClassVar[Mapping[PageState, str]] = {
        PageState.WAITING: "Whom the bot calls must press 'Accept'.",
        PageState.WAITING_FOR_HOST: "Nobody whom the bot could call has connected yet.",
    }
    permissions: ClassVar[tuple[str, ...]] = ()

    def address(self, link: MeetingLink) -> str:
        """Return the page's address."""
        return link.url

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Connect, call, and see whether it was accepted."""
        if "connect_button" in look.found:
            for name in SWITCHES:
                if name in look.found:
                    await guest.page.press(name)
            guest.note("connect", await guest.page.click("connect_button"))
            return
        if state is PageState.WAITING:
            if await self._hears(guest):
                guest.done.add(STREAM)
            return
        whom = parse_qs(urlsplit(guest.link.url).query).get("call", [None])[-1]
        called = await guest.page.page.evaluate(_CALL, whom)
        guest.done.discard(WAITS)
        if called is None:
            guest.done.add(WAITS)
        elif guest.once("call"):
            guest.done.add(f"called {called}")
            guest.note("call", str(called))

    async def entered(self, guest: Guest) -> None:
        """There is no chat beside a call: it is a page of its own."""
        guest.capabilities.difference_update({Capability.SEND_CHAT, Capability.READ_CHAT})

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """See whether the other is still there."""
        if not await self._hears(guest):
            guest.done.add(HUNG_UP)

    async def _hears(self, guest: Guest) -> bool:
        return bool(await guest.page.read_now(STREAM))

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Say whether a call that was made is accepted, goes on, or is over."""
        if seen.state in (PageState.DENIED, PageState.CONNECTION_LOST):
            return seen
        if HUNG_UP in guest.done:
            return StateSeen(PageState.ENDED, detail="the other has hung up, or is gone")
        if STREAM in guest.done:
            return StateSeen(PageState.IN_CALL, seen.by, "the other's stream plays")
        if "call" in guest.done:
            return evolve(seen, state=PageState.WAITING)
        if WAITS in guest.done and "connect_button" not in look.found:
            return evolve(seen, state=PageState.WAITING_FOR_HOST)
        return seen

    def whose(self, guest: Guest, track: RemoteTrack) -> TrackAppeared | None:
        """Announce the track of whom the bot called."""
        called = next((n.partition(" ")[2] for n in guest.done if n.startswith("called ")), None)
        source = NameSource.UNKNOWN if called is None else NameSource.TRACK
        return TrackAppeared(track.track_id, called, "participant", source)

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Disconnect, which hangs up as well."""
        del state
        await guest.page.press("disconnect_button")


_CALL = """(whom) => {
  const label = (button) => button.textContent.replace(/^Call\\s+/, "").trim();
  const buttons = [...document.querySelectorAll("#otherClients button")];
  const button = whom === null ? buttons[0] : buttons.find((one) => label(one) === whom);
  button?.click();
  return button ? label(button) : null;
}"""
