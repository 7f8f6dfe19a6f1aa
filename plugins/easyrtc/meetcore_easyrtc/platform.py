"""The platform `easyrtc`: knows the links of the page, opens calls there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, quote, urlsplit

from meetcore import MeetingLink
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_browser.guest.options import GuestOptions

if TYPE_CHECKING:
    from meetcore_browser.guest.joiner import GuestJoiner
    from meetcore_browser.selectors import SelectorPack

__all__ = ["EasyrtcPlatform"]

HERE = Path(__file__).parent
PAGE = "demo_audio_video.html"
LONGEST_NAME = 100


class EasyrtcPlatform(GuestPlatform[GuestOptions]):
    """Calls somebody on an EasyRTC server, through the page that comes with it."""

    name: ClassVar[str] = "easyrtc"
    link_examples: ClassVar[tuple[str, ...]] = (f"https://rtc.example.org/demos/{PAGE}?call=NAME",)
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "the peer connection of the call",
        "names": "whom the bot called",
        "people": "the page's list of who is connected",
    }
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the call that a link to the page means, or None."""
        try:
            parts = urlsplit(url.strip())
            query = parse_qs(parts.query, max_num_fields=50)
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            return None
        if parts.path.rpartition("/")[2] != PAGE:
            return None
        whom = query.get("call", [""])[-1][:LONGEST_NAME]
        address = f"{parts.scheme}://{parts.netloc}{parts.path}"
        if whom:
            address += f"?call={quote(whom, safe='')}"
        return MeetingLink(platform=self.name, native_id=whom or "anybody", url=address)

    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner; Playwright comes with it."""
        from meetcore_easyrtc.joiner import EasyrtcJoiner

        return EasyrtcJoiner(self.options, pack)
