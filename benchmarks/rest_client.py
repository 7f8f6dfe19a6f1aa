"""A process that asks a server for one path, over eight connections, as often as it answers.

    python -m benchmarks.rest_client PORT PATH SECONDS

One epoll loop, no library. On stdout comes how long each answer took, in milliseconds. However
short the time and slow the server, one answer at least is waited for.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

from benchmarks.served import KEY

CONNECTIONS = 8
PATIENCE_S = 60.0


def be_client(port: int, path: str, seconds: float) -> None:
    """Ask for a path over and over; print how long each answer took, in milliseconds."""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    ).encode()
    poll = select.epoll()
    connections: dict[int, socket.socket] = {}
    asked: dict[int, float] = {}
    read: dict[int, bytes] = {}
    for _ in range(CONNECTIONS):
        made = socket.create_connection(("127.0.0.1", port))
        connections[made.fileno()] = made
        poll.register(made, select.EPOLLIN)
    end = time.perf_counter() + seconds
    for fd, made in connections.items():
        read[fd], asked[fd] = b"", time.perf_counter()
        made.sendall(request)
    took_ms: list[float] = []
    while time.perf_counter() < end or not took_ms:
        assert time.perf_counter() < end + PATIENCE_S, "the server does not answer"
        for fd, _ in poll.poll(0.1):
            data = read[fd] = read[fd] + connections[fd].recv(1 << 18)
            if not _is_whole(data):
                continue
            now = time.perf_counter()
            took_ms.append((now - asked[fd]) * 1e3)
            read[fd], asked[fd] = b"", now
            connections[fd].sendall(request)
    print(json.dumps(took_ms))


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(answer.decode("utf-8", "replace"))
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(body) >= int(length)


if __name__ == "__main__":
    be_client(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
