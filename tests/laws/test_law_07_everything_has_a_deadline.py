"""Law 7: every call into a page, a provider or a subscriber has a deadline."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING

pytestmark = pytest.mark.law(7)


def hanging(what: str) -> SimMeeting:
    return SimMeeting(MEETING + f'[[faults]]\nkind = "hanging_call"\nwhat = "{what}"\n')


def terminal(events: list[meetcore.Event]) -> meetcore.StateChanged:
    return next(
        e
        for e in events
        if isinstance(e, meetcore.StateChanged) and e.state in ("completed", "failed")
    )


def test_a_join_that_hangs_ends_with_client_never_loaded(tmp_path):
    events = run_simulated(hanging("join"), out_dir=tmp_path)
    end = terminal(events)
    assert (end.state, end.reason) == ("failed", "client_never_loaded")
    assert (end.at - events[0].at).total_seconds() == pytest.approx(90, abs=1)


def test_a_leave_that_hangs_is_cut_short(tmp_path):
    events = run_simulated(hanging("leave"), out_dir=tmp_path)
    end = terminal(events)
    assert (end.state, end.reason) == ("completed", "meeting_ended")
    assert end.meeting_s < 6 + 10 + 1
    assert any(isinstance(e, meetcore.PluginFailed) and e.where == "leave" for e in events)


def test_a_chat_message_that_hangs_is_answered_with_an_error(tmp_path):
    async def chat(bot: meetcore.Bot) -> None:
        async for event in bot.events():
            if isinstance(event, meetcore.SpeakingStarted):
                with pytest.raises(meetcore.CommandFailed, match="30 s"):
                    await bot.send_chat("hello")
                return

    meeting = SimMeeting(
        MEETING.replace("at_s = 6", "at_s = 60")
        + '[[faults]]\nkind = "hanging_call"\nwhat = "send_chat"\n'
    )
    events = run_simulated(meeting, out_dir=tmp_path, during=chat)
    (answer,) = [e for e in events if isinstance(e, meetcore.CommandAnswered)]
    assert (answer.command, answer.ok) == ("send_chat", False)


class HangingTranscriber(ScriptedTranscriber):
    """Hangs in one of its calls."""

    def __init__(self, script, where: str) -> None:
        super().__init__(script)
        self.where = where

    @asynccontextmanager
    async def open(self, context):
        if self.where == "open":
            await trio.sleep_forever()
        async with super().open(context):
            yield

    @asynccontextmanager
    async def stream(self, request):
        if self.where == "stream":
            await trio.sleep_forever()
        async with super().stream(request) as stream:
            if self.where == "feed":
                stream.feed = hang
            if self.where == "flush":
                stream.flush = hang
            yield stream
        if self.where == "close":
            await trio.sleep_forever()


async def hang(*args):
    await trio.sleep_forever()


@pytest.mark.parametrize("where", ["open", "stream", "feed", "flush", "close"])
def test_a_transcriber_that_hangs_does_not_keep_the_bot(tmp_path, where):
    meeting = SimMeeting(MEETING)
    events = run_simulated(
        meeting, out_dir=tmp_path, transcriber=HangingTranscriber(meeting.script, where)
    )
    end = terminal(events)
    assert end.reason == "meeting_ended"
    assert end.meeting_s < 6 + 30 + 5
    finals = [e for e in events if isinstance(e, meetcore.SegmentFinalized)]
    gaps = [e for e in events if isinstance(e, meetcore.TranscriptionGap)]
    if where in ("open", "stream", "feed"):
        assert len(finals) == 0
        assert {g.track_id for g in gaps} == {"ada", "ben"}, "what was not transcribed is declared"
    else:
        assert len(finals) == 2


class HangingSink(meetcore.Sink):
    """Hangs on its way in or out."""

    name = "hanging"
    finish_timeout_s = 5.0

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    @asynccontextmanager
    async def open(self, context):
        if self.where == "open":
            await trio.sleep_forever()
        yield
        if self.where == "close":
            await trio.sleep_forever()


@pytest.mark.parametrize("where", ["open", "close"])
def test_a_sink_that_hangs_on_its_way_in_or_out_does_not_keep_the_bot(tmp_path, where):
    events = run_simulated(
        SimMeeting(MEETING), out_dir=tmp_path, allow_failures=True, sinks=[HangingSink(where)]
    )
    assert terminal(events).reason == "meeting_ended"
    (failed,) = [e for e in events if isinstance(e, meetcore.PluginFailed)]
    assert (failed.plugin, failed.where) == ("hanging", where)


def test_a_waiting_room_without_an_answer_has_its_timeout(tmp_path):
    meeting = SimMeeting(MEETING.replace("after_s = 1", 'after_s = 1\ndecision = "ignore"'))
    events = run_simulated(meeting, out_dir=tmp_path)
    end = terminal(events)
    assert (end.state, end.reason) == ("failed", "admission_timeout")
    assert (end.at - events[0].at).total_seconds() == pytest.approx(600, abs=1)
