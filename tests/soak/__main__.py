"""`make soak`: whole bots in and out of stand-ins, in every way there is, with browsers that die.

Each visit is a bot of its own, with a browser, a recorder and a journal. When the time is up: every
journal has to have a terminal state, for the reason that was brought about; no process and no
thread may be left; the memory of this process may not have grown by more than a tenth since the
first rounds.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import trio
from attrs import define, field

import meetcore
from tests.soak.visits import VISITS, Site, Visit, served_sites

MOST_GROWTH = 1.10
WARM_UP = 10
SIDE_BY_SIDE = 2
VISIT_TIMEOUT_S = 120.0


@define
class Soak:
    """What came of all visits.

    Attributes:
        folder: Where bots write to.
        kinds: The visits that are made.
        reasons: How often each end came, by platform and reason.
        troubles: What was not as it should be.
        killed: How many browsers were killed.
        memory: The anonymous memory of this process after each visit, in bytes.
    """

    folder: Path
    kinds: list[Visit]
    reasons: Counter[str] = field(factory=Counter)
    troubles: list[str] = field(factory=list)
    killed: int = 0
    memory: list[int] = field(factory=list)
    visits: int = 0

    async def run(self, sites: dict[str, Site], until_s: float, dice: random.Random) -> None:
        """Send bots until the time is up, every kind of visit in turn."""
        turn: list[Visit] = []
        while time.monotonic() < until_s:
            async with trio.open_nursery() as nursery:
                for _ in range(SIDE_BY_SIDE):
                    turn = turn or dice.sample(self.kinds, len(self.kinds))
                    visit = turn.pop()
                    nursery.start_soon(self._visit, visit, sites)
                    if visit.kills or (turn and turn[-1].kills):
                        break  # whose browser is killed must be certain
            self.memory.append(_memory())

    async def _visit(self, visit: Visit, sites: dict[str, Site]) -> None:
        self.visits += 1
        name = f"{visit} (visit {self.visits})"
        site = sites[visit.platform]
        link, room = site.open_room(visit)
        bot: meetcore.Bot | None = None
        try:
            with trio.fail_after(VISIT_TIMEOUT_S):
                async with (
                    meetcore.open_bot(
                        link,
                        name="Notes",
                        transcriber=None,
                        sinks=("files",),
                        out_dir=self.folder,
                        plugins={visit.platform: site.options()},
                        automatic_leave=visit.leave_rules,
                    ) as bot,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(visit.play, bot, room)
                    if visit.kills:
                        nursery.start_soon(self._kill_browser, bot)
                    await bot.wait_ended()
                    nursery.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 (it is what is looked for)
            self.troubles.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            room.close()
        if bot is not None:
            self._judge(visit, name, bot)

    def _judge(self, visit: Visit, name: str, bot: meetcore.Bot) -> None:
        changes = [e for e in bot.journal.read() if isinstance(e, meetcore.StateChanged)]
        last = changes[-1] if changes else None
        if last is None or last.state not in meetcore.TERMINAL or last.reason is None:
            self.troubles.append(f"{name}: its journal has no terminal state")
            return
        self.reasons[f"{visit.platform} {last.reason.value}"] += 1
        print(f"{name}: {last.reason.value}", flush=True)
        if last.reason.value not in visit.reasons:
            detail = last.evidence.detail if last.evidence else ""
            self.troubles.append(f"{name}: ended as {last.reason.value} ({detail})")

    async def _kill_browser(self, bot: meetcore.Bot) -> None:
        """Kill the browser of a bot once it is in the call; there is no other just then."""
        while bot.state not in meetcore.IN_CALL:  # noqa: ASYNC110 (as an outsider would)
            await trio.sleep(0.1)
        browsers = [
            process
            for process in psutil.Process().children(recursive=True)
            if "--remote-debugging-pipe" in _arguments(process)
        ]
        youngest = max(browsers, key=lambda process: process.create_time())
        os.kill(youngest.pid, signal.SIGKILL)
        self.killed += 1


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


def _left_behind() -> list[str]:
    """Return what is left of the bots, once there was a moment for it to go."""
    deadline = time.monotonic() + 10
    while (children := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = [f"process {child.pid}: {' '.join(_arguments(child))[:120]}" for child in children]
    known = {"MainThread", "Thread-1 (serve_forever)"}
    threads = [t.name for t in threading.enumerate() if t.name not in known and not t.daemon]
    return left + [f"thread {name}" for name in threads]


def main() -> int:
    """Run it; return 1 where anything was not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="Visits alone whose name has this in it.")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="meetcore-soak-") as folder, served_sites() as sites:
        kinds = [visit for visit in VISITS if chosen.only in str(visit)]
        soak = Soak(Path(folder), kinds)
        until_s = time.monotonic() + chosen.minutes * 60
        trio.run(soak.run, sites, until_s, random.Random(chosen.seed))
        soak.troubles += [f"left behind: {what}" for what in _left_behind()]
    before = max(soak.memory[:WARM_UP], default=1)
    growth = soak.memory[-1] / before if len(soak.memory) > WARM_UP else 1.0
    if growth > MOST_GROWTH:
        soak.troubles.append(f"the host's memory grew by {growth - 1:.0%}")
    print(f"{soak.visits} visits, {soak.killed} browsers killed, memory × {growth:.2f}")
    for reason, count in sorted(soak.reasons.items()):
        print(f"  {count:4d}  {reason}")
    for trouble in soak.troubles:
        print(f"TROUBLE  {trouble}")
    return 1 if soak.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
