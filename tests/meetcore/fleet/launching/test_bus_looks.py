"""A bot's page seen and taken over from another machine, whatever the bus does meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from meetcore import (
    BotReleased,
    BotTakenOver,
    CommandFailed,
    CommandRefused,
    NotTakenOver,
    PictureFormat,
    TextInput,
)
from meetcore.fleet.launching.bus_looks import FORGOTTEN_AFTER_S, picture_from_answer
from meetcore.model.commands import Stop
from meetcore.model.lifecycle import State
from meetcore.testing import SimPage
from tests.meetcore.conftest import events_of

from .test_bus import staged, until


def page_of(stage: Any) -> SimPage:
    page = stage.bot.call.page
    assert isinstance(page, SimPage)
    return page


def hands(bot: Any) -> list[tuple[str, str | None]]:
    found = [e for e in events_of(bot) if isinstance(e, (BotTakenOver, BotReleased))]
    return [(each.by, getattr(each, "cause", None)) for each in found]


async def test_it_is_seen_and_taken_over_as_if_it_were_here(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        shot = await stage.far.screenshot(PictureFormat.PNG, by="ada")
        assert (shot.image[:4], shot.media_type, shot.width) == (b"\x89PNG", "image/png", 32)
        page = page_of(stage)
        async with stage.far.look_in(by="ada") as look, stage.far.look_in(by="ben") as other:
            assert len({(await look.next_picture()).image for _ in range(3)}) == 3
            with pytest.raises(NotTakenOver):
                await look.act(TextInput(text="a word"))
            await look.take_over()
            await look.act(TextInput(text="a word"))
            with pytest.raises(CommandRefused, match="Somebody else"):
                await other.take_over()
            await look.release()
            await other.take_over()
            assert page.acting
        await until(lambda: page.views == 0)
        assert not page.acting
        assert [each.kind for each in page.inputs] == ["text"]
        await stage.far.perform(Stop("enough"))
        await stage.far.gone()
        with pytest.raises(CommandRefused, match="has ended"):
            await stage.far.screenshot(PictureFormat.JPEG)
        with pytest.raises(CommandRefused, match="has ended"):
            async with stage.far.look_in():
                pass
    assert hands(stage.bot) == [("ada", None), ("ada", "released"), ("ben", None), ("ben", "gone")]


async def test_who_goes_away_without_a_word_is_forgotten_and_gives_it_back(
    tmp_path, autojump_clock
):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        page = page_of(stage)
        async with stage.far.look_in(by="ada") as look:
            await look.take_over()
            stage.broker.away = True
            await trio.sleep(FORGOTTEN_AFTER_S + 1)
            assert (page.views, page.acting) == (0, False)
            stage.broker.away = False
            with pytest.raises(CommandRefused, match="nothing was heard"):
                await look.next_picture()
        await stage.far.perform(Stop())
        await stage.far.gone()
    assert hands(stage.bot) == [("ada", None), ("ada", "gone")]


async def test_a_look_at_a_page_that_stands_still_lasts_and_ends_with_the_bot(
    tmp_path, autojump_clock
):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        page = page_of(stage)
        page.every_s = 40.0
        async with stage.far.look_in() as look:
            with trio.fail_after(60):
                await look.next_picture()
            assert page.views == 1
            page.every_s = 1e6
            async with trio.open_nursery() as nursery:

                async def watch() -> None:
                    with pytest.raises((CommandFailed, CommandRefused)):
                        await look.next_picture()

                nursery.start_soon(watch)
                await trio.sleep(1)
                await stage.far.perform(Stop())
            await until(lambda: page.views == 0)
        await stage.far.gone()


async def test_a_bot_that_knows_nothing_of_looks_and_one_that_says_nonsense(
    tmp_path, autojump_clock
):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        for asked in ({"look": "x", "do": "next"}, {"look": "x", "do": "dance"}, {"look": "x"}):
            with pytest.raises(CommandRefused):
                await stage.far._answer_to(asked)
        with pytest.raises(CommandRefused, match="understood"):
            await stage.far._answer_to({"screenshot": "bmp"})
        await stage.far.perform(Stop())
        await stage.far.gone()
    for answer in ({"picture": 5}, {"picture": {}}, {"picture": {"image": "!"}}):
        with pytest.raises(CommandFailed, match="no picture"):
            picture_from_answer(answer)
