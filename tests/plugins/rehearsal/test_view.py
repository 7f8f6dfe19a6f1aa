"""Whom a recording shows: in the bot's own browser, whose screen is what is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.model.signals import Admitted, StepWorked
from meetcore.plugin.platform import CallRequest
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_rehearsal.joiner import RehearsalCall, open_rehearsal_call
from meetcore_rehearsal.links import parse_link
from meetcore_rehearsal.site import Site

from .conftest import Lobby

pytestmark = pytest.mark.browser

SIZES = """() => {
  const tiles = [...document.querySelectorAll("#stage .tile")];
  return tiles.map((tile) => [tile.dataset.tile === "host", tile.getBoundingClientRect().height]);
}"""


@asynccontextmanager
async def recorded(
    site: Site, folder: Path, **video: Any
) -> AsyncIterator[tuple[RehearsalCall, KeepingCallEvents]]:
    """Have a bot in a room with its host and somebody else."""
    room = site.open_room(waiting_room=False)
    Lobby(site, room.id).enter()
    link = parse_link(site.guest_link(room))
    assert link is not None
    request = CallRequest(
        bot_id="bot", display_name="Notes", folder=folder, plugins={"browser": video}, video=True
    )
    events = KeepingCallEvents()
    async with open_rehearsal_call(link, request, events) as call:
        await until(lambda: bool(events.of_type(Admitted)), 30)
        yield call, events


async def heights(call: RehearsalCall) -> tuple[float, float]:
    """Return how high the host's tile is, and the highest of the others'."""
    sizes = await call.page_now().evaluate(SIZES)
    return (
        max(height for host, height in sizes if host),
        max(height for host, height in sizes if not host),
    )


@pytest.mark.parametrize("view", ["speaker", "gallery"])
async def test_the_view_that_was_chosen_is_shown(site: Site, tmp_path: Path, view: str) -> None:
    async with recorded(site, tmp_path, video_view=view) as (call, events):
        name = f"{view} view"
        await until(lambda: name in [step.name for step in events.of_type(StepWorked)], 20)
        host, other = await heights(call)
        assert host > 2 * other if view == "speaker" else host == other


async def test_without_a_choice_nothing_is_pressed(site: Site, tmp_path: Path) -> None:
    async with recorded(site, tmp_path) as (call, events):
        await trio.sleep(1.0)
        host, other = await heights(call)
        assert host == other
        assert not [step for step in events.of_type(StepWorked) if "view" in step.name]
