"""Which of the tracks a Teams client receives is heard. Pure.

The client receives one track with everybody mixed, whose id begins with `mainAudio`, and a second
one with the same people again: whoever hears both hears everybody twice. So only the mix is taken.
Where none has such an id after a while, or where the mix is silent while another track has sound,
every track is taken; when the mix has sound again, the others are left out again.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from meetcore_browser.capture_levels import TrackLevel

__all__ = ["MixChoice", "is_main"]


def is_main(label: str) -> bool:
    """Whether a track is the mix, by its id."""
    return label.lower().startswith("mainaudio")


@define
class MixChoice:
    """Decides which tracks are taken.

    Attributes:
        grace_s: How long a mix is waited for.
        silent_s: How long it may be silent while another track is not.
        all_tracks: Whether every track is taken now.
        reason: Why, for the record.
    """

    grace_s: float = 15.0
    silent_s: float = 20.0
    all_tracks: bool = field(default=False, init=False)
    reason: str = field(default="", init=False)
    _main: str | None = field(default=None, init=False)
    _first_s: float | None = field(default=None, init=False)
    _loud_again_s: float | None = field(default=None, init=False)

    def takes(self, label: str) -> bool:
        """Whether a track is heard; to be asked again for all of them after each `look`."""
        if self._main is None and is_main(label):
            self._main = label
        return self.all_tracks or label == self._main

    def look(self, levels: Sequence[TrackLevel], now_s: float) -> bool:
        """Take one look at the tracks; return whether what is taken has changed."""
        levels = [level for level in levels if level.layer == "peer connections"]
        if not levels:
            self._first_s = self._main = self._loud_again_s = None
            self.all_tracks = False
            return False
        self._first_s = now_s if self._first_s is None else self._first_s
        before = (self.all_tracks, self._main)
        labels = [level.label for level in levels]
        if self._main not in labels:
            self._main = next((label for label in labels if is_main(label)), None)
        main = [level for level in levels if level.label == self._main]
        if not main:
            if not self.all_tracks and now_s - self._first_s >= self.grace_s:
                self.all_tracks = True
                self.reason = f"no track of the mix came within {self.grace_s:g} s"
        else:
            self._weigh(main, [level for level in levels if level not in main], now_s)
        return before != (self.all_tracks, self._main)

    def _weigh(self, main: Sequence[TrackLevel], twins: Sequence[TrackLevel], now_s: float) -> None:
        first = self._first_s or 0.0
        mix_loud = max((level.loud_s or first) for level in main)
        twin_loud = max((level.loud_s for level in twins if level.loud_s is not None), default=None)
        if not self.all_tracks:
            fresh = twin_loud is not None and now_s - twin_loud < 2.0
            if fresh and now_s - mix_loud >= self.silent_s:
                self.all_tracks = True
                self.reason = (
                    f"the mix was silent for {self.silent_s:g} s while another track had sound"
                )
            return
        # Every track is taken. Back to the mix alone, once it has had sound for a while.
        if now_s - mix_loud > 1.5 or not any(level.loud_s for level in main):
            self._loud_again_s = None
        elif self._loud_again_s is None:
            self._loud_again_s = now_s
        elif now_s - self._loud_again_s >= 2.0:
            self.all_tracks, self._loud_again_s = False, None
            self.reason = "the mix has sound"
