"""People in real Chromium pages, a host without a browser, and small scripts with tones."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import define

from meetcore.testing.script import Line, Person
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.testing import until
from meetcore_rehearsal.actions import Arrive
from meetcore_rehearsal.cast import MEDIA_FEATURES_OFF, MEDIA_SWITCHES
from meetcore_rehearsal.site import Site, open_site

OPTIONS = LaunchOptions(disabled_features=MEDIA_FEATURES_OFF, arguments=MEDIA_SWITCHES)

TONE_AS_MICROPHONE = """
navigator.mediaDevices.getUserMedia = async ({ audio, video }) => {
  if (video) throw new DOMException("none", "NotFoundError");
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: %d });
  const output = new MediaStreamAudioDestinationNode(context);
  tone.connect(new GainNode(context, { gain: 0.3 })).connect(output);
  tone.start();
  return output.stream;
};
navigator.mediaDevices.enumerateDevices = async () => [];
"""

HEARD_HZ = """async (name) => {
  const tiles = [...document.querySelectorAll(".tile")];
  const video = tiles.find((tile) => tile.textContent.includes(name))?.querySelector("video");
  const stream = video?.srcObject;
  if (!stream?.getAudioTracks().length) return -1;
  const context = new AudioContext();
  const source = context.createMediaStreamSource(stream);
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  source.connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 600));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const loudest = bins.indexOf(Math.max(...bins));
  const hz = bins[loudest] > -60 ? (loudest * context.sampleRate) / analyser.fftSize : 0;
  await context.close();
  return hz;
}"""


@define
class Visitor:
    """Somebody at a page of the site."""

    browser: Browser
    page: Any
    troubles: list[str]

    async def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.browser.call(getattr(self.page, method), *args, **kwargs)

    async def see(self, selector: str, **kwargs: Any) -> None:
        await self.do("wait_for_selector", selector, timeout=15_000, **kwargs)

    async def text(self, selector: str) -> str:
        return str(await self.do("inner_text", selector)).strip()

    async def join(self, link: str, name: str) -> None:
        await self.do("goto", link)
        await self.see("#green-room")
        await self.do("fill", "#name", name)
        await self.do("click", "#join")

    async def heard_hz(self, name: str) -> float:
        """The loudest frequency in the sound that comes from a person, 0 for silence."""
        return float(await self.do("evaluate", HEARD_HZ, name))

    async def people(self) -> dict[str, dict[str, str]]:
        script = "() => [...document.querySelectorAll('#people li')].map((e) => ({...e.dataset}))"
        return {entry["name"]: entry for entry in await self.do("evaluate", script)}


@define
class House:
    """A browser with pages in it."""

    browser: Browser

    async def visitor(
        self, *, tone_hz: int | None = None, width: int = 1280, height: int = 800
    ) -> Visitor:
        context = await self.browser.call(
            self.browser.raw.new_context, viewport={"width": width, "height": height}
        )
        page = await self.browser.call(context.new_page)
        if tone_hz is not None:
            await self.browser.call(page.add_init_script, TONE_AS_MICROPHONE % tone_hz)
        troubles: list[str] = []
        await self.browser.sync(page.on, "pageerror", lambda error: troubles.append(str(error)))
        return Visitor(self.browser, page, troubles)


@asynccontextmanager
async def open_house() -> AsyncIterator[House]:
    async with open_browser(OPTIONS) as browser:
        yield House(browser)


@pytest.fixture
def house(browser: Browser) -> House:
    return House(browser)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


@define
class Lobby:
    """The host of a room, without a browser: acts on the room itself."""

    site: Site
    room_id: str
    host: str = "host"

    def enter(self) -> None:
        """Come in as a host."""
        key = self.site.hub.rooms[self.room_id].host_key
        self.do(Arrive(member_id=self.host, name="Hana Host", host_key=key))

    def do(self, action: Any) -> None:
        self.site.hub.perform(self.room_id, action)

    async def knocker(self) -> str:
        """Wait until somebody waits there; return their id."""
        await until(lambda: bool(self.site.hub.rooms[self.room_id].waiting), timeout_s=30)
        return self.site.hub.rooms[self.room_id].waiting[0].id


def write_tone(path: Path, hz: float, seconds: float) -> Path:
    """Write a tone as a recording for a script."""
    at = np.arange(int(seconds * 16_000)) / 16_000
    pcm = (9_000 * np.sin(2 * np.pi * hz * at)).astype("<i2")
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(pcm.tobytes())
    return path


ADA = Person(id="ada", name="Ada Lindqvist", host=True)
BEN = Person(id="ben", name="Ben Okafor")


def tone_line(folder: Path, who: str, hz: float, at_s: float, seconds: float = 1.5) -> Line:
    """Return a line that is a tone."""
    audio = write_tone(folder / f"{who}-{hz:g}.wav", hz, seconds)
    return Line(who=who, at_s=at_s, text="a tone", duration_s=seconds, audio=audio)
