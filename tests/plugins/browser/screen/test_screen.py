"""A real virtual screen, a Chromium on it, its recording; and the tab's where there is none."""

from __future__ import annotations

import io
import itertools
import os
import signal
import stat
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
import trio

from meetcore.model.signals import PictureHealth, StepWorked
from meetcore.plugin.platform import CallRequest
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.screen import screen as screens
from meetcore_browser.screen.screen import ScreenFailed, open_screen
from meetcore_browser.testing import KeepingCallEvents, PageSite, until

pytestmark = pytest.mark.browser

FLASHES = """<!doctype html><body style="margin:0;background:#b01010;overflow:hidden">
<h1 style="padding:120px"></h1><script>
  // Every second 200 ms of blue, by the clock of the wall.
  setInterval(() => {
    document.body.style.background = Date.now() % 1000 < 200 ? "#1010b0" : "#b01010";
  }, 5);
  const count = (ms) => {
    document.querySelector("h1").textContent = Math.round(ms);
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
</script>"""


@asynccontextmanager
async def recorded(
    site: PageSite, request: CallRequest, events: KeepingCallEvents
) -> AsyncIterator[BotPage]:
    site.add("/flashes", FLASHES)
    async with open_page(request, events) as page, trio.open_nursery() as nursery:
        nursery.start_soon(page.watch)
        await page.goto(site.url("/flashes"))
        page.begin_video()
        yield page
        nursery.cancel_scope.cancel()


@pytest.fixture
def request_video(tmp_path: Any) -> CallRequest:
    return CallRequest(
        bot_id="bot",
        display_name="Notes",
        folder=tmp_path / "bot",
        video=True,
        plugins={"browser": {"video_size": "360p", "video_frames_per_s": 20}},
    )


def played(events: KeepingCallEvents) -> list[tuple[float, str]]:
    """Return the pictures by time on the sound's clock, each by its colour."""
    times, found = [fragment["at_s"] for fragment in events.fragments], []
    with av.open(io.BytesIO(b"".join(f["data"] for f in events.fragments)), format="h264") as c:
        for at_s, frame in zip(times, c.decode(video=0), strict=True):
            if at_s < times[0] + 1.0:
                continue  # the window is still growing
            pixels = frame.to_ndarray(format="rgb24")
            assert pixels.shape == (360, 640, 3)
            corners = [pixels[y, x] for y in (2, 357) for x in (2, 637)]
            red, _, blue = np.mean(corners, axis=0)
            assert (
                max(np.abs(np.subtract(each, corners[0].astype(int))).max() for each in corners)
                < 60
            )
            found.append((at_s, "blue" if blue > red else "red"))
    return found


def wall_of_sound(page: BotPage) -> float:
    """Return when the sound's clock stood at zero, in seconds since the epoch."""
    at_zero = page.capture.sound_time(0.0)
    assert at_zero is not None
    return -at_zero


@pytest.mark.parametrize("way", ["screen", "tab"])
async def test_what_the_page_shows_is_recorded_on_the_sounds_clock(
    site: PageSite,
    request_video: CallRequest,
    events: KeepingCallEvents,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    if way == "tab":
        monkeypatch.setattr(screens, "xvfb_path", lambda: None)
    async with recorded(site, request_video, events) as page:
        await until(lambda: len(events.fragments) > 100, 40)
        zero = wall_of_sound(page)
        said = [step.detail for step in events.of_type(StepWorked) if step.name == "video"]
    assert bool(said) is (way == "tab")
    assert {f["container"] for f in events.fragments} == {"video/H264"}
    pictures = played(events)
    times = [fragment["at_s"] for fragment in events.fragments]
    assert times == sorted(times)
    turned = [
        (zero + now[0]) % 1.0
        for before, now in itertools.pairwise(pictures)
        if (before[1], now[1]) == ("red", "blue")
    ]
    assert len(turned) >= 2
    # A picture lasts 50 ms, and a machine that is busy shows it later; the middle is what counts.
    assert np.median([(each + 0.5) % 1.0 - 0.5 for each in turned]) == pytest.approx(0.05, abs=0.1)
    assert len(times) / (times[-1] - times[0]) > 8


async def test_a_recorder_that_dies_is_told_and_another_goes_on(
    site: PageSite, request_video: CallRequest, events: KeepingCallEvents
) -> None:
    async with recorded(site, request_video, events) as page:
        await until(lambda: len(events.fragments) > 10, 40)
        assert page.video is not None
        pid = page.video.recorder_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: len(events.of_type(PictureHealth)) == 1)
        so_far = len(events.fragments)
        await until(lambda: len(events.fragments) > so_far + 10, 40)
        await page.evaluate("() => 1")
    health = [(each.healthy, each.detail) for each in events.of_type(PictureHealth)]
    assert health[0][0] is False
    assert "broke off" in health[0][1]
    assert health[1][0] is True


async def test_nothing_of_a_screen_is_left() -> None:
    async with open_screen(320, 200) as screen:
        socket = trio.Path(f"/tmp/.X11-unix/X{screen.display.removeprefix(':')}")
        assert await socket.exists()
    assert not await socket.exists()


