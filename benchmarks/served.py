"""What the server's benchmarks share: `meetcore serve` in a process of its own, and its clients.

Bots run in a process each, as they do by default. Figures of processes come from /proc. With
`--server PORT:PID:FOLDER` a script asks a server that `served` started elsewhere and starts none:
so the tests start one for all scripts.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

__all__ = [
    "KEY",
    "MOST_CHANGE",
    "QUICK",
    "Server",
    "Subscriber",
    "connect",
    "cpu_ns",
    "in_kernel_bytes",
    "memory_bytes",
    "percentile",
    "served",
    "stalled",
    "text_frame",
]

QUICK = "--quick" in sys.argv
_RUNNING = "--server"
KEY = "benchmark-key"
_PLATFORM = Path(__file__).with_name("loud_platform.py")
_PATIENCE_S = 60.0
MOST_CHANGE = 1.1
"""What one that stands still may change: nothing that can be told from the runs' own spread."""
_SETTINGS = "[plugins.server]\nprivate_targets = ['*']\nmax_bots = 1000\nrequests_per_s = 0\n"
_STALL_FILL_BYTES = 100_000 if QUICK else 300_000
_SMALL_SEGMENT_BYTES = 536


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of all does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def cpu_ns(pid: int) -> int:
    """Return the nanoseconds of CPU that the threads of a process that live have had."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text("ascii").split()[0])
    return total


def memory_bytes(pid: int, kind: str = "Pss") -> int:
    """Return the memory of a process: `Pss`, with its part of what it shares, or `Anonymous`."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    found = re.search(rf"^{kind}:\s+(\d+) kB", told, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


# --- a WebSocket, as plain as it can be ----------------------------------------------------------


def text_frame(text: str) -> bytes:
    """Return a client's frame; its mask is zero."""
    payload = text.encode()
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + head + bytes(4) + payload


def connect(port: int, **options: int) -> socket.socket:
    """Return a connection whose handshake is done.

    Args:
        port: Of this machine.
        options: `receive_bytes`: the size of the kernel's buffer; `segment_bytes`: of a segment.
    """
    connection = socket.socket()
    if "receive_bytes" in options:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_bytes"])
    if "segment_bytes" in options:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, options["segment_bytes"])
    connection.settimeout(_PATIENCE_S)
    connection.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        more = connection.recv(1)
        assert more, answer
        answer += more
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return connection


class Subscriber:
    """A client of the native WebSocket."""

    def __init__(self, port: int, **options: int) -> None:
        self.socket = connect(port, **options)
        self._data = b""

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.socket.sendall(text_frame(json.dumps(message)))

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            more = self.socket.recv(65_536)
            assert more, "the server hung up"
            self._data += more
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def hear(self) -> Any:
        """Return the next message; pings are answered."""
        while True:
            first, size = self._take(2)
            if size == 126:
                size = int.from_bytes(self._take(2), "big")
            elif size == 127:
                size = int.from_bytes(self._take(8), "big")
            payload = self._take(size)
            if first == 0x89:
                self.socket.sendall(bytes([0x8A, 0x80 | size]) + bytes(4) + payload)
            elif first == 0x81:
                return json.loads(payload)

    def until_state(self, *states: str) -> Any:
        """Return the event by which a bot comes to one of the states."""
        while True:
            message = self.hear()
            assert message["type"] != "error", message
            if message["type"] == "state.changed" and message["data"]["state"] in states:
                return message


# --- the server -------------------------------------------------------------------------------


@define
class Server:
    """A server, and the questions benchmarks ask it."""

    port: int
    pid: int
    folder: Path
    _http: HTTPConnection = field(init=False)
    _number: int = 0

    def __attrs_post_init__(self) -> None:
        """Keep one connection."""
        self._http = HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request."""
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body)
        self._http.request(method, path, data, headers)
        answer = self._http.getresponse()
        text = answer.read()
        assert answer.status < 300, (answer.status, text)
        return json.loads(text)

    def order(self, **body: Any) -> str:
        """Return the id of a new bot, of which nothing is known yet."""
        self._number += 1
        link = f"https://loud.invalid/{self._number}"
        order = {"meeting_url": link, "transcriber": "none", "record": False, **body}
        return str(self.ask("POST", "/v1/bots", order)["id"])

    def bot(self, **body: Any) -> str:
        """Return the id of a new bot that is in the call."""
        bot_id = self.order(**body)
        self.until(bot_id, "in_call")
        return bot_id

    def until(self, bot_id: str, *states: str) -> Any:
        """Return the event by which a bot comes to one of the states."""
        line = Subscriber(self.port)
        line.say(type="subscribe", bot_id=bot_id, after=0, drafts=False)
        try:
            return line.until_state(*states)
        finally:
            line.socket.close()

    def loud(self, bot_id: str, count: int, pace_ms: float, size_bytes: int) -> None:
        """Have somebody in a bot's meeting write messages."""
        text = f"loud {count} {pace_ms:g} {size_bytes}"
        self.ask("POST", f"/v1/bots/{bot_id}/chat", {"text": text})

    def stop(self, bot_id: str) -> None:
        """Have a bot leave, and wait until it has ended."""
        self.ask("POST", f"/v1/bots/{bot_id}/stop")
        self.until(bot_id, "completed", "failed")

    @property
    def children(self) -> list[int]:
        """The processes of its bots."""
        found: list[int] = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            found += map(int, (task / "children").read_text("ascii").split())
        return found


