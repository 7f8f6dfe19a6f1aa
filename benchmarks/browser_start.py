"""What a bot's Chromium costs to start and show a page, with and without its address bar's pages.

CPU time of the browser and all its processes, the driver left out, until two seconds after an
empty page was shown. `with` switches them on again, as Chromium has them by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import trio

from benchmarks.figures import Figure, report, spread
from meetcore_browser import flags
from meetcore_browser.browser import open_browser

RUNS = 5
POP_UPS = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")


@contextmanager
def _with_pop_ups() -> Iterator[None]:
    ours = flags._OWN_DISABLED_FEATURES
    flags._OWN_DISABLED_FEATURES = tuple(name for name in ours if name not in POP_UPS)
    try:
        yield
    finally:
        flags._OWN_DISABLED_FEATURES = ours


async def _start() -> tuple[float, float]:
    """Start one; return its seconds of CPU time and its number of processes."""
    async with open_browser() as browser:
        page = await browser.call(browser.raw.new_page)
        await browser.call(page.goto, "data:text/html,<h1>A meeting")
        await trio.sleep(2)
        driver = psutil.Process(browser.driver.pid or os.getpid())
        times = [process.cpu_times() for process in driver.children(recursive=True)]
        return sum(each.user + each.system for each in times), float(len(times))


def measure() -> list[Figure]:
    """Return the figures; the first start of each warms the file cache and is not counted."""
    without, with_them = [], []
    for run in range(RUNS + 1):
        one = trio.run(_start)
        with _with_pop_ups():
            other = trio.run(_start)
        if run:
            without.append(one)
            with_them.append(other)
    pairs = list(zip(without, with_them, strict=True))
    return [
        spread("a start", "s CPU", [one[0] for one, _ in pairs]),
        spread("a start, with the address bar's pages", "s CPU", [two[0] for _, two in pairs]),
        spread("CPU: as it is ÷ with them", "", [o[0] / t[0] for o, t in pairs], at_most=0.8),
        spread("processes: as it is", "", [one[1] for one, _ in pairs]),
        spread("processes: with them", "", [two[1] for _, two in pairs]),
    ]


if __name__ == "__main__":
    report(measure())
