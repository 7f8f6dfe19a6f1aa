"""Fan-out of 500-byte events to 1,000 WebSocket subscribers in another process.

One process serves, alternating, (1) the hub and (2) what cannot be done with less: a loop over
blocking sockets that sends one ready-made frame to each. The subscribers are a plain epoll program
in a process of their own; the next event goes out when all have the last one, so that both work
with empty socket buffers. (3) is the hub again, with one more subscriber that has stopped reading.
CPU is the server process's own, system time included. `--quick` takes few subscribers and rounds,
and holds nothing against a bound.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import select
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import define, field

from benchmarks.figures import Figure, report, spread
from meetcore_websocket.frames import text_frame
from meetcore_websocket.handshake import accepted, read_request
from meetcore_websocket.hub import Topic
from meetcore_websocket.limits import Limits
from meetcore_websocket.request import Request
from meetcore_websocket.subscriber import Subscriber

QUICK = "--quick" in sys.argv
SUBSCRIBERS = 100 if QUICK else 1_000
EVENTS = 10 if QUICK else 25
ROUNDS = 3 if QUICK else 15
TEXT_BYTES = 500
FRAME_BYTES = len(text_frame("x" * TEXT_BYTES))
PATIENT = Limits(ping_s=1e6, stall_s=1e6, hard_bytes=1 << 30)
STAMP = slice(10, 29)


def event_text() -> str:
    """Return an event of 500 bytes that begins with the time it is sent at."""
    head = f'{{"t": {time.monotonic_ns():019d}, "pad": "'
    return head + "x" * (TEXT_BYTES - len(head) - 2) + '"}'


# --- the subscribers' process ------------------------------------------------------------------


def subscribe(port: int) -> socket.socket:
    """Return a connection whose handshake is done."""
    connection = socket.create_connection(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connection.recv(1)
    connection.setblocking(False)
    return connection


def be_subscribers(ports: list[int]) -> None:
    """Read on every connection; say `.` whenever a group has an event in full."""
    connections = {}
    poll = select.epoll()
    for port in ports:
        for _ in range(SUBSCRIBERS):
            connection = subscribe(port)
            connections[connection.fileno()] = connection
            poll.register(connection, select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    received = 0
    latencies_ms: list[float] = []
    os.write(1, b"r")
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                if not os.read(0, 1):
                    return
                os.write(1, json.dumps(latencies_ms).encode() + b"\n")
                latencies_ms = []
                continue
            data = os.read(fd, 65_536)
            if len(data) == FRAME_BYTES:
                latencies_ms.append((time.monotonic_ns() - int(data[STAMP])) / 1e6)
            received += len(data)
            if received == SUBSCRIBERS * FRAME_BYTES:
                received = 0
                os.write(1, b".")


# --- the server's process ------------------------------------------------------------------------


@define
class Hall:
    """A `ConnectionHandler` that admits everybody; and the raw connections beside it."""

    topic: Topic = field(factory=partial(Topic, "events"))
    raw: list[socket.socket] = field(factory=list)

    def admit(self, subscriber: Subscriber, request: Request) -> None:
        """Let everybody in."""
        del subscriber, request

    async def attend(self, subscriber: Subscriber) -> None:
        """Make a subscriber live at once."""
        await trio.lowlevel.checkpoint()
        self.topic.join(subscriber)

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Hear nothing."""
        del subscriber, message

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one subscriber of the hub."""
        await Subscriber(stream, PATIENT).run(b"", self)

    async def keep(self, stream: trio.SocketStream) -> None:
        """Accept one subscriber of the raw loop, and keep its socket."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(4_096)
        await stream.send_all(accepted(read_request(head)))
        plain = socket.socket(fileno=stream.socket.detach())
        plain.setblocking(True)
        self.raw.append(plain)


async def answer(fd: int) -> bytes:
    """Return what the subscribers' process says next."""
    await trio.lowlevel.wait_readable(fd)
    return os.read(fd, 1 << 24)


async def through_hub(topic: Topic, fd: int) -> float:
    """Return the microseconds of CPU a message costs."""
    began = time.process_time()
    for _ in range(EVENTS):
        await topic.publish(event_text(), position=topic.position + 1)
        await answer(fd)
    return (time.process_time() - began) / EVENTS / SUBSCRIBERS * 1e6


def through_raw_loop(sockets: list[socket.socket], fd: int) -> float:
    """Return the microseconds of CPU a message costs."""
    began = time.process_time()
    for _ in range(EVENTS):
        frame = text_frame(event_text())
        for connection in sockets:
            connection.send(frame)
        os.read(fd, 1)
    return (time.process_time() - began) / EVENTS / SUBSCRIBERS * 1e6


