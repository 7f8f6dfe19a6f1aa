"""A process full of WebSocket subscribers, as cheap as they can be: one epoll loop, no library.

    python -m benchmarks.subscribers COUNT PORT BOT [RAW_PORT]

COUNT connections to the server at PORT follow BOT, and as many to RAW_PORT, where frames come with
nothing said first. On stdin comes `s N` or `r N`: one line is said on stdout when each subscriber
of that group (server, raw) has N more events that carry a time: the milliseconds from that time
until each was read here, and from the first of these times until the last was read.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
import time

from benchmarks.served import connect, text_frame

_MARK = b"t="
_DIGITS = 19


class Group:
    """The connections of one kind, and what they have got.

    Args:
        connections: They are registered by whoever polls.
    """

    def __init__(self, connections: list[socket.socket]) -> None:
        self.connections = connections
        self._waiting: dict[int, bytes] = {}
        self._latencies_ms: list[float] = []
        self._expected = 0
        self._first_ns = 0

    def expect(self, events: int) -> None:
        """Say when so many more events are with everybody."""
        self._expected = events * len(self.connections)
        self._say()

    def read(self, fd: int) -> None:
        """Read what there is on a connection."""
        data = os.read(fd, 65_536)
        if not data:
            raise SystemExit("a subscriber was hung up on")
        now = time.monotonic_ns()
        if fd in self._waiting:
            data = self._waiting.pop(fd) + data
        begin, size = 0, len(data)
        while size - begin >= 4:
            length = data[begin + 1]
            body = begin + 2
            if length == 126:
                length = data[begin + 2] << 8 | data[begin + 3]
                body += 2
            end = body + length
            if end > size:
                break
            if data[begin] == 0x89:
                os.write(fd, bytes([0x8A, 0x80 | length]) + bytes(4) + data[body:end])
            else:
                mark = data.find(_MARK, body, end)
                if mark >= 0:
                    sent = int(data[mark + 2 : mark + 2 + _DIGITS])
                    self._latencies_ms.append((now - sent) / 1e6)
                    self._first_ns = self._first_ns or sent
            begin = end
        if begin < size:
            self._waiting[fd] = data[begin:]
        self._say()

    def _say(self) -> None:
        if self._expected and len(self._latencies_ms) >= self._expected:
            took_ms = (time.monotonic_ns() - self._first_ns) / 1e6
            told = {"took_ms": took_ms, "latencies_ms": self._latencies_ms}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
            self._latencies_ms, self._expected, self._first_ns = [], 0, 0


def followers(count: int, port: int, bot_id: str) -> list[socket.socket]:
    """Return connections that follow a bot from now on."""
    asked = text_frame(json.dumps({"type": "subscribe", "bot_id": bot_id}))
    made = [connect(port) for _ in range(count)]
    for each in made:
        each.sendall(asked)
    for each in made:
        answer = b""
        while b'"subscribed"' not in answer:
            answer += each.recv(4_096)
    return made


def main() -> None:
    """Be them, until stdin ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    count, port, bot_id, *raw = sys.argv[1:]
    groups = {"s": Group(followers(int(count), int(port), bot_id)), "r": Group([])}
    if raw:
        address = ("127.0.0.1", int(raw[0]))
        groups["r"] = Group([socket.create_connection(address) for _ in range(int(count))])
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    owners: dict[int, Group] = {}
    for group in groups.values():
        for each in group.connections:
            each.setblocking(False)
            owners[each.fileno()] = group
            poll.register(each, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd:
                owners[fd].read(fd)
            else:
                told = os.read(0, 64).split()
                if not told:
                    return
                groups[told[0].decode()].expect(int(told[1]))


if __name__ == "__main__":
    main()
