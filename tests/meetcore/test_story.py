"""The story: what a journal says so far, from its events alone."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given

import meetcore
from meetcore.story import Story
from meetcore.testing import SimMeeting
from tests.laws.conftest import MEETING
from tests.plugins.skribby.journals import journals


async def test_a_life_is_told_from_its_events_alone(tmp_path, autojump_clock):
    async with SimMeeting(MEETING).open_bot(tmp_path) as bot:
        events = [event async for event in bot.events()]
    story = Story()
    for event in events:
        story.take(event)
    assert [hop.state for hop in story.hops][-2:] == ["processing", "completed"]
    assert story.ended
    assert story.reason == "meeting_ended"
    assert story.reached == "recording"
    assert {p.participant.name for p in story.others} == {"Ada", "Ben"}
    assert all(presence.intervals for presence in story.others)
    assert [(line.sender_name, line.text) for line in story.chat] == [("Ben", "hello")]
    assert story.timeline.seconds_by_participant()["ada"] > 0.5
    assert story.in_call_at <= story.recording_at <= story.left_at <= story.ended_at
    assert story.last_seq == events[-1].seq


@given(journals())
def test_whatever_happens_the_story_agrees_with_itself(events):
    story = Story()
    for event in events:
        story.take(event)
        assert story.last_seq == event.seq
        assert story.state is None or story.hops[-1].state is story.state
        for presence in story.people.values():
            for came, went in presence.intervals:
                assert went is None or went >= came
            assert all(went is not None for _, went in presence.intervals[:-1])
        if story.ended:
            assert story.ended_at == story.hops[-1].at
            assert story.left_at is not None
            assert story.left_at <= story.ended_at + timedelta(0)
    finals = [e.segment.id for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert story.segments == len(set(finals))
