"""The worker that records a bot's screen: turns what an X display shows into H.264.

    python -m meetcore_browser.screen.worker DISPLAY WIDTH HEIGHT FRAMES_PER_S

A process of its own: encoding would keep the bot's event loop from everything else, and what goes
wrong here ends nothing but the picture. It ends with its input: whoever started it may have been
killed.

Time is this machine's clock: Xvfb's pictures are stamped with it by libavdevice, and the page's
sound is placed by it as well.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from fractions import Fraction
from typing import Any

from meetcore_browser.screen.frames import DELTA, KEY, packed, packed_news

__all__ = ["main"]

KEY_FRAME_S = 2
"""How often a picture stands by itself: as much is lost at most where a recording breaks off."""
CRF = 26
JUDGED_EVERY_S = 1.0
STALL_S = 10.0
DARK = 24
"""A picture is black where nothing is lighter, of 255: a video's black is 16."""


def _say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _news(**news: Any) -> None:
    _say(packed_news(time.time(), **news))


class PictureJudge:
    """Tells when a picture has not changed, or was black, for a while; and when that is over."""

    def __init__(self, stall_s: float = STALL_S) -> None:
        self._stall_s = stall_s
        self._before: bytes | None = None
        self._since: float | None = None
        self._judged_at = 0.0
        self._black = False
        self._told = ""

    def judge(self, at: float, sample: Any) -> dict[str, Any] | None:
        """Take a thinned-out picture (its luma); return what is news about it.

        Args:
            at: When it was seen, in seconds.
            sample: An array of bytes.
        """
        if at - self._judged_at < JUDGED_EVERY_S:
            return None
        self._judged_at = at
        black = int(sample.max(initial=0)) < DARK
        now = sample.tobytes()
        if now != self._before or black is not self._black:
            self._since = at
        self._before, self._black = now, black
        stalled_s = at - (self._since if self._since is not None else at)
        state = ("black" if black else "still") if stalled_s >= self._stall_s else ""
        if state == self._told:
            return None
        self._told = state
        return {"picture": state or "moving", "for_s": round(stalled_s, 1)}


def _encoder(width: int, height: int, rate: int) -> Any:
    import av

    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 1_000_000)
    encoder.framerate = Fraction(rate)
    keys = KEY_FRAME_S * rate
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": str(CRF),
        "threads": "1",
        "x264-params": f"keyint={keys}:min-keyint={keys}:scenecut=0",
    }
    return encoder


def _record(display: str, width: int, height: int, rate: int) -> None:
    import av
    from av.video.frame import PictureType
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()  # a frame's own would be made anew for each
    options = {"video_size": f"{width}x{height}", "framerate": str(rate), "draw_mouse": "0"}
    encoder, judge, last = _encoder(width, height, rate), PictureJudge(), -1
    screen: Any
    with av.open(display, format="x11grab", options=options) as screen:
        for frame in screen.decode(video=0):
            at = float(frame.pts * frame.time_base)
            picture = reformatter.reformat(frame, format="yuv420p")
            luma = memoryview(picture.planes[0])
            sample = _thinned(luma, picture.planes[0].line_size)
            if (told := judge.judge(time.monotonic(), sample)) is not None:
                _news(**told)
            picture.pts = last = max(last + 1, round(at * 1_000_000))
            picture.time_base = encoder.time_base
            # Raw pictures say that they stand alone, and each would be encoded so.
            picture.pict_type = PictureType.NONE
            for packet in encoder.encode(picture):
                _say(packed(KEY if packet.is_keyframe else DELTA, at, bytes(packet)))


def _thinned(luma: memoryview, line: int) -> Any:
    import numpy as np

    pixels = np.frombuffer(luma, np.uint8)
    return pixels[: len(pixels) // line * line].reshape(-1, line)[::8, ::8]


def main() -> None:
    """Record until the input ends."""
    width, height, rate = (int(argument) for argument in sys.argv[2:5])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        _record(sys.argv[1], width, height, rate)
    except (OSError, ValueError) as error:
        _news(failed=f"{type(error).__name__}: {error}")


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
