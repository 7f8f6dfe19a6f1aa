"""Fifty live bots in one process, three tracks each, in real time: CPU, and how late chunks are.

Each bot attends its own simulated meeting (real code from the platform's calls on: ledger, voice
detector, utterances, journal on disk) with one audio consumer. A chunk is late by the time between
its end on the meeting's clock and the moment the consumer has it. The loop's own lateness in
playing the meetings is in that figure: it shares the process with the bots.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import trio

import meetcore
from benchmarks.figures import Figure, report, spread
from meetcore.testing import SimMeeting

BOTS = 50
SECONDS = 20.0
RUNS = 3
SCRIPT = """
title = "Live"
seed = {seed}
[room]
waiting_room = false
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "ben"
name = "Ben"
[[people]]
id = "eve"
name = "Eve"
{lines}
[end]
at_s = {end}
"""


class LatenessSink(meetcore.Sink):
    """Notes how late each chunk is."""

    name = "lateness"
    wants_audio = True

    def __init__(self, meeting: SimMeeting, late: list[float]) -> None:
        super().__init__()
        self._meeting = meeting
        self._late = late

    async def on_audio(self, chunk: meetcore.Chunk) -> None:
        assert self._meeting.began is not None
        due = self._meeting.began + chunk.end_sample / chunk.sample_rate_hz
        self._late.append(trio.current_time() - due)
        await trio.lowlevel.checkpoint()


def _script(seed: int) -> str:
    lines = []
    for index, who in enumerate(("ada", "ben", "eve")):
        at = 0.5 + index * 2 + (seed % 7) / 10
        while at + 3.5 < SECONDS:
            lines.append(
                f'[[lines]]\nwho = "{who}"\nat_s = {at:.1f}\nduration_s = 1.8\ntext = "some words"'
            )
            at += 6
    return SCRIPT.format(seed=seed, lines="\n".join(lines), end=SECONDS)


async def _one(number: int, out: Path, late: list[float], recorder: bool) -> None:
    meeting = SimMeeting(_script(number), name=f"m{number}")
    names = ["files"] if recorder else []
    plugins = (
        meetcore.Plugins(only=["files"], objects={"sim": meeting.plugin()})
        if recorder
        else meeting.plugins()
    )
    async with meeting.open_bot(
        out,
        plugins=plugins,
        sinks=[LatenessSink(meeting, late), *names],
        bot_id=f"bot-{number}",
        config=meetcore.BotConfig(out_dir=out),
    ) as bot:
        await bot.wait_ended()


async def _all(recorder: bool) -> tuple[float, list[float]]:
    late: list[float] = []
    with tempfile.TemporaryDirectory(prefix="meetcore-bench-") as folder:
        cpu = wall = 0.0
        async with trio.open_nursery() as nursery:
            for number in range(BOTS):
                nursery.start_soon(_one, number, Path(folder), late, recorder)
            await trio.sleep(4)
            late.clear()
            cpu, wall = time.process_time(), trio.current_time()
            await trio.sleep(SECONDS - 6)
            cpu, wall = time.process_time() - cpu, trio.current_time() - wall
            measured = list(late)
    return 100 * cpu / wall, measured


def measure() -> list[Figure]:
    """Return the figures."""
    figures = []
    for recorder in (False, True):
        loads, tails, middles = [], [], []
        for _ in range(RUNS):
            load, late = trio.run(_all, recorder)
            loads.append(load)
            tails.append(1000 * float(np.percentile(late, 99)))
            middles.append(1000 * float(np.percentile(late, 50)))
        what = "recorder on" if recorder else "recorder off"
        bound = None if recorder else 35.0
        limit = None if recorder else 100.0
        figures += [
            spread(f"{BOTS} bots × 3 tracks, {what}: CPU", "% of a core", loads, at_most=bound),
            spread(f"{BOTS} bots × 3 tracks, {what}: chunk late, p99", "ms", tails, at_most=limit),
            spread(f"{BOTS} bots × 3 tracks, {what}: chunk late, p50", "ms", middles),
        ]
        if "--without-recorder" in sys.argv:
            break
    return figures


if __name__ == "__main__":
    report(measure())
