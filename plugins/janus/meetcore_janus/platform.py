"""The platform `janus`: knows the links of video rooms, opens calls there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from meetcore import Capability, MeetingLink
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.guest.page_links import read_page_link

if TYPE_CHECKING:
    from meetcore_browser.guest.joiner import GuestJoiner
    from meetcore_browser.selectors import SelectorPack

__all__ = ["JanusPlatform"]

HERE = Path(__file__).parent
DEMO_ROOM = "1234"
PAGE = "videoroomtest.html"


class JanusPlatform(GuestPlatform[GuestOptions]):
    """Listens in a video room of a Janus server, through the page that comes with it."""

    name: ClassVar[str] = "janus"
    link_examples: ClassVar[tuple[str, ...]] = (f"https://janus.example.org/{PAGE}?room=1234",)
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "peer connections, one per publisher",
        "names": "the panel in which a track plays",
        "people": "the page's panels: publishers alone",
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.VIDEO, Capability.SCREENSHOT, Capability.LOOK_IN}
    )
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the room of a link to the page, or None."""
        page = read_page_link(url, PAGE)
        room = DEMO_ROOM if page is None else page.query.get("room", DEMO_ROOM)
        if page is None or not re.fullmatch("[0-9]{1,18}", room):
            return None
        address = f"{page.address}?room={room}"
        return MeetingLink(platform=self.name, native_id=room, url=address)

    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner; Playwright comes with it."""
        from meetcore_janus.joiner import JanusJoiner

        return JanusJoiner(self.options, pack)
