"""All tracks of a call as one stream of bare samples. Pure."""

from __future__ import annotations

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.audio.mix import Mixer
from meetcore.model.events import Event, TrackClosed, TrackOpened

__all__ = ["RawMix"]

_LONGEST_SILENCE = 2 * SAMPLE_RATE_HZ


class RawMix:
    """Mixes chunks into int16, mono, little-endian, 16 kHz.

    A short hole is silence. One that is longer than two seconds is left out, and the stream goes on
    after it: nobody wants the minutes of an outage sent as silence, all at once.
    """

    def __init__(self) -> None:
        self._mixer: Mixer | None = None
        self._open: set[str] = set()
        self._closed: set[str] = set()

    def add(self, chunk: Chunk) -> bytes:
        """Take a chunk; return what is settled."""
        if self._mixer is None:
            self._mixer = Mixer(chunk.start_sample)
            for track_id in self._open:
                self._mixer.open_track(track_id, chunk.start_sample)
        self._mixer.add(chunk)
        if chunk.track_id in self._closed:
            self._mixer.close_track(chunk.track_id)
        return _bytes(self._mixer.settled())

    def skip(self, track_id: str, start_sample: int, samples: int) -> bytes:
        """Note a hole in a track; return what is settled."""
        if self._mixer is None:
            return b""
        if samples > _LONGEST_SILENCE:
            return self.rest()
        self._mixer.skip(track_id, start_sample + samples)
        return _bytes(self._mixer.settled())

    def take(self, event: Event) -> None:
        """Follow the tracks: one that opened is waited for, a second at most, until it closes."""
        if isinstance(event, TrackOpened) and event.track_id in self._open:
            return
        if isinstance(event, TrackOpened):
            self._open.add(event.track_id)
            if self._mixer is not None:
                self._mixer.open_track(event.track_id, self._mixer.position)
        elif isinstance(event, TrackClosed):
            self._closed.add(event.track_id)
            self._open.discard(event.track_id)
            if self._mixer is not None:
                self._mixer.close_track(event.track_id)

    def rest(self) -> bytes:
        """Return everything there is; a later chunk begins anew."""
        if self._mixer is None:
            return b""
        rest = _bytes(self._mixer.rest())
        self._mixer = None
        return rest


def _bytes(pcm: Pcm) -> bytes:
    return pcm.astype("<i2").tobytes()
