"""Steady sound: hum, a fan's whistle, a ringing tone. A voice detector takes them for speech.

Nobody speaks for most of a second without a change of loudness or of the spectrum's shape; a
machine does. Blocks of 100 ms are compared in 24 bands and in level. What stays the same for 800 ms
(short rings last a second) is steady, and is known again when it comes back, as a ringing tone does
after each pause. Music changes like speech, and passes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meetcore.audio.chunk import SAMPLE_RATE_HZ

__all__ = ["BLOCK_FRAMES", "SteadySound"]

BLOCK_FRAMES = 5
"""How many 20 ms frames are looked at together."""

_BLOCK = BLOCK_FRAMES * SAMPLE_RATE_HZ // 50
_EDGES = np.unique(np.geomspace(8, _BLOCK // 2, 25).astype(int))
_WINDOW = np.hanning(_BLOCK).astype(np.float32)
_FLOOR_DB = 30.0
_SAME_SHAPE_DB = 3.0
_SAME_LEVEL_DB = 1.5
_STEADY_AFTER = 8

Shape = NDArray[np.float64]


def _look(block: bytes) -> tuple[Shape, float]:
    """Return a block's spectrum in dB below its loudest band, and its level in dB."""
    sound = np.frombuffer(block, np.int16).astype(np.float32) * _WINDOW
    power = np.abs(np.fft.rfft(sound)) ** 2
    bands = 10 * np.log10(np.add.reduceat(power, _EDGES[:-1]) + 1.0)
    level = float(bands.max())
    return np.maximum(bands - level, -_FLOOR_DB), level


class SteadySound:
    """Says of each block whether it goes on as those before it, or as steady sound once did.

    Pure: a function of the blocks.
    """

    def __init__(self) -> None:
        self._alike: list[tuple[Shape, float]] = []
        self._known: tuple[Shape, float] | None = None

    def take(self, block: bytes) -> bool:
        """Take the next 100 ms (int16 mono, 16 kHz); return whether they are steady sound."""
        seen = _look(block)
        if self._known is not None and _same(seen, self._known):
            return True
        if self._alike and not _same(seen, self._alike[0]):
            self._alike.clear()
        self._alike.append(seen)
        if len(self._alike) < _STEADY_AFTER:
            return False
        shapes, levels = zip(*self._alike, strict=True)
        self._known = np.mean(shapes, axis=0), float(np.mean(levels))
        self._alike.clear()
        return True

    def forget(self) -> None:
        """Begin anew: there was quiet, or a hole. What is known stays known."""
        self._alike.clear()


def _same(one: tuple[Shape, float], other: tuple[Shape, float]) -> bool:
    if abs(one[1] - other[1]) > _SAME_LEVEL_DB:
        return False
    return float(np.sqrt(np.mean((one[0] - other[0]) ** 2))) <= _SAME_SHAPE_DB
