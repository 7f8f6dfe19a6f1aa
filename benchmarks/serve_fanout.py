"""From a bot's journal to 1,000 subscribers of the native WebSocket, through `meetcore serve`.

Somebody in a meeting writes: the bot, a process of its own, puts it in its journal, its server
reads it from the bot's socket and sends it to everybody; the latency is from the writing to the
subscriber's reading. Every third round goes beside a stalled subscriber in the same audience and
another bot whose webhook target never answers. What cannot be done with less runs in the same
rounds: a loop over blocking sockets that sends each one ready-made frame of the same size, the next
when all have the last. CPU is that of the server's process, whose share of each event (decoding it)
is in it; the bot's process is not. Server, bot, raw loop and subscribers (one
epoll program) share the machine's cores: with two of them the subscribers' reading is in every
latency and bounds the rate. `--quick` takes few.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import define, field

from benchmarks.figures import Figure, report, spread
from benchmarks.served import (
    MOST_CHANGE,
    QUICK,
    Server,
    Subscriber,
    cpu_ns,
    in_kernel_bytes,
    percentile,
    served,
    stalled,
)
from meetcore_websocket.frames import text_frame

SUBSCRIBERS = 10 if QUICK else 1_000
ROUNDS = 1 if QUICK else 9
EVENTS = 3 if QUICK else 25
BURST = 10 if QUICK else 200
FILL = 100 if QUICK else 300
PACE_MS = 10.0 if QUICK else 60.0
TEXT_BYTES = 300
_KINDS = 3


@define
class Audience:
    """The subscribers' process."""

    process: subprocess.Popen[str]

    def expect(self, group: str, events: int) -> None:
        """Say what it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{group} {events}\n")
        self.process.stdin.flush()

    def told(self) -> Any:
        """Return what it says when that is there."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the subscribers' process ended"
        return json.loads(line)


@define
class Rounds:
    """What the rounds gave."""

    ours_us: list[float] = field(factory=list)
    raw_us: list[float] = field(factory=list)
    beside_us: list[float] = field(factory=list)
    p50_ms: list[float] = field(factory=list)
    p99_ms: list[float] = field(factory=list)
    beside_p50_ms: list[float] = field(factory=list)
    beside_p99_ms: list[float] = field(factory=list)
    events_per_s: list[float] = field(factory=list)


@contextmanager
def gathered(server: Server, bot_id: str) -> Iterator[tuple[Audience, list[socket.socket]]]:
    """Have everybody follow the bot; yield them, and the raw loop's ends of their connections."""
    with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
        command = [sys.executable, "-m", "benchmarks.subscribers", str(SUBSCRIBERS)]
        command += [str(server.port), bot_id, str(listener.getsockname()[1])]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            raw = [listener.accept()[0] for _ in range(SUBSCRIBERS)]
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Audience(process), raw
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
    for each in raw:
        each.close()


def _paced(server: Server, bot_id: str, audience: Audience) -> tuple[float, list[float]]:
    """Return the microseconds of CPU a message costs, and how late each is."""
    audience.expect("s", EVENTS)
    began = cpu_ns(server.pid)
    server.loud(bot_id, EVENTS, PACE_MS, TEXT_BYTES)
    told = audience.told()
    spent_us = (cpu_ns(server.pid) - began) / 1e3
    return spent_us / EVENTS / SUBSCRIBERS, told["latencies_ms"]


def _raw(sockets: list[socket.socket], size_bytes: int, audience: Audience) -> float:
    """Return the microseconds of CPU a message costs."""
    spent_ns = 0
    for _ in range(EVENTS):
        audience.expect("r", 1)
        began = time.process_time_ns()
        frame = text_frame(f"t={time.monotonic_ns():019d} ".ljust(size_bytes, "x"))
        for connection in sockets:
            connection.send(frame)
        spent_ns += time.process_time_ns() - began
        audience.told()
    return spent_ns / 1e3 / EVENTS / SUBSCRIBERS


