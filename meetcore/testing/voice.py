"""A synthetic voice: not words, but sound that a voice detector takes for speech."""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path

import numpy as np

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Pcm

__all__ = ["read_wav", "synthetic_voice"]


@lru_cache(maxsize=64)
def synthetic_voice(duration_s: float, pitch_hz: float = 120.0) -> Pcm:
    """Return voiced sound: a glottal-like tone with eleven harmonics and a syllable rhythm.

    Args:
        duration_s: Length in seconds.
        pitch_hz: Pitch; give each person their own.

    Returns:
        int16 mono at 16 kHz, peak about a third of full scale.
    """
    t = np.arange(round(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = np.zeros(len(t))
    wobble = 0.3 * np.sin(2 * np.pi * 3 * t)
    for harmonic in range(1, 12):
        sound += np.sin(harmonic * (2 * np.pi * pitch_hz * t + wobble)) / harmonic
    syllables = 0.75 + 0.25 * np.sin(2 * np.pi * 4 * t)
    return (sound * syllables * 5000).astype(np.int16)


@lru_cache(maxsize=64)
def read_wav(path: Path) -> Pcm:
    """Return the samples of a 16 kHz mono 16-bit WAV file."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)
