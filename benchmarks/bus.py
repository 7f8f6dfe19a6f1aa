"""What an event costs on its way over the bus `redis`, beside a bare XADD and XREAD of the client.

Events of 430 bytes, a broker of Debian's in a process of its own that writes to disk each second,
everything on one machine. CPU is that of the Python process alone, per event: of a bot that
publishes one event at a time, as bots do, and of a server that catches up with 50 bots. `live` is
100 bots of 5 events a second in one process (real ones have a process each), and a server in
another that follows all of them: from `publish` to the server's having it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from statistics import median

import trio
from coredis import Redis

from benchmarks.figures import Figure, report, spread
from meetcore import BotBus, BusItem, BusUnavailable
from meetcore_redis.bus import RedisBus
from tests.plugins.redis.broker import Broker, open_broker

RUNS = 3
EVENTS = 5000
BOTS = 50
LIVE_BOTS, LIVE_S, EVERY_S = 100, 15.0, 0.2
KILLS, KILLED_BOTS = 20, 20
CONTENT = json.dumps({"type": "segment.finalized", "data": {"text": "x" * 380}}).encode()


async def _cpu_us(work: Callable[[], Awaitable[int]]) -> float:
    """Return the CPU of this process for each event of some work, in microseconds."""
    began = time.process_time()
    events = await work()
    return (time.process_time() - began) / events * 1e6


async def _published(bus: BotBus) -> int:
    claims = [await bus.claim(f"b-{number}") for number in range(BOTS)]
    for seq in range(1, EVENTS // BOTS + 1):
        for number, claim in enumerate(claims):
            item = BusItem(seq, CONTENT)
            assert await bus.publish(f"b-{number}", claim, [item], alive_s=10.0)
    return EVENTS


async def _followed(bus: BotBus) -> int:
    async def one(number: int) -> None:
        async with aclosing(bus.follow(f"b-{number}")) as items:
            async for item in items:
                if item is not None and item.seq == EVENTS // BOTS:
                    return

    async with trio.open_nursery() as nursery:
        for number in range(BOTS):
            nursery.start_soon(one, number)
    return EVENTS


async def _added(client: Redis[bytes]) -> int:
    for seq in range(1, EVENTS // BOTS + 1):
        for number in range(BOTS):
            await client.xadd(f"raw-{number}", {b"e": CONTENT}, identifier=f"{seq}-0")
    return EVENTS


async def _read(client: Redis[bytes]) -> int:
    at = {f"raw-{number}": "0-0" for number in range(BOTS)}
    seen = 0
    while seen < EVENTS:
        found = await client.xread(at, count=200, block=1000)
        for key, entries in (found or {}).items():
            name = key.decode() if isinstance(key, bytes) else key
            at[name] = str(entries[-1].identifier, "ascii")
            seen += len(entries)
    return seen


async def _beside_raw(broker: Broker) -> dict[str, float]:
    """Measure both ways once, taking turns."""
    found: dict[str, float] = {}
    async with Redis("127.0.0.1", broker.port) as client:
        await client.flushdb()
        bus = RedisBus(broker.url)
        async with bus.open():
            found["raw publish"] = await _cpu_us(lambda: _added(client))
            found["publish"] = await _cpu_us(lambda: _published(bus))
            found["raw follow"] = await _cpu_us(lambda: _read(client))
            found["follow"] = await _cpu_us(lambda: _followed(bus))
        await client.flushdb()
    return found


async def _live(broker: Broker) -> list[float]:
    """Return how long each event took from its bot to a server in another process."""
    command = [sys.executable, "-m", "benchmarks.bus", "publish", broker.url]
    took: list[float] = []
    bus = RedisBus(broker.url)
    async with bus.open():

        async def follow(number: int) -> None:
            async with aclosing(bus.follow(f"l-{number}")) as items:
                async for item in items:
                    if item is None:
                        continue
                    took.append(time.time() - float(json.loads(item.content)["at"]))
                    if item.seq >= LIVE_S / EVERY_S:
                        return

        publisher = subprocess.Popen(command)  # noqa: ASYNC220  it has a loop of its own
        try:
            with trio.move_on_after(LIVE_S * 4):
                async with trio.open_nursery() as nursery:
                    for number in range(LIVE_BOTS):
                        nursery.start_soon(follow, number)
        finally:
            publisher.kill()
            publisher.wait()
    return took


async def _publish_live(url: str) -> None:
    bus = RedisBus(url)
    async with bus.open():

        async def one(number: int) -> None:
            bot_id = f"l-{number}"
            claim = await bus.claim(bot_id)
            await trio.sleep(EVERY_S * number / LIVE_BOTS)
            for seq in range(1, int(LIVE_S / EVERY_S) + 1):
                content = json.dumps({"at": time.time(), "text": "x" * 380}).encode()
                await bus.publish(bot_id, claim, [BusItem(seq, content)], alive_s=10.0)
                await trio.sleep(EVERY_S)

        async with trio.open_nursery() as nursery:
            for number in range(LIVE_BOTS):
                nursery.start_soon(one, number)


async def _killed(broker: Broker) -> tuple[int, int, int]:
    """Kill the broker again and again; return events published, missed and told twice."""
    there = RedisBus(broker.url)
    last = dict.fromkeys(range(KILLED_BOTS), 0)
    seen: dict[int, list[int]] = {number: [] for number in last}
    over = False

    async def publish(number: int, bus: BotBus) -> None:
        claim = await bus.claim(f"k-{number}")
        while not over:
            item = BusItem(last[number] + 1, CONTENT)
            try:
                await bus.publish(f"k-{number}", claim, [item], alive_s=10.0)
            except BusUnavailable:
                await trio.sleep(0.1)
                continue
            last[number] += 1
            await trio.sleep(0.02)

    async def follow(number: int) -> None:
        while not (over and len(seen[number]) >= last[number]):
            at = seen[number][-1] if seen[number] else 0
            try:
                async with aclosing(there.follow(f"k-{number}", at)) as items:
                    async for item in items:
                        if item is not None:
                            seen[number].append(item.seq)
                        if over and len(seen[number]) >= last[number]:
                            return
            except BusUnavailable:
                await trio.sleep(0.1)

    async with there.open(), trio.open_nursery() as nursery:
        here = RedisBus(broker.url)
        await nursery.start(_hold, here)
        async with trio.open_nursery() as work:
            for number in last:
                work.start_soon(publish, number, here)
                work.start_soon(follow, number)
            for _ in range(KILLS):
                await trio.sleep(0.5)
                broker.kill()
                await trio.sleep(0.3)
                await trio.to_thread.run_sync(broker.start)
            await trio.sleep(1.0)
            over = True
        nursery.cancel_scope.cancel()
    published = sum(last.values())
    missed = sum(len(set(range(1, last[n] + 1)) - set(seqs)) for n, seqs in seen.items())
    twice = sum(len(seqs) - len(set(seqs)) for seqs in seen.values())
    return published, missed, twice


async def _hold(
    bus: BotBus, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with bus.open():
        task_status.started()
        await trio.sleep_forever()


def measure() -> list[Figure]:
    """Measure."""
    with open_broker("--appendfsync", "everysec") as broker:
        runs = [trio.run(_beside_raw, broker) for _ in range(RUNS)]
        live = sorted(trio.run(_live, broker))
    with open_broker() as broker:
        published, missed, twice = trio.run(_killed, broker)
    hops = (("publish", "XADD"), ("follow", "XREAD"))
    figures = [
        spread(f"{hop}: CPU of an event", "us", [run[hop] for run in runs]) for hop, _ in hops
    ]
    figures += [
        spread(f"{hop} ÷ bare {bare}", "x", [r[hop] / r[f"raw {hop}"] for r in runs], at_most=2.0)
        for hop, bare in hops
    ]
    rate = LIVE_BOTS / EVERY_S
    late = [median(live) * 1000, live[int(len(live) * 0.99)] * 1000]
    lost = LIVE_BOTS * int(LIVE_S / EVERY_S) - len(live)
    killed = f"broker killed {KILLS} times under {KILLED_BOTS} bots"
    figures += [
        spread(f"live, {rate:,.0f} events a second: p50", "ms", [late[0]]),
        spread(f"live, {rate:,.0f} events a second: p99", "ms", [late[1]]),
        spread("live: events that did not come", "events", [lost], at_most=0),
        spread(f"{killed}: events published", "events", [published]),
        spread(f"{killed}: missed by a follower", "events", [missed], at_most=0),
        spread(f"{killed}: told twice", "events", [twice], at_most=0),
    ]
    return figures


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        trio.run(_publish_live, sys.argv[2])
    else:
        report(measure())
