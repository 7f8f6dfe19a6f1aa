"""The platform `zoom`: knows Zoom's links, opens its calls in the web client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from meetcore import Capability, MeetingLink, read_link
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_zoom.options import ZoomOptions

if TYPE_CHECKING:
    from meetcore_browser.guest.joiner import GuestJoiner
    from meetcore_browser.selectors import SelectorPack

__all__ = ["ZoomPlatform"]

HERE = Path(__file__).parent


class ZoomPlatform(GuestPlatform[ZoomOptions]):
    """Joins Zoom meetings as a guest of the web client."""

    name: ClassVar[str] = "zoom"
    link_examples: ClassVar[tuple[str, ...]] = (
        "https://us02web.zoom.us/j/85001833920",
        "https://app.zoom.us/wc/84335626851/join",
    )
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.SEND_CHAT,
            Capability.READ_CHAT,
            Capability.CAPTIONS,
            Capability.SEND_DIRECT_CHAT,
            Capability.SPEAK,
            Capability.SHOW_IMAGE,
            Capability.SHOW_PAGE,
            Capability.SHARE_SCREEN,
            Capability.VIDEO,
            Capability.SCREENSHOT,
            Capability.LOOK_IN,
        }
    )
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "what the page plays by Web Audio, one mix; media elements; peer connections",
        "names": "who speaks, by the sound's time",
        "people": "what the client is told by its server; the page's list; its tiles",
        "speakers": "what the client is told by its server; frames that are marked; the stage",
        "chat": "the chat panel",
        "captions": "the captions on the page",
    }
    sign_in_url: ClassVar[str] = "https://zoom.us/signin"
    sign_in_hosts: ClassVar[tuple[str, ...]] = ("zoom.us",)
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the meeting of a Zoom link, or None."""
        link = read_link(url)
        return link if link is not None and link.platform == self.name else None

    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        """Return the joiner, with this platform's options."""
        from meetcore_zoom.joiner import ZoomJoiner  # Playwright comes with it

        return ZoomJoiner(self.options, pack)
