"""Law 6: finalized segments and states are never dropped; of drafts the newest wins."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting

pytestmark = pytest.mark.law(6)

LINES = "\n".join(
    f'[[lines]]\nwho = "ada"\nat_s = {1 + 4 * n}\ntext = "sentence number {n} of many here"'
    for n in range(20)
)
TALKATIVE = f"""
title = "Talkative"
seed = 9
[[people]]
id = "ada"
name = "Ada"
{LINES}
[end]
at_s = 90
"""


async def follow(meeting, tmp_path, pause_s: float) -> tuple[list, list]:
    items: list = []
    async with meeting.open_bot(tmp_path, transcriber=ScriptedTranscriber(meeting.script)) as bot:
        async for item in bot.events(drafts=True):
            items.append(item)
            await trio.sleep(pause_s)
        everything = list(bot.journal.read())
    return items, everything


@pytest.mark.parametrize("pause_s", [0.0, 0.5, 20.0])
async def test_a_slow_subscriber_gets_every_event_and_fewer_drafts(
    tmp_path, autojump_clock, pause_s
):
    items, everything = await follow(SimMeeting(TALKATIVE), tmp_path, pause_s)
    events = [item for item in items if isinstance(item, meetcore.Event)]
    terminal = next(e.seq for e in everything if getattr(e, "state", None) == "completed")
    assert [e.seq for e in events] == list(range(1, terminal + 1))
    finals = [e for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert len(finals) == 20
    drafts = [item for item in items if isinstance(item, meetcore.SegmentDraft)]
    if pause_s == 0.0:
        assert len(drafts) >= 100
    if pause_s == 20.0:
        assert len(drafts) < 60


async def test_a_draft_never_comes_after_its_final_and_its_revisions_rise(tmp_path, autojump_clock):
    items, _ = await follow(SimMeeting(TALKATIVE), tmp_path, 0.7)
    done: set[str] = set()
    last: dict[str, int] = {}
    for item in items:
        if isinstance(item, meetcore.SegmentFinalized):
            assert item.segment.revision > last.get(item.segment.id, 0)
            done.add(item.segment.id)
        elif isinstance(item, meetcore.SegmentDraft):
            assert item.segment.id not in done
            assert item.segment.revision > last.get(item.segment.id, 0)
            last[item.segment.id] = item.segment.revision


async def test_a_subscriber_resumes_after_any_seq(tmp_path, autojump_clock):
    meeting = SimMeeting(TALKATIVE)
    async with meeting.open_bot(tmp_path, transcriber=ScriptedTranscriber(meeting.script)) as bot:
        await trio.sleep(40)
        resumed = [event.seq async for event in bot.events(after=7)]
    assert resumed == list(range(8, 8 + len(resumed)))
