"""What it costs to record a meeting as video, 720p at 15 pictures a second.

`meetcore join` in a rehearsal with four people who show their faces, of whom one talks: all
processes of the bot (its host, its browser and driver, its screen and what records that), as per
cent of a core over ten seconds in the call, with files and no transcriber; the people's browser is
not counted. Beside it, in the same run: a bot that receives the others' video and does not record
it, and one that only listens, as a bot does by default.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import trio

from benchmarks.cost_places import _talk
from benchmarks.figures import Figure, report, spread
from meetcore_rehearsal import open_rehearsal

RUNS = 3
PEOPLE = 4
SETTLE_S, WINDOW_S = 4.0, 10.0
START_S = 60.0
WAYS = {
    "recorded": ["--video"],
    "receives video": ["--set", "plugins.browser.incoming_video=true"],
    "listens": [],
}


def _tree_cpu_s(pid: int) -> float:
    parent = psutil.Process(pid)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _in_call(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("type") == "state.changed" and "recording" in line:
            return
    raise RuntimeError("the bot ended before it was in the call")


async def _cost(link: str, more: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "meetcore", "join", link, "--json", "--transcriber", "none"),
            *("--sink", "files", "--out", str(Path(folder, "out")), *more),
        ]
        process = _started(command)
        try:
            with trio.fail_after(START_S):
                await trio.to_thread.run_sync(_in_call, process)
            await trio.sleep(SETTLE_S)
            before, began = _tree_cpu_s(process.pid), time.monotonic()
            await trio.sleep(WINDOW_S)
            return 100 * (_tree_cpu_s(process.pid) - before) / (time.monotonic() - began)
        finally:
            process.terminate()
            process.communicate(timeout=30)


async def _run() -> dict[str, float]:
    async with open_rehearsal(_talk(PEOPLE)) as rehearsal:
        return {way: await _cost(rehearsal.link, more) for way, more in WAYS.items()}


def measure() -> list[Figure]:
    """Return the figures."""
    runs = [trio.run(_run) for _ in range(RUNS)]
    figures = [spread(f"a bot: {way}", "% of a core", [run[way] for run in runs]) for way in WAYS]
    beside = [run["recorded"] / run["receives video"] for run in runs]
    figures.append(spread("CPU: recorded ÷ receives video", "", beside, at_most=1.4))
    alone = [run["recorded"] / run["listens"] for run in runs]
    figures.append(spread("CPU: recorded ÷ only listens", "", alone))
    return figures


if __name__ == "__main__":
    report(measure())
