"""The platform `teams`: knows the links of Microsoft Teams, joins as a guest of the web client."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from meetcore import Capability, MeetingLink, read_link
from meetcore_browser.guest.guest_platform import GuestPlatform
from meetcore_teams.options import TeamsOptions

if TYPE_CHECKING:
    from meetcore_browser.selectors import SelectorPack
    from meetcore_teams.joiner import TeamsJoiner

__all__ = ["TeamsPlatform"]

HERE = Path(__file__).parent


class TeamsPlatform(GuestPlatform[TeamsOptions]):
    """Attends Teams meetings in a browser, under the bot's own name, as any guest does."""

    name: ClassVar[str] = "teams"
    link_examples: ClassVar[tuple[str, ...]] = (
        "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0?context=…",
        "https://teams.microsoft.com/meet/1234567890123?p=AbCdEf",
        "https://teams.live.com/meet/9312345678901?p=XyZ123",
    )
    sources: ClassVar[Mapping[str, str]] = {
        "sound": "the client's mix, not its twin; all tracks where the mix is silent; what the page"
        " plays; the tab",
        "names": "who speaks, over the mix, by the sound's time",
        "people": "a whole list that the client is told; the page's list; its tiles",
        "speakers": "the client's dominant speakers; contributing sources; rings around tiles;"
        " captions",
        "chat": "the chat panel",
        "captions": "the captions on the page",
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
    sign_in_url: ClassVar[str] = "https://teams.microsoft.com/"
    sign_in_hosts: ClassVar[tuple[str, ...]] = (
        "microsoft.com",
        "microsoftonline.com",
        "live.com",
        "cloud.microsoft",
    )
    pack_file: ClassVar[Path] = HERE / "selectors.toml"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"

    def parse(self, url: str) -> MeetingLink | None:
        """Return the one Teams meeting a text means, or None."""
        link = read_link(url)
        return link if link is not None and link.platform == self.name else None

    def make_joiner(self, pack: SelectorPack) -> TeamsJoiner:
        """Return the joiner, with this platform's options and that pack."""
        from meetcore_teams.joiner import TeamsJoiner  # brings Playwright with it

        return TeamsJoiner(self.options, pack)
