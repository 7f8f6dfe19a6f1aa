"""A bot as a listener in a Janus video room, through the stock page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from meetcore import MeetingLink, NameSource, TrackIdentified
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.page_state import PageState

__all__ = ["JanusJoiner", "room_name"]

HERE = Path(__file__).parent
KICKED = "kicked"


def room_name(name: str) -> str:
    """Return a name as the page takes it: letters and digits of ASCII alone."""
    return re.sub(r"[^A-Za-z0-9]", "", name)[:60] or "Bot"


class JanusJoiner(GuestJoiner):
    """Goes in without publishing anything: nobody in the room sees a picture of the bot."""

    name: ClassVar[str] = "janus"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"
    scripts: ClassVar[Sequence[Path]] = (HERE / "page" / "messages.js", HERE / "page" / "still.js")
    name_source: ClassVar[NameSource] = NameSource.TRACK
    permissions: ClassVar[Sequence[str]] = ()

    def address(self, link: MeetingLink) -> str:
        """Return the page's address, for somebody who only listens."""
        return f"{link.url}&subscriber-mode=yes"

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Start the page, give the name, go in."""
        if state is not PageState.PRE_JOIN:
            return
        if "name_field" not in look.found:
            if guest.once("start"):
                guest.note("start", await guest.page.click("start_button"))
            return
        await guest.page.fill("name_field", room_name(guest.request.display_name))
        guest.note("join", await guest.page.click("join_button"))

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Add what the page itself does not show: that the room's owner removed the bot."""
        del look
        if KICKED in guest.done:
            return StateSeen(PageState.REMOVED, detail="the server said that the bot was kicked")
        return seen

    def topics(self, guest: Guest) -> Mapping[str, Callable[[Any, float | None], None]]:
        """Return what takes the server's messages, and whose track is whose."""

        def on_kicked(data: Any, at_s: float | None) -> None:
            del data, at_s
            guest.done.add(KICKED)

        def on_owners(data: Any, at_s: float | None) -> None:
            del at_s
            owners = {number: str(person) for number, person in data if number is not None}
            for track in guest.page.page.capture.tracks:
                person = owners.get(track.number)
                if person is not None and guest.once(f"owner {track.track_id} {person}"):
                    guest.events.observe(TrackIdentified(track.track_id, person, NameSource.TRACK))

        return {"kicked": on_kicked, "owners": on_owners}

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Press the page's button, which says 'Stop' by then, and see it gone."""
        del state
        await guest.page.press("stop_button")
        await guest.page.until_gone("stop_button")
