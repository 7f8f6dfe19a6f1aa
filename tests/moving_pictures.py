"""A small moving picture as H.264, for tests of what records and plays one."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np

FRAMES_PER_S = 10
SIZE = (160, 96)


@cache
def pictures(seconds: float, flash_every_s: float = 2.0) -> tuple[bytes, ...]:
    """Return access units of grey pictures, of which one is white now and then; keys every 2 s."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAMES_PER_S), Fraction(FRAMES_PER_S)
    keys = 2 * FRAMES_PER_S
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={keys}:min-keyint={keys}:scenecut=0",
    }
    units = []
    for number in range(round(seconds * FRAMES_PER_S)):
        flash = number % round(flash_every_s * FRAMES_PER_S) == FRAMES_PER_S // 2
        pixels = np.full((SIZE[1], SIZE[0], 3), 250 if flash else 60 + number % 20, np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number
        units += [bytes(packet) for packet in encoder.encode(frame)]
    units += [bytes(packet) for packet in encoder.encode(None)]
    assert len(units) == round(seconds * FRAMES_PER_S)
    return tuple(units)
