"""A Chromium and a small site for the tests of the browser plugin, and a call between two pages."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import trio
from attrs import define

from meetcore.audio.chunk import Pcm
from meetcore.model.secrets import Redactor
from meetcore.plugin.platform import CallRequest
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.testing import KeepingCallEvents, PageSite, serve_pages, until

PAGES = Path(__file__).parent / "pages"


@pytest.fixture
def site() -> Iterator[PageSite]:
    with serve_pages() as pages:
        for path in PAGES.glob("*.html"):
            pages.add(f"/{path.stem}", path.read_text(encoding="utf-8"))
        yield pages


@pytest.fixture
def events() -> KeepingCallEvents:
    return KeepingCallEvents()


class MakeRequest(Protocol):
    def __call__(self, *, secrets: tuple[str, ...] = (), video: bool = False) -> CallRequest: ...


@pytest.fixture
def request_for(tmp_path: Path) -> MakeRequest:
    def make(*, secrets: tuple[str, ...] = (), video: bool = False) -> CallRequest:
        return CallRequest(
            bot_id="bot",
            display_name="Notes",
            folder=tmp_path / "bot",
            redactor=Redactor(secrets),
            plugins={"browser": {"incoming_video": video}},
        )

    return make


@define
class LoopbackCall:
    """A call between a page that sends tones and the bot's page."""

    browser: Browser
    sender: Any
    page: BotPage
    events: KeepingCallEvents

    async def at_sender(self, expression: str, argument: Any = None) -> Any:
        return await self.browser.call(self.sender.evaluate, expression, argument)

    async def add_tone(self, hz: int) -> str:
        """Add a track with a tone; return the id of its stream."""
        stream: str = await self.at_sender("hz => addTone(hz)", hz)
        return stream

    async def negotiate(self, take: str = "take") -> str:
        """Let the sender offer and the bot's page answer; return the answer."""
        offer = await self.at_sender("() => offer()")
        answer: str = await self.page.evaluate(f"sdp => {take}(sdp)", offer)
        await self.at_sender("sdp => accept(sdp)", answer)
        return answer

    async def heard(self, track_id: str, seconds: float) -> None:
        """Wait until that much of a track has arrived, from now."""
        wanted = len(self.events.pcm(track_id)) + int(seconds * 16_000)
        await until(lambda: len(self.events.pcm(track_id)) >= wanted)

    def track_of(self, stream: str) -> str:
        """Return the id of the track that belongs to a stream."""
        [track] = [t for t in self.page.capture.tracks if stream in t.stream_ids]
        return track.track_id


class OpenCall(Protocol):
    def __call__(
        self, path: str = "/bot", **options: Any
    ) -> AbstractAsyncContextManager[LoopbackCall]: ...


@pytest.fixture
def loopback_call(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: MakeRequest
) -> OpenCall:
    @asynccontextmanager
    async def opened(path: str = "/bot", **options: Any) -> AsyncIterator[LoopbackCall]:
        request = request_for(video=options.pop("video", False))
        context = await browser.call(browser.raw.new_context)
        sender = await browser.call(context.new_page)
        await browser.call(sender.goto, site.url("/sender"))
        async with (
            open_page(request, events, browser=browser, **options) as page,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(page.watch)
            await page.goto(site.url(path))
            yield LoopbackCall(browser, sender, page, events)
            nursery.cancel_scope.cancel()
        await browser.call(context.close)

    return opened


def dominant_hz(pcm: Pcm) -> float:
    """Return the loudest frequency of the last second."""
    tail = pcm[-16_000:].astype(float)
    spectrum = np.abs(np.fft.rfft(tail * np.hanning(len(tail))))
    return float(spectrum.argmax() * 16_000 / len(tail))


@pytest.fixture(name="dominant_hz")
def dominant_hz_fixture() -> Any:
    return dominant_hz


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail if the test leaves a browser thread behind."""
    yield
    names = [t.name for t in threading.enumerate() if t.name.startswith("meetcore-browser")]
    assert names == [], json.dumps(names)