@contextmanager
def served() -> Iterator[Server]:
    """Run a server with nothing in it; or ask the one that the command line names."""
    if _RUNNING in sys.argv:
        port, pid, name = sys.argv[sys.argv.index(_RUNNING) + 1].split(":", 2)
        yield Server(int(port), int(pid), Path(name))
        return
    with _many_files(), tempfile.TemporaryDirectory(prefix="meetcore-bench-") as name:
        folder = Path(name)
        config = folder / "meetcore.toml"
        config.write_text(_SETTINGS, "utf-8")
        command = [sys.executable, "-m", "meetcore", "serve", "--port", "0", "--api-key", KEY]
        command += ["--config", str(config), "--out", name, "--plugin", str(_PLATFORM)]
        log = folder / "server.log"
        with (
            log.open("wb") as errors,
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors) as process,
        ):
            try:
                yield Server(_port_in(log, process), process.pid, folder)
            finally:
                _end(process)


@contextmanager
def _many_files() -> Iterator[None]:
    """Let this process, and what it starts, have as many connections open as a run has."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def _port_in(log: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := re.search(r"serving at http://\S+:(\d+)\n", log.read_text("utf-8"))):
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.05)
    return int(found[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()


# --- a subscriber and a webhook target that stand still ----------------------------------------


@frozen
class _Silence:
    """A webhook target that takes connections and never answers."""

    listener: socket.socket
    taken: list[socket.socket] = field(factory=list)

    def run(self) -> None:
        with suppress(OSError):
            while True:
                self.taken.append(self.listener.accept()[0])


@contextmanager
def stalled(server: Server) -> Iterator[Subscriber]:
    """Have a bot with a webhook target that never answers and a subscriber that does not read.

    The attempt hangs for 10 s and the subscriber is parted with after 10 s, so what is measured
    meanwhile is to be shorter. Yields the subscriber, whose outbox is not empty: it has been sent
    more than kernel buffers of this size hold.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    silence = _Silence(listener)
    threading.Thread(target=silence.run, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    bot_id = server.bot(webhooks=[{"url": url, "events": ["*"]}])
    line = Subscriber(server.port, receive_bytes=1, segment_bytes=_SMALL_SEGMENT_BYTES)
    line.say(type="subscribe", bot_id=bot_id, drafts=False)
    assert line.hear()["type"] == "subscribed"
    count = _STALL_FILL_BYTES // 500
    watcher = Subscriber(server.port)
    watcher.say(type="subscribe", bot_id=bot_id, after=0, drafts=False)
    server.loud(bot_id, count, 0, 500)
    heard = 0
    while heard < count:
        heard += watcher.hear()["type"] == "chat.received"
    watcher.socket.close()
    assert silence.taken, "nobody called the webhook target"
    assert in_kernel_bytes(line.socket) < _STALL_FILL_BYTES / 2
    try:
        yield line
    finally:
        line.socket.close()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in silence.taken:
            each.close()
        server.stop(bot_id)


def in_kernel_bytes(connection: socket.socket) -> int:
    """Return how much waits in the kernel, at both ends, to be read from a connection."""
    ours, theirs = (f":{address[1]:04X}" for address in
                    (connection.getsockname(), connection.getpeername()))  # fmt: skip
    total = 0
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        sent, received = (int(each, 16) for each in queues.split(":"))
        if (local[-5:], remote[-5:]) == (ours, theirs):
            total += received
        elif (local[-5:], remote[-5:]) == (theirs, ours):
            total += sent
    return total
