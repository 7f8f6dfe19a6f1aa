"""The whole bot and its guest, on a clock that jumps: whose limit ends a join, and as what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

import meetcore
from meetcore import AutomaticLeave, BotConfig, StateChanged
from meetcore.testing import simulated_clock
from meetcore_browser.guest.guest_page import GuestPage
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import Found, PageLook
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from tests.plugins.browser.guest.toy import ToyJoiner
from tests.plugins.browser.guest.toy_plugin import ToyPlatform

Shows = Callable[[float], str]
"""Which control a page shows, by the seconds since it was opened; empty for none."""


class PatientJoiner(ToyJoiner):
    """Looks, and leaves the page to itself."""

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        await trio.lowlevel.checkpoint()


class PatientPlatform(ToyPlatform):
    def make_joiner(self, pack: SelectorPack) -> GuestJoiner:
        return PatientJoiner(self.options)


class Plugin:
    @meetcore.hookimpl
    def meetcore_register_platforms(self, register: Callable[[type], None]) -> None:
        register(PatientPlatform)


class ScriptedPage:
    """A page without a browser."""

    def __init__(self) -> None:
        self.opened_s = trio.current_time()
        self.capture = SimpleNamespace(levels={})

    @asynccontextmanager
    async def step(self, name: str, timeout_s: float) -> AsyncIterator[None]:
        yield

    async def goto(self, url: str, timeout_s: float = 30.0) -> None:
        await trio.sleep(1)

    async def watch(self) -> None:
        await trio.sleep_forever()

    async def write_diagnostics(self, step: str) -> None:
        await trio.sleep(1)

    async def finish_capture(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def attend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sends a bot to a page that shows something and returns its end."""

    async def attend(shows: Shows, leave: AutomaticLeave, **options: Any) -> StateChanged:
        opened: list[ScriptedPage] = []

        @asynccontextmanager
        async def open_page(*args: Any, **kwargs: Any) -> AsyncIterator[ScriptedPage]:
            await trio.sleep(3)  # a browser takes its time
            opened.append(ScriptedPage())
            yield opened[-1]

        async def look(page: GuestPage) -> PageLook:
            await trio.lowlevel.checkpoint()
            name = shows(trio.current_time() - opened[-1].opened_s)
            found = {name: Found(name, 0, f"says {name}")} if name else {}
            return PageLook("http://toy.example/m", found=found)

        guest_call = "meetcore_browser.guest.guest_call"
        monkeypatch.setattr(f"{guest_call}.open_page", open_page)
        monkeypatch.setattr(f"{guest_call}.find_chromium", lambda path: path)
        monkeypatch.setattr(GuestPage, "look", look)
        config = BotConfig(
            out_dir=tmp_path, fsync=False, automatic_leave=leave, plugins={"toy": options}
        )
        plugins = meetcore.Plugins(entry_points=False, objects={"toy": Plugin()})
        async with meetcore.open_bot(
            "toy:m", config=config, plugins=plugins, wall_clock=simulated_clock()
        ) as bot:
            ended = await bot.wait_ended()
        attend.attempts = len(opened)  # type: ignore[attr-defined]
        return ended

    return attend


async def test_a_wall_that_nobody_removed_is_the_reason_however_long_a_person_had(
    attend: Any, autojump_clock: MockClock
) -> None:
    ended = await attend(lambda s: "challenge", AutomaticLeave(), person_wait_s=400.0)
    assert (ended.reason, ended.evidence.signal) == ("captcha_required", "captcha")


async def test_a_page_that_stays_before_the_lobby_is_given_up_by_who_sees_it(
    attend: Any, autojump_clock: MockClock
) -> None:
    ended = await attend(lambda s: "name_field", AutomaticLeave(join_s=30.0), attempts=3)
    assert (ended.reason, ended.evidence.signal) == ("client_never_loaded", "join_timeout")
    assert "last seen: pre_join" in ended.evidence.detail
    assert attend.attempts == 3


@pytest.mark.parametrize("waiting_room_s", [None, 600.0])
async def test_a_client_that_gets_no_further_once_the_bot_was_let_in_never_loaded(
    attend: Any, autojump_clock: MockClock, waiting_room_s: float | None
) -> None:
    leave = AutomaticLeave(waiting_room_s=waiting_room_s)
    ended = await attend(lambda s: "waiting" if s < 50 else "joining", leave, attempts=2)
    assert (ended.reason, ended.evidence.signal) == ("client_never_loaded", "page_stuck")
    assert ended.evidence.detail.endswith("for 90 s; last seen: connecting")
    assert attend.attempts == 2, "from a fresh page it may get further"


async def test_a_wall_takes_no_time_from_what_comes_after_it(
    attend: Any, autojump_clock: MockClock
) -> None:
    def shows(s: float) -> str:
        if 20 < s < 200:
            return "challenge"
        return "removed" if s > 250 else "joining"

    ended = await attend(shows, AutomaticLeave(), person_wait_s=300.0, attempts=1)
    assert ended.evidence.signal == "denied"


def test_the_core_waits_for_all_attempts_with_the_pauses_between_them() -> None:
    def longest_s(attempts: int) -> float:
        return PatientPlatform(GuestOptions(attempts=attempts)).longest_join_s(90.0)

    assert [longest_s(attempts) for attempts in (1, 2, 3)] == [150.0, 303.0, 459.0]
