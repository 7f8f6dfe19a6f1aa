"""The platform `easyrtc`: knows the links of the page, opens calls there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from meetcore import Capability, MeetingLink
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.guest.page_links import read_page_link

if TYPE_CHECKING:
    from meetcore_browser.guest.joiner import GuestJoiner
    from meetcore_browser.selectors import SelectorPack

__all__ = ["EasyrtcPlatform"]

HERE = Path(__file__).parent
PAGE = "demo_audio_video.html"
ROOM_PAGE = "demo_instant_messaging_rooms.html"
ROOM = re.compile(r"[A-Za-z0-9_-]{1,32}")
LONGEST_NAME = 100


class EasyrtcPlatform(GuestPlatform[GuestOptions]):
    """Calls somebody on an EasyRTC server, through the page that comes with it."""

    name: ClassVar[str] = "easyrtc"
    link_examples: ClassVar[tuple[str, ...]] = (
        f"https://rtc.example.org/demos/{PAGE}?call=NAME",
        f"https://rtc.example.org/demos/{ROOM_PAGE}?room=NAME",
    )
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "the peer connection of the call",
        "names": "whom the bot called",
        "people": "the page's list of who is connected, or in the room",
        "chat": "the page's messages, in rooms for text",
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SEND_CHAT,
            Capability.READ_CHAT,
            Capability.VIDEO,
            Capability.SCREENSHOT,
            Capability.LOOK_IN,
        }
    )
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the call or the room that a link to one of the pages means, or None."""
        room = read_page_link(url, ROOM_PAGE)
        if room is not None:
            name = room.query.get("room", "default")
            if not ROOM.fullmatch(name):
                return None
            address = f"{room.address}?room={name}"
            return MeetingLink(platform=self.name, native_id=name, url=address)
        page = read_page_link(url, PAGE)
        if page is None:
            return None
        whom = page.query.get("call", "")[:LONGEST_NAME]
        address = f"{page.address}?call={quote(whom, safe='')}" if whom else page.address
        return MeetingLink(platform=self.name, native_id=whom or "anybody", url=address)

    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner; Playwright comes with it."""
        from meetcore_easyrtc.joiner import EasyrtcJoiner

        return EasyrtcJoiner(self.options, pack)

    def joiner_for(self, link: MeetingLink, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner of calls, or that of rooms for text."""
        if not link.url.partition("?")[0].endswith(f"/{ROOM_PAGE}"):
            return self.make_joiner(pack)
        from meetcore_easyrtc.room_joiner import EasyrtcRoomJoiner

        return EasyrtcRoomJoiner(self.options, pack)
