"""A whole bot in a room of the real site: pictures of its states, and a person in its page."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import pytest
import trio

import meetcore
from meetcore import (
    ArtifactWritten,
    BotReleased,
    BotTakenOver,
    KeyInput,
    LookIn,
    MouseInput,
    State,
    TextInput,
)
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.testing import SharedChromium
from meetcore_rehearsal import joiner
from meetcore_rehearsal.actions import Admit
from meetcore_rehearsal.site import Site

from .conftest import Lobby

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("lent")]

WHERE = """(selector) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  return [(box.x + box.width / 2) / innerWidth, (box.y + box.height / 2) / innerHeight];
}"""


@pytest.fixture
def lent(
    shared_chromium: SharedChromium, monkeypatch: pytest.MonkeyPatch, lent_to_the_cast: None
) -> None:
    @asynccontextmanager
    async def open_there(*args: Any, **options: Any) -> AsyncIterator[BotPage]:
        async with (
            shared_chromium.lend() as browser,
            open_page(*args, **{**options, "browser": browser}) as page,
        ):
            yield page

    monkeypatch.setattr(joiner, "open_page", open_there)


@asynccontextmanager
async def attending(site: Site, folder: Path) -> AsyncIterator[tuple[meetcore.Bot, Lobby]]:
    room = site.open_room()
    lobby = Lobby(site, room.id)
    lobby.enter()
    plugins = meetcore.Plugins(only=["rehearsal", "browser"])
    async with meetcore.open_bot(
        site.guest_link(room), plugins=plugins, out_dir=folder, screenshots="states", name="Notes"
    ) as bot:
        yield bot, lobby


async def state(bot: meetcore.Bot, wanted: State) -> None:
    with trio.fail_after(30):
        async for event in bot.events():
            if isinstance(event, meetcore.StateChanged) and event.state is wanted:
                return


async def picture_of(bot: meetcore.Bot, wanted: str) -> None:
    with trio.fail_after(30):
        async for event in bot.events():
            if isinstance(event, ArtifactWritten) and wanted in event.path:
                return


def size(image: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(image)) as file:
        frame = next(file.decode(video=0))
        assert isinstance(frame, av.VideoFrame)
        return frame.width, frame.height


async def click(look: LookIn, page: BotPage, selector: str) -> None:
    x, y = await page.evaluate(WHERE, selector)
    for action in ("down", "up"):
        await look.act(MouseInput(action=action, x=x, y=y))


async def test_a_person_writes_in_the_chat_by_the_bots_own_page(site: Site, tmp_path: Path) -> None:
    async with attending(site, tmp_path) as (bot, lobby):
        guest = await lobby.knocker()
        await picture_of(bot, "awaiting_admission")
        lobby.do(Admit("host", guest))
        await state(bot, State.RECORDING)
        page: BotPage = bot.call.page_now()  # type: ignore[union-attr]
        async with bot.look_in(by="ada") as look:
            with trio.fail_after(30):
                picture = await look.next_picture()
                assert size(picture.image) == (picture.width, picture.height)
                await look.take_over()
                await click(look, page, "#show-chat")
                await page.call(page.raw.wait_for_selector, "#chat-text", timeout=5000)
                await click(look, page, "#chat-text")
                await look.act(TextInput(text="written by a person"))
                for down in (True, False):
                    await look.act(KeyInput(down=down, key="Enter"))
                async for event in bot.events():
                    if isinstance(event, meetcore.ChatReceived):
                        assert (event.text, event.by_bot) == ("written by a person", True)
                        break
                await look.release()
        shot = await bot.screenshot("png")
        assert size(shot.image) == (shot.width, shot.height)
        await bot.stop()
        await bot.wait_ended()
    events = list(bot.journal.read())
    hands = [e for e in events if isinstance(e, (BotTakenOver, BotReleased))]
    assert [type(each) for each in hands] == [BotTakenOver, BotReleased]
    assert {each.by for each in hands} == {"ada"}
    written = [e for e in events if isinstance(e, ArtifactWritten) and e.kind == "screenshot"]
    shown = [each.path.partition("-")[2] for each in written]
    assert shown[:2] == ["awaiting_admission.jpg", "recording.jpg"]
    pictures = [(bot.folder / each.path).read_bytes() for each in written]
    assert len({size(picture) for picture in pictures}) == 1
    assert pictures[0] != pictures[1], "the lobby is not the call"
