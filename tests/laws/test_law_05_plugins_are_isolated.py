"""Law 5: a slow, hanging or raising plugin delays neither audio nor another plugin."""

from __future__ import annotations

import time

import pytest
import trio

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING, WitnessSink

pytestmark = pytest.mark.law(5)


class RaisingSink(meetcore.Sink):
    name = "raising"
    wants_audio = True

    async def deliver(self, event: meetcore.Event) -> None:
        raise ValueError("no")

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        raise ValueError("not that either")


class HangingSink(meetcore.Sink):
    name = "hanging"
    wants_audio = True
    call_timeout_s = 3.0
    finish_timeout_s = 3.0

    async def deliver(self, event: meetcore.Event) -> None:
        await trio.sleep_forever()

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        await trio.sleep_forever()

    async def finish(self) -> None:
        await trio.sleep_forever()


class SlowSink(meetcore.Sink):
    name = "slow"

    async def deliver(self, event: meetcore.Event) -> None:
        await trio.sleep(1)


class UnopenableSink(meetcore.Sink):
    name = "unopenable"

    def open(self, context):
        raise OSError("nothing here")


def timing(witness: WitnessSink, tmp_path, *others: meetcore.Sink, **more) -> list:
    meeting = SimMeeting(MEETING)
    run_simulated(
        meeting,
        out_dir=tmp_path,
        allow_failures=True,
        sinks=[*others, witness],
        transcriber=ScriptedTranscriber(meeting.script),
        **more,
    )
    mine = ("state.changed", "speaking.started", "speaking.stopped", "segment.finalized")
    return [(round(at, 3), e.type) for at, e in witness.told if e.type in mine][:-1]


def test_bad_sinks_do_not_delay_a_good_one(tmp_path):
    alone, beside = WitnessSink(), WitnessSink()
    undisturbed = timing(alone, tmp_path / "a")
    disturbed = timing(
        beside, tmp_path / "b", RaisingSink(), HangingSink(), SlowSink(), UnopenableSink()
    )
    assert disturbed == undisturbed
    assert beside.heard == alone.heard
    assert beside.finished


def test_their_trouble_is_in_the_journal(tmp_path, meeting):
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        allow_failures=True,
        sinks=[RaisingSink(), HangingSink(), UnopenableSink()],
    )
    failed = [e for e in events if isinstance(e, meetcore.PluginFailed)]
    assert {"raising", "hanging", "unopenable"} <= {e.plugin for e in failed}
    assert any(e.detached for e in failed if e.plugin == "raising")
    ledger = next(e for e in events if isinstance(e, meetcore.LedgerClosed))
    assert ledger.balanced
    assert all(e.delivered == 0 for e in ledger.entries if e.consumer == "raising")


class HookPlugin:
    def __init__(self, function):
        self.seen: list[meetcore.Event] = []
        self._function = function

    @meetcore.hookimpl
    def meetcore_on_event(self, bot, event):
        self.seen.append(event)
        return self._function(event)


async def hang(event):
    await trio.sleep_forever()


def fail(event):
    raise ValueError(event.seq)


def block(event):
    if event.seq == 3:
        time.sleep(0.4)


def fine(event):
    return None


def test_event_hooks_are_kept_apart_too(tmp_path):
    alone, beside = WitnessSink(), WitnessSink()
    undisturbed = timing(alone, tmp_path / "a")
    meeting = SimMeeting(MEETING)
    hooks = {name.__name__: HookPlugin(name) for name in (hang, fail, fine)}
    plugins = meeting.plugins(**hooks)
    disturbed = timing(beside, tmp_path / "b", plugins=plugins)
    assert disturbed == undisturbed
    assert [e.seq for e in hooks["fine"].seen] == list(range(1, len(hooks["fine"].seen) + 1))
    assert hooks["fine"].seen[-1].state == "completed"
    assert 0 < len(hooks["fail"].seen) <= 5


def test_a_hook_that_blocks_the_loop_is_named(tmp_path):
    meeting = SimMeeting(MEETING)
    plugins = meeting.plugins(blocker=HookPlugin(block))
    events = run_simulated(meeting, out_dir=tmp_path, plugins=plugins)
    (slow,) = [e for e in events if isinstance(e, meetcore.PluginSlow)]
    assert (slow.plugin, slow.where) == ("blocker", "meetcore_on_event")
    assert slow.seconds >= 0.4


class Redactor:
    def __init__(self, answer):
        self._answer = answer

    @meetcore.hookimpl
    def meetcore_revise_segment(self, bot, segment):
        return self._answer(segment)


def test_a_failing_reviser_leaves_the_segment_and_a_later_one_still_changes_it(tmp_path):
    import attrs

    meeting = SimMeeting(MEETING)

    def shout(segment):
        return attrs.evolve(segment, text=segment.text.upper())

    plugins = meeting.plugins(broken=Redactor(lambda s: 1 / 0), loud=Redactor(shout))
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        allow_failures=True,
        plugins=plugins,
        transcriber=ScriptedTranscriber(meeting.script),
    )
    texts = [e.segment.text for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert texts == ["GOOD MORNING EVERYONE", "GOOD MORNING"]
    assert any(isinstance(e, meetcore.PluginFailed) and e.plugin == "broken" for e in events)


def test_a_reviser_can_drop_a_segment(tmp_path):
    meeting = SimMeeting(MEETING)
    drop = Redactor(lambda s: meetcore.DROP if s.speaker_name == "Ada" else None)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(drop=drop),
        transcriber=ScriptedTranscriber(meeting.script),
    )
    names = [e.segment.speaker_name for e in events if isinstance(e, meetcore.SegmentFinalized)]
    assert names == ["Ben"]
