"""Law 1: after a bot, however it ended, no task, thread, process, socket or file of it remains."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

import meetcore
from meetcore.testing import LeakGuard, ScriptedTranscriber, SimMeeting

pytestmark = pytest.mark.law(1)

TINY = """
title = "Tiny"
seed = 2
[admission]
after_s = 0.2
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 0.2
text = "one two"
[end]
at_s = 1.8
"""


class CancelAtStep(trio.abc.Instrument):
    """Cancels a scope when the n-th task step of the run begins."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.left = step
        self.counting = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self.counting:
            return
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


def attend_and_cancel(out_dir: Path, witness, step: int) -> tuple[int, list[meetcore.Event], int]:
    """Run the tiny meeting, cancel at a step; return steps left over, journal, what is open."""
    meeting = SimMeeting(TINY)
    transcriber = ScriptedTranscriber(meeting.script)
    scope = trio.CancelScope()
    instrument = CancelAtStep(scope, step)
    paths: list[Path] = []

    async def attend() -> None:
        with scope:
            async with meeting.open_bot(
                out_dir, bot_id=f"cancel-{step}", sinks=[witness], transcriber=transcriber
            ) as bot:
                paths.append(bot.journal.path)
                instrument.counting = True
                await bot.wait_ended()
        instrument.counting = False

    trio.run(attend, clock=trio.testing.MockClock(autojump_threshold=0), instruments=[instrument])
    still_open = witness.open_now + transcriber.open_now + transcriber.contexts_open
    return instrument.left, list(meetcore.read_journal(paths[0])), still_open


def test_cancelled_at_every_checkpoint_a_bot_leaves_nothing_and_ends_its_journal(tmp_path, witness):
    guard = LeakGuard()
    step = 0
    while True:
        step += 1
        left, events, still_open = attend_and_cancel(tmp_path, witness, step)
        last_states = [e.state for e in events if isinstance(e, meetcore.StateChanged)]
        assert last_states[-1] in ("completed", "failed"), f"cancelled at step {step}"
        assert still_open == 0, f"cancelled at step {step}"
        if left > 0:
            break
    assert step > 150, "the meeting is too short to prove anything"
    guard.check()


def test_a_second_wish_to_leave_ends_at_once(tmp_path, witness):
    meeting = SimMeeting(TINY.replace("at_s = 1.8", "at_s = 100"))

    async def attend() -> float:
        async with meeting.open_bot(tmp_path, sinks=[witness]) as bot:
            await trio.sleep(5)
            began = trio.current_time()
            bot.abandon()
            terminal = await bot.wait_ended()
            assert terminal.evidence.signal == "abandoned"
        return trio.current_time() - began

    assert trio.run(attend, clock=trio.testing.MockClock(autojump_threshold=0)) == 0
    assert witness.open_now == 0


def test_leaving_the_block_leaves_the_meeting_politely(tmp_path, witness):
    meeting = SimMeeting(TINY.replace("at_s = 1.8", "at_s = 100"))

    async def attend() -> meetcore.Bot:
        async with meeting.open_bot(tmp_path, sinks=[witness]) as bot:
            await trio.sleep(5)
        return bot

    bot = trio.run(attend, clock=trio.testing.MockClock(autojump_threshold=0))
    assert meeting.left_politely
    assert bot.ended
    assert bot.ending.reason == "stop_requested"
    assert witness.finished
    assert witness.open_now == 0


def test_an_error_in_the_block_comes_out_as_itself(tmp_path):
    meeting = SimMeeting(TINY)

    async def attend() -> None:
        async with meeting.open_bot(tmp_path):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        trio.run(attend, clock=trio.testing.MockClock(autojump_threshold=0))
