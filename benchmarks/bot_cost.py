"""What a bot costs in a meeting, beside the same page as a plain browser shows it.

In Janus everybody sends a tone and 640×360 video at 24 frames a second from a page each; more than
four are published by one page with 160×90 at 8 frames a second (two cores do not carry 25 pages),
and the stock page shows the first five. In a rehearsal everybody shows a face and one talks. The
stand-ins have tones and no video, so there only what the page itself does is compared. Of what a
bot costs in a rehearsal four fifths are WebRTC and audio output, which a bot that hears needs as
much as a person does: a page that does nothing else costs 0.42 of the plain one. The people's
browser is not counted.

CPU: of all processes of the bot's browser, as per cent of a core, over
eight seconds in the call. Memory: PSS of browser and driver. Link → in call: in a browser that runs
until the call is there, beside a bare script that does the same clicks.

`sharing`: four bots in Janus with a browser and a driver each, with one driver, and as contexts of
one browser; per bot. `starts`: order → joining and link → in call of bots that start their own
browser, beside a bare Playwright script that starts one as well, in the stand-ins and Janus.

`--only janus --people 4`, `--only sharing`, `--runs 3`: parts alone. Janus needs root, and Debian's
janus.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import psutil
import trio

from benchmarks.cost_places import PLACES, Place, cannot_open, open_place
from benchmarks.cost_starts import measure_starts
from benchmarks.figures import Figure, report, spread
from benchmarks.served import memory_bytes
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.driver import Driver, open_driver
from meetcore_browser.thread import browser_thread

__all__ = ["measure"]

PEOPLE = {"janus": (1, 4, 9, 25)}
USUAL_PEOPLE = (1, 4)
RUNS = 3
WINDOW_S, QUICK_WINDOW_S = 8.0, 2.0
SETTLE_S = 3.0
BOTS = 4
MOST_CPU, MOST_MB = 0.40, 350


def _quick() -> bool:
    return "--quick" in sys.argv


def _processes(driver: Driver) -> list[psutil.Process]:
    return psutil.Process(driver.pid or os.getpid()).children(recursive=True)


def _cpu_s(drivers: Sequence[Driver]) -> float:
    times = [process.cpu_times() for driver in drivers for process in _processes(driver)]
    return sum(each.user + each.system for each in times)


async def _share(drivers: Sequence[Driver]) -> float:
    """Return the per cent of a core that browsers take now."""
    await trio.sleep(SETTLE_S)
    before, began = _cpu_s(drivers), time.monotonic()
    await trio.sleep(QUICK_WINDOW_S if _quick() else WINDOW_S)
    return 100 * (_cpu_s(drivers) - before) / (time.monotonic() - began)


def _memory_mb(drivers: Sequence[Driver]) -> float:
    pids = [driver.pid or os.getpid() for driver in drivers]
    pids += [process.pid for driver in drivers for process in _processes(driver)]
    return sum(memory_bytes(pid) for pid in pids) / 1024 / 1024


async def _one_place(name: str, people: int, runs: int) -> list[dict[str, float]]:
    """Return what a bot and a plain browser cost beside some people, run by run."""
    async with open_place(name, people) as place:
        return [await _bot_and_plain(place) for _ in range(runs)]


async def _bot_and_plain(place: Place) -> dict[str, float]:
    figures: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = await stack.enter_async_context(open_browser(place.launch))
        figures["bot in call"] = await place.bot(stack, browser, folder)
        figures["bot cpu"] = await _share([browser.driver])
        figures["bot memory"] = _memory_mb([browser.driver])
    async with open_browser(place.plain_launch) as browser:
        figures["plain in call"] = await place.plain(browser)
        figures["plain cpu"] = await _share([browser.driver])
        figures["plain memory"] = _memory_mb([browser.driver])
    return figures


def _figures(name: str, people: int, runs: list[dict[str, float]]) -> list[Figure]:
    who = f"{name}, {people} {'people' if people > 1 else 'person'}"
    # Where one page publishes for everybody, its video is too small to be worth refusing.
    bound = (name, people) == ("janus", 4) or (name == "rehearsal" and people >= 4)
    values = {key: [run[key] for run in runs] for key in runs[0]}
    ratios = [run["bot cpu"] / run["plain cpu"] for run in runs]
    return [
        spread(f"{who}: bot", "% of a core", values["bot cpu"]),
        spread(f"{who}: plain browser", "% of a core", values["plain cpu"]),
        spread(f"{who}: CPU, bot ÷ plain", "", ratios, at_most=MOST_CPU if bound else None),
        spread(
            f"{who}: bot's browser and driver",
            "MB",
            values["bot memory"],
            at_most=MOST_MB if bound else None,
        ),
        spread(f"{who}: plain browser and driver", "MB", values["plain memory"]),
        spread(f"{who}: link → in call", "s", values["bot in call"]),
        spread(f"{who}: a bare script's clicks", "s", values["plain in call"]),
    ]


# --- many bots ------------------------------------------------------------------------------------


async def _each_its_own(stack: AsyncExitStack, place: Place) -> list[Browser]:
    return [await stack.enter_async_context(open_browser(place.launch)) for _ in range(BOTS)]


async def _one_driver(stack: AsyncExitStack, place: Place) -> list[Browser]:
    aio = await stack.enter_async_context(browser_thread())
    driver = await stack.enter_async_context(open_driver(aio))
    return [
        await stack.enter_async_context(open_browser(place.launch, driver=driver))
        for _ in range(BOTS)
    ]


async def _one_browser(stack: AsyncExitStack, place: Place) -> list[Browser]:
    return [await stack.enter_async_context(open_browser(place.launch))] * BOTS


WAYS = {
    "a browser and a driver each": _each_its_own,
    "a browser each, one driver": _one_driver,
    "one browser, a context each": _one_browser,
}


async def _sharing(people: int) -> dict[str, tuple[float, float]]:
    """Return CPU and memory of one bot of several, by the way they share."""
    figures: dict[str, tuple[float, float]] = {}
    async with open_place("janus", people) as place:
        for way, open_browsers in WAYS.items():
            async with AsyncExitStack() as stack:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                browsers = await open_browsers(stack, place)
                for number, browser in enumerate(browsers):
                    await place.bot(stack, browser, folder / str(number))
                drivers = list({id(b.driver): b.driver for b in browsers}.values())
                cpu = await _share(drivers)
                figures[way] = (cpu / BOTS, _memory_mb(drivers) / BOTS)
    return figures


def _sharing_figures(people: int, runs: int) -> list[Figure]:
    measured = [trio.run(_sharing, people) for _ in range(runs)]
    figures = []
    for way in WAYS:
        who = f"{BOTS} bots, {way}: one bot's"
        figures += [
            spread(f"{who} CPU", "% of a core", [run[way][0] for run in measured]),
            spread(f"{who} memory", "MB", [run[way][1] for run in measured]),
        ]
    return figures


# --- all of it ------------------------------------------------------------------------------------


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bot_cost", allow_abbrev=False)
    parts = (*PLACES, "sharing", "starts")
    parser.add_argument("--only", action="append", choices=parts)
    parser.add_argument("--people", action="append", type=int)
    parser.add_argument("--runs", type=int, default=1 if _quick() else RUNS)
    chosen, _ = parser.parse_known_args()
    chosen.only = chosen.only or list(parts)
    return chosen


def measure() -> list[Figure]:
    """Return the figures."""
    chosen = _options()
    figures: list[Figure] = []
    for part in chosen.only:
        place = part if part in PLACES else "janus"
        if part != "starts" and (trouble := cannot_open(place)):
            print(f"{part} is left out: {trouble}", file=sys.stderr)
            continue
        if part == "starts":
            figures += measure_starts(1 if _quick() else 10)
            continue
        counts = chosen.people or ((1,) if _quick() else PEOPLE.get(part, USUAL_PEOPLE))
        for people in counts if part in PLACES else counts[:1]:
            did: Callable[[], list[Figure]] = partial(_sharing_figures, people, chosen.runs)
            if part in PLACES:
                did = partial(_place_figures, part, people, chosen.runs)
            figures += did()
    return figures


def _place_figures(name: str, people: int, runs: int) -> list[Figure]:
    return _figures(name, people, trio.run(_one_place, name, people, runs))


if __name__ == "__main__":
    report(measure())