def _burst(server: Server, bot_id: str, audience: Audience) -> float:
    """Return how many events a second reach everybody, written as quickly as may be."""
    audience.expect("s", BURST)
    server.loud(bot_id, BURST, 0, TEXT_BYTES)
    took_ms: float = audience.told()["took_ms"]
    return BURST / took_ms * 1e3


@contextmanager
def _deaf(server: Server, bot_id: str, audience: Audience) -> Iterator[None]:
    """Have one more follow the bot that reads nothing, and fill what the kernel holds for it."""
    line = Subscriber(server.port, receive_bytes=1, segment_bytes=536)
    line.say(type="subscribe", bot_id=bot_id)
    assert line.hear()["type"] == "subscribed"
    audience.expect("s", FILL)
    server.loud(bot_id, FILL, 0, TEXT_BYTES)
    audience.told()
    assert in_kernel_bytes(line.socket) < FILL * TEXT_BYTES
    try:
        yield
    finally:
        line.socket.close()


def _event_bytes(server: Server, bot_id: str) -> int:
    line = Subscriber(server.port)
    line.say(type="subscribe", bot_id=bot_id)
    line.hear()
    server.loud(bot_id, 1, 0, TEXT_BYTES)
    while (message := line.hear())["type"] != "chat.received":
        pass
    line.socket.close()
    return len(json.dumps(message, separators=(",", ":")))


def play() -> Rounds:
    """Run the rounds."""
    rounds = Rounds()
    with served() as server:
        bot_id = server.bot()
        size_bytes = _event_bytes(server, bot_id)
        with gathered(server, bot_id) as (audience, raw):
            _paced(server, bot_id, audience)
            _raw(raw, size_bytes, audience)
            for number in range(ROUNDS):
                for turn in range(_KINDS):  # each kind comes first, second and last equally often
                    kind = (number + turn) % _KINDS
                    if kind == 0:
                        cost_us, late_ms = _paced(server, bot_id, audience)
                        rounds.ours_us.append(cost_us)
                        rounds.p50_ms.append(percentile(late_ms, 0.5))
                        rounds.p99_ms.append(percentile(late_ms, 0.99))
                    elif kind == 1:
                        with stalled(server), _deaf(server, bot_id, audience):
                            cost_us, late_ms = _paced(server, bot_id, audience)
                        rounds.beside_us.append(cost_us)
                        rounds.beside_p50_ms.append(percentile(late_ms, 0.5))
                        rounds.beside_p99_ms.append(percentile(late_ms, 0.99))
                    else:
                        rounds.raw_us.append(_raw(raw, size_bytes, audience))
                rounds.events_per_s.append(_burst(server, bot_id, audience))
        server.stop(bot_id)
    return rounds


def _ratios(some: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(some, others, strict=True)]


def measure() -> list[Figure]:
    """Return the figures."""
    found = play()
    name = f"to {SUBSCRIBERS:,} subscribers"
    paced = f"{name}, an event each {PACE_MS:g} ms"
    cpu = _ratios(found.beside_us, found.ours_us)
    p50 = _ratios(found.beside_p50_ms, found.p50_ms)
    most = None if QUICK else MOST_CHANGE
    stall = "with a stalled subscriber and target ÷ without"
    return [
        spread(f"{paced}: latency, p50", "ms", found.p50_ms),
        spread(f"{paced}: latency, p99", "ms", found.p99_ms),
        spread(f"{paced}: the server", "µs CPU/message", found.ours_us),
        spread(f"{name}: raw loop of blocking sockets", "µs CPU/message", found.raw_us),
        spread(f"{name}: server ÷ raw loop", "ratio", _ratios(found.ours_us, found.raw_us)),
        spread(f"{name}: CPU {stall}", "ratio", cpu, at_most=most),
        spread(f"{name}: p50 {stall}", "ratio", p50, at_most=most),
        spread(f"{name}: p99 {stall}", "ratio", _ratios(found.beside_p99_ms, found.p99_ms)),
        spread(f"{name}: {BURST} events at once", "events/s", found.events_per_s),
    ]


if __name__ == "__main__":
    report(measure())