@asynccontextmanager
async def one_stalled(hall: Hall) -> AsyncIterator[Subscriber]:
    """A subscriber that has stopped reading, with something in its outbox."""
    ours, theirs = trio.socket.socketpair()
    subscriber = Subscriber(trio.SocketStream(ours), PATIENT)
    key = base64.b64encode(bytes(16))
    asked = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    asked += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run, asked, hall)
        while not subscriber.backlog_bytes:
            subscriber.push(text_frame(event_text()))
            await trio.lowlevel.checkpoint()
        hall.topic.leave(subscriber)
        yield subscriber
        nursery.cancel_scope.cancel()
    theirs.close()


@define
class Rounds:
    """What the rounds gave."""

    hub: list[float] = field(factory=list)
    raw: list[float] = field(factory=list)
    stalled: list[float] = field(factory=list)
    p50_ms: list[float] = field(factory=list)
    p99_ms: list[float] = field(factory=list)


async def latencies(subscribers: subprocess.Popen[bytes], fd: int) -> list[float]:
    """Return the latencies since this was asked last, sorted."""
    assert subscribers.stdin is not None
    os.write(subscribers.stdin.fileno(), b"?")
    data = b""
    while not data.endswith(b"\n"):
        data += await answer(fd)
    return sorted(json.loads(data))


async def play(hall: Hall, subscribers: subprocess.Popen[bytes]) -> Rounds:
    """Run the rounds."""
    assert subscribers.stdout is not None
    fd, rounds = subscribers.stdout.fileno(), Rounds()
    while await answer(fd) != b"r":
        pass
    async with one_stalled(hall) as stalled:
        for _ in range(2):
            await through_hub(hall.topic, fd)
            through_raw_loop(hall.raw, fd)
        for number in range(ROUNDS):
            for turn in range(3):  # each kind comes first, second and last equally often
                kind = (number + turn) % 3
                if kind == 0:
                    await latencies(subscribers, fd)
                    rounds.hub.append(await through_hub(hall.topic, fd))
                    found = await latencies(subscribers, fd)
                    rounds.p50_ms.append(statistics.median(found))
                    rounds.p99_ms.append(found[int(len(found) * 0.99)])
                elif kind == 1:
                    hall.topic.join(stalled)
                    rounds.stalled.append(await through_hub(hall.topic, fd))
                    hall.topic.leave(stalled)
                else:
                    rounds.raw.append(through_raw_loop(hall.raw, fd))
        assert not stalled.closed
    return rounds


def start_subscribers(ports: list[str]) -> subprocess.Popen[bytes]:
    """Start the other process."""
    options = ["--quick"] if QUICK else []
    command = [sys.executable, "-m", "benchmarks.fanout", *options, "--subscribe", *ports]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def serve() -> Rounds:
    """Open both servers, start the subscribers' process, run the rounds, end everything."""
    hall = Hall()
    async with trio.open_nursery() as nursery:
        ports = []
        for handler in (hall.serve, hall.keep):
            listen = partial(trio.serve_tcp, handler, 0, host="127.0.0.1", backlog=2_048)
            listeners: list[trio.SocketListener] = await nursery.start(listen)
            ports.append(str(listeners[0].socket.getsockname()[1]))
        with start_subscribers(ports) as subscribers:
            rounds = await play(hall, subscribers)
            assert subscribers.stdin is not None
            subscribers.stdin.close()
            subscribers.wait(30)
        for connection in hall.raw:
            connection.close()
        nursery.cancel_scope.cancel()
    return rounds


def measure() -> list[Figure]:
    """Return the figures."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    rounds = trio.run(serve)
    to_raw = [ours / raw for ours, raw in zip(rounds.hub, rounds.raw, strict=True)]
    to_quiet = [with_it / ours for with_it, ours in zip(rounds.stalled, rounds.hub, strict=True)]
    name = f"fan-out to {SUBSCRIBERS:,}"
    return [
        spread(f"{name}: the hub", "µs CPU/message", rounds.hub),
        spread(f"{name}: raw loop of blocking sockets", "µs CPU/message", rounds.raw),
        spread(f"{name}: hub ÷ raw loop", "ratio", to_raw, at_most=None if QUICK else 1.5),
        spread(
            f"{name}: with one stalled subscriber ÷ without",
            "ratio",
            to_quiet,
            at_most=None if QUICK else 1.1,
        ),
        spread(f"{name}: event to subscriber, p50", "ms", rounds.p50_ms),
        spread(f"{name}: event to subscriber, p99", "ms", rounds.p99_ms),
    ]


if __name__ == "__main__":
    if "--subscribe" in sys.argv:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
        be_subscribers([int(port) for port in sys.argv[sys.argv.index("--subscribe") + 1 :]])
    else:
        report(measure())
