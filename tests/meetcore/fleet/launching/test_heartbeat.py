"""A bot's process that answers nothing is noticed, given up in time, and ended as what it was."""

from __future__ import annotations

import os
import signal
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import memory_stream_pair

import meetcore
from meetcore.fleet.launching import heartbeat as pulse
from meetcore.fleet.launching.child_process import ChildProcessLauncher
from meetcore.fleet.launching.protocol import FrameKind, frame
from meetcore.log.folder_store import FolderStore
from meetcore.log.who_runs import is_running, runner_of
from meetcore.plugin.store import Runner
from tests.meetcore.fleet.launching.test_child_process import spec, state_reached

STAY = "https://meet.google.com/stay-x"
WAIT = "https://meet.google.com/wait-x"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(pulse, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(pulse, "UNRESPONSIVE_AFTER_S", 0.5)


async def frozen(bot, state: str = "recording") -> None:
    """Stop a bot's process, and return when that was noticed."""
    await state_reached(bot, state)
    os.kill(bot.pid, signal.SIGSTOP)
    while bot.unresponsive_since is None:  # noqa: ASYNC110  another process is looked at
        await trio.sleep(0.02)


async def recovered(folder: Path) -> list[meetcore.Event]:
    await meetcore.recover(folder, plugins=meetcore.Plugins(entry_points=False))
    return list(meetcore.read_journal(folder / "journal.jsonl"))


async def test_a_stopped_process_is_noticed_given_up_and_recovered(tmp_path, quick):
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher(unresponsive_limit_s=1.0)
            bot = await launcher.launch(spec(tmp_path, STAY), nursery)
            await frozen(bot)
            assert is_running(tmp_path / "b-1")
            await bot.gone()
    assert not is_running(tmp_path / "b-1")
    *_, told, end = await recovered(tmp_path / "b-1")
    assert isinstance(told, meetcore.BotUnresponsive)
    assert told.silent_s >= 1.0
    assert (end.reason, end.evidence.signal) == ("crashed", "unresponsive")


async def test_one_that_answers_again_goes_on_and_writes_down_how_long_it_did_not(tmp_path, quick):
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher(unresponsive_limit_s=None)
            bot = await launcher.launch(spec(tmp_path, STAY), nursery)
            await frozen(bot)
            os.kill(bot.pid, signal.SIGCONT)
            async with aclosing(bot.items()) as items:
                async for item in items:
                    if isinstance(item, meetcore.BotUnresponsive):
                        break
            assert item.silent_s >= 0.5
            assert bot.unresponsive_since is None
            await bot.perform(meetcore.Stop())
            await bot.gone()
    events = list(meetcore.read_journal(tmp_path / "b-1" / "journal.jsonl"))
    assert events[-1].reason == "stop_requested"


class Freezing:
    """A bot that answers until it is frozen, on a clock that jumps."""

    bot_id = "b-1"
    unresponsive_since: float | None = None

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.frozen = False

    async def connect(self):
        ours, theirs = memory_stream_pair()

        async def answer() -> None:
            await theirs.receive_some()
            if not self.frozen:
                await theirs.send_all(frame(FrameKind.PONG))

        self._nursery.start_soon(answer)
        return ours


@pytest.mark.parametrize("after_s", [20.001, 22.0, 24.999])
async def test_it_is_noticed_15_s_after_the_last_answer(autojump_clock, after_s):
    async with trio.open_nursery() as nursery:
        bot = Freezing(nursery)
        nursery.start_soon(pulse.Pulse(bot, Runner(), limit_s=None).watch)
        await trio.sleep(after_s)
        bot.frozen = True
        began = trio.current_time()
        while bot.unresponsive_since is None:  # noqa: ASYNC110  a plain field
            await trio.sleep(0.01)
        assert 10.0 <= trio.current_time() - began <= 15.0 + 0.02
        assert bot.unresponsive_since <= began
        nursery.cancel_scope.cancel()


async def test_the_waiting_rooms_time_is_kept_for_a_process_that_cannot(tmp_path, quick):
    settings = {"automatic_leave": {"waiting_room_s": 3.0}}
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher(unresponsive_limit_s=None)
            bot = await launcher.launch(spec(tmp_path, WAIT, **settings), nursery)
            await frozen(bot, "awaiting_admission")
            runner = runner_of(tmp_path / "b-1")
            assert (runner.waiting_room_s, runner.max_duration_s) == (3.0, 4 * 3600.0)
            await bot.gone()
    end = (await recovered(tmp_path / "b-1"))[-1]
    assert (end.reason, end.evidence.signal) == ("admission_timeout", "unresponsive")


async def test_one_that_answered_past_the_waiting_rooms_time_is_given_the_operators(
    tmp_path, quick, monkeypatch
):
    """As where a person has its page: its own rule waits for that."""
    where = pulse._where

    def long_ago(folder):
        state, since = where(folder)
        return state, since and since - timedelta(hours=1)

    monkeypatch.setattr(pulse, "_where", long_ago)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher(unresponsive_limit_s=4.0)
            bot = await launcher.launch(spec(tmp_path, WAIT), nursery)
            await frozen(bot, "awaiting_admission")
            await bot.gone()
    assert (await recovered(tmp_path / "b-1"))[-1].reason == "crashed"


async def test_the_longest_duration_is_kept_for_a_process_that_cannot(tmp_path, quick):
    settings = {"automatic_leave": {"max_duration_s": 3.0}}
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            launcher = ChildProcessLauncher(unresponsive_limit_s=None, stop_with_launcher=False)
            bot = await launcher.launch(spec(tmp_path, STAY, **settings), nursery)
            await frozen(bot)
            nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:  # the next launcher knows it, too
            again = ChildProcessLauncher(unresponsive_limit_s=None)
            again.store = FolderStore(tmp_path)
            adopted = await again.adopt("b-1", nursery)
            assert adopted is not None
            await adopted.gone()
    end = (await recovered(tmp_path / "b-1"))[-1]
    assert (end.reason, end.evidence.signal) == ("max_duration", "unresponsive")
