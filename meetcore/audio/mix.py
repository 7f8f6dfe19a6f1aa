"""Many tracks to one, on the sample clock they share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm

__all__ = ["Mixer"]


class Mixer:
    """Adds up the tracks of a call. Pure: give it chunks in any order, take what is settled.

    The mix is settled up to where every open track has arrived; a track that lags more than
    `max_lag_s` behind the foremost is not waited for, and what it brings too late is left out
    of the mix (it is still in its own track).

    Args:
        start_sample: Where on the clock the mix begins.
        max_lag_s: How long to wait for a slow track.
    """

    def __init__(self, start_sample: int = 0, max_lag_s: float = 1.0) -> None:
        self._base = start_sample
        self._max_lag = int(max_lag_s * SAMPLE_RATE_HZ)
        self._sum: npt.NDArray[np.int32] = np.zeros(4 * SAMPLE_RATE_HZ, np.int32)
        self._ends: dict[str, int] = {}
        self._foremost = start_sample
        self.late_samples = 0

    @property
    def position(self) -> int:
        """Where on the clock the next settled sample lies."""
        return self._base

    def open_track(self, track_id: str, start_sample: int) -> None:
        """Expect audio of a track from `start_sample` on."""
        self._ends.setdefault(track_id, max(start_sample, self._base))

    def close_track(self, track_id: str) -> None:
        """Expect nothing more of a track."""
        self._ends.pop(track_id, None)

    def add(self, chunk: Chunk) -> None:
        """Add audio of a track, 16 kHz."""
        start, pcm = chunk.start_sample, chunk.pcm
        if start < self._base:
            late = min(self._base - start, len(pcm))
            self.late_samples += late
            start, pcm = start + late, pcm[late:]
        if len(pcm):
            at = start - self._base
            self._reserve(at + len(pcm))
            self._sum[at : at + len(pcm)] += pcm
        self._arrived(chunk.track_id, chunk.end_sample)

    def skip(self, track_id: str, end_sample: int) -> None:
        """Note that a track has nothing up to `end_sample`: lost, or kept back."""
        self._arrived(track_id, end_sample)

    def _arrived(self, track_id: str, end_sample: int) -> None:
        self._ends[track_id] = max(end_sample, self._ends.get(track_id, end_sample))
        self._foremost = max(self._foremost, end_sample)

    def _reserve(self, samples: int) -> None:
        if samples > len(self._sum):
            grown = np.zeros(max(samples, 2 * len(self._sum)), np.int32)
            grown[: len(self._sum)] = self._sum
            self._sum = grown

    def settled(self) -> Pcm:
        """Return, and forget, the mix up to where it cannot change any more."""
        horizon = min(self._ends.values(), default=self._foremost)
        return self._take(max(horizon, self._foremost - self._max_lag))

    def rest(self) -> Pcm:
        """Return, and forget, everything there is."""
        return self._take(self._foremost)

    def _take(self, horizon: int) -> Pcm:
        count = horizon - self._base
        if count <= 0:
            return np.zeros(0, np.int16)
        self._reserve(count)
        out = np.clip(self._sum[:count], -32768, 32767).astype(np.int16)
        left = self._foremost - horizon
        if left > 0:
            self._reserve(count + left)
            self._sum[:left] = self._sum[count : count + left].copy()
            self._sum[left : left + count] = 0
        else:
            self._sum[:count] = 0
        self._base = horizon
        return out
