"""A bot in a room of EasyRTC's page for text: who is there, what is written, and no sound."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from meetcore import MeetingLink
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.page_state import PageState

__all__ = ["EasyrtcRoomJoiner", "user_name"]

HERE = Path(__file__).parent
INSIDE = "in the room"


def user_name(name: str) -> str:
    """Return a name as the server takes it: letters, digits and a few signs."""
    kept = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name)
    return kept[:60].strip("_") or "Bot"


class EasyrtcRoomJoiner(GuestJoiner):
    """Connects under the bot's name, joins a room, and connects anew where the server was lost."""

    name: ClassVar[str] = "easyrtc"
    readers: ClassVar[Path] = HERE / "page" / "room_readers.js"
    permissions: ClassVar[tuple[str, ...]] = ()

    def address(self, link: MeetingLink) -> str:
        """Return the page's address; the room is joined on it."""
        return link.url.partition("?")[0]

    def capture_options(self) -> CaptureOptions | None:
        """There is no sound in a room for text."""
        return None

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Connect, and join the room."""
        del state
        await self._come_in(guest, look)

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """Come in again where the server was lost; a page that was left shows its first fields."""
        await self._come_in(guest, look)

    async def _come_in(self, guest: Guest, look: PageLook) -> None:
        if "user_field" in look.found:
            guest.done.discard(INSIDE)
            if await guest.page.value("user_field") != user_name(guest.request.display_name):
                await guest.page.fill("user_field", user_name(guest.request.display_name))
            guest.note("connect", await guest.page.click("connect_button"))
            return
        rooms = await guest.page.read_now("rooms") or []
        room = guest.link.native_id
        if room in rooms:
            guest.done.add(INSIDE)
        elif "room_field" in look.found:
            await guest.page.fill("room_field", room)
            guest.note("join the room", await guest.page.click("room_button"))

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Say whether the bot is in the room, or on its way back to it."""
        if INSIDE in guest.done and "user_field" not in look.found:
            return StateSeen(PageState.IN_CALL, seen.by, "the room is among those that were joined")
        if guest.follower.was_inside:
            return StateSeen(PageState.RECONNECTING, seen.by, "the server was lost")
        return seen

    async def send_chat(self, guest: Guest, text: str) -> None:
        """Write to everybody in the room."""
        await guest.page.fill("message_field", text)
        await guest.page.page.evaluate(_SEND, guest.link.native_id)

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Disconnect."""
        del state
        await guest.page.press("leave_button")


_SEND = "(room) => document.getElementById(`roomblock_${room}`).querySelector('button').click()"
