"""A bot's hearing: when capture is degraded, where sound lies in the meeting, who may revise."""

from __future__ import annotations

import pytest
import trio

import meetcore
from meetcore.errors import TranscriberError
from meetcore.signals import CaptureHealth, TrackGone
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING

from .conftest import Stage, check_journal, end_of, events_of, kinds


async def test_a_call_with_people_and_no_audio_for_twenty_seconds_is_degraded(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        await trio.sleep(60)
        assert not kinds(events_of(bot), meetcore.CaptureDegraded), "alone, silence is natural"
        stage.join("ada")
        stage.track("a", "ada")
        await trio.sleep(5)
        (degraded,) = kinds(events_of(bot), meetcore.CaptureDegraded)
        assert degraded.track_id is None
        await stage.live(1, "a")
        (restored,) = kinds(events_of(bot), meetcore.CaptureRestored)
        assert restored.seq > degraded.seq
        await stage.live(30, "a")
        assert len(kinds(events_of(bot), meetcore.CaptureDegraded)) == 1


async def test_what_the_platform_says_of_its_capture_is_told_once_each_way(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("a", "ada")
        for healthy in (True, False, False, True, True):
            stage.door.observe(CaptureHealth(healthy, "digital silence", "a"))
    found = [(e.type, e.track_id) for e in events_of(bot) if e.type.startswith("capture.")]
    assert found == [("capture.degraded", "a"), ("capture.restored", "a")]


async def test_sound_is_placed_in_the_meeting_by_when_it_first_came(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("a", "ada")
        stage.at["a"] = 1_000_000
        await trio.sleep(5)
        await stage.live(2, "a", voice=True)
        await stage.live(1, "a")
    events = events_of(bot)
    (capture,) = kinds(events, meetcore.CaptureStarted)
    assert capture.offset_s == pytest.approx(5 - 1_000_000 / 16_000, abs=1e-3)
    (began,) = kinds(events, meetcore.SpeakingStarted)
    (ended,) = kinds(events, meetcore.SpeakingStopped)
    assert (began.start_s, ended.end_s) == (pytest.approx(5, abs=0.1), pytest.approx(7, abs=0.1))


async def test_a_track_announced_twice_is_one_track_and_its_end_is_told_once(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        for _ in range(3):
            stage.track("a", "ada")
        stage.sound("a", 1)
        for _ in range(3):
            stage.door.observe(TrackGone("a"))
        stage.door.observe(TrackGone("never there"))
        await trio.sleep(1)
    events = events_of(bot)
    assert len(kinds(events, meetcore.TrackOpened)) == len(kinds(events, meetcore.TrackClosed)) == 1


async def test_levels_are_drafts_where_they_are_wanted(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, audio={"levels": True}) as bot:
        stage.admit()
        stage.track("a", "ada")
        levels: list[float] = []

        async def watch() -> None:
            items = [item async for item in bot.events(drafts=True)]
            levels.extend(i.dbfs for i in items if isinstance(i, meetcore.LevelDraft))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await stage.live(1, "a", voice=True)
            await stage.live(1, "a")
            await bot.stop()
    assert -25 < levels[2] < -5
    assert levels[-1] < -90


class Reviser:
    def __init__(self, how: str) -> None:
        self.how = how

    @meetcore.hookimpl
    async def meetcore_revise_segment(self, bot, segment):
        from attrs import evolve

        await trio.lowlevel.checkpoint()
        if self.how == "drops":
            return meetcore.DROP
        if self.how == "raises":
            raise ValueError("no")
        if self.how == "hangs":
            await trio.sleep_forever()
        if self.how == "changes":
            return evolve(segment, text=segment.text.replace("morning", "evening"))
        return None


@pytest.mark.parametrize(
    ("how", "texts"),
    [
        ("nothing", ["good morning everyone", "good morning"]),
        ("changes", ["good evening everyone", "good evening"]),
        ("drops", []),
        ("raises", ["good morning everyone", "good morning"]),
        ("hangs", ["good morning everyone", "good morning"]),
    ],
)
def test_a_reviser_may_change_or_drop_a_segment_and_its_trouble_costs_none(tmp_path, how, texts):
    meeting = SimMeeting(MEETING)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(reviser=Reviser(how)),
        transcriber=ScriptedTranscriber(meeting.script),
    )
    check_journal(events)
    assert [e.segment.text for e in kinds(events, meetcore.SegmentFinalized)] == texts
    assert len(kinds(events, meetcore.PluginFailed)) == (2 if how in ("raises", "hangs") else 0)


@pytest.mark.parametrize("leaves", [False, True])
def test_a_transcriber_that_cannot_be_opened_for_good_stops_the_transcript(tmp_path, leaves):
    from contextlib import asynccontextmanager

    class Refused(ScriptedTranscriber):
        @asynccontextmanager
        async def open(self, context):
            raise TranscriberError("auth", "The key was refused.", retryable=False)
            yield

        @asynccontextmanager
        async def stream(self, request):
            raise TranscriberError("auth", "The key was refused.", retryable=False)
            yield

    meeting = SimMeeting(MEETING)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        transcriber=Refused(meeting.script),
        leave_on_transcription_failure=leaves,
    )
    check_journal(events)
    end = end_of(events)
    assert end.reason == ("transcription_failed" if leaves else "meeting_ended")
    (failed,) = kinds(events, meetcore.PluginFailed)
    assert (failed.where, failed.error) == ("transcriber open", "The key was refused.")
