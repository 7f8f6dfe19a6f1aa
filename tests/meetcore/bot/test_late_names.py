"""Names learned late, through a whole bot: by the sound's time, past revisers, to the end."""

from __future__ import annotations

import re

import pytest
import trio
from attrs import evolve

import meetcore
from meetcore.model.errors import PluginError
from meetcore.model.transcript import Transcript
from tests.meetcore.bot.test_hearing import OneWord
from tests.meetcore.conftest import Stage, check_journal, events_of, kinds


def corrections(bot) -> list[meetcore.Segment]:
    finals = kinds(events_of(bot), meetcore.SegmentFinalized)
    return [event.segment for event in finals if event.segment.correction]


def lines(bot) -> list[tuple[str | None, str]]:
    return [(s.speaker_name, s.text) for s in bot.transcript.segments]


async def mixed(stage: Stage, seconds: float = 2.0) -> None:
    """Have an utterance on a mix whose clock began at 62.5 s, and its silence."""
    stage.at.setdefault("mix", 1_000_000)
    await stage.live(seconds, "mix", voice=True)
    await stage.live(1, "mix")


async def test_an_indicators_time_is_the_sounds_not_its_arrivals(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("mix", kind="mix")
        await trio.sleep(5)
        await mixed(stage)
        assert lines(bot) == [(None, "hello")]
        await trio.sleep(10)
        stage.speaks("ada", False, at_s=62.5 + 2.0)
        stage.speaks("ada", at_s=62.5, track_id="mix")
        stage.speaks("ada", at_s=62.5)
        assert lines(bot) == [("Ada", "hello")]
    events = events_of(bot)
    check_journal(events)
    started = [(e.start_s, e.track_id) for e in kinds(events, meetcore.SpeakingStarted)]
    assert started == [(5.0, "mix"), (5.0, None)]
    assert next(e.end_s for e in kinds(events, meetcore.SpeakingStopped)) == 7.0
    (named,) = corrections(bot)
    assert (named.speaker_source, named.revision) == ("active_speaker", 2)


async def test_without_a_time_its_arrival_counts(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("mix", kind="mix")
        await mixed(stage)
        stage.speaks("ada")
        await trio.sleep(1)
        assert lines(bot) == [(None, "hello")]
    (started,) = kinds(events_of(bot), meetcore.SpeakingStarted)
    assert started.start_s == pytest.approx(3.0, abs=0.01)


async def test_who_left_speaks_no_longer_whatever_their_indicator_said_last(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.join("ada")
        stage.speaks("ada")
        await trio.sleep(3)
        stage.events.observe(meetcore.model.signals.ParticipantGone("ada"))
        assert bot.timeline.speaking == ()
    (stopped,) = kinds(events_of(bot), meetcore.SpeakingStopped)
    assert (stopped.end_s, stopped.name) == (3.0, "Ada")


async def test_a_name_that_comes_while_the_bot_takes_its_leave_still_counts(
    tmp_path, autojump_clock
):
    stage = Stage()
    stage.leave_s = 2
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("t")
        stage.track("mix", kind="mix")
        await mixed(stage)
        stage.at["t"] = stage.at["mix"]
        await stage.live(1, "t", voice=True)
        await stage.live(1, "t")
        await bot.stop()
        await trio.sleep(1)
        assert bot.state == "leaving"
        stage.identify("t", "ada")
        stage.speaks("ada", at_s=62.0, track_id="mix")
        await bot.wait_ended()
    assert [name for name, _ in lines(bot)] == [None, "Ada"], "who has a track needs no indicator"


async def test_a_track_that_appears_again_with_its_owner_is_theirs(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.join("ben")
        stage.track("t1")
        stage.track("mix", kind="mix")
        await stage.live(2, "t1", voice=True)
        await stage.live(1, "t1")
        assert lines(bot) == [(None, "hello")]
        for again in ("ada", None, "ada"):
            stage.track("t1", again)
        await trio.sleep(1)
        assert lines(bot) == [("Ada", "hello")]
        stage.identify("t1", "ben")
        stage.track("t1", "ada")  # as before: it says nothing new
        stage.track("mix", "ada", kind="mix")
        await trio.sleep(1)
        assert lines(bot) == [("Ben", "hello")]
    events = events_of(bot)
    check_journal(events)
    assert [event.track_id for event in kinds(events, meetcore.TrackOpened)] == ["t1", "mix"]
    told = kinds(events, meetcore.TrackOwnerIdentified)
    assert [(e.track_id, e.participant_id, e.source) for e in told] == [
        ("t1", "ada", "track"),
        ("t1", "ben", "track"),
    ]


async def test_what_begins_just_before_the_call_does_begins_at_a_plain_zero(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.join("ben")
        stage.track("t")
        stage.events.declare_lost("t", 1_000_000 - 6, 6, "late")
        stage.at["t"] = 1_000_000
        await stage.live(2, "t", voice=True)
        stage.identify("t", "ben", since_s=62.4997)
        stage.speaks("ada", at_s=62.4997)
        stage.speaks("ada", False, at_s=62.8)
        await trio.sleep(1)
    events = events_of(bot)
    check_journal(events)
    offset_s = next(e.offset_s for e in kinds(events, meetcore.CaptureStarted))
    assert offset_s == -62.5
    assert not [event for event in events if re.search(r":-0\.0[,}]", event.to_json())]


async def test_a_mix_is_nobodys(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path):
        stage.admit()
        stage.track("mix", kind="mix")
        with pytest.raises(PluginError, match="is a mix"):
            stage.identify("mix", "ada")
        stage.identify("never there", "ada")


async def test_taken_back_a_track_is_nobodys_again_and_told_twice_it_is_told_once(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("t")
        for _ in range(2):
            stage.identify("t", None)
        await stage.live(1, "t", voice=True)
        await stage.live(1, "t")
        for owner in ("ada", "ada", None, None):
            stage.identify("t", owner, source="caption", confidence=0.7)
        told = kinds(events_of(bot), meetcore.TrackOwnerIdentified)
        assert [(e.name, e.confidence) for e in told] == [("Ada", 0.7), (None, 0.0)]
        assert [s.speaker_name for s in corrections(bot)] == ["Ada", None]
        stage.identify("t", "ada", confidence=0.7)
        await stage.live(1, "t", voice=True)
        await stage.live(1, "t")
        assert [s.speaker_confidence for s in bot.transcript.segments] == [0.7, 0.7]


class Slow:
    """A reviser that takes its time, and drops what one person says."""

    @meetcore.hookimpl
    async def meetcore_revise_segment(self, segment):
        await trio.sleep(0.5)
        if segment.speaker_name == "Ben":
            return meetcore.DROP
        return evolve(segment, text="***")


async def test_names_that_come_while_a_reviser_works_are_taken_in_their_turn(
    tmp_path, autojump_clock
):
    stage = Stage()
    plugins = stage.plugins(slow=Slow())
    async with stage.bot(tmp_path, transcriber=OneWord(), plugins=plugins) as bot:
        stage.admit()
        stage.join("ada")
        stage.join("cem")
        stage.track("t")
        await stage.live(1, "t", voice=True)
        await stage.live(0.6, "t")
        for owner in ("ada", "cem"):
            assert lines(bot) == []
            stage.identify("t", owner)
        await bot.stop()
        await bot.wait_ended()
    revisions = [s.revision for s in Transcript.of(bot.transcript.segments).segments]
    assert (lines(bot), revisions) == ([("Cem", "***")], [2])
    check_journal(events_of(bot))


async def test_what_a_reviser_drops_of_a_later_revision_is_not_shown_any_more(
    tmp_path, autojump_clock
):
    stage = Stage()
    plugins = stage.plugins(slow=Slow())
    async with stage.bot(tmp_path, transcriber=OneWord(), plugins=plugins) as bot:
        stage.admit()
        stage.join("ben")
        stage.track("t")
        await stage.live(1, "t", voice=True)
        await stage.live(2, "t")
        assert lines(bot) == [(None, "***")]
        stage.identify("t", "ben")
        await trio.sleep(1)
        assert lines(bot) == []
    *_, last = kinds(events_of(bot), meetcore.SegmentFinalized)
    assert (last.segment.withdrawn, last.segment.speaker_name) == (True, None)
