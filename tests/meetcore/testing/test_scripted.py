"""ScriptedTranscriber: the script's words, and the troubles it can be told to have."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

import meetcore
from meetcore.model.errors import TranscriberError
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import end_of, kinds


def attend(tmp_path, **trouble):
    meeting = SimMeeting(MEETING)
    transcriber = ScriptedTranscriber(meeting.script, **trouble)
    events = run_simulated(meeting, out_dir=tmp_path, transcriber=transcriber)
    assert (transcriber.open_now, transcriber.contexts_open) == (0, 0)
    texts = [e.segment.text for e in kinds(events, meetcore.SegmentFinalized)]
    return events, texts, transcriber


ALL = ["good morning everyone", "good morning"]


def test_what_the_script_says_is_what_it_hears(tmp_path):
    _, texts, transcriber = attend(tmp_path)
    assert texts == ALL
    assert transcriber.streams == 2


def test_one_crash_is_replayed_and_costs_no_word(tmp_path):
    events, texts, transcriber = attend(tmp_path, crash_at_s=(1.5,))
    assert texts == ALL
    assert transcriber.streams == 3
    (restart,) = kinds(events, meetcore.TranscriberRestarted)
    assert (restart.track_id, restart.kind, restart.attempt) == ("ada", "network", 1)


def test_a_network_that_breaks_a_few_times_in_one_utterance_costs_no_word(tmp_path):
    events, texts, transcriber = attend(tmp_path, crash_at_s=(1.5,) * 4)
    assert sorted(texts) == sorted(ALL)
    assert transcriber.streams == 6
    assert len(kinds(events, meetcore.TranscriberRestarted)) == 4
    assert not kinds(events, meetcore.PluginFailed)
    assert not kinds(events, meetcore.TranscriptionGap)


def test_a_late_final_is_waited_for(tmp_path):
    assert attend(tmp_path, final_delay_s=10)[1] == ALL


def test_a_final_that_never_comes_is_asked_for_again(tmp_path):
    events, texts, _ = attend(tmp_path, stall_from_s=0.0)
    assert sorted(texts) == sorted(ALL)
    assert "No final result" in kinds(events, meetcore.TranscriberRestarted)[0].detail


@pytest.mark.parametrize("leaves", [False, True])
def test_an_error_for_good_stops_the_transcript_and_the_bot_only_if_it_is_told_to(tmp_path, leaves):
    meeting = SimMeeting(MEETING)
    fatal = TranscriberError("auth", "The key was refused.", retryable=False)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        transcriber=ScriptedTranscriber(meeting.script, fatal=fatal),
        leave_on_transcription_failure=leaves,
    )
    end = end_of(events)
    assert end.reason == ("transcription_failed" if leaves else "meeting_ended")
    stopped = kinds(events, meetcore.TranscriptionStopped)
    assert {(e.kind, e.detail) for e in stopped} == {("auth", "The key was refused.")}
    gaps = kinds(events, meetcore.TranscriptionGap)
    assert {e.cause for e in gaps} == {"transcription_stopped_auth"}
    assert kinds(events, meetcore.LedgerClosed)[0].balanced


def test_a_kind_of_trouble_that_nobody_knows_is_refused():
    with pytest.raises(meetcore.PluginError, match="no kind 'sulks'"):
        TranscriberError("sulks", "no", retryable=True)


async def forever(chunk):
    await trio.sleep_forever()


def test_how_long_a_call_may_take_is_the_transcribers_to_say(tmp_path):
    class Slow(ScriptedTranscriber):
        capabilities = meetcore.TranscriberCapabilities(call_timeout_s=3.0)

        @asynccontextmanager
        async def stream(self, request):
            async with super().stream(request) as stream:
                if self.streams == 1:
                    stream.feed = forever
                yield stream

    meeting = SimMeeting(SLOW)
    events = run_simulated(meeting, out_dir=tmp_path, transcriber=Slow(meeting.script))
    (again,) = [e for e in events if isinstance(e, meetcore.TranscriberRestarted)]
    assert (again.kind, 3.0 <= again.meeting_s <= 5.0) == ("network", True)


SLOW = """
seed = 3
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 1
text = "good morning"
[end]
at_s = 8
"""
