"""Who begins to speak while the bot does: by the sound of each track, and not by its own echo.

Indicators of a platform come late, and light up for a loudspeaker that plays the bot; so it is the
voice detector of each track that says that there is a voice, and `meetcore.audio.own_voice` that
says whether it is the bot's. While the recording is paused nothing is listened to, and nobody is
noticed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import trio
from attrs import define, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.own_voice import OwnVoice, TrackVoice
from meetcore.audio.resample import Resampler
from meetcore.log.mailbox import Lost

__all__ = ["BargeInWatch"]


@define(eq=False)
class _BargeInTrack:
    """A track, as an audio consumer."""

    watch: BargeInWatch
    track_id: str
    voice: TrackVoice

    def put(self, item: Chunk | Lost) -> None:
        """Take a chunk, or the news that samples are missing; returns at once."""
        self.watch.heard(self, item)


@define(eq=False)
class BargeInWatch:
    """Notices who talks while the bot speaks.

    Attributes:
        is_own: Says whether a track is the bot's own.
        began: Called with a track on which somebody begins to talk while the bot speaks.
        talking: The tracks on which somebody talks.
    """

    is_own: Callable[[str], bool] = lambda track_id: False
    began: Callable[[str], None] = lambda track_id: None
    talking: set[str] = field(factory=set)
    _own: OwnVoice = field(factory=OwnVoice)
    _tracks: dict[str, _BargeInTrack] = field(factory=dict)
    _resampler: Resampler | None = None
    _rate_hz: int = SAMPLE_RATE_HZ
    _written: int = 0
    _active: bool = False

    # --- what the bot says ----------------------------------------------------------------

    def speaks(self, sample_rate_hz: int) -> None:
        """Take it that the bot begins to say something, int16 mono at that rate."""
        now = trio.current_time()
        if self._own.over(now):
            for track in self._tracks.values():
                track.voice.deaf()
        self._active = True
        self._own.begin(now)
        self._rate_hz, self._written = sample_rate_hz, 0
        self._resampler = None if sample_rate_hz == SAMPLE_RATE_HZ else Resampler(sample_rate_hz)

    def plays(self, pcm: bytes, in_s: float) -> None:
        """Take a piece of it that will be heard a number of seconds from now."""
        chunk = Chunk("own", self._written, np.frombuffer(pcm, "<i2"), self._rate_hz)
        self._written = chunk.end_sample
        at_s = trio.current_time() + in_s
        for piece in [chunk] if self._resampler is None else self._resampler.feed(chunk):
            self._own.play(piece.pcm, at_s)
            at_s += piece.samples / SAMPLE_RATE_HZ

    def silent(self) -> None:
        """Take it that nothing more of it is heard from now on."""
        self._own.stop(trio.current_time())

    # --- what is heard ----------------------------------------------------------------------

    def consumer(self, track_id: str) -> _BargeInTrack:
        """Return what takes the sound of a track."""
        watched = self._tracks[track_id] = _BargeInTrack(self, track_id, TrackVoice(self._own))
        return watched

    def close_track(self, track_id: str) -> None:
        """Take it that a track is no longer there."""
        self._tracks.pop(track_id, None)
        self.talking.discard(track_id)

    def echoing(self, track_id: str) -> bool:
        """Whether a track is known to bring the bot's voice back."""
        track = self._tracks.get(track_id)
        return track is not None and track.voice.state == "echoing"

    def heard(self, track: _BargeInTrack, item: Chunk | Lost) -> None:
        """Take sound of a track, or the news that some is missing."""
        if not self._active:
            return
        now = trio.current_time()
        if self._own.over(now):
            self._active = False
        elif isinstance(item, Lost):
            track.voice.deaf()
        else:
            track.voice.hear(item.pcm, now)
            self._told(track)

    def voice(self, track_id: str, *, began: bool) -> None:
        """Take it that the detector finds the beginning or the end of a voice on a track."""
        track = self._tracks.get(track_id)
        if track is not None:
            track.voice.voice(trio.current_time(), began=began)
            self._told(track)

    def _told(self, track: _BargeInTrack) -> None:
        known = track.track_id in self.talking
        if track.voice.talking is known or (not known and self.is_own(track.track_id)):
            return
        if known:
            self.talking.discard(track.track_id)
        else:
            self.talking.add(track.track_id)
            self.began(track.track_id)
