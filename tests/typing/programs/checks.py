"""What a user writes, and what its names are: every line of this checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import assert_type

from attrs import frozen

import meetcore
from meetcore import blocking, from_asyncio


async def under_trio() -> None:
    async with meetcore.open_bot(
        "https://meet.google.com/abc-defg-hij",
        name="Notes",
        transcriber="pocketsphinx",
        sinks=["files"],
        out_dir="meetings",
        automatic_leave={"silence_s": 30, "waiting_room_s": None},
        audio=meetcore.AudioConfig(levels=True),
        plugins={"files": {"format": "flac"}},
    ) as bot:
        assert_type(bot, meetcore.Bot)
        async for event in bot.events():
            assert_type(event, meetcore.Event)
            match event:
                case meetcore.SegmentFinalized(segment=segment):
                    assert_type(segment.text, str)
                case meetcore.StateChanged(state=state):
                    assert_type(state, meetcore.State)
        end = await bot.wait_ended()
        assert_type(end, meetcore.StateChanged)
    assert_type(end.to_json(), str)


async def under_asyncio(config: meetcore.BotConfig) -> None:
    async with from_asyncio.open_bot("x", config=config, name="Notes", record=True) as bot:
        assert_type(bot, from_asyncio.Bot)
        assert_type(bot.state, meetcore.State | None)
        assert_type(bot.roster, meetcore.Roster)
        assert_type(bot.folder, Path)
        assert_type(bot.events(), AsyncIterator[meetcore.Event])
    async with meetcore.from_asyncio.open_fleet(config, limit=3) as fleet:
        assert_type(await fleet.start("x", name="A", join_at=None), from_asyncio.Bot)
        assert_type(fleet.get("b"), from_asyncio.Bot | from_asyncio.RunningBot | None)


def blocked() -> list[str]:
    with blocking.open_bot("x", transcriber="pocketsphinx") as bot:
        bot.send_chat("hello")
        return [event.to_json() for event in bot.events()]


@frozen(kw_only=True)
class FloorOptions:
    at_least: int = 1


class FloorSink(meetcore.Sink[FloorOptions]):
    name = "floor"

    async def deliver(self, event: meetcore.Event) -> None:
        assert_type(self.options.at_least, int)


class Bare(meetcore.Sink):
    name = "bare"


def register_both(register: Callable[[type[meetcore.Sink]], None]) -> None:
    register(FloorSink)
    register(Bare)


class Redact:
    @meetcore.hookimpl
    def meetcore_revise_segment(
        self, bot: meetcore.Bot, segment: meetcore.Segment
    ) -> meetcore.Segment | meetcore.Drop | None:
        return meetcore.DROP if "secret" in segment.text else None
