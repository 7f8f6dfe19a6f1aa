"""Packets of sound to chunks on one clock: what is silence, what is a loss, what came twice. Pure.

Zoom sends nothing of somebody who does not speak, and stamps packets with a time in milliseconds
that jitters. So a track follows its own samples as long as the stamps agree to within `JITTER_MS`,
a hole is silence, and only a hole that a broken connection made is a loss. What Zoom kept while the
connection was away comes late, with old stamps, and perhaps twice: it is put where it belongs, and
what was there already is cut off.
"""

from __future__ import annotations

import numpy as np
from attrs import define, field, frozen

from meetcore import Chunk
from meetcore_zoom_rtms.wire import AUDIO_RATE_HZ

__all__ = ["FILL_AFTER_MS", "JITTER_MS", "Clocks", "Hole", "Tracks"]

JITTER_MS = 60
FILL_AFTER_MS = 600
_LONGEST_FILL = 5 * AUDIO_RATE_HZ
_QUICKEST_OF_S = 10.0
_LONGEST_JUMP = 180 * AUDIO_RATE_HZ
_SAMPLES_PER_MS = AUDIO_RATE_HZ // 1000


@frozen
class Hole:
    """Sound of a track that a broken connection cost, in samples of the call's clock."""

    track_id: str
    start_sample: int
    samples: int


@define
class Clocks:
    """How Zoom's clock stands to ours, by the packets that were quickest in the last seconds.

    Packets are late by some and a changing amount, never early; and the two clocks drift apart.
    """

    _since: float | None = None
    _newest: float | None = None
    _before: float | None = None

    def saw(self, stamp_s: float, now_s: float) -> None:
        """Take the stamp of a packet and our time when it came, in seconds."""
        ahead = stamp_s - now_s
        if self._since is None or now_s - self._since > _QUICKEST_OF_S:
            self._since, self._before, self._newest = now_s, self._newest, ahead
        elif self._newest is None or ahead > self._newest:
            self._newest = ahead

    def stamp_at(self, now_s: float) -> float | None:
        """Return Zoom's time at a time of ours, None before the first packet."""
        if self._newest is None:
            return None
        ahead = self._newest if self._before is None else max(self._newest, self._before)
        return now_s + ahead


@define
class _TrackEnd:
    track_id: str
    end: int
    broken: bool = False


@define
class Tracks:
    """The tracks of one stream. Sample 0 is the time stamp of the first packet.

    Attributes:
        repeated: How many samples came a second time and were cut off.
    """

    _tracks: dict[str, _TrackEnd] = field(factory=dict)
    _origin_ms: int | None = None
    _interrupted: bool = False
    repeated: int = 0

    def sample_at(self, stamp_ms: int) -> int:
        """Return where a time stamp lies on the call's clock; before the first packet it is 0."""
        return 0 if self._origin_ms is None else (stamp_ms - self._origin_ms) * _SAMPLES_PER_MS

    def known(self, track_id: str) -> bool:
        """Whether a track has had a packet."""
        return track_id in self._tracks

    def take(self, track_id: str, stamp_ms: int, pcm: bytes) -> list[Chunk | Hole]:
        """Take a packet; return what of the track follows what was returned before.

        Args:
            track_id: The track.
            stamp_ms: The packet's time stamp.
            pcm: int16 mono at 16 kHz, little-endian.
        """
        if self._origin_ms is None:
            self._origin_ms = stamp_ms
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        start = self._believable(stamp_ms)
        track = self._tracks.get(track_id)
        if track is None:
            # Who speaks for the first time may have a stamp from before the first packet.
            cut = max(0, -start)
            self.repeated += min(cut, len(samples))
            samples, start = samples[cut:], max(0, start)
            track = self._tracks[track_id] = _TrackEnd(track_id, start)
        made: list[Chunk | Hole] = []
        ahead = start - track.end
        if ahead > JITTER_MS * _SAMPLES_PER_MS:
            made += self._bridge(track, start)
        elif ahead < -JITTER_MS * _SAMPLES_PER_MS:
            self.repeated += min(-ahead, len(samples))
            samples = samples[-ahead:]
        track.broken = False
        if len(samples):
            made.append(Chunk(track_id, track.end, samples, AUDIO_RATE_HZ))
            track.end += len(samples)
        return made

    def _believable(self, stamp_ms: int) -> int:
        """Return where a stamp lies; where it jumps by more than Zoom ever keeps, the clock did."""
        start = self.sample_at(stamp_ms)
        newest = self.newest_sample
        if self._tracks and abs(start - newest) > _LONGEST_JUMP:
            assert self._origin_ms is not None
            self._origin_ms += (start - newest) // _SAMPLES_PER_MS
            start = self.sample_at(stamp_ms)
        return start

    @property
    def newest_sample(self) -> int:
        """How far the track that is furthest has come."""
        return max((track.end for track in self._tracks.values()), default=0)

    def fill(self, now_ms: int) -> list[Chunk | Hole]:
        """Return the silence of everybody of whom nothing came for a while.

        Args:
            now_ms: The time now, by the clock of the time stamps.
        """
        if self._interrupted or self._origin_ms is None:
            return []
        until = self.sample_at(now_ms - FILL_AFTER_MS)
        made: list[Chunk | Hole] = []
        for track in self._tracks.values():
            if until > track.end:
                made += self._bridge(track, until)
                track.broken = False
        return made

    def interrupted(self) -> None:
        """The connection broke: what is missing from now on is not silence."""
        self._interrupted = True
        for track in self._tracks.values():
            track.broken = True

    def resumed(self) -> None:
        """The connection is there again."""
        self._interrupted = False

    def _bridge(self, track: _TrackEnd, until: int) -> list[Chunk | Hole]:
        """Return what stands between a track's end and a sample: silence, or a hole."""
        made: list[Chunk | Hole] = []
        if track.broken:
            made.append(Hole(track.track_id, track.end, until - track.end))
            track.end = until
        while track.end < until:
            silence = np.zeros(min(_LONGEST_FILL, until - track.end), np.int16)
            made.append(Chunk(track.track_id, track.end, silence, AUDIO_RATE_HZ))
            track.end += len(silence)
        return made
