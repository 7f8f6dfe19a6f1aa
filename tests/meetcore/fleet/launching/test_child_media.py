"""Media of a bot in a process of its own: its sinks run there, too, and have all of it."""

from __future__ import annotations

import json
from pathlib import Path

import trio

import meetcore
from meetcore.fleet.launching.child_process import ChildProcessLauncher

PLUGIN = Path(__file__).parents[3] / "media_meeting.py"


async def test_media_reaches_the_sinks_of_a_bot_in_a_process_of_its_own(tmp_path):
    spec = meetcore.BotSpec(
        bot_id="b-1",
        url="film:room",
        settings={"out_dir": str(tmp_path), "sinks": ["film_sink"]},
        plugin_files=(str(PLUGIN),),
    )
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            bot = await ChildProcessLauncher().launch(spec, nursery)
            await bot.gone()
    got = json.loads((tmp_path / "b-1" / "film_sink.json").read_text("utf-8"))
    assert got == [[0, 4], *([number + 1, 4000] for number in range(20))]
    events = list(meetcore.read_journal(tmp_path / "b-1" / "journal.jsonl"))
    (ledger,) = [event for event in events if isinstance(event, meetcore.LedgerClosed)]
    (entry,) = [entry for entry in ledger.entries if entry.unit == "fragments"]
    assert (entry.consumer, entry.captured, entry.delivered) == ("film_sink", 21, 21)
    assert ledger.balanced