async def test_a_screen_that_cannot_be_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ScreenFailed, match="no Xvfb") as caught:
        async with open_screen(320, 200):
            pass
    assert "xvfb" in caught.value.remedy
    monkeypatch.setattr(screens, "xvfb_path", lambda: "/bin/false")
    with pytest.raises(ScreenFailed, match="did not start"):
        async with open_screen(320, 200):
            pass


async def test_a_recorder_that_hangs_is_told_and_another_goes_on(
    site: PageSite, request_video: CallRequest, events: KeepingCallEvents
) -> None:
    async with recorded(site, request_video, events) as page:
        await until(lambda: len(events.fragments) > 10, 40)
        assert page.video is not None
        pid = page.video.recorder_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: bool(events.of_type(PictureHealth)), 20)
        so_far = len(events.fragments)
        await until(lambda: len(events.fragments) > so_far + 10, 40)
        assert page.video.recorder_pid != pid
    [told, over] = events.of_type(PictureHealth)
    assert (told.healthy, over.healthy) == (False, True)
    assert "hangs" in told.detail


async def test_a_tab_is_recorded_on_when_its_page_was_loaded_again(
    site: PageSite,
    request_video: CallRequest,
    events: KeepingCallEvents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screens, "xvfb_path", lambda: None)
    async with recorded(site, request_video, events) as page:
        await until(lambda: len(events.fragments) > 10, 40)
        await page.evaluate("() => location.reload()")
        await until(lambda: len(events.of_type(PictureHealth)) == 1, 20)
        so_far = len(events.fragments)
        await until(lambda: len(events.fragments) > so_far + 10, 40)
    assert [each.healthy for each in events.of_type(PictureHealth)] == [False, True]
    times = [fragment["at_s"] for fragment in events.fragments]
    assert times == sorted(times)


async def test_a_tab_is_recorded_once_however_often_it_is_asked(
    site: PageSite,
    request_video: CallRequest,
    events: KeepingCallEvents,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screens, "xvfb_path", lambda: None)
    site.add("/flashes", FLASHES)
    ask = """(wanted) => {
      const { tabVideo } = window[Symbol.for("meetcore")];
      return Promise.all([tabVideo(wanted), tabVideo(wanted)]);
    }"""
    wanted = {"width": 640, "height": 360, "rate": 20}
    async with open_page(request_video, events) as page, trio.open_nursery() as nursery:
        nursery.start_soon(page.watch)
        await page.goto(site.url("/flashes"))
        assert await page.evaluate(ask, wanted) == [None, None]
        await until(lambda: len(events.fragments) > 10, 40)
        assert await page.evaluate(ask, None) == [None, None]
        await trio.sleep(0.5)
        so_far = len(events.fragments)
        await trio.sleep(1.5)
        assert len(events.fragments) == so_far
        nursery.cancel_scope.cancel()


async def answer_of(display: str, name: bytes, cookie: bytes) -> int:
    """Return the first byte of what a screen says to who wants in: 1 for yes, 0 for no."""
    padded = [part + bytes(-len(part) % 4) for part in (name, cookie)]
    setup = struct.pack("<cxHHHHxx", b"l", 11, 0, len(name), len(cookie)) + b"".join(padded)
    path = f"/tmp/.X11-unix/X{display.removeprefix(':')}"
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(setup)
        return (await stream.receive_some(1))[0]


async def test_a_screen_lets_in_who_has_its_cookie_and_nobody_else() -> None:
    name = b"MIT-MAGIC-COOKIE-1"
    async with open_screen(320, 200) as screen:
        kept = screen.authority.stat()
        assert stat.S_IMODE(kept.st_mode) == 0o600
        cookie = screen.authority.read_bytes()[-16:]
        with trio.fail_after(10):
            assert await answer_of(screen.display, name, cookie) == 1
            assert await answer_of(screen.display, name, bytes(16)) == 0
            assert await answer_of(screen.display, b"", b"") == 0
    assert not screen.authority.exists()


LATE = """async () => {{
  const stream = document.createElement("canvas").captureStream(1);
  let give;
  navigator.mediaDevices.getDisplayMedia = () => new Promise((resolve) => (give = resolve));
  let tabVideo;
  const offer = (_, command) => (tabVideo = command);
  const meetcore = {{ offer, tellHost() {{}}, soundFrame: () => null }};
  const setTimeout = (call, ms) => window.setTimeout(call, ms / 100);
  {script}
  const said = await tabVideo({{ width: 640, height: 360, rate: 5 }});
  give(stream);
  await new Promise((resolve) => window.setTimeout(resolve, 10));
  return [said, stream.getVideoTracks()[0].readyState];
}}"""


async def test_a_capture_of_the_tab_that_comes_too_late_is_ended(
    browser: Browser, site: PageSite
) -> None:
    script = (PAGE_FOLDER / "tab_video.js").read_text(encoding="utf-8")
    context = await browser.call(browser.raw.new_context)
    page = await browser.call(context.new_page)
    await browser.call(page.goto, site.url("/bot"))
    said, state = await browser.call(page.evaluate, LATE.format(script=script))
    await browser.call(context.close)
    assert "nobody accepted" in said
    assert state == "ended"
