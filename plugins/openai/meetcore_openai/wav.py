"""WAV: an utterance as a file in memory, and the samples of a file that is still coming."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np

from meetcore import SAMPLE_RATE_HZ, Pcm

__all__ = ["SHORTEST_S", "WavStream", "wav_file"]

SHORTEST_S = 0.3
"""Shorter sound is filled up with silence: OpenAI refuses what is below 0.1 s."""


_LONGEST_HEAD_BYTES = 64 * 1024


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


class WavStream:
    """Takes the samples out of a WAV file while it comes, of 16 bits and one channel.

    The lengths in a file that is made as it is sent are often wrong; they are not heeded.

    Attributes:
        rate_hz: Its rate, None as long as that is not known.
    """

    def __init__(self) -> None:
        self.rate_hz: int | None = None
        self._head = b""
        self._in_data = False

    def feed(self, data: bytes) -> bytes:
        """Return the samples in what came.

        Raises:
            ValueError: It is no such file; with what it is.
        """
        if self._in_data:
            return data
        self._head += data
        if len(self._head) < 12:
            return b""
        if self._head[:4] != b"RIFF" or self._head[8:12] != b"WAVE":
            raise ValueError("it does not begin as one")
        at = 12
        while len(self._head) >= at + 8:
            name, size = self._head[at : at + 4], struct.unpack_from("<I", self._head, at + 4)[0]
            body = at + 8
            if name == b"data":
                if self.rate_hz is None:
                    raise ValueError("it does not say how its samples are")
                self._in_data = True
                return self._head[body:]
            if size > _LONGEST_HEAD_BYTES:
                raise ValueError("a part of its head is too long")
            if name == b"fmt " and len(self._head) >= body + 16:
                kind, channels, rate_hz = struct.unpack_from("<HHI", self._head, body)
                (bits,) = struct.unpack_from("<H", self._head, body + 14)
                if kind not in (1, 0xFFFE) or (channels, bits) != (1, 16):
                    raise ValueError(f"it has {channels} channels of {bits} bits, of kind {kind}")
                self.rate_hz = rate_hz
            at = body + size + size % 2
        if len(self._head) > _LONGEST_HEAD_BYTES:
            raise ValueError("its head is too long")
        return b""
