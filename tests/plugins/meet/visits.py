"""A bot as a guest of the stand-in: what the tests of the joiner stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from attrs import define

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    Knocked,
    RosterSeen,
    Signal,
    StepWorked,
    TrackIdentified,
)
from meetcore_browser.browser import Browser
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_meet.joiner import MeetJoiner
from meetcore_meet.options import MeetOptions
from meetcore_meet.platform import MeetPlatform
from tests.standins.site import StandinRoom, StandinSite, serve_standin

__all__ = ["CODE", "PACK", "PEOPLE", "STANDIN", "MeetVisitor", "device", "standin", "visit"]

STANDIN = Path(__file__).parents[2] / "standins" / "meet"
CODE = "abc-defg-hij"
PEOPLE = (
    {"id": "ada", "name": "Ada Berg", "host": True, "tone": 500},
    {"id": "ben", "name": "Ben O’Hara", "tone": 900},
    {"id": "cem", "name": "Cem Yılmaz", "tone": 1300},
    {"id": "dora", "name": "Dora", "tone": 1900},
)
PACK = SelectorPack.load(MeetPlatform.pack_file)
S = TypeVar("S", bound=Signal)


def device(person: str) -> str:
    """Return the id that the stand-in gives to a person's device."""
    return f"spaces/S/devices/{person}"


@contextmanager
def standin() -> Iterator[StandinSite]:
    """Serve the stand-in."""
    with serve_standin(STANDIN) as site:
        yield site


@define
class MeetVisitor:
    """A bot at the stand-in, the room it is in, and what it told."""

    call: GuestCall
    room: StandinRoom
    events: KeepingCallEvents

    @property
    def guest(self) -> Any:
        attempt = self.call._attempt
        assert attempt is not None
        return attempt.guest

    async def script(self, javascript: str) -> Any:
        """Evaluate something in the stand-in's page."""
        return await self.guest.page.page.evaluate(javascript)

    def all(self, kind: type[S]) -> list[S]:
        return self.events.of_type(kind)  # type: ignore[return-value]

    async def until(self, kind: type[S], count: int = 1, timeout_s: float = 15.0) -> S:
        await until(lambda: len(self.all(kind)) >= count, timeout_s)
        return self.all(kind)[count - 1]

    async def knocked(self) -> Knocked:
        return await self.until(Knocked)

    async def inside(self) -> Admitted:
        """Have the bot let in."""
        if self.room.switches.get("lobby") is not False:
            await self.knocked()
            self.room.tell("admit")
        return await self.until(Admitted)

    async def ended(self, timeout_s: float = 15.0) -> CallEnded:
        return await self.until(CallEnded, timeout_s=timeout_s)

    def steps(self) -> str:
        return "\n".join(f"{step.name}: {step.detail}" for step in self.all(StepWorked))

    def names(self) -> list[str]:
        """Return who is there by the last list."""
        lists = self.all(RosterSeen)
        return [person.name for person in lists[-1].participants] if lists else []

    async def until_names(self, *names: str, timeout_s: float = 10.0) -> None:
        await until(lambda: sorted(self.names()) == sorted(names), timeout_s)

    def clicked(self) -> list[str]:
        return [report["label"] for report in self.room.reported("clicked")]

    def owners(self) -> list[TrackIdentified]:
        return self.all(TrackIdentified)


@asynccontextmanager
async def visit(
    browser: Browser,
    site: StandinSite,
    folder: Path,
    *,
    code: str = CODE,
    pack: SelectorPack = PACK,
    language: str = "en-US",
    captions: bool = False,
    join_s: float = 20.0,
    attempts: int = 1,
    name: str = "Notes",
    switches: dict[str, Any] | None = None,
    asked: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[MeetVisitor]:
    """Send a bot to a room of the stand-in."""
    room = site.room(code, **{"people": PEOPLE[:2], **(switches or {})})
    platform = MeetPlatform()
    link = platform.parse(f"https://meet.google.com/{code}")
    assert link is not None
    chosen = MeetOptions(origin=site.origin, locale=language, attempts=attempts, **options)
    request = CallRequest(
        bot_id="bot",
        display_name=name,
        folder=folder,
        join_timeout_s=join_s,
        captions=captions,
        **(asked or {}),
    )
    events = KeepingCallEvents()
    joiner = MeetJoiner(chosen, pack)
    async with open_guest_call(
        joiner, link, request, events, platform.capabilities, browser=browser
    ) as call:
        await until(lambda: call._attempt is not None)
        at = MeetVisitor(call, room, events)
        try:
            yield at
        except BaseException:
            print(at.room.reports, at.steps(), at.clicked(), *events.signals[-6:], sep="\n")
            raise
