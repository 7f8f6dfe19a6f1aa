"""For those who test a joiner: pages served on loopback, a door that keeps what it is handed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import trio
from attrs import define, field, frozen

from meetcore.audio.chunk import Chunk, Pcm
from meetcore.signals import Signal

__all__ = ["DeclaredLoss", "KeepingDoor", "PageSite", "ServedPage", "serve_pages", "until"]


@frozen
class ServedPage:
    """What is served at a path."""

    body: str
    headers: Mapping[str, str] = field(factory=dict)
    media_type: str = "text/html; charset=utf-8"


async def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    """Wait until a condition holds.

    Raises:
        trio.TooSlowError: It did not in time.
    """
    with trio.fail_after(timeout_s):
        while not condition():  # noqa: ASYNC110  (it may be about anything)
            await trio.sleep(0.02)


@define
class PageSite:
    """A site on loopback. Pages can be added while it runs."""

    port: int
    pages: dict[str, ServedPage] = field(factory=dict)

    def add(self, path: str, body: str, headers: Mapping[str, str] | None = None) -> str:
        """Serve HTML at `path`; return its URL."""
        self.pages[path] = ServedPage(body, headers or {})
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of a path; `localhost` is another site than `127.0.0.1`."""
        return f"http://{host}:{self.port}{path}"


@contextmanager
def serve_pages() -> Iterator[PageSite]:
    """Serve pages on a free port of loopback, from a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path.split("?")[0])
            body = (page.body if page else "not here").encode()
            self.send_response(200 if page else 404)
            self.send_header("Content-Type", page.media_type if page else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (page.headers if page else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = PageSite(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


@frozen
class DeclaredLoss:
    """A loss as it was declared at the door."""

    track_id: str
    start_sample: int
    samples: int
    cause: str


@define
class KeepingDoor:
    """A `CallDoor` that keeps what it is handed, for tests to look at."""

    signals: list[Signal] = field(factory=list)
    chunks: list[Chunk] = field(factory=list)
    losses: list[DeclaredLoss] = field(factory=list)

    def observe(self, signal: Signal) -> None:
        """Keep a signal."""
        self.signals.append(signal)

    def hear(self, chunk: Chunk) -> None:
        """Keep a chunk."""
        self.chunks.append(chunk)

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Keep a loss."""
        self.losses.append(DeclaredLoss(track_id, start_sample, samples, cause))

    def of_type(self, kind: type[Signal]) -> list[Signal]:
        """Return the signals of one type."""
        return [signal for signal in self.signals if isinstance(signal, kind)]

    def heard(self, track_id: str) -> list[Chunk]:
        """Return the chunks of one track."""
        return [chunk for chunk in self.chunks if chunk.track_id == track_id]

    def pcm(self, track_id: str) -> Pcm:
        """Return all samples of one track, joined."""
        parts = [chunk.pcm for chunk in self.heard(track_id)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)
