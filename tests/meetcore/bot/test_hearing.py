"""A bot's hearing: when capture is degraded, where sound lies in the meeting, who may revise."""

from __future__ import annotations

from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from attrs import evolve

import meetcore
from meetcore.model.errors import TranscriberError
from meetcore.model.lifecycle import TERMINAL
from meetcore.model.signals import CaptureHealth, TrackGone
from meetcore.model.transcript import Hypothesis, Word
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated, synthetic_voice
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of, kinds


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
            stage.events.observe(CaptureHealth(healthy, "digital silence", "a"))
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
            stage.events.observe(TrackGone("a"))
        stage.events.observe(TrackGone("never there"))
        await trio.sleep(1)
    events = events_of(bot)
    assert len(kinds(events, meetcore.TrackOpened)) == len(kinds(events, meetcore.TrackClosed)) == 1


class OneWord(meetcore.Transcriber):
    """Hears one word in every utterance."""

    name = "one-word"

    @asynccontextmanager
    async def stream(self, request):
        class Stream(meetcore.TranscriberStream):
            async def begin_utterance(self, utterance_id, start_sample):
                self.start_s = start_sample / 16_000

            async def feed(self, chunk):
                """Nothing."""

            async def end_utterance(self, utterance_id, end_sample, cause):
                words = (Word("hello", self.start_s, end_sample / 16_000),)
                request.emit(
                    Hypothesis(
                        utterance_id=utterance_id, revision=1, text="hello", words=words, final=True
                    )
                )

        yield Stream()


async def test_a_tracks_owner_may_be_learned_late_or_corrected(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path, transcriber=OneWord()) as bot:
        stage.admit()
        stage.join("ada")
        stage.join("ben")
        owners = (None, "ada", "ada", None, "ben")
        for owner in owners:
            stage.track("t1", None, name_source="unknown")
            if owner is not None:
                stage.identify("t1", owner)
            await stage.live(1, "t1", voice=True)
            await stage.live(1, "t1")
    events = events_of(bot)
    check_journal(events)
    assert [e.participant_id for e in kinds(events, meetcore.TrackOpened)] == [None]
    identified = [(e.participant_id, e.name) for e in kinds(events, meetcore.TrackOwnerIdentified)]
    assert identified == [("ada", "Ada"), ("ben", "Ben")]
    assert [s.speaker_name for s in bot.transcript.segments] == ["Ben"] * len(owners)
    assert {s.speaker_source for s in bot.transcript.segments} == {"track"}
    finals = kinds(events, meetcore.SegmentFinalized)
    assert [e.segment.speaker_name for e in finals[:3]] == [None, "Ada", "Ada"]
    first = [e.segment for e in finals if e.segment.id == finals[0].segment.id]
    assert [s.speaker_name for s in first] == [None, "Ada", "Ben"]
    assert [s.revision for s in first] == sorted({s.revision for s in first})
    spoke = [e.name for e in kinds(events, meetcore.SpeakingStarted)]
    assert spoke == ["Ada"] * 4 + ["Ben"] * 5, "what was said before is whose it is, too"
    assert bot.timeline.seconds_by_participant() == {"ada": 0.0, "ben": pytest.approx(5, abs=0.5)}


async def test_who_talks_as_their_track_is_named_talks_from_then_on(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("t1")
        await stage.live(2, "t1", voice=True)
        for owner in ("ada", "ben"):
            stage.identify("t1", owner)
            await stage.live(2, "t1", voice=True)
        assert bot.timeline.speaking == ("ben",)
    found = [(e.type, e.participant_id) for e in events_of(bot) if e.type.startswith("speaking.")]
    assert found[:3] == [
        ("speaking.started", "ada"),
        ("speaking.stopped", "ada"),
        ("speaking.started", "ben"),
    ]


async def test_a_track_named_late_passes_the_revisers_again(tmp_path, autojump_clock):
    stage = Stage()

    class Nameless:
        @meetcore.hookimpl
        def meetcore_revise_segment(self, segment):
            return evolve(segment, speaker_name=None, text="***")

    plugins = stage.plugins(nameless=Nameless())
    async with stage.bot(tmp_path, transcriber=OneWord(), plugins=plugins) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("t1")
        await stage.live(1, "t1", voice=True)
        await stage.live(1, "t1")
        stage.identify("t1", "ada")
        await trio.sleep(1)
    segments = [e.segment for e in kinds(events_of(bot), meetcore.SegmentFinalized)]
    assert [(s.participant_id, s.speaker_name, s.text) for s in segments] == [
        (None, None, "***"),
        ("ada", None, "***"),
    ]


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.3])
async def test_the_offset_of_sound_is_never_minus_nothing(tmp_path, autojump_clock, seconds):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("a", "ada")
        await trio.sleep(seconds)
        stage.at["a"] = round(seconds * 16_000) - 1_600
        stage.sound("a", 0.1)
    (capture,) = kinds(events_of(bot), meetcore.CaptureStarted)
    assert str(capture.offset_s) in ("0.0", "1e-06")


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
        allow_failures=True,
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


@pytest.mark.parametrize("hums", [True, False])
async def test_a_line_that_only_hums_is_left_by_the_silence_rule(
    hums: bool, tmp_path, autojump_clock
):
    stage = Stage()
    t = np.arange(60 * 16_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 50 * n * t) / n for n in range(1, 20))
    sound = (np.asarray(hum) * 6000).astype(np.int16) if hums else synthetic_voice(60.0)
    config = meetcore.BotConfig(
        out_dir=tmp_path, fsync=False, automatic_leave=meetcore.AutomaticLeave(silence_s=20)
    )
    async with stage.bot(tmp_path, config=config) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("a", "ada")
        for at in range(0, len(sound), 1600):
            await trio.sleep(0.1)
            stage.events.hear(meetcore.Chunk("a", at, sound[at : at + 1600]))
            if bot.state in TERMINAL:
                break
    assert (end_of(events_of(bot)).reason is meetcore.EndReason.SILENCE) is hums
