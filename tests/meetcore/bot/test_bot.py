"""A bot against a platform that may say anything: the journal stays legal, and it always ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import meetcore
from meetcore.model.commands import (
    PauseRecording,
    ResumeRecording,
    SendChat,
    ShowImage,
    Speak,
    Stop,
)
from meetcore.model.errors import CommandRefused, PluginError
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import Participant
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    CaptureHealth,
    ChatArrived,
    DiagnosticsWritten,
    Knocked,
    ParticipantAppeared,
    ParticipantChanged,
    ParticipantGone,
    RecordingPermission,
    RosterHealth,
    SpeakingIndicated,
    StepWorked,
    TrackAppeared,
    TrackGone,
)
from meetcore.testing import ScriptedTranscriber, parse_script
from tests.meetcore.conftest import Stage, check_journal, end_of, events_of, kinds, run

who = st.sampled_from(["ada", "ben", "bot"])
participants = st.builds(
    Participant,
    id=who,
    name=st.sampled_from(["Ada", "Ben", ""]),
    is_self=st.booleans(),
    is_bot=st.booleans(),
    muted=st.sampled_from([None, True, False]),
)
signals = st.one_of(
    st.builds(Knocked),
    st.builds(Admitted),
    st.builds(Admitted),
    st.builds(CallEnded, st.sampled_from(EndReason), st.just(Evidence("test", "said so"))),
    st.builds(ParticipantAppeared, participants),
    st.builds(ParticipantChanged, participants),
    st.builds(ParticipantGone, who),
    st.builds(SpeakingIndicated, who, st.booleans()),
    st.builds(ChatArrived, st.sampled_from(["1", "2"]), st.none() | who, st.just("A"), st.text()),
    st.builds(RosterHealth, st.booleans()),
    st.builds(CaptureHealth, st.booleans(), st.just("x"), st.none() | who),
    st.builds(RecordingPermission, st.sampled_from([None, True, False])),
    st.builds(StepWorked, st.text(max_size=3)),
    st.builds(DiagnosticsWritten, st.just("join"), st.just("diagnostics/1")),
)
commands = st.sampled_from(
    [Stop(), SendChat("hi"), Speak(b"\0\0"), ShowImage(b""), PauseRecording(), ResumeRecording()]
)
steps = st.one_of(
    st.tuples(st.just("signal"), signals),
    st.tuples(st.just("signal"), signals),
    st.tuples(st.just("track"), st.tuples(st.integers(1, 4), st.none() | who)),
    st.tuples(st.just("untrack"), st.integers(1, 4)),
    st.tuples(st.just("sound"), st.tuples(st.integers(1, 4), st.booleans())),
    st.tuples(st.just("hole"), st.integers(1, 4)),
    st.tuples(st.just("command"), commands),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 30.0, 700.0])),
)


async def play(out_dir: Any, history: list[tuple[str, Any]]) -> list[meetcore.Event]:
    stage = Stage()
    tracks: dict[int, str] = {}
    script = parse_script('[[people]]\nid = "ada"\nname = "Ada"\n')
    async with stage.bot(out_dir, transcriber=ScriptedTranscriber(script)) as bot:
        for number, (what, value) in enumerate(history):
            if what == "signal":
                stage.events.observe(value)
            elif what == "track" and value[0] not in tracks:
                tracks[value[0]] = f"ada.{number}"
                stage.track(tracks[value[0]], value[1])
            elif what == "untrack" and value in tracks:
                stage.events.observe(TrackGone(tracks.pop(value)))
            elif what == "sound" and value[0] in tracks and not bot.ended:
                stage.sound(tracks[value[0]], 0.6, voice=value[1])
            elif what == "hole" and value in tracks:
                track_id = tracks[value]
                stage.at[track_id] = stage.at.get(track_id, 0) + 1234
            elif what == "command":
                with suppress(CommandRefused):
                    await bot.perform(value)
            elif what == "wait":
                await trio.sleep(value)
    assert stage.closed
    return events_of(bot)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(steps, max_size=25))
def test_whatever_a_platform_says_the_journal_stays_legal(tmp_path_factory, history):
    events = run(play, tmp_path_factory.mktemp("history"), history)
    check_journal(events)
    assert not kinds(events, meetcore.PluginFailed)
    chats = [e.message_id for e in kinds(events, meetcore.ChatReceived) if not e.by_bot]
    assert len(chats) == len(set(chats)), "a repeated message is one message"


@settings(max_examples=40)
@given(endings=st.lists(st.sampled_from(EndReason), min_size=1, max_size=4), recorded=st.booleans())
def test_the_first_reason_a_platform_gives_is_the_bots(tmp_path_factory, endings, recorded):
    async def attend() -> list[meetcore.Event]:
        stage = Stage()
        async with stage.bot(tmp_path_factory.mktemp("ends")) as bot:
            if recorded:
                stage.admit()
                stage.track("a", "ada")
                stage.sound("a", 0.5)
            for number, reason in enumerate(endings):
                stage.events.observe(CallEnded(reason, Evidence(f"finding-{number}")))
            await bot.wait_ended()
        return events_of(bot)

    events = run(attend)
    check_journal(events)
    end = end_of(events)
    assert (end.reason, end.evidence.signal) == (endings[0], "finding-0")
    completes = recorded or endings[0] in meetcore.model.lifecycle.COMPLETING
    assert end.state == ("completed" if completes else "failed")
    later = [e.reason for e in kinds(events, meetcore.EndingDetailed)]
    assert later == [reason for reason in endings[1:] if reason != endings[0]]


async def states(bot: meetcore.Bot) -> list[str]:
    await bot.wait_ended()
    return [e.state.value for e in events_of(bot) if isinstance(e, meetcore.StateChanged)]


async def test_sent_back_to_the_waiting_room_nothing_is_recorded_until_it_is_let_in_again(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(Knocked())
        stage.admit()
        stage.track("a", "ada")
        stage.sound("a", 1)
        stage.events.observe(Knocked())
        stage.sound("a", 1)
        stage.admit()
        stage.sound("a", 1)
        await trio.testing.wait_all_tasks_blocked()
        await bot.stop()
        went = await states(bot)
    assert went == [
        "requested", "joining", "awaiting_admission", "in_call", "recording",
        "awaiting_admission", "in_call", "recording", "leaving", "processing", "completed",
    ]  # fmt: skip
    events = events_of(bot)
    check_journal(events)
    lost = kinds(events, meetcore.AudioLost)
    assert {e.cause for e in lost} == {"not_in_call"}
    assert (lost[0].start_sample, sum(e.samples for e in lost)) == (16_000, 16_000)


@pytest.mark.parametrize(
    ("knocks", "reason"),
    [
        ([True], "meeting_not_started"),
        ([False], "admission_timeout"),
        ([True, False], "admission_timeout"),
        ([False, True], "meeting_not_started"),
    ],
)
async def test_whether_the_host_never_came_or_never_let_it_in_are_two_ends(
    tmp_path, autojump_clock, knocks, reason
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        began = trio.current_time()
        for missing in knocks:
            stage.events.observe(Knocked(host_missing=missing))
            await trio.sleep(1)
        await bot.wait_ended()
    assert bot.ending.reason == reason
    limit_s = meetcore.AutomaticLeave().waiting_room_s
    assert trio.current_time() - began == pytest.approx(limit_s, abs=5)


async def test_a_pause_outlives_the_waiting_room(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("a", "ada")
        await bot.pause()
        stage.events.observe(Knocked())
        stage.admit()
        stage.sound("a", 1)
        assert bot.state == "in_call"
        assert bot.ledger.captured == {"a": 16_000}
        await bot.resume()
        assert bot.state == "recording"


async def test_permission_given_again_does_not_end_a_pause(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.events.observe(RecordingPermission(True))
        await bot.pause()
        stage.events.observe(RecordingPermission(True))
        assert bot.state == "paused"


async def test_permission_asked_for_in_the_meeting_holds_the_recording_until_it_is_given(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.events.observe(RecordingPermission(None))
        assert bot.state == "paused"
        with pytest.raises(CommandRefused, match="leave to record"):
            await bot.resume()
        stage.events.observe(RecordingPermission(True))
        assert bot.state == "recording"


async def test_permission_refused_ends_the_bot(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.events.observe(RecordingPermission(None))
        stage.admit()
        assert bot.state == "in_call"
        stage.events.observe(RecordingPermission(False, "the host said no"))
        end = await bot.wait_ended()
    assert (end.state, end.reason) == ("failed", "recording_permission_denied")
    assert end.evidence.detail == "the host said no"


class Heard(meetcore.Sink):
    name = "heard"
    wants_audio = True
    samples = 0

    async def on_audio(self, chunk):
        await trio.lowlevel.checkpoint()
        self.samples += chunk.samples


async def test_a_permission_taken_back_keeps_back_what_is_heard_while_it_leaves(
    tmp_path, autojump_clock
):
    stage = Stage()
    stage.leave_s = 2.0
    heard = Heard()
    async with stage.bot(tmp_path, sinks=[heard]) as bot:
        stage.admit()
        stage.track("a", "ada")
        stage.sound("a", 1)
        await trio.sleep(1)
        stage.events.observe(RecordingPermission(False, "the host takes it back"))
        stage.sound("a", 1)
        end = await bot.wait_ended()
    assert heard.samples == 16_000
    assert (end.state, end.reason) == ("completed", "recording_permission_denied")
    (account,) = [entry for entry in bot.ledger.entries() if entry.consumer == "heard"]
    assert (account.delivered, account.withheld, account.lost) == (16_000, 16_000, 0)


async def test_a_bot_told_not_to_record_records_from_the_resume_on(tmp_path, autojump_clock):
    stage = Stage()
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, record=False)
    async with stage.bot(tmp_path, config=config, transcriber=None) as bot:
        stage.admit()
        stage.track("a", "ada")
        stage.sound("a", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert bot.state == "in_call"
        assert not kinds(events_of(bot), meetcore.SpeakingStarted)
        await bot.resume()
        stage.sound("a", 1)
        await trio.testing.wait_all_tasks_blocked()
        assert kinds(events_of(bot), meetcore.SpeakingStarted)


async def test_somebody_who_comes_while_the_bot_takes_its_leave_is_still_heard(
    tmp_path, autojump_clock
):
    stage = Stage()
    stage.leave_s = 5
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        await bot.stop()
        await trio.sleep(1)
        assert bot.state == "leaving"
        stage.join("ada")
        stage.track("a", "ada")
        stage.sound("a", 1)
        await bot.wait_ended()
    events = events_of(bot)
    check_journal(events)
    assert not kinds(events, meetcore.PluginFailed)
    (spoke,) = kinds(events, meetcore.SpeakingStarted)
    assert spoke.name == "Ada"


async def test_after_the_end_signals_and_sound_are_ignored(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.track("a", "ada")
        await bot.stop()
        await bot.wait_ended()
        last = bot.journal.last_seq
        for signal in (
            Admitted(),
            TrackAppeared("b", None),
            CallEnded(EndReason.REMOVED, Evidence("x")),
        ):
            stage.events.observe(signal)
        stage.sound("a", 1)
        stage.events.declare_lost("a", 50_000, 10, "late")
        assert bot.journal.last_seq == last
    assert bot.state == "completed"


async def test_sound_of_a_track_nobody_announced_is_an_error_to_the_platform(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path):
        stage.admit()
        with pytest.raises(PluginError, match="'ghost', which was never announced"):
            stage.sound("ghost", 0.1)
        stage.track("a")
        stage.sound("a", 0.1)
        stage.at["a"] = 0
        with pytest.raises(PluginError, match="starts at sample 0"):
            stage.sound("a", 0.1)


async def test_a_signal_of_no_kind_the_core_knows_is_an_error_to_the_platform(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path):
        with pytest.raises(PluginError, match="not a signal"):
            stage.events.observe("hello")


async def test_one_person_with_two_tracks_is_one_person_with_two_voices(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("mic", "ada")
        stage.track("screen", "ada")
        await stage.live(2, "mic", "screen", voice=True)
        await stage.live(1, "mic", "screen")
        stage.events.observe(TrackGone("mic"))
        await stage.live(2, "screen", voice=True)
        await stage.live(1, "screen")
    events = events_of(bot)
    check_journal(events)
    changes = [e.type for e in events if e.type.startswith("speaking.")]
    assert changes == ["speaking.started", "speaking.stopped"] * 2
    assert [len(bot.roster.others), len(bot.timeline.spans)] == [1, 2]
    assert bot.ledger.captured == {"mic": 3 * 16_000, "screen": 6 * 16_000}


async def test_a_mix_is_attributed_by_the_platforms_indicator(tmp_path, autojump_clock):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        for person in ("ada", "ben"):
            stage.join(person)
        stage.track("mix", None, kind="mix")
        for person in ("ada", "ben"):
            stage.events.observe(SpeakingIndicated(person, True))
            stage.events.observe(SpeakingIndicated(person, True))
            await stage.live(1, "mix", voice=True)
            stage.events.observe(SpeakingIndicated(person, False))
    spans = [(s.participant_id, s.source.value, round(s.start_s)) for s in bot.timeline.spans]
    assert spans == [("ada", "active_speaker", 0), ("ben", "active_speaker", 1)]


async def test_a_bot_without_a_second_of_sound_fails_where_a_recording_would_complete(
    tmp_path, autojump_clock
):
    stage = Stage()
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.events.observe(CallEnded(EndReason.CONNECTION_LOST, Evidence("ice", "failed")))
        end = await bot.wait_ended()
    assert (end.state, end.reason, end.evidence.signal) == ("failed", "connection_lost", "ice")


async def test_hurrying_makes_a_slow_goodbye_short(tmp_path, autojump_clock):
    stage = Stage()
    stage.leave_s = 9
    with trio.move_on_after(3):
        async with stage.bot(tmp_path) as bot:
            stage.admit()
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(3 + 5)
    assert bot.ending.evidence.signal == "cancelled"
    assert bot.state is State.COMPLETED


async def test_hurrying_makes_a_goodbye_short_that_has_begun(tmp_path, autojump_clock):
    stage = Stage()
    stage.leave_s = 1000
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, leave_timeout_s=100)
    with trio.move_on_after(20):
        async with stage.bot(tmp_path, config=config) as bot:
            stage.admit()
            await bot.stop()
            await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(20 + 5)
    assert not stage.left
    assert bot.ending.evidence.signal == "command"
