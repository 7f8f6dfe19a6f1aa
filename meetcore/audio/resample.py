"""Any sample rate to 16 kHz, or to another, as a stream, exact in its sample count.

soxr holds a few milliseconds back and gives back blocks of uneven length. What counts
here is position: a stretch that begins at sample `a` and ends at `b` of the source gives exactly
`position(b) - position(a)` samples, however it was cut into chunks.
"""

from __future__ import annotations

import numpy as np
import soxr

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm

__all__ = ["BareResampler", "Resampler", "position"]


def position(sample: int, sample_rate_hz: int, to_hz: int = SAMPLE_RATE_HZ) -> int:
    """Return the sample index at `to_hz` at which `sample` of another rate lies, rounded down."""
    return sample * to_hz // sample_rate_hz


class Resampler:
    """Turns the chunks of one track into those of another rate.

    Args:
        sample_rate_hz: The rate of the chunks to come.
        quality: A soxr quality; HQ puts aliases 146 dB down.
        to_hz: The rate that is wanted.
    """

    def __init__(
        self, sample_rate_hz: int, quality: str = "HQ", to_hz: int = SAMPLE_RATE_HZ
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.to_hz = to_hz
        self._quality = quality
        self._stream: soxr.ResampleStream | None = None
        self._next_in = 0
        self._next_out = 0

    def feed(self, chunk: Chunk) -> list[Chunk]:
        """Return what can be given by now, ending the stretch first if there is a hole."""
        out: list[Chunk] = []
        if self._stream is not None and chunk.start_sample != self._next_in:
            out += self.flush(chunk.track_id)
        if self._stream is None:
            self._stream = soxr.ResampleStream(
                self.sample_rate_hz, self.to_hz, 1, dtype="int16", quality=self._quality
            )
            self._next_in = chunk.start_sample
            self._next_out = position(chunk.start_sample, self.sample_rate_hz, self.to_hz)
        self._next_in = chunk.end_sample
        pcm = self._stream.resample_chunk(chunk.pcm)
        room = position(self._next_in, self.sample_rate_hz, self.to_hz) - self._next_out
        return out + self._emit(chunk.track_id, pcm[:room])

    def flush(self, track_id: str) -> list[Chunk]:
        """End the stretch: return the rest of it, to the exact count."""
        if self._stream is None:
            return []
        tail = self._stream.resample_chunk(np.zeros(0, np.int16), last=True)
        self._stream = None
        missing = position(self._next_in, self.sample_rate_hz, self.to_hz) - self._next_out
        if len(tail) < missing:
            tail = np.concatenate([tail, np.zeros(missing - len(tail), np.int16)])
        return self._emit(track_id, tail[:missing])

    def _emit(self, track_id: str, pcm: Pcm) -> list[Chunk]:
        if not len(pcm):
            return []
        chunk = Chunk(track_id, self._next_out, pcm, self.to_hz)
        self._next_out = chunk.end_sample
        return [chunk]


class BareResampler:
    """Turns a bare stream of int16 mono samples into one of another rate; blocks meet seamlessly.

    Args:
        to_hz: The rate that is wanted.
        sample_rate_hz: The rate of what comes.
    """

    def __init__(self, to_hz: int, sample_rate_hz: int = SAMPLE_RATE_HZ) -> None:
        self._stream = (
            None
            if to_hz == sample_rate_hz
            else soxr.ResampleStream(sample_rate_hz, to_hz, 1, dtype="int16")
        )

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Return what can be given by now; with `last` all of it, and nothing may follow."""
        if self._stream is None or not (pcm or last):
            return pcm
        out: bytes = self._stream.resample_chunk(np.frombuffer(pcm, "<i2"), last=last).tobytes()
        return out
