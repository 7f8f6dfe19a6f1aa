"""What happens is told once its row is written, whoever stops waiting for that meanwhile."""

from __future__ import annotations

from pathlib import Path

import trio
from attrs import evolve

from meetcore import Event, State, StateChanged
from meetcore.gateway import BotRow
from meetcore.log import FolderStore
from meetcore_server.live import LiveBots

from .test_feeds import BOT, row_of_a_bot


async def test_an_event_whose_row_is_written_is_told_though_its_deadline_passes(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Otherwise a server that looks with a deadline writes the row each time, for ever."""
    written: list[int] = []

    async def update(row: BotRow, event: Event) -> BotRow:
        await trio.lowlevel.checkpoint()
        written.append(event.seq)
        return row

    bots = LiveBots(update, lambda event: None, FolderStore(tmp_path))
    live = bots.add(row_of_a_bot())
    event = evolve(StateChanged(state=State.RECORDING, previous=State.IN_CALL), bot_id=BOT, seq=1)
    async with trio.open_nursery() as nursery:

        async def telling() -> None:
            async with live._in_turn:
                nursery.start_soon(looking)
                await trio.sleep(5.0)

        async def looking() -> None:
            with trio.move_on_after(1.0):
                await bots.take(live, event)

        nursery.start_soon(telling)
    assert live.history.last_seq == 1
    await bots.take(live, event)
    assert written == [1]
