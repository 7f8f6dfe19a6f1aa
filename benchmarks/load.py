"""2,000 light bots on the bus, and 10,000 bots that two servers of one database look after.

On the bus: two processes with 1,000 bots each, which publish what happened in the last second (five
events of 430 bytes) once a second; a broker; and two more processes that follow 1,000 bots each, as
servers do. A bot here is what it is to the bus, no meeting behind it. Latency is from before
`publish` to its having come, in another process.

Of the control plane: two `meetcore serve` over one PostgreSQL and one folder, and bots that run
inside them and wait in a lobby: real orders, rows, leases and journals, no browser and no sound.
They are ordered over HTTP, eight at a time; then nothing happens, and what that costs is measured.
The other figures are of a server that has them all. `--quick` takes few.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import trio

from benchmarks.figures import Figure, report, spread
from benchmarks.served import KEY, QUICK, cpu_ns, memory_bytes, percentile
from meetcore import BusItem
from meetcore_redis.bus import RedisBus
from tests.plugins.redis.broker import Broker, open_broker
from tests.plugins.server.postgres import Postgres

SIDES = 2
BOTS = 40 if QUICK else 1000
SECONDS = 4 if QUICK else 30
EACH_S = 5
CONTROLLED = 20 if QUICK else 5000
AT_ONCE = 4
STILL_S = 2.0 if QUICK else 20.0
PLUGIN = Path(__file__).parents[1] / "tests" / "scripted_meetings.py"
_UP_S = 60.0
_WITHIN_S = 900.0


# --- the bus --------------------------------------------------------------------------------------


async def _publish(url: str, side: int, start_at: float) -> dict[str, Any]:
    """Publish as the bots of a side; return what it cost this process."""
    bus = RedisBus(url)
    late: list[float] = []
    async with bus.open():
        claims = {f"l-{side}-{n}": await bus.claim(f"l-{side}-{n}") for n in range(BOTS)}
        await trio.sleep(max(0.0, start_at - time.time()))
        began, begun = time.process_time(), trio.current_time()

        async def one(number: int, bot_id: str) -> None:
            for second in range(SECONDS):
                due = begun + second + number / BOTS
                await trio.sleep_until(due)
                late.append(trio.current_time() - due)
                content = json.dumps({"at": time.time(), "text": "x" * 380}).encode()
                first = second * EACH_S
                items = [BusItem(first + n, content) for n in range(1, EACH_S + 1)]
                assert await bus.publish(bot_id, claims[bot_id], items, alive_s=10.0)

        async with trio.open_nursery() as nursery:
            for number, bot_id in enumerate(claims):
                nursery.start_soon(one, number, bot_id)
        cost = time.process_time() - began
    return {"cpu_s": cost, "late_s": percentile(late, 0.99)}


async def _follow(url: str, side: int, start_at: float) -> dict[str, Any]:
    """Follow the bots of a side; return what came and when, and what it cost this process."""
    del start_at
    bus = RedisBus(url)
    took: list[float] = []
    before = memory_bytes(os.getpid(), "Anonymous")
    async with bus.open():

        async def one(bot_id: str) -> None:
            async with aclosing(bus.follow(bot_id)) as items:
                async for item in items:
                    if item is None:
                        continue
                    took.append(time.time() - float(json.loads(item.content)["at"]))
                    if item.seq >= SECONDS * EACH_S:
                        return

        began = 0.0
        with trio.move_on_after(SECONDS * 3 + _UP_S):
            async with trio.open_nursery() as nursery:
                for number in range(BOTS):
                    nursery.start_soon(one, f"l-{side}-{number}")
                await trio.sleep(1.0)
                print("following", flush=True)
                began = time.process_time()
        cost = time.process_time() - began
    grown = memory_bytes(os.getpid(), "Anonymous") - before
    return {
        "cpu_s": cost,
        "came": len(took),
        "p50_ms": percentile(took, 0.5) * 1e3,
        "p99_ms": percentile(took, 0.99) * 1e3,
        "bytes_a_bot": grown / BOTS,
    }


def _bus_figures(broker: Broker) -> list[Figure]:
    def started(role: str, side: int, start_at: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.load", role, broker.url, str(side)]
        command += [str(start_at), *(["--quick"] if QUICK else [])]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    followers = [started("follow", side, 0.0) for side in range(SIDES)]
    for each in followers:
        assert each.stdout is not None
        assert each.stdout.readline() == "following\n"
    start_at = time.time() + (3.0 if QUICK else 12.0)
    publishers = [started("publish", side, start_at) for side in range(SIDES)]
    time.sleep(max(0.0, start_at - time.time()))
    spent = cpu_ns(broker.pid)
    sent = [_result(each) for each in publishers]
    spent = cpu_ns(broker.pid) - spent
    seen = [_result(each) for each in followers]
    events = SIDES * BOTS * SECONDS * EACH_S
    name = f"bus, {SIDES * BOTS:,} bots, {SIDES * BOTS * EACH_S:,} events a second"
    return [
        spread(f"{name}: p50", "ms", [each["p50_ms"] for each in seen]),
        spread(f"{name}: p99", "ms", [each["p99_ms"] for each in seen]),
        spread(
            f"{name}: events that did not come",
            "events",
            [events - sum(each["came"] for each in seen)],
            at_most=0,
        ),
        spread(
            f"{name}: CPU of an event at its bot", "us", [_us(each) for each in sent]
        ),
        spread(f"{name}: CPU of an event at the broker", "us", [spent / events / 1e3]),
        spread(
            f"{name}: CPU of an event at who follows", "us", [_us(each) for each in seen]
        ),
        spread(
            f"{name}: memory of a bot that is followed",
            "kB",
            [each["bytes_a_bot"] / 1e3 for each in seen],
        ),
        spread(f"{name}: p99 of a bot's turn in its process, late", "ms",
               [each["late_s"] * 1e3 for each in sent]),
    ]  # fmt: skip


def _us(result: dict[str, Any]) -> float:
    return float(result["cpu_s"]) / (BOTS * SECONDS * EACH_S) * 1e6


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, _ = process.communicate(timeout=SECONDS * 4 + 2 * _UP_S)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


# --- the control plane ----------------------------------------------------------------------------


@contextmanager
def _serve(folder: Path, database: str, number: int) -> Iterator[tuple[int, int]]:
    """Run a server; gives its port and its process."""
    config = folder / f"meetcore-{number}.toml"
    config.write_text(
        "transcriber = 'scripted'\n[automatic_leave]\nwaiting_room_s = 86400\n"
        "[plugins.server]\nmax_bots = 100000\nrequests_per_s = 0\nprivate_targets = ['*']\n"
    )
    command = [sys.executable, "-m", "meetcore", "serve", "--port", "0", "--api-key", KEY]
    command += ["--config", str(config), "--out", str(folder / "bots"), "--in-process"]
    command += ["--database", database, "--plugin", str(PLUGIN)]
    log = folder / f"server-{number}.log"
    environ = {**os.environ, "MEETCORE_LOAD": "server,files"}
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stderr=errors, env=environ)
    try:
        until = time.monotonic() + _UP_S
        while True:
            for line in log.read_text("utf-8").splitlines():
                if "serving at" in line:
                    yield int(line.rpartition(":")[2]), process.pid
                    return
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < until, log.read_text("utf-8")
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()


class _Orders:
    """Orders bots over some connections."""

    def __init__(self, port: int, first: int) -> None:
        self.port = port
        self.numbers = iter(range(first, first + CONTROLLED))
        self.took: list[float] = []
        self.trouble = ""

    def run(self) -> None:
        """Order them all."""
        threads = [threading.Thread(target=self._some) for _ in range(AT_ONCE)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert not self.trouble, self.trouble

    def _some(self) -> None:
        http = HTTPConnection("127.0.0.1", self.port, timeout=_UP_S)
        for number in self.numbers:
            began = time.perf_counter()
            order = {"meeting_url": f"https://meet.google.com/wait-{number}"}
            status, text = _asked(http, "POST", "/v1/bots", order)
            self.took.append(time.perf_counter() - began)
            if status != 201:
                self.trouble = str(text)[:500]
                return


def _asked(http: HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    http.request(method, path, None if body is None else json.dumps(body), headers)
    answer = http.getresponse()
    return answer.status, json.loads(answer.read())


def _metric(port: int, wanted: str) -> float:
    http = HTTPConnection("127.0.0.1", port, timeout=_UP_S)
    http.request("GET", "/metrics", headers={"authorization": f"Bearer {KEY}"})
    for line in http.getresponse().read().decode().splitlines():
        if line.startswith(wanted):
            return float(line.rpartition(" ")[2])
    return 0.0


def _control_figures() -> list[Figure]:
    database = Postgres()
    try:
        url = database.new_database_with_tables()
        with tempfile.TemporaryDirectory(prefix="meetcore-load-") as name, ExitStack() as stack:
            folder = Path(name)
            servers = [stack.enter_context(_serve(folder, url, n)) for n in range(SIDES)]
            return _controlled(servers)
    finally:
        database.close()


def _controlled(servers: list[tuple[int, int]]) -> list[Figure]:
    fresh = [memory_bytes(pid) for _, pid in servers]
    spent = [cpu_ns(pid) for _, pid in servers]
    orders = [_Orders(port, side * CONTROLLED) for side, (port, _) in enumerate(servers)]
    began = time.monotonic()
    threads = [threading.Thread(target=each.run) for each in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered_s = time.monotonic() - began
    waiting = 'meetcore_bots{state="awaiting_admission"}'
    until = time.monotonic() + _WITHIN_S
    while sum(_metric(port, waiting) for port, _ in servers) < SIDES * CONTROLLED:
        assert time.monotonic() < until, "not all of them came to the lobby"
        time.sleep(1.0)
    here_s = time.monotonic() - began
    busy = [cpu_ns(pid) - was for (_, pid), was in zip(servers, spent, strict=True)]
    memory = [memory_bytes(pid) - was for (_, pid), was in zip(servers, fresh, strict=True)]
    still = [cpu_ns(pid) for _, pid in servers]
    time.sleep(STILL_S)
    still = [cpu_ns(pid) - was for (_, pid), was in zip(servers, still, strict=True)]
    took = sorted(each for order in orders for each in order.took)
    count = SIDES * CONTROLLED
    lists = []
    for port, _ in servers:
        http = HTTPConnection("127.0.0.1", port, timeout=_UP_S)
        for _ in range(5):
            at = time.perf_counter()
            assert _asked(http, "GET", "/v1/bots?limit=50")[0] == 200
            lists.append((time.perf_counter() - at) * 1e3)
    name = f"{count:,} bots of two servers"
    return [
        spread(f"{name}: ordered", "a second", [count / ordered_s]),
        spread(f"{name}: ordered and in the lobby", "a second", [count / here_s]),
        spread(f"{name}: an order, p50", "ms", [percentile(took, 0.5) * 1e3]),
        spread(f"{name}: an order, p99", "ms", [percentile(took, 0.99) * 1e3]),
        spread(
            f"{name}: CPU of a bot until then", "ms", [each / CONTROLLED / 1e6 for each in busy]
        ),
        spread(f"{name}: memory of a bot", "kB", [each / CONTROLLED / 1e3 for each in memory]),
        spread(
            f"{name}: CPU of a server while nothing happens",
            "% of a core",
            [each / STILL_S / 1e7 for each in still],
        ),
        spread(f"{name}: a page of the list", "ms", lists),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    with open_broker("--appendfsync", "everysec") as broker:
        figures = _bus_figures(broker)
    return figures + _control_figures()


if __name__ == "__main__":
    if sys.argv[1:2] in (["publish"], ["follow"]):
        role = {"publish": _publish, "follow": _follow}[sys.argv[1]]
        print(json.dumps(trio.run(role, sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))))
    else:
        report(measure())
