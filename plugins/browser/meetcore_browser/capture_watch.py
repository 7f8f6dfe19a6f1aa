"""Decides when a track that should be heard is not. Pure: time is an argument.

Silence is not trouble: a muted person's packets decode to nothing, and a person who listens sends
none. Trouble is

* a live track of which no block comes: the page or its audio context hangs;
* a track that is digitally silent (every sample zero) while packets arrive and its jitter
  buffer has given out nothing: the Chromium bug of page/capture.js;
* a track that is digitally silent although the decoder has measured sound in it.
"""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = ["Alarm", "CaptureWatch", "TrackStats"]

MIN_PACKETS = 10
"""Fewer are not speech: a sender in discontinuous transmission sends two or three a second."""
MIN_ENERGY = 1e-6
"""Of getStats' totalAudioEnergy: full scale squared times seconds. 1 s at -60 dB gives this."""


@frozen
class Alarm:
    """A change for the worse (`healthy` False) or back for the better."""

    track_id: str
    healthy: bool
    detail: str


@frozen
class TrackStats:
    """What WebRTC says about one track: counters that only grow."""

    packets: int
    emitted: int
    energy: float


@define
class _Watched:
    """One live track.

    `deaf` says why its silence is not believed; `before` are the counters at the beginning of
    the stretch of silence that is being judged.
    """

    last_block_s: float
    silent: bool = False
    judged_from_s: float = 0.0
    before: TrackStats | None = None
    deaf: str | None = None
    alarmed: bool = False


@define
class CaptureWatch:
    """Watches the live tracks of a page.

    Attributes:
        stalled_after_s: How long no block may come.
        silent_after_s: How long a track may be digitally silent against the evidence.
    """

    stalled_after_s: float = 5.0
    silent_after_s: float = 5.0
    _tracks: dict[str, _Watched] = field(factory=dict, init=False)

    def track_appeared(self, track_id: str, now_s: float) -> None:
        """Begin to watch a track."""
        self._tracks[track_id] = _Watched(last_block_s=now_s)

    def track_gone(self, track_id: str) -> None:
        """Watch it no longer."""
        self._tracks.pop(track_id, None)

    def block(self, track_id: str, silent: bool, now_s: float) -> None:
        """Note that a block came, and whether all its samples were zero."""
        if (track := self._tracks.get(track_id)) is None:
            return
        track.last_block_s = now_s
        track.silent = silent
        if not silent:
            track.before = track.deaf = None

    def stats(self, track_id: str, stats: TrackStats, now_s: float) -> None:
        """Note what WebRTC says about a track."""
        track = self._tracks.get(track_id)
        if track is None or not track.silent:
            return
        if track.before is None:
            track.before, track.judged_from_s = stats, now_s
            return
        packets = stats.packets - track.before.packets
        emitted = stats.emitted - track.before.emitted
        energy = stats.energy - track.before.energy
        if now_s - track.judged_from_s < self.silent_after_s:
            return
        if packets >= MIN_PACKETS and emitted == 0:
            track.deaf = (
                f"digital silence: {packets} packets arrived, the jitter buffer gave nothing"
            )
        elif energy > MIN_ENERGY:
            track.deaf = "digital silence, although the decoder measured sound"
        elif emitted > 0:
            track.deaf = None
        # Each stretch is judged by itself, or what arrived long ago would count forever.
        track.before, track.judged_from_s = stats, now_s

    def check(self, now_s: float) -> list[Alarm]:
        """Return what changed since the last check."""
        alarms = []
        for track_id, track in self._tracks.items():
            stalled_s = now_s - track.last_block_s
            trouble = track.deaf
            if stalled_s > self.stalled_after_s:
                trouble = f"no audio came out of the page for {stalled_s:.0f} s"
            if trouble is not None and not track.alarmed:
                alarms.append(Alarm(track_id, healthy=False, detail=trouble))
            elif trouble is None and track.alarmed:
                alarms.append(Alarm(track_id, healthy=True, detail="audio arrives again"))
            track.alarmed = trouble is not None
        return alarms
