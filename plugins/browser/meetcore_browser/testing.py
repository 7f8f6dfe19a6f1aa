"""For tests of a joiner: pages served on loopback, a `CallEvents` that keeps what it is handed.

And a Chromium that many tests borrow in turn: to start one takes longer than most tests do.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import trio
from attrs import define, field, frozen

from meetcore import Chunk, Pcm, Signal
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.flags import LaunchOptions

__all__ = [
    "DeclaredLoss",
    "KeepingCallEvents",
    "PageSite",
    "ServedPage",
    "SharedChromium",
    "serve_pages",
    "until",
]

START_TIMEOUT_S = 60.0


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
    """A loss as it was declared."""

    track_id: str
    start_sample: int
    samples: int
    cause: str


@define
class KeepingCallEvents:
    """A `CallEvents` that keeps what it is handed, for tests to look at."""

    signals: list[Signal] = field(factory=list)
    chunks: list[Chunk] = field(factory=list)
    losses: list[DeclaredLoss] = field(factory=list)
    fragments: list[dict[str, Any]] = field(factory=list)
    media_losses: list[DeclaredLoss] = field(factory=list)

    def observe(self, signal: Signal) -> None:
        """Keep a signal."""
        self.signals.append(signal)

    def hear(self, chunk: Chunk) -> None:
        """Keep a chunk."""
        self.chunks.append(chunk)

    def declare_lost(self, track_id: str, start_sample: int, samples: int, cause: str) -> None:
        """Keep a loss."""
        self.losses.append(DeclaredLoss(track_id, start_sample, samples, cause))

    def media(self, track_id: str, **fragment: Any) -> None:
        """Keep a fragment of media: its track, and what is known of it by name."""
        self.fragments.append({"track_id": track_id, **fragment})

    def declare_media_lost(self, track_id: str, fragments: int, cause: str) -> None:
        """Keep a loss of media, in fragments."""
        self.media_losses.append(DeclaredLoss(track_id, 0, fragments, cause))

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


class SharedChromium:
    """A Chromium for one Trio run after the other; make it a fixture of the whole session.

    It lives in a thread and a Trio run of its own. What it lends is a `Browser` as `open_browser`
    gives it, but for its end: that is told to nobody. Whoever tests the death of a browser opens
    one of their own.
    """

    def __init__(self, options: LaunchOptions | None = None) -> None:
        self._options = options
        self._started: Future[Browser] = Future()
        self._over = trio.Event()
        self._lent = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=trio.run, args=(self._live,), daemon=True)
        self._thread.start()

    async def _live(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        try:
            async with open_browser(self._options) as browser:
                browser.aio._thread.name = "shared-chromium"  # no test left it behind
                self._started.set_result(browser)
                await self._over.wait()
        except Exception as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Browser]:
        """Lend it to the current Trio run; when nobody has it, the contexts that were opened close.

        Raises:
            ChromiumMissing: There is none on this machine.
            ChromiumFailed: It did not start.
        """
        original = await trio.to_thread.run_sync(self._started.result, START_TIMEOUT_S)
        browser = copy.copy(original)
        browser.aio = original.aio.in_this_run()
        browser.driver = copy.copy(original.driver)
        browser.driver.aio = browser.aio
        browser.gone, browser.driver.ended = trio.Event(), trio.Event()
        browser.listeners, browser.driver.listeners = [], []
        self._lent += 1
        try:
            yield browser
        finally:
            self._lent -= 1
            if not self._lent:
                with trio.CancelScope(shield=True):
                    for context in await browser.sync(lambda: list(browser.raw.contexts)):
                        await browser.call(context.close)

    def close(self) -> None:
        """End it."""
        if self._token is not None and self._thread.is_alive():
            self._token.run_sync_soon(self._over.set)
        self._thread.join(START_TIMEOUT_S)
