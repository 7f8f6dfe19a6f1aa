"""A bot as a guest of the stand-in, with a host who is the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    JoinToken,
    Pcm,
    RosterSeen,
    Signal,
    StepWorked,
    TrackAppeared,
    read_link,
)
from meetcore_browser.browser import Browser
from meetcore_browser.capture import RemoteTrack
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_zoom.joiner import ZoomJoiner
from meetcore_zoom.options import ZoomOptions
from meetcore_zoom.platform import ZoomPlatform
from tests.standins.site import StandinRoom, serve_standin

__all__ = ["MEETING", "PACK", "STANDIN", "Visit", "loudest_hz", "visit"]

STANDIN = Path(__file__).parents[2] / "standins" / "zoom"
PACK = SelectorPack.load(ZoomPlatform.pack_file)
MEETING = "85001833920"


@define
class Visit:
    """One call, its host, and what came of it."""

    call: GuestCall
    room: StandinRoom
    events: KeepingCallEvents
    seen: list[tuple[str, str]]
    origin: str

    async def until(self, kind: type[Signal], count: int = 1) -> Any:
        """Return the `count`th signal of a kind, waiting for it."""
        await until(lambda: len(self.events.of_type(kind)) >= count)
        return self.events.of_type(kind)[count - 1]

    async def inside(self) -> None:
        await self.until(Admitted)

    async def ended(self) -> CallEnded:
        ended: CallEnded = await self.until(CallEnded)
        return ended

    async def roster(self, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return the newest list of people, as names by id, once something holds for it."""

        def people() -> dict[str, str]:
            lists = self.events.of_type(RosterSeen)
            return {p.id: p.name for p in lists[-1].participants} if lists else {}  # type: ignore[attr-defined]

        await until(lambda: holds(people()))
        return people()

    async def track(self) -> str:
        """Return the id of the first track."""
        return str((await self.until(TrackAppeared)).track_id)

    def tracks(self) -> list[RemoteTrack]:
        """Return the tracks of the page."""
        attempt = self.call._attempt
        return [] if attempt is None else attempt.guest.page.page.capture.tracks

    def steps(self) -> str:
        return "\n".join(f"{s.name}: {s.detail}" for s in self.events.of_type(StepWorked))  # type: ignore[attr-defined]


@asynccontextmanager
async def visit(
    browser: Browser,
    folder: Path,
    *,
    link: str = f"https://us02web.zoom.us/j/{MEETING}",
    locale: str = "en-US",
    captions: bool = False,
    join_s: float = 30.0,
    options: dict[str, Any] | None = None,
    join_token: Callable[[], Awaitable[JoinToken | None]] | None = None,
    asked: dict[str, Any] | None = None,
    **switches: Any,
) -> AsyncIterator[Visit]:
    """Send a bot to a room with some switches set."""
    with serve_standin(STANDIN) as site:
        room = site.room(MEETING, **switches)
        chosen = ZoomOptions(origin=site.origin, locale=locale, **(options or {}))
        meeting = read_link(link)
        assert meeting is not None
        events = KeepingCallEvents()
        request = CallRequest(
            bot_id="bot",
            display_name="Notes",
            folder=folder,
            join_timeout_s=join_s,
            captions=captions,
            **({} if join_token is None else {"join_token": join_token}),
            **(asked or {}),
        )
        joiner = ZoomJoiner(chosen, PACK)
        can = ZoomPlatform.capabilities
        async with open_guest_call(joiner, meeting, request, events, can, browser=browser) as call:
            yield Visit(call, room, events, site.seen, site.origin)


def loudest_hz(pcm: Pcm, rate_hz: int, most: int = 1) -> list[int]:
    """Return the loudest tones of some sound, the loudest first, to 10 Hz."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    found: list[int] = []
    for index in np.argsort(spectrum)[::-1]:
        hz = round(float(index) * rate_hz / len(pcm) / 10) * 10
        if all(abs(hz - other) > 50 for other in found):
            found.append(hz)
        if len(found) == most:
            break
    return found
