"""A bot sent to a room of the stand-in, and what the tests ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    RosterSeen,
    SpeakingIndicated,
    StepWorked,
    read_link,
)
from meetcore_browser.browser import Browser
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.guest.layers import SoundLayer
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_teams.joiner import PACK, TeamsJoiner
from meetcore_teams.options import TeamsOptions
from meetcore_teams.platform import TeamsPlatform
from tests.standins.site import StandinRoom, StandinSite, serve_standin

STANDIN = Path(__file__).parents[2] / "standins" / "teams"
ROOM = "1234567890123"
LINK = f"https://teams.microsoft.com/meet/{ROOM}"


@define
class Visit:
    """One bot in one room."""

    call: GuestCall
    room: StandinRoom
    events: KeepingCallEvents
    joiner: TeamsJoiner
    site: StandinSite

    @property
    def guest(self) -> Any:
        attempt = self.call._attempt
        assert attempt is not None
        return attempt.guest

    async def until(
        self, kind: type, holds: Callable[[Any], bool] = lambda _: True, timeout_s: float = 15.0
    ) -> Any:
        found: list[Any] = []

        def there() -> bool:
            found[:] = [s for s in self.events.signals if isinstance(s, kind) and holds(s)]
            return bool(found)

        await until(there, timeout_s)
        return found[0]

    async def ended(self, timeout_s: float = 15.0) -> CallEnded:
        end: CallEnded = await self.until(CallEnded, timeout_s=timeout_s)
        return end

    async def inside(self) -> None:
        await self.until(Admitted)

    async def people(self, *names: str) -> RosterSeen:
        """Wait for a list of exactly these names."""
        roster: RosterSeen = await self.until(
            RosterSeen, lambda seen: sorted(p.name for p in seen.participants) == sorted(names)
        )
        return roster

    def steps(self) -> str:
        return "\n".join(
            f"{s.name}: {s.detail}" for s in self.events.signals if isinstance(s, StepWorked)
        )

    def spoken(self) -> list[tuple[str, bool, str]]:
        return [
            (s.participant_id, s.speaking, s.source.value)
            for s in self.events.signals
            if isinstance(s, SpeakingIndicated)
        ]

    def ada(self, **more: Any) -> None:
        self.room.tell("joins", id="ada", name="Ada", hz=440, source=11, **more)

    def bob(self, **more: Any) -> None:
        self.room.tell("joins", id="bob", name="Bob (Unverified)", hz=1000, source=12, **more)


@asynccontextmanager
async def visit(
    browser: Browser | None,
    folder: Path,
    *,
    link: str = LINK,
    locale: str = "en-US",
    captions: bool = False,
    join_s: float = 20.0,
    options: dict[str, Any] | None = None,
    layers: tuple[SoundLayer, ...] | None = None,
    room: str | None = ROOM,
    asked: dict[str, Any] | None = None,
    **switches: Any,
) -> AsyncIterator[Visit]:
    """Serve a room with these switches, and send a bot there."""
    with serve_standin(STANDIN) as site:
        opened = site.room(room or "another", **switches)
        chosen = {"loading_limit_s": 1.0, "attempts": 1, "roster_every_s": 3.0} | (options or {})
        options_of = TeamsOptions(origin=site.origin, locale=locale, **chosen)
        joiner = TeamsJoiner(options_of, SelectorPack.load(PACK))
        if layers is not None:
            joiner.layers, joiner.layer_limit_s = layers, 1.5  # type: ignore[misc]
        parsed = read_link(link)
        assert parsed is not None
        events = KeepingCallEvents()
        request = CallRequest(
            bot_id="bot",
            display_name="Notes",
            folder=folder,
            join_timeout_s=join_s,
            captions=captions,
            **(asked or {}),
        )
        capabilities = TeamsPlatform.capabilities
        async with open_guest_call(
            joiner, parsed, request, events, capabilities, browser=browser
        ) as call:
            await until(lambda: call._attempt is not None)
            yield Visit(call, opened, events, joiner, site)
