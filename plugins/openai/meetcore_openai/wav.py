"""An utterance as a WAV file in memory."""

from __future__ import annotations

import io
import wave

import numpy as np

from meetcore import SAMPLE_RATE_HZ, Pcm

__all__ = ["SHORTEST_S", "wav_file"]

SHORTEST_S = 0.3
"""Shorter sound is filled up with silence: OpenAI refuses what is below 0.1 s."""


def wav_file(pcm: Pcm) -> bytes:
    """Return 16-bit mono sound at 16 kHz as a WAV file, at least `SHORTEST_S` long."""
    missing = round(SHORTEST_S * SAMPLE_RATE_HZ) - len(pcm)
    if missing > 0:
        pcm = np.concatenate([pcm, np.zeros(missing, np.int16)])
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return buffer.getvalue()
