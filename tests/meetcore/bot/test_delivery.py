"""Sinks and event hooks: each in its own pace; trouble is told, and told briefly.

That a bad plugin delays neither audio nor another plugin is law 5's.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio

import meetcore
from meetcore.bot.delivery import FAILURES_TO_DETACH
from meetcore.testing import SimMeeting, run_simulated
from tests.laws.conftest import WitnessSink
from tests.meetcore.conftest import Stage, check_journal, events_of, kinds

LONG = """
[admission]
after_s = 1
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 1
text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
duration_s = 100
[end]
at_s = 120
"""


class Deaf(meetcore.Sink):
    """Fails in one of its calls, every time."""

    name = "deaf"
    wants_audio = True

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.calls = 0

    async def _call(self, where: str) -> None:
        await trio.lowlevel.checkpoint()
        if where == self.where:
            self.calls += 1
            raise ValueError("no")

    @asynccontextmanager
    async def open(self, context):
        await self._call("open")
        yield

    async def deliver(self, event):
        await self._call("deliver")

    async def on_audio(self, chunk):
        await self._call("on_audio")

    async def finish(self):
        await self._call("finish")


@pytest.mark.parametrize("where", ["open", "on_audio", "deliver", "finish"])
def test_a_sink_that_fails_is_given_up_and_its_losses_are_few_events(tmp_path, where):
    sink, witness = Deaf(where), WitnessSink()
    events = run_simulated(
        SimMeeting(LONG), out_dir=tmp_path, allow_failures=True, sinks=[sink, witness]
    )
    check_journal(events)
    failed = kinds(events, meetcore.PluginFailed)
    assert {(e.plugin, e.where) for e in failed} == {("deaf", where)}
    assert [e.detached for e in failed][-1] == (where != "finish")
    expected = FAILURES_TO_DETACH if where in ("on_audio", "deliver") else 1
    assert sink.calls == len(failed) == expected
    (ledger,) = kinds(events, meetcore.LedgerClosed)
    lost = {e.consumer: e.lost for e in ledger.entries}
    assert lost["witness"] == 0
    declared = [e for e in kinds(events, meetcore.AudioLost) if e.consumer == "deaf"]
    assert sum(e.samples for e in declared) == lost["deaf"]
    if where in ("open", "on_audio"):
        assert lost["deaf"] == 120 * 16_000
        assert len(declared) < 20, "two minutes of loss are no thousand events"
        assert {e.cause for e in declared} <= {"sink_failed", "sink_detached", "sink_ended"}
        for one, two in pairwise(declared):
            assert one.start_sample + one.samples == two.start_sample
    assert witness.events[-1].state == "completed"


def test_a_sink_that_fails_now_and_then_is_kept(tmp_path):
    class Moody(meetcore.Sink):
        name = "moody"
        calls = 0

        async def deliver(self, event):
            await trio.lowlevel.checkpoint()
            self.calls += 1
            if self.calls % 3 == 0:
                raise ValueError("not now")

    sink = Moody()
    events = run_simulated(SimMeeting(LONG), out_dir=tmp_path, allow_failures=True, sinks=[sink])
    failed = kinds(events, meetcore.PluginFailed)
    assert failed
    assert not any(e.detached for e in failed)
    told = [e for e in events if not isinstance(e, meetcore.PluginFailed)]
    assert sink.calls == len(told), "its own trouble is not told to it"


async def test_a_sink_may_report_and_ask(tmp_path, autojump_clock):
    stage = Stage()

    class Chatty(meetcore.Sink):
        name = "chatty"

        @asynccontextmanager
        async def open(self, context):
            self.context = context
            yield

        async def deliver(self, event):
            await trio.lowlevel.checkpoint()
            if getattr(event, "state", "") == "recording":
                await self.context.perform(meetcore.SendChat("I am listening"))
                self.context.report(meetcore.PluginEvent(plugin="chatty", name="asked"))

    async with stage.bot(tmp_path, sinks=[Chatty()]) as bot:
        stage.admit()
        await trio.sleep(1)
    assert stage.chat == ["I am listening"]
    events = events_of(bot)
    assert kinds(events, meetcore.PluginEvent)[0].name == "asked"
    check_journal(events)


@pytest.mark.parametrize("is_async", [False, True])
def test_event_hooks_see_every_event_in_order_and_are_detached_after_five_failures(
    tmp_path, is_async
):
    seen: list[int] = []
    calls: list[int] = []

    class Watcher:
        if is_async:

            @meetcore.hookimpl
            async def meetcore_on_event(self, bot, event):
                await trio.sleep(0.01)
                seen.append(event.seq)
        else:

            @meetcore.hookimpl
            def meetcore_on_event(self, event):
                seen.append(event.seq)

    class Broken:
        @meetcore.hookimpl
        def meetcore_on_event(self, event):
            calls.append(event.seq)
            raise ValueError("no")

    meeting = SimMeeting(LONG)
    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        allow_failures=True,
        plugins=meeting.plugins(watcher=Watcher(), broken=Broken()),
    )
    end = next(e.seq for e in events if getattr(e, "state", "") == "completed")
    assert seen == list(range(1, end + 1))
    assert len(calls) == FAILURES_TO_DETACH
    assert [e.detached for e in kinds(events, meetcore.PluginFailed)] == [False] * 4 + [True]
