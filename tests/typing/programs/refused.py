"""What a user mistypes: each line with a remark is an error in the editor, and no other is."""

from __future__ import annotations

from attrs import frozen

import meetcore
from meetcore import blocking, from_asyncio


@frozen(kw_only=True)
class FloorOptions:
    at_least: int = 1


class FloorSink(meetcore.Sink[FloorOptions]):
    name = "floor"

    async def deliver(self, event: meetcore.Event) -> None:
        self.options.at_laest  # refused


async def under_trio() -> None:
    meetcore.open_bot("x", nmae="Notes")  # refused
    meetcore.open_bot("x", name=3)  # refused
    meetcore.open_bot("x", record="yes")  # refused
    meetcore.open_bot("x", sinks=3)  # refused
    meetcore.open_bot("x", automatic_leave={"silense_s": 3})  # refused
    meetcore.open_bot("x", plugins=["files"])  # refused
    async with meetcore.open_fleet() as fleet:
        fleet.start("x", nmae="Notes")  # refused


async def under_asyncio() -> None:
    from_asyncio.open_bot("x", nmae="Notes")  # refused
    async with from_asyncio.open_bot("x") as bot:
        bot.stat  # refused
        bot.events(draft=True)  # refused
    from_asyncio.open_fleet(limit="3")  # refused
    async with from_asyncio.open_fleet() as fleet:
        await fleet.start("x", name=3)  # refused


def blocked() -> None:
    blocking.open_bot("x", out_dir=3)  # refused
    with blocking.open_bot("x") as bot:
        bot.wait_ended(timeout_s="1")  # refused
