"""Webhook deliveries per second of `meetcore serve`, durable and in order.

A bot's events go to one target, and to sixteen of one host (the most that are served at once of
one): each delivery is a signed POST whose answer is noted in the database, committed to the disk,
before the target's next one. Beside it, in the same rounds, the same HTTP client without all that:
as many tasks that POST as large a body to the same receiver. Every other round goes beside another
bot whose target never answers and a subscriber of it that has stopped reading. The receiver is an
epoll program in a process of its own and shares the machine's cores. `--quick` takes few.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import trio
from attrs import define, field

from benchmarks.figures import Figure, report, spread
from benchmarks.served import MOST_CHANGE, QUICK, Server, served, stalled

TARGETS = 2 if QUICK else 16
EVENTS = 3 if QUICK else 100
ROUNDS = 1 if QUICK else 7
TEXT_BYTES = 300
BODY_BYTES = 500
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


# --- the receiver's process ---------------------------------------------------------------------


def be_receiver() -> None:
    """Answer every POST; print how many there were, and when the last one was, when asked."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    read: dict[int, bytes] = {}
    count, expected = 0, 0
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                told = sys.stdin.buffer.readline()
                if not told:
                    return
                count, expected = 0, int(told)
            elif fd == listener.fileno():
                made, _ = listener.accept()
                connections[made.fileno()], read[made.fileno()] = made, b""
                poll.register(made, select.EPOLLIN)
            else:
                data = connections[fd].recv(65_536)
                if not data:
                    connections.pop(fd).close()
                    continue
                whole, read[fd] = _posts_in(read[fd] + data)
                connections[fd].sendall(_ANSWER * whole)
                count += whole
                if whole and count == expected:
                    print(time.monotonic_ns(), flush=True)


def _posts_in(data: bytes) -> tuple[int, bytes]:
    """Return how many whole requests there are, and what is left."""
    whole = 0
    while (end := data.find(b"\r\n\r\n")) >= 0:
        length = data[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        size = end + 4 + int(length)
        if len(data) < size:
            break
        data = data[size:]
        whole += 1
    return whole, data


# --- the server's side --------------------------------------------------------------------------


@define
class Receiver:
    """That process."""

    process: subprocess.Popen[str]
    port: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Hear where it listens."""
        self.port = int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the receiver ended"
        return line

    def expect(self, count: int) -> None:
        """Say how many it is to wait for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()

    def last_ns(self) -> int:
        """Return when the last of them was there."""
        return int(self._line())


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    command = [sys.executable, "-m", "benchmarks.serve_webhooks", "--receive"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Receiver(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def _delivered(server: Server, receiver: Receiver, bot_id: str, targets: int) -> float:
    """Return deliveries a second."""
    receiver.expect(EVENTS * targets)
    began_ns = time.monotonic_ns()
    server.loud(bot_id, EVENTS, 0, TEXT_BYTES)
    return EVENTS * targets / (receiver.last_ns() - began_ns) * 1e9


async def _bare(receiver: Receiver, tasks: int) -> float:
    """Return POSTs a second of the client alone, its connections made before."""
    url = f"http://127.0.0.1:{receiver.port}/"
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
        await _post_all(client, url, tasks, 1)
        receiver.expect(EVENTS * tasks)
        began_ns = time.monotonic_ns()
        await _post_all(client, url, tasks, EVENTS)
        return EVENTS * tasks / (receiver.last_ns() - began_ns) * 1e9


async def _post_all(client: httpx2.AsyncClient, url: str, tasks: int, each: int) -> None:
    async def post() -> None:
        for _ in range(each):
            answer = await client.post(url, content=b"x" * BODY_BYTES)
            assert answer.status_code == 200

    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(post)


def _hooks(receiver: Receiver, targets: int) -> list[dict[str, object]]:
    address = f"http://127.0.0.1:{receiver.port}"
    return [
        {"url": f"{address}/{number}", "secret": SECRET, "events": ["chat.received"]}
        for number in range(targets)
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    kinds = (1, TARGETS)
    ours: dict[int, list[float]] = {targets: [] for targets in kinds}
    bare: dict[int, list[float]] = {targets: [] for targets in kinds}
    beside: dict[int, list[float]] = {targets: [] for targets in kinds}
    with served() as server, receiving() as receiver:
        bots = {targets: server.bot(webhooks=_hooks(receiver, targets)) for targets in kinds}
        if not QUICK:
            for targets, bot_id in bots.items():
                _delivered(server, receiver, bot_id, targets)
        for _ in range(ROUNDS):
            for targets, bot_id in bots.items():
                ours[targets].append(_delivered(server, receiver, bot_id, targets))
                bare[targets].append(trio.run(_bare, receiver, targets))
            with stalled(server):
                for targets, bot_id in bots.items():
                    beside[targets].append(_delivered(server, receiver, bot_id, targets))
        for bot_id in bots.values():
            server.stop(bot_id)
    return [
        figure
        for targets in kinds
        for figure in _figures(targets, ours[targets], bare[targets], beside[targets])
    ]


def _figures(
    targets: int, ours: list[float], bare: list[float], beside: list[float]
) -> list[Figure]:
    name = "one target" if targets == 1 else f"{targets} targets of a host"
    to_bare = [one / other for one, other in zip(bare, ours, strict=True)]
    to_quiet = [one / other for one, other in zip(ours, beside, strict=True)]
    return [
        spread(f"{name}: the server", "deliveries/s", ours),
        spread(f"{name}: the HTTP client alone", "POSTs/s", bare),
        spread(f"{name}: time of the server ÷ of the client alone", "ratio", to_bare),
        spread(
            f"{name}: time with a stalled subscriber and target ÷ without",
            "ratio",
            to_quiet,
            at_most=None if QUICK else MOST_CHANGE,
        ),
    ]


if __name__ == "__main__":
    if "--receive" in sys.argv:
        be_receiver()
    else:
        report(measure())
