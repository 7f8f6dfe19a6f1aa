"""The platform `meet`: knows the links of Google Meet, opens its calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from meetcore import Capability, MeetingLink, read_link
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_meet.options import MeetOptions

if TYPE_CHECKING:
    from meetcore_browser.selectors import SelectorPack
    from meetcore_meet.joiner import MeetJoiner

__all__ = ["MeetPlatform"]

HERE = Path(__file__).parent
READS = "google_meet"
"""What `read_link` calls the service."""


class MeetPlatform(GuestPlatform[MeetOptions]):
    """Joins Google Meet's meetings as a guest of the web client."""

    name: ClassVar[str] = "meet"
    link_examples: ClassVar[tuple[str, ...]] = ("https://meet.google.com/abc-defg-hij",)
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "the three tracks that are lent to speakers; what the page plays",
        "names": "contributing sources and the service's list of streams; who is shown to speak"
        " while one source alone is heard; captions",
        "people": "the service's messages to its client; the panel of people; tiles",
        "speakers": "contributing sources; over a mix the service's word, or the tiles' movement",
        "chat": "the service's messages to its client; the side panel",
        "captions": "the service's messages to its client; the page's captions",
    }
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SEND_CHAT,
            Capability.READ_CHAT,
            Capability.CAPTIONS,
            Capability.SPEAK,
            Capability.SHOW_IMAGE,
            Capability.SHOW_PAGE,
            Capability.SHARE_SCREEN,
            Capability.VIDEO,
            Capability.SCREENSHOT,
            Capability.LOOK_IN,
        }
    )
    sign_in_url: ClassVar[str] = "https://accounts.google.com/"
    sign_in_hosts: ClassVar[tuple[str, ...]] = ("google.com",)
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting that a text means, if it is one of Google Meet's."""
        link = read_link(url)
        return link if link is not None and link.platform == READS else None

    def make_joiner(self, pack: SelectorPack) -> MeetJoiner:
        """Return the joiner, with this platform's options and that pack."""
        from meetcore_meet.joiner import MeetJoiner  # brings Playwright with it

        return MeetJoiner(self.options, pack)
