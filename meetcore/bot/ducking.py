"""Speaking more quietly while somebody else speaks. Pure."""

from __future__ import annotations

import numpy as np

__all__ = ["Ducking"]

RAMP_S = 0.02


class Ducking:
    """Lowers sound, without a click, while it is to be quiet.

    Args:
        duck_db: How much lower, in decibels.
        sample_rate_hz: The rate of the sound.
    """

    def __init__(self, duck_db: float, sample_rate_hz: int) -> None:
        self._low = 10.0 ** (-duck_db / 20.0)
        self._step = (1.0 - self._low) / max(1, round(RAMP_S * sample_rate_hz))
        self._gain = 1.0

    def take(self, pcm: bytes, *, quiet: bool) -> bytes:
        """Return int16 mono samples as they are to be heard."""
        target = self._low if quiet else 1.0
        if self._gain == target == 1.0:
            return pcm
        sound = np.frombuffer(pcm, "<i2").astype(np.float32)
        steps = np.arange(1, len(sound) + 1, dtype=np.float32) * self._step
        if target < self._gain:
            gains = np.maximum(self._gain - steps, target)
        else:
            gains = np.minimum(self._gain + steps, target)
        self._gain = float(gains[-1]) if len(gains) else self._gain
        if abs(self._gain - target) < 1e-6:
            self._gain = target
        lowered: bytes = (sound * gains).astype("<i2").tobytes()
        return lowered
