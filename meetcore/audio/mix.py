"""Many tracks to one, on the sample clock they share.

`Mixer` is the arithmetic. `CallMix` is what whoever wants all tracks of a call as one uses: it
knows when a track is not to be waited for, and when a hole is too long to be silence.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.model.events import Event, TrackClosed, TrackOpened

__all__ = ["BareMix", "CallMix", "Mixer"]


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


class CallMix:
    """All tracks of a call as one: chunks in, chunks of the mix out, without overlaps.

    A short hole is silence. One that is longer than `longest_hole_s` is left out, and the mix goes
    on after it, on the same clock: nobody wants the minutes of an outage as silence, all at once.
    A track is waited for, a second at most, until it has brought nothing for `absent_s`.

    Args:
        track_id: What the chunks of the mix have as their track.
        longest_hole_s: The longest hole that is filled with silence.
        absent_s: A track that has brought nothing for so long is not waited for at all.

    Attributes:
        late_samples: How many samples came too late to be in the mix.
    """

    def __init__(
        self, track_id: str = "mix", longest_hole_s: float = 2.0, absent_s: float = 1.0
    ) -> None:
        self.late_samples = 0
        self._track_id = track_id
        self._longest_hole = round(longest_hole_s * SAMPLE_RATE_HZ)
        self._absent = round(absent_s * SAMPLE_RATE_HZ)
        self._mixer: Mixer | None = None
        self._open: set[str] = set()
        self._closed: set[str] = set()
        self._ends: dict[str, int] = {}
        self._foremost = 0
        self._given_to = 0

    def add(self, chunk: Chunk) -> list[Chunk]:
        """Take a chunk, 16 kHz; return what of the mix is settled."""
        before: list[Chunk] = []
        if self._mixer is not None and chunk.start_sample - self._foremost > self._longest_hole:
            before = self.rest()
        mixer = self._mixer
        if mixer is None:
            # What was handed out is not added to: a track that lags brings the rest too late.
            mixer = self._mixer = Mixer(max(chunk.start_sample, self._given_to))
            for track_id in self._open:
                self._expect(mixer, track_id, mixer.position)
        late = mixer.late_samples
        mixer.add(chunk)
        self.late_samples += mixer.late_samples - late
        self._arrived(mixer, chunk.track_id, chunk.end_sample)
        return before + self._settled(mixer)

    def skip(self, track_id: str, start_sample: int, samples: int) -> list[Chunk]:
        """Note that a track has nothing there; return what of the mix is settled."""
        end = start_sample + samples
        if self._mixer is None:
            return []
        if end - self._foremost > self._longest_hole:
            return self.rest()
        self._mixer.skip(track_id, end)
        self._arrived(self._mixer, track_id, end)
        return self._settled(self._mixer)

    def take(self, event: Event) -> None:
        """Follow the tracks, where there are events to follow: one that opened is waited for."""
        if isinstance(event, TrackOpened):
            self.open_track(event.track_id)
        elif isinstance(event, TrackClosed):
            self.close_track(event.track_id)

    def open_track(self, track_id: str) -> None:
        """Wait for a track that is about to bring something."""
        if track_id not in self._open:
            self._open.add(track_id)
            if self._mixer is not None:
                self._expect(self._mixer, track_id, self._mixer.position)

    def _expect(self, mixer: Mixer, track_id: str, start_sample: int) -> None:
        mixer.open_track(track_id, start_sample)
        self._ends[track_id] = start_sample

    def close_track(self, track_id: str) -> None:
        """Take it that a track brings no more than what comes right now."""
        self._closed.add(track_id)
        self._open.discard(track_id)
        if self._mixer is not None:
            self._mixer.close_track(track_id)

    def rest(self) -> list[Chunk]:
        """Return everything there is; a later chunk begins anew."""
        mixer, self._mixer = self._mixer, None
        self._ends.clear()
        if mixer is None:
            return []
        position = mixer.position
        return self._chunks(position, mixer.rest())

    def _arrived(self, mixer: Mixer, track_id: str, end: int) -> None:
        self._ends[track_id] = end
        self._foremost = max(self._foremost, end)
        if track_id in self._closed:
            mixer.close_track(track_id)
        for other, last in list(self._ends.items()):
            if last < self._foremost - self._absent:
                del self._ends[other]
                mixer.close_track(other)

    def _settled(self, mixer: Mixer) -> list[Chunk]:
        position = mixer.position
        return self._chunks(position, mixer.settled())

    def _chunks(self, position: int, pcm: Pcm) -> list[Chunk]:
        self._given_to = max(self._given_to, position + len(pcm))
        return [Chunk(self._track_id, position, pcm)] if len(pcm) else []


class BareMix:
    """A `CallMix` as bare samples: int16, mono, little-endian, 16 kHz, nothing around them."""

    def __init__(self) -> None:
        self._mix = CallMix()

    def add(self, chunk: Chunk) -> bytes:
        """Take a chunk; return what is settled."""
        return _bare(self._mix.add(chunk))

    def skip(self, track_id: str, start_sample: int, samples: int) -> bytes:
        """Note a hole in a track; return what is settled."""
        return _bare(self._mix.skip(track_id, start_sample, samples))

    def take(self, event: Event) -> None:
        """Follow the tracks: one that opened is waited for."""
        self._mix.take(event)

    def rest(self) -> bytes:
        """Return everything there is; a later chunk begins anew."""
        return _bare(self._mix.rest())


def _bare(chunks: Iterable[Chunk]) -> bytes:
    return b"".join(chunk.pcm.astype("<i2").tobytes() for chunk in chunks)
