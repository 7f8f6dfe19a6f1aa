"""How long the bot's voice takes to a peer, over real WebRTC between two pages of one Chromium.

Call → heard: from the call that opens the bot's microphone to the arrival, at the host of the page
that hears it, of the block of 20 ms in which it begins; so the hearing is in it. Interrupt →
silent: from the call that stops it to the end of the last block with sound. First sound of a text:
from the text to the first piece of sound that `flite` gives. The first speech of a page, which
wakes its microphone, is counted apart.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import trio

from benchmarks.figures import Figure, report, spread
from meetcore import CallRequest, Chunk, SynthesisRequest
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import open_browser
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.testing import KeepingCallEvents, serve_pages, until
from meetcore_flite.synthesizer import FliteSynthesizer

RUNS = 15
RATE_HZ = 24_000
PAGES = Path(__file__).parents[1] / "tests" / "plugins" / "browser" / "pages"
LOUD = 1500
TEXT = "Good morning. I take notes of this meeting, and I am glad to be here."


class _Heard(KeepingCallEvents):
    """Notes when sound came and when it was last heard, on the clock of this process."""

    begun: float | None = None
    last: float = 0.0

    def hear(self, chunk: Chunk) -> None:
        now = time.monotonic()
        loud = np.nonzero(np.abs(chunk.pcm) > LOUD)[0]
        if len(loud):
            self.begun = self.begun or now
            self.last = now


@asynccontextmanager
async def _two_pages(heard: _Heard) -> AsyncIterator[BotPage]:
    with tempfile.TemporaryDirectory() as folder, serve_pages() as site:
        for name in ("talker", "watcher"):
            site.add(f"/{name}", (PAGES / f"{name}.html").read_text("utf-8"))
        request = CallRequest(bot_id="bot", display_name="Notes", folder=Path(folder))
        fine = CaptureOptions(block_s=0.02)
        async with (
            open_browser() as browser,
            open_page(request, KeepingCallEvents(), browser=browser, devices=True) as bot,
            open_page(request, heard, browser=browser, capture=fine) as peer,
        ):
            await bot.goto(site.url("/talker"))
            await peer.goto(site.url("/watcher"))
            await bot.evaluate("() => open()")
            answer = await peer.evaluate("sdp => take(sdp)", await bot.evaluate("() => offer()"))
            await bot.evaluate("sdp => accept(sdp)", answer)
            await until(lambda: len(peer.capture.tracks) == 1)
            yield bot


async def _speak(bot: BotPage, heard: _Heard) -> tuple[float, float]:
    """Say a second of a tone and stop; return call → heard and interrupt → silent, in ms."""
    at = np.arange(RATE_HZ // 10) / RATE_HZ
    piece = (12_000 * np.sin(2 * np.pi * 440 * at)).astype("<i2").tobytes()
    heard.begun, began = None, time.monotonic()
    async with bot.devices.open_speech(RATE_HZ) as output:
        with trio.move_on_after(1.0):
            while True:
                await output.write(piece)
        stopped = time.monotonic()
        await output.stop()
    await trio.sleep(0.6)
    assert heard.begun is not None, "the peer heard nothing"
    return 1000 * (heard.begun - began), 1000 * max(0.0, heard.last - stopped)


async def _voice() -> list[tuple[float, float]]:
    heard = _Heard()
    async with _two_pages(heard) as bot:
        return [await _speak(bot, heard) for _ in range(RUNS + 1)]


async def _first_sound() -> float:
    began = time.monotonic()
    pieces = FliteSynthesizer().synthesize(SynthesisRequest(bot_id="bot", text=TEXT))
    async for piece in pieces:
        if isinstance(piece, bytes):
            break
    return 1000 * (time.monotonic() - began)


def measure() -> list[Figure]:
    """Return the figures."""
    first, *rest = trio.run(_voice)
    texts = [trio.run(_first_sound) for _ in range(RUNS)]
    return [
        spread("call → heard by a peer", "ms", [each[0] for each in rest], at_most=150),
        spread("call → heard, the first speech of a page", "ms", [first[0]]),
        spread("interrupt → silent at the peer", "ms", [each[1] for each in rest], at_most=100),
        spread("text → first sound, flite", "ms", texts, at_most=400),
    ]


if __name__ == "__main__":
    report(measure())
