"""From an order to joining and into the call, beside a bare Playwright script. See `bot_cost`."""

from __future__ import annotations

import tempfile
import time
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import trio

from benchmarks.cost_places import Place, cannot_open, open_place
from benchmarks.figures import Figure, spread
from benchmarks.served import percentile, served
from meetcore_browser.browser import open_browser

__all__ = ["measure_starts"]

PLACES = ("janus", "meet", "zoom", "teams")
PEOPLE = 1


async def _cold(place: Place) -> float:
    """Return the seconds from a link to the call, with a browser that is started for it."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = await stack.enter_async_context(open_browser(place.launch))
        await place.bot(stack, browser, folder)
        return time.monotonic() - began


async def _bare(place: Place) -> float:
    """Return the same of a script that only clicks."""
    began = time.monotonic()
    async with open_browser(place.plain_launch) as browser:
        await place.plain(browser)
        return time.monotonic() - began


async def _place(name: str, runs: int) -> tuple[list[float], list[float]]:
    bots, scripts = [], []
    async with open_place(name, PEOPLE) as place:
        for _ in range(runs):
            bots.append(await _cold(place))
            scripts.append(await _bare(place))
    return bots, scripts


def _orders(runs: int) -> list[float]:
    """Return the seconds from orders for bots to their joining, at a server that runs."""
    taken = []
    with served() as server:
        server.stop(server.bot())
        for _ in range(runs):
            began = time.time()
            bot_id = server.order()
            joined = str(server.until(bot_id, "joining")["at"])
            taken.append(datetime.fromisoformat(joined).timestamp() - began)
            server.stop(bot_id)
    return taken


def measure_starts(runs: int) -> list[Figure]:
    """Return the figures: p50 with its spread, and p95."""
    orders = _orders(runs)
    figures = [
        spread("order → joining, p50", "s", orders),
        spread("order → joining, p95", "s", [percentile(orders, 0.95)]),
    ]
    for name in PLACES:
        if cannot_open(name):
            continue
        bots, scripts = trio.run(_place, name, runs)
        figures += [
            spread(f"{name}: link → in call with a browser of its own, p50", "s", bots),
            spread(
                f"{name}: link → in call with a browser of its own, p95",
                "s",
                [percentile(bots, 0.95)],
            ),
            spread(f"{name}: a bare script that starts a browser, p50", "s", scripts),
            spread(
                f"{name}: a bare script that starts a browser, p95",
                "s",
                [percentile(scripts, 0.95)],
            ),
        ]
    return figures
