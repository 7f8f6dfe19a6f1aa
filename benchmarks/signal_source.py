"""The sound every audio benchmark works on: voiced bursts of 1.5 s in every 2.5 s, faint noise."""

from __future__ import annotations

import numpy as np

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm

__all__ = ["bursts"]


def bursts(seconds: int) -> Pcm:
    """Return int16 mono 16 kHz sound of that length, the same at every call."""
    t = np.arange(SAMPLE_RATE_HZ * seconds) / SAMPLE_RATE_HZ
    voice = np.zeros(len(t))
    for harmonic in range(1, 12):
        wobble = 0.3 * np.sin(2 * np.pi * 3 * t)
        voice += np.sin(harmonic * (2 * np.pi * 120 * t + wobble)) / harmonic
    noise = np.random.default_rng(0).normal(0, 40, len(t))
    return np.clip(voice * ((t % 2.5) < 1.5) * 6000 + noise, -32767, 32767).astype(np.int16)
