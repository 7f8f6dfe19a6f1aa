"""The history: what a journal says so far, from its events alone."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given

import meetcore
from meetcore.model.history import BotHistory
from meetcore.testing import SimMeeting
from tests.laws.conftest import MEETING
from tests.plugins.skribby.journals import journals


async def test_a_life_is_told_from_its_events_alone(tmp_path, autojump_clock):
    async with SimMeeting(MEETING).open_bot(tmp_path) as bot:
        events = [event async for event in bot.events()]
    history = BotHistory()
    for event in events:
        history.take(event)
    assert [transition.state for transition in history.transitions][-2:] == [
        "processing",
        "completed",
    ]
    assert history.ended
    assert history.reason == "meeting_ended"
    assert history.reached == "recording"
    assert {p.participant.name for p in history.others} == {"Ada", "Ben"}
    assert all(presence.intervals for presence in history.others)
    assert [(line.sender_name, line.text) for line in history.chat] == [("Ben", "hello")]
    assert history.timeline.seconds_by_participant()["ada"] > 0.5
    assert history.in_call_at <= history.recording_at <= history.left_at <= history.ended_at
    assert history.last_seq == events[-1].seq


@given(journals())
def test_whatever_happens_the_story_agrees_with_itself(events):
    history = BotHistory()
    for event in events:
        history.take(event)
        assert history.last_seq == event.seq
        assert history.state is None or history.transitions[-1].state is history.state
        for presence in history.people.values():
            for came, went in presence.intervals:
                assert went is None or went >= came
            assert all(went is not None for _, went in presence.intervals[:-1])
        if history.ended:
            assert history.ended_at == history.transitions[-1].at
            assert history.left_at is not None
            assert history.left_at <= history.ended_at + timedelta(0)
    finals = [e.segment.id for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert history.segments == len(set(finals))
