"""`make soak`: whole bots in and out of stand-ins, in every way there is, with browsers that die.

Each visit is a bot of its own, with a browser, a recorder and a journal; some have their browser
killed, some their network cut. When all visits are made, or the time is up: every journal has to
have a terminal state, for the reason that was brought about; no process and no thread may be left;
the memory of this process may not have grown by more than a tenth since every kind came once: until
then it loads what it had no use for before.

`--visits 200` is the long course: every kind of visit at least three times, at least ten browsers
killed and ten networks cut, as fast as the machine allows. It fails where a quota is not met.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import trio
from attrs import define, field

import meetcore
from tests.soak.visits import VISITS, Site, Visit, served_sites

MOST_GROWTH = 1.10
VISIT_TIMEOUT_S = 120.0
EACH_KIND, KILLED, CUT = 3, 10, 10


def course(kinds: list[Visit], count: int, dice: random.Random) -> list[Visit]:
    """Return the visits of a course: every kind three times, killed and cut ones often enough.

    Every kind comes once before one comes again.
    """
    killing, cutting = ([v for v in kinds if want(v)] for want in (_kills, _cuts))
    plan = kinds * (EACH_KIND - 1)
    for some, quota in ((killing, KILLED), (cutting, CUT)):
        missing = quota - len(some) * EACH_KIND
        plan += (some * math.ceil(max(0, missing) / max(1, len(some))))[: max(0, missing)]
    dice.shuffle(plan)
    plan = dice.sample(kinds, len(kinds)) + plan
    while len(plan) < count:
        plan.append(dice.choice(kinds))
    return plan[:count]


def _kills(visit: Visit) -> bool:
    return visit.kills


def _cuts(visit: Visit) -> bool:
    return visit.cuts


def endless(kinds: list[Visit], dice: random.Random, until_s: float) -> Iterator[Visit]:
    """Yield visits until the time is up, every kind in turn."""
    while True:
        for visit in dice.sample(kinds, len(kinds)):
            if time.monotonic() >= until_s:
                return
            yield visit


@define
class Soak:
    """What came of all visits.

    Attributes:
        folder: Where bots write to.
        reasons: How often each end came, by reason and platform.
        troubles: What was not as it should be.
        killed: How many browsers were killed.
        cut: How many networks were cut.
        visits: How many bots were sent.
        memory: The memory of this process after the first visits and at the end, in bytes.
        warm_up: How many visits the first ones are.
    """

    folder: Path
    warm_up: int = 10
    reasons: Counter[tuple[str, str]] = field(factory=Counter)
    troubles: list[str] = field(factory=list)
    killed: int = 0
    cut: int = 0
    visits: int = 0
    memory: list[int] = field(factory=list)

    async def run(self, sites: dict[str, Site], visits: Iterator[Visit], at_once: int) -> None:
        """Send bots, some at a time."""
        first = iter(list(islice(visits, self.warm_up)))
        for part in (first, visits):
            async with trio.open_nursery() as nursery:
                for _ in range(at_once):
                    nursery.start_soon(self._some, part, sites)
            self.memory.append(_memory())

    async def _some(self, visits: Iterator[Visit], sites: dict[str, Site]) -> None:
        for visit in visits:
            await self._visit(visit, sites)

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
                        plugins={visit.platform: site.options(visit)},
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
            self.cut += visit.cuts
        if bot is not None:
            self._judge(visit, name, bot)

    def _judge(self, visit: Visit, name: str, bot: meetcore.Bot) -> None:
        events = list(bot.journal.read())
        changes = [e for e in events if isinstance(e, meetcore.StateChanged)]
        last = changes[-1] if changes else None
        if last is None or last.state not in meetcore.TERMINAL or last.reason is None:
            self.troubles.append(f"{name}: its journal has no terminal state")
            return
        self.reasons[last.reason.value, visit.platform] += 1
        print(f"{name}: {last.reason.value}", flush=True)
        if last.reason.value not in visit.reasons:
            detail = last.evidence.detail if last.evidence else ""
            self.troubles.append(f"{name}: ended as {last.reason.value} ({detail})")
        steps = {e.name for e in events if isinstance(e, meetcore.StepTaken)}
        if visit.shows and visit.shows not in steps:
            self.troubles.append(f"{name}: its journal does not have {visit.shows!r}")

    async def _kill_browser(self, bot: meetcore.Bot) -> None:
        """Kill the browser of a bot once it is in the call."""
        while bot.state not in meetcore.IN_CALL:  # noqa: ASYNC110 (as an outsider would)
            await trio.sleep(0.1)
        call: Any = bot.call
        pid = call._attempt.guest.page.page.browser.pid
        os.kill(pid, signal.SIGKILL)
        self.killed += 1

    def check_quotas(self, kinds: list[Visit]) -> None:
        """Note what a long course has not met."""
        wanted = {reason for visit in kinds for reason in visit.reasons[:1]}
        came: Counter[str] = Counter()
        for (reason, _), count in self.reasons.items():
            came[reason] += count
        self.troubles += [
            f"the end {reason!r} came {came[reason]} times, not {EACH_KIND}"
            for reason in sorted(wanted)
            if came[reason] < EACH_KIND
        ]
        for what, count, quota in (("killed", self.killed, KILLED), ("cut", self.cut, CUT)):
            if count < quota:
                self.troubles.append(f"{count} {what}, not {quota}")

    def table(self) -> str:
        """Return how often each end came, by platform."""
        platforms = sorted({platform for _, platform in self.reasons})
        rows = [f"{'end':24}" + "".join(f"{each:>8}" for each in (*platforms, "all"))]
        for reason in sorted({reason for reason, _ in self.reasons}):
            counts = [self.reasons[reason, platform] for platform in platforms]
            rows.append(f"{reason:24}" + "".join(f"{n:8d}" for n in (*counts, sum(counts))))
        return "\n".join(rows)


def _arguments(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _memory() -> int:
    """Return how many bytes this process wrote and holds.

    Not its USS: that has the pages of files which no other process maps just now, and so jumps by
    15 MB when another program with the same libraries comes or goes.
    """
    gc.collect()
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    sizes = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return int(sizes["Private_Dirty"].split()[0]) * 1024


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
    parser.add_argument("--visits", type=int, default=0, help="So many, whatever time they take.")
    parser.add_argument("--at-once", type=int, default=2, help="How many bots side by side.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="Visits alone whose name has this in it.")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    dice = random.Random(chosen.seed)
    kinds = [visit for visit in VISITS if chosen.only in str(visit)]
    until_s = time.monotonic() + chosen.minutes * 60
    visits = endless(kinds, dice, until_s)
    if chosen.visits:
        visits = iter(course(kinds, chosen.visits, dice))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="meetcore-soak-") as folder, served_sites() as sites:
        soak = Soak(Path(folder), warm_up=len(kinds))
        trio.run(soak.run, sites, visits, chosen.at_once)
        soak.troubles += [f"left behind: {what}" for what in _left_behind()]
    growth = soak.memory[-1] / soak.memory[0]
    if growth > MOST_GROWTH and soak.visits > soak.warm_up:
        soak.troubles.append(f"the host's memory grew by {growth - 1:.0%}")
    if chosen.visits >= EACH_KIND * len(kinds):
        soak.check_quotas(kinds)
    print(
        f"{soak.visits} visits in {(time.monotonic() - began) / 60:.1f} min, {soak.killed} browsers"
        f" killed, {soak.cut} networks cut, memory × {growth:.2f}"
        f" ({soak.memory[0] / 1e6:.1f} → {soak.memory[-1] / 1e6:.1f} MB)"
    )
    print(soak.table())
    for trouble in soak.troubles:
        print(f"TROUBLE  {trouble}")
    return 1 if soak.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
