"""Since when nobody has spoken: what the voice detector heard, less what turned out to be no words.

A voice detector takes hold music for speech, and so it would keep a bot in an empty room. Where the
transcriber can tell, an utterance without words makes its track doubtful: it counts for nothing
until words come on it again. Pure.
"""

from __future__ import annotations

from collections import Counter

from attrs import define, field

__all__ = ["Quiet"]


@define
class Quiet:
    """Who speaks, as far as it counts. All times are seconds on one clock.

    Attributes:
        base: When it was first listened for; None while nothing is recorded.
    """

    base: float | None = None
    _open: Counter[str] = field(factory=Counter)
    _doubted: set[str] = field(factory=set)
    _spoke_at: dict[str, float] = field(factory=dict)
    _words_at: dict[str, float] = field(factory=dict)

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks."""
        return any(count > 0 and track not in self._doubted for track, count in self._open.items())

    @property
    def since(self) -> float | None:
        """When somebody was last heard, or it was first listened for; None for never."""
        times = [*self._spoke_at.values()]
        if self.base is not None:
            times.append(self.base)
        return max(times, default=None)

    def listens(self, now: float) -> None:
        """Begin anew: what was heard before counts for nothing."""
        self.base = now
        self._spoke_at.clear()

    def speech(self, track_id: str, *, speaking: bool, now: float) -> None:
        """Speech begins or ends on a track."""
        self._open[track_id] = max(0, self._open[track_id] + (1 if speaking else -1))
        if track_id not in self._doubted:
            self._spoke_at[track_id] = now

    def words(self, track_id: str, now: float) -> None:
        """Somebody was understood on a track."""
        self._doubted.discard(track_id)
        self._words_at[track_id] = self._spoke_at[track_id] = now

    def no_words(self, track_id: str) -> None:
        """What was taken for speech on a track has no words."""
        self._doubted.add(track_id)
        known = self._words_at.get(track_id)
        if known is None:
            self._spoke_at.pop(track_id, None)
        else:
            self._spoke_at[track_id] = known
