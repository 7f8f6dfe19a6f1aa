"""All tracks of a call as one stream of bare samples, for the audio socket. Pure."""

from __future__ import annotations

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.audio.mix import Mixer

__all__ = ["AudioMix"]

_LONGEST_SILENCE = 2 * SAMPLE_RATE_HZ
_ABSENT_AFTER = SAMPLE_RATE_HZ


class AudioMix:
    """Mixes chunks into int16, mono, little-endian, 16 kHz.

    A short hole is silence; one of more than two seconds is left out, and the stream goes on after
    it. A track that has brought nothing for a second is not waited for until it does again.
    """

    def __init__(self) -> None:
        self._mixer: Mixer | None = None
        self._ends: dict[str, int] = {}
        self._foremost = 0

    def add(self, chunk: Chunk) -> bytes:
        """Take a chunk; return what is settled."""
        before = b""
        if self._mixer is None or chunk.start_sample > self._foremost + _LONGEST_SILENCE:
            before = b"" if self._mixer is None else _bytes(self._mixer.rest())
            self._mixer, self._ends = Mixer(chunk.start_sample), {}
        self._mixer.add(chunk)
        self._ends[chunk.track_id] = chunk.end_sample
        self._foremost = max(self._foremost, chunk.end_sample)
        for track_id, end in list(self._ends.items()):
            if end < self._foremost - _ABSENT_AFTER:
                del self._ends[track_id]
                self._mixer.close_track(track_id)
        return before + _bytes(self._mixer.settled())


def _bytes(pcm: Pcm) -> bytes:
    return pcm.astype("<i2").tobytes()
