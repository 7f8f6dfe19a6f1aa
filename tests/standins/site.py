"""A site on loopback that serves a stand-in's page, tells it what happens, and hears what it did.

A room has switches, which the page reads when it loads, and a host: the test. What the host does
goes to every page of the room over server-sent events, whether it was done before the page came or
after. What the pages report is kept, in order.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import trio
from attrs import define, field

__all__ = ["StandinRoom", "StandinSite", "serve_standin"]

MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
REPORT_BYTES = 1_000_000
RECONNECT_MS = 300
"""How soon a page whose connection was cut tries again."""


@define
class StandinRoom:
    """One meeting of a stand-in.

    Attributes:
        switches: What the page does differently; as its script names them.
        told: What the host did, in order.
        reports: What the pages reported, in order.
        is_cut: Whether nothing reaches the pages, nor anything of theirs the room.
    """

    switches: dict[str, Any] = field(factory=dict)
    told: list[dict[str, Any]] = field(factory=list)
    reports: list[dict[str, Any]] = field(factory=list)
    is_cut: bool = False
    _pages: list[queue.Queue[tuple[int, dict[str, Any]] | None]] = field(factory=list)
    _lock: threading.Lock = field(factory=threading.Lock)

    def tell(self, what: str, **more: Any) -> None:
        """Do something as the host, or as somebody else in the meeting."""
        message = {"what": what, **more}
        with self._lock:
            self.told.append(message)
            for page in self._pages:
                page.put((len(self.told), message))

    def cut(self) -> None:
        """Cut the pages' connections, as a network that fails does; new ones are cut, too."""
        self.is_cut = True
        self.close()

    def mend(self) -> None:
        """Let connections be again; what was told meanwhile comes with them."""
        self.is_cut = False

    def reported(self, what: str) -> list[dict[str, Any]]:
        """Return the reports of one kind."""
        return [report for report in self.reports if report.get("what") == what]

    async def until_reported(self, what: str, count: int = 1, timeout_s: float = 20.0) -> None:
        """Wait for a report."""
        with trio.fail_after(timeout_s):
            while len(self.reported(what)) < count:  # noqa: ASYNC110 (another thread's list)
                await trio.sleep(0.02)

    def listen(self, after: int = 0) -> queue.Queue[tuple[int, dict[str, Any]] | None]:
        """Take all that was told after some number and will be, with its number, for one page."""
        page: queue.Queue[tuple[int, dict[str, Any]] | None] = queue.Queue()
        with self._lock:
            for number, message in enumerate(self.told[after:], after + 1):
                page.put((number, message))
            self._pages.append(page)
        return page

    def forget(self, page: queue.Queue[tuple[int, dict[str, Any]] | None]) -> None:
        """A page is gone."""
        with self._lock:
            self._pages.remove(page)

    def close(self) -> None:
        """Let the pages' connections end."""
        with self._lock:
            for page in self._pages:
                page.put(None)


@define
class StandinSite:
    """A stand-in that is being served.

    Attributes:
        origin: Where, as `http://127.0.0.1:port`.
        rooms: By their id.
        seen: Every address that was asked for, with its query and its `Accept-Language`.
    """

    origin: str
    rooms: dict[str, StandinRoom] = field(factory=dict)
    seen: list[tuple[str, str]] = field(factory=list)

    def room(self, room_id: str, **switches: Any) -> StandinRoom:
        """Open a room."""
        self.rooms[room_id] = StandinRoom(dict(switches))
        return self.rooms[room_id]


@contextmanager
def serve_standin(folder: Path, page: str = "index.html") -> Iterator[StandinSite]:
    """Serve a stand-in on a free port of loopback, from threads of its own.

    Every address answers with `page`, but for these:

    * `/static/NAME`: a file of the folder;
    * `/standin/room?id=ID`: the switches of a room, as JSON; 404 where there is no such room;
    * `/standin/events?id=ID`: what is told, as server-sent events;
    * `POST /standin/report?id=ID`: takes a report, as JSON;
    * `POST /$rpc/...`: answers with what was sent, for a page that plays its own service.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version: ClassVar[str] = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            room = site.rooms.get(parse_qs(parts.query).get("id", [""])[0])
            if self._is_cut(room):
                return
            if parts.path == "/standin/room":
                status = 200 if room else 404
                self._answer(status, json.dumps(room.switches if room else {}), "application/json")
            elif parts.path == "/standin/events":
                self._events(room)
            elif parts.path.startswith("/static/"):
                self._file(folder / Path(parts.path).name)
            elif parts.path == "/favicon.ico":
                self._answer(404, "", "text/plain")
            else:
                site.seen.append((self.path, self.headers.get("Accept-Language", "")))
                self._file(folder / page)

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            room = site.rooms.get(parse_qs(parts.query).get("id", [""])[0])
            length = min(int(self.headers.get("Content-Length", "0")), REPORT_BYTES)
            if parts.path.startswith("/$rpc/"):
                self._answer(200, self.rfile.read(length).decode(), "text/plain")
                return
            body = json.loads(self.rfile.read(length) or b"{}")
            if self._is_cut(room):
                return
            if room is not None:
                room.reports.append(body)
            self._answer(200, "{}", "application/json")

        def _is_cut(self, room: StandinRoom | None) -> bool:
            """Whether there is no network; then the connection ends without an answer."""
            if room is None or not room.is_cut:
                return False
            self.close_connection = True
            return True

        def _file(self, path: Path) -> None:
            if not path.is_file():
                self._answer(404, "not here", "text/plain")
                return
            self._answer(200, path.read_text("utf-8"), MEDIA_TYPES[path.suffix])

        def _answer(self, status: int, text: str, media_type: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{media_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def _events(self, room: StandinRoom | None) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if room is None:
                return
            page = room.listen(int(self.headers.get("Last-Event-ID") or 0))
            try:
                self.wfile.write(f"retry: {RECONNECT_MS}\n\n".encode())
                self.wfile.flush()
                while (told := page.get()) is not None:
                    number, message = told
                    self.wfile.write(f"id: {number}\ndata: {json.dumps(message)}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                pass
            finally:
                room.forget(page)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        site = StandinSite(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            for room in site.rooms.values():
                room.close()
            server.shutdown()
            thread.join()
