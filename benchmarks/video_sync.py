"""Whether picture and sound of a recording stay together, measured with flashes and clicks.

A page in a real Chromium on the bot's own screen flashes and clicks together every two seconds, by
the clock of its sound; what the bot records of both goes into an MP4, as the sink `files` writes
it, with ten seconds of pause in the middle. Then the file is played, and each click is compared
with its flash. A picture is seen up to a picture's length after it was there (67 ms at 15 a
second), so half of that is the least there can be on an average. Drift is the slope of a line
through all of them.

`python -m benchmarks.video_sync --minutes 120`: as long as wanted.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import trio

from benchmarks.figures import Figure, report, spread
from meetcore import SAMPLE_RATE_HZ, CallRequest, Chunk, MediaFragment
from meetcore_browser.bot_page import open_page
from meetcore_browser.capture import CaptureOptions
from meetcore_browser.testing import KeepingCallEvents, serve_pages
from meetcore_files.options import FilesOptions
from meetcore_files.recorder import Recorder

MINUTES = 10.0
EVERY_S = 2.0
PAUSE_S = 10.0
PAGE = """<!doctype html><body style="margin:0;background:#000"><script>
  const audio = new AudioContext({ sampleRate: 16000 });
  const [EVERY, FLASH] = [2, 0.3];
  let next = 2;
  const click = () => {
    while (next < audio.currentTime + 1) {
      const tone = new OscillatorNode(audio, { frequency: 1000 });
      tone.connect(audio.destination);
      tone.start(next);
      tone.stop(next + 0.05);
      next += EVERY;
    }
  };
  setInterval(click, 200);
  setInterval(() => {
    const on = audio.currentTime > 1 && audio.currentTime % EVERY < FLASH;
    document.body.style.background = on ? "#fff" : "#000";
  }, 4);
</script>"""


class _Recording(KeepingCallEvents):
    """Hands everything to a recorder, but for a pause."""

    def __init__(self, recorder: Recorder, paused: tuple[float, float]) -> None:
        super().__init__()
        self._recorder = recorder
        self._paused = paused
        self.number = 0

    def _in_pause(self, at_s: float) -> bool:
        return self._paused[0] <= at_s < self._paused[1]

    def hear(self, chunk: Chunk) -> None:
        """Record sound."""
        if not self._in_pause(chunk.start_sample / SAMPLE_RATE_HZ):
            self._recorder.hear(chunk)

    def media(self, track_id: str, **fragment: Any) -> None:
        """Record a picture; after the pause the first has to stand alone, as for a sink."""
        if not self._in_pause(fragment["at_s"]):
            self._recorder.see(MediaFragment(track_id=track_id, number=self.number, **fragment))
        self.number += 1


async def _record(folder: Path, seconds: float) -> Path:
    recorder = Recorder(folder, FilesOptions(tracks=False, mix=False), 0, lambda file: None)
    middle = seconds / 2
    events = _Recording(recorder, (middle, middle + PAUSE_S))
    request = CallRequest(bot_id="bot", display_name="Notes", folder=folder / "bot", video=True)
    with serve_pages() as site:
        site.add("/together", PAGE)
        capture = CaptureOptions(web_audio="on")
        async with (
            open_page(request, events, capture=capture) as page,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(page.watch)
            await page.goto(site.url("/together"))
            page.begin_video()
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()
    await trio.to_thread.run_sync(recorder.close)
    return folder / "video.mp4"


def _begins(times: np.ndarray[Any, Any], on: np.ndarray[Any, Any]) -> list[float]:
    """Return when something begins that was not there for the half second before."""
    found: list[float] = []
    last = -1.0
    for at in times[on]:
        if at - last > EVERY_S / 4:
            found.append(float(at))
        last = float(at)
    return found


def _apart_s(path: Path) -> tuple[list[float], list[float]]:
    """Return when each click is, and how much later its flash is, in seconds."""
    with av.open(str(path)) as container:
        frames = [
            (float(frame.time or 0), float(frame.to_ndarray(format="gray")[::8, ::8].mean()))
            for frame in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        blocks = [
            (float(block.time or 0), np.abs(block.to_ndarray().reshape(-1)))
            for block in container.decode(audio=0)
        ]
    loud = np.concatenate([at + np.nonzero(pcm > 0.1)[0] / SAMPLE_RATE_HZ for at, pcm in blocks])
    clicks = np.array(_begins(loud, np.ones(len(loud), bool)))
    times, light = np.array(frames).T
    flashes = np.array(_begins(times, light > 128))
    at, apart = [], []
    for click in clicks:
        near = flashes[np.argmin(np.abs(flashes - click))]
        if abs(near - click) < EVERY_S / 2:
            at.append(float(click))
            apart.append(float(near - click))
    return at, apart


def measure(minutes: float = MINUTES) -> list[Figure]:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = trio.run(_record, Path(folder), minutes * 60)
        at, apart = _apart_s(path)
    ms = [1000 * each for each in apart]
    slope, _ = np.polyfit(np.array(at) / 3600, ms, 1)
    middle = float(np.median(ms))
    return [
        spread("recorded", "min", [minutes]),
        spread("flash after its click", "ms", ms),
        spread("largest distance of 99 in 100", "ms", [float(np.quantile(np.abs(ms), 0.99))],
               at_most=80),
        spread("jitter, 95 in 100 around the median", "ms",
               [float(np.quantile(np.abs(np.array(ms) - middle), 0.95))]),
        spread("drift", "ms an hour", [abs(float(slope))], at_most=40),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=MINUTES)
    report(measure(parser.parse_args().minutes))
