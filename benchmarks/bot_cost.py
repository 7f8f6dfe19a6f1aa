"""What a bot costs in a real video room (Janus), beside the same page as a plain browser shows it.

Everybody in the room sends a tone and 640×360 video at 24 frames a second, from another browser
that is not counted. CPU: of all processes of the bot's browser, as per cent of a core, over eight
seconds in the call; the plain browser shows the same page with the same people. Memory: PSS of the
browser and its driver. Link → in call: from opening a page in a browser that runs until the call is
there, beside a bare script that does the same clicks. Needs root, and Debian's janus.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import trio

from benchmarks.figures import Figure, report, spread
from benchmarks.served import memory_bytes
from meetcore import Admitted, CallRequest
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.finder import find_chromium
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_janus.joiner import JanusJoiner
from meetcore_janus.platform import JanusPlatform
from tests.plugins.janus.janus_server import JanusServer, cannot_serve, serving_janus

QUICK = "--quick" in sys.argv
PEOPLE = (1,) if QUICK else (1, 4)
RUNS = 1 if QUICK else 3
WINDOW_S = 2.0 if QUICK else 8.0
SETTLE_S = 3.0
CAMERA = """
navigator.mediaDevices.getUserMedia = async () => {
  const audio = new AudioContext();
  const tone = new OscillatorNode(audio, { frequency: 440 });
  const out = new MediaStreamAudioDestinationNode(audio);
  tone.connect(out);
  tone.start();
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const paint = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    turn += 7;
    paint.fillStyle = `hsl(${turn % 360} 80% 50%)`;
    paint.fillRect(turn % 640, 0, 90, 360);
  }, 1000 / 24);
  return new MediaStream([...out.stream.getTracks(), ...canvas.captureStream(24).getTracks()]);
};
"""


async def _join(browser: Browser, url: str, name: str, script: str | None = None) -> Any:
    """Do what a person does on the page; return it."""
    context = await browser.call(browser.raw.new_context)
    page = await browser.call(context.new_page)
    if script is not None:
        await browser.call(page.add_init_script, script=script)
    await browser.call(page.goto, url)
    await browser.call(page.click, "#start")
    await browser.call(page.fill, "#username", name)
    await browser.call(page.click, "#register")
    await browser.call(page.wait_for_selector, "#videos", state="visible")
    return page


def _processes(browser: Browser) -> list[psutil.Process]:
    driver = psutil.Process(browser.driver.pid or os.getpid())
    return driver.children(recursive=True)


def _cpu_s(browser: Browser) -> float:
    times = [process.cpu_times() for process in _processes(browser)]
    return sum(each.user + each.system for each in times)


async def _share(browser: Browser) -> float:
    """Return the per cent of a core that a browser takes now."""
    await trio.sleep(SETTLE_S)
    before, began = _cpu_s(browser), time.monotonic()
    await trio.sleep(WINDOW_S)
    return 100 * (_cpu_s(browser) - before) / (time.monotonic() - began)


def _memory_mb(browser: Browser) -> float:
    pids = [browser.driver.pid or os.getpid(), *(process.pid for process in _processes(browser))]
    return sum(memory_bytes(pid) for pid in pids) / 1024 / 1024


@asynccontextmanager
async def _bot(browser: Browser, url: str, folder: Path) -> AsyncIterator[float]:
    """Have a bot in the call; yield how long it took from the link."""
    platform, events = JanusPlatform(), KeepingCallEvents()
    link = platform.parse(url)
    assert link is not None
    joiner = JanusJoiner(GuestOptions(), platform.chosen_pack().pack)
    request = CallRequest(bot_id="bot", display_name="Notes", folder=folder)
    began = time.monotonic()
    async with open_guest_call(
        joiner, link, request, events, platform.capabilities, browser=browser
    ):
        await until(lambda: bool(events.of_type(Admitted)), 30)
        yield time.monotonic() - began


async def _with_people(server: JanusServer, people: int) -> dict[str, float]:
    """Return what a bot and a plain browser cost beside some people."""
    room = server.request(request="create", publishers=6, secret="s", bitrate=500_000)["room"]
    url = server.link(room)
    options = LaunchOptions(chromium=str(server.chromium))
    async with AsyncExitStack() as stack:
        crowd = await stack.enter_async_context(open_browser(options))
        for number in range(people):
            page = await _join(crowd, url, f"Person{number}", CAMERA)
            await crowd.call(page.wait_for_selector, "#mute")
        figures: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as folder:
            async with (
                open_browser(options) as browser,
                _bot(browser, url, Path(folder)) as joined_s,
            ):
                figures["bot in call"] = joined_s
                figures["bot cpu"] = await _share(browser)
                figures["bot memory"] = _memory_mb(browser)
        async with open_browser(options) as browser:
            began = time.monotonic()
            await _join(browser, f"{url}&subscriber-mode=yes", "Plain")
            figures["plain in call"] = time.monotonic() - began
            figures["plain cpu"] = await _share(browser)
            figures["plain memory"] = _memory_mb(browser)
    server.request(request="destroy", room=room, secret="s")
    return figures


def measure() -> list[Figure]:
    """Return the figures."""
    if trouble := cannot_serve():
        print(f"bot_cost is left out: {trouble}", file=sys.stderr)
        return []
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_janus(Path(folder, "janus"), find_chromium().path) as server,
    ):
        for people in PEOPLE:
            runs = [trio.run(_with_people, server, people) for _ in range(RUNS)]
            figures += _figures(runs, people)
    return figures


def _figures(runs: list[dict[str, float]], people: int) -> list[Figure]:
    who = f"{people} with video"
    ratios = [run["bot cpu"] / run["plain cpu"] for run in runs]
    bound = 0.40 if people >= 4 else None
    return [
        spread(f"{who}: bot", "% of a core", [run["bot cpu"] for run in runs]),
        spread(f"{who}: plain browser", "% of a core", [run["plain cpu"] for run in runs]),
        spread(f"{who}: CPU, bot ÷ plain", "", ratios, at_most=bound),
        spread(
            f"{who}: bot's browser and driver",
            "MB",
            [run["bot memory"] for run in runs],
            at_most=350 if people >= 4 else None,
        ),
        spread(f"{who}: plain browser and driver", "MB", [run["plain memory"] for run in runs]),
        spread(f"{who}: link → in call", "s", [run["bot in call"] for run in runs]),
        spread(f"{who}: a bare script's clicks", "s", [run["plain in call"] for run in runs]),
    ]


if __name__ == "__main__":
    report(measure())
