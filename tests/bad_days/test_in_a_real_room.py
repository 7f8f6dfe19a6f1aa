"""A real site and a real Chromium: no room, nobody opens, the browser or its driver is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

import meetcore
from meetcore.testing import LeakGuard
from meetcore_rehearsal.actions import Arrive
from meetcore_rehearsal.site import Site, open_site

from .conftest import end_of, kinds

pytestmark = pytest.mark.browser


@asynccontextmanager
async def bot_in(link: str, out_dir: Path, **settings: Any) -> AsyncIterator[meetcore.Bot]:
    with trio.fail_after(90):
        async with meetcore.open_bot(link, out_dir=out_dir, sinks=["files"], **settings) as bot:
            yield bot


def journal_of(bot: meetcore.Bot) -> list[meetcore.Event]:
    return list(meetcore.read_journal(bot.journal.path))


async def test_a_room_that_does_not_exist(tmp_path):
    async with open_site() as site, bot_in(f"{site.url}/r/mc-no-such-room", tmp_path) as bot:
        end = await bot.wait_ended()
    assert (end.state, end.reason) == ("failed", "meeting_not_found")
    assert end.evidence.signal


async def test_a_door_that_nobody_opens(tmp_path):
    leave = {"waiting_room_s": 2}
    async with (
        open_site() as site,
        bot_in(site.guest_link(site.open_room()), tmp_path, automatic_leave=leave) as bot,
    ):
        end = await bot.wait_ended()
    assert (end.state, end.reason) == ("failed", "admission_timeout")
    assert end.previous == "processing"


def open_room_with_a_host(site: Site) -> str:
    room = site.open_room(waiting_room=False)
    site.hub.perform(room.id, Arrive(member_id="host", name="Hana", host_key=room.host_key))
    return site.guest_link(room)


def is_browser(process: psutil.Process) -> bool:
    line = process.cmdline()
    return any("chrom" in Path(word).name for word in line[:2]) and not any(
        word.startswith("--type=") for word in line
    )


def is_driver(process: psutil.Process) -> bool:
    return "run-driver" in process.cmdline()


@pytest.mark.parametrize("which", [is_browser, is_driver], ids=["browser", "driver"])
async def test_killed_in_mid_call_the_bot_ends_as_crashed_and_leaves_nothing(
    tmp_path, which: Callable[[psutil.Process], bool]
):
    guard = LeakGuard()
    before = set(psutil.Process().children(recursive=True))
    async with open_site() as site, bot_in(open_room_with_a_host(site), tmp_path) as bot:
        async for event in bot.events():
            if isinstance(event, meetcore.ParticipantJoined) and not event.participant.is_self:
                break
        children = set(psutil.Process().children(recursive=True)) - before
        victims = [child for child in children if which(child)]
        assert len(victims) == 1
        os.kill(victims[0].pid, signal.SIGKILL)
        killed_at = trio.current_time()
        end = await bot.wait_ended()
        assert trio.current_time() - killed_at < 60
    assert (end.state, end.reason) == ("failed", "crashed")
    events = journal_of(bot)
    assert end_of(events) == end
    (failed,) = kinds(events, meetcore.PluginFailed)
    assert failed.plugin == "rehearsal"
    assert failed.error in end.evidence.detail
    assert "\n" not in failed.error
    assert len(failed.error) < 400
    assert kinds(events, meetcore.ArtifactWritten), "the files were still written"
    guard.check()
