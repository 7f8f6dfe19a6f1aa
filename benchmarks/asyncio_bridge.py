"""Trio inside an asyncio program: a thread of its own beside guest mode.

Measured for both: how long a call takes from asyncio to Trio and back, and what becomes of
the bot's audio when the host program blocks its asyncio loop for half a second.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import trio

from benchmarks.figures import Figure, report, spread
from meetcore.from_asyncio import _call, _trio_thread

CALLS = 2000
RUNS = 5
TICK_S = 0.02
BLOCK_S = 0.5


async def _ticks(late: list[float]) -> None:
    """Stand for audio: a task that should wake every 20 ms."""
    while True:
        due = time.perf_counter() + TICK_S
        await trio.sleep(TICK_S)
        late.append(time.perf_counter() - due)


async def _measure_calls(call: Callable[[], Awaitable[None]]) -> float:
    for _ in range(100):
        await call()
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
    return 1e6 * statistics.median(times)


async def _with_thread() -> tuple[float, float]:
    async with _trio_thread() as thread:
        micros = await _measure_calls(lambda: _call(thread, trio.lowlevel.checkpoint))
        late: list[float] = []
        ticking = asyncio.ensure_future(_call(thread, lambda: _ticks(late)))
        await asyncio.sleep(0.2)
        late.clear()
        time.sleep(BLOCK_S)  # noqa: ASYNC251  the host program misbehaves: that is what is measured
        await asyncio.sleep(0.1)
        worst = max(late)
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
    return micros, 1000 * worst


async def _with_guest() -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    ready = asyncio.Event()
    nurseries: list[trio.Nursery] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nurseries.append(nursery)
            ready.set()
            await trio.sleep_forever()

    def finished(outcome: object) -> None:
        done.set_result(None)

    trio.lowlevel.start_guest_run(
        main,
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        run_sync_soon_not_threadsafe=loop.call_soon,
        done_callback=finished,
        host_uses_signal_set_wakeup_fd=True,
    )
    await ready.wait()

    async def call() -> None:
        future: asyncio.Future[None] = loop.create_future()

        async def task() -> None:
            await trio.lowlevel.checkpoint()
            future.set_result(None)

        nurseries[0].start_soon(task)
        await future

    micros = await _measure_calls(call)
    late: list[float] = []
    nurseries[0].start_soon(_ticks, late)
    await asyncio.sleep(0.2)
    late.clear()
    time.sleep(BLOCK_S)  # noqa: ASYNC251  the host program misbehaves: that is what is measured
    await asyncio.sleep(0.1)
    worst = max(late)
    nurseries[0].cancel_scope.cancel()
    await done
    return micros, 1000 * worst


def measure() -> list[Figure]:
    """Return the figures."""
    figures = []
    for name, program in (("thread", _with_thread), ("guest mode", _with_guest)):
        calls, worst = zip(*(asyncio.run(program()) for _ in range(RUNS)), strict=True)
        figures += [
            spread(f"asyncio → Trio → asyncio, {name}: one call, p50", "µs", calls),
            spread(f"host loop blocked 500 ms, {name}: audio tick late by", "ms", worst),
        ]
    return figures


if __name__ == "__main__":
    report(measure())
