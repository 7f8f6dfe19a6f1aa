"""A whole rehearsal in one block: the site, a room in it, and a cast that plays a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define

from meetcore.testing import Script
from meetcore_rehearsal.cast import Cast, open_cast
from meetcore_rehearsal.room import Room
from meetcore_rehearsal.scripts import DEFAULT_SCRIPT, find_script
from meetcore_rehearsal.site import Site, open_site

__all__ = ["Rehearsal", "open_rehearsal"]


@define
class Rehearsal:
    """A running rehearsal.

    Attributes:
        link: The guests' link; what a bot gets.
        host_link: Whoever opens it is a host.
        site: The site.
        room_id: The room.
        cast: The scripted people.
    """

    link: str
    host_link: str
    site: Site
    room_id: str
    cast: Cast

    @property
    def script(self) -> Script:
        """What is played."""
        return self.cast.script

    @property
    def line_starts(self) -> dict[int, float]:
        """When each line really began, in seconds since the epoch, by index in `script.lines`."""
        return self.cast.line_starts

    @property
    def clock_started_at(self) -> float | None:
        """When the script clock was 0, in seconds since the epoch; None before."""
        return self.cast.clock_started_at

    @property
    def room(self) -> Room:
        """The room as it is now."""
        return self.site.hub.rooms[self.room_id]


@asynccontextmanager
async def open_rehearsal(
    script: Script | Path | str = DEFAULT_SCRIPT,
    *,
    headed: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    passcode: str | None = None,
) -> AsyncIterator[Rehearsal]:
    """Open the site with a room in which the cast of a script waits for a guest.

    The script begins when the first guest has been admitted and can hear everybody. On exit
    the cast's browser and the site are gone.

    Args:
        script: A script, the name of a bundled one, or a path.
        headed: Whether the cast's browser is visible.
        host: Address to listen on.
        port: Port, 0 for any free one.
        passcode: What guests must know.

    Raises:
        ScriptError: The script cannot be played.
        UnknownScript: There is no such script.
        PortTaken: The site cannot listen there.
        CastFailed: The cast did not come.
    """
    played = script if isinstance(script, Script) else find_script(script)
    cast = Cast(played)

    def reported(_room_id: str, _member_id: str, data: dict[str, Any]) -> None:
        cast.reported(data)

    async with open_site(host=host, port=port, on_report=reported) as site:
        room = site.open_room(
            title=played.title,
            passcode=passcode,
            waiting_room=played.waiting_room,
            closes_at_end=True,
        )
        async with open_cast(site, room, cast, headed=headed):
            yield Rehearsal(site.guest_link(room), site.host_link(room), site, room.id, cast)
