"""Whose voice the call's few tracks carry, from one moment to the next. Pure.

The service sends three tracks, whoever and however many speak, and lends each to one speaker
after the other. Who it is, is told in the packets by a number, the contributing source; whose
number it is, by the service's list of streams. Where the packets or the list are silent, what the
page shows helps: a source is somebody's who was shown to speak whenever it alone was heard.
Captions help least, since they come late.

Every owner is told from a time on, on the sound's clock, and told again when it proves to be wrong:
a wrong name is worse than none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

from attrs import define, field, frozen

from meetcore import NameSource, TrackIdentified

__all__ = ["SlotOwners", "VoiceOwner"]

BOTH_S = 0.8
"""Two sources on one track for longer than this are two voices, and not a change of speakers."""
KEPT_STRETCHES = 60
KEPT_SHOWN = 80
SURE_S = 1.0
SURE_SHARE = 0.8
DOUBT_SHARE = 0.6
CAPTION_LAG_S = 3.0
SURE_CAPTIONS = 3


@frozen
class VoiceOwner:
    """Whose a voice is, and how that is known."""

    participant_id: str | None = None
    source: NameSource = NameSource.UNKNOWN
    confidence: float = 0.0


NOBODYS = VoiceOwner()


@define
class _Stretch:
    """One source on one track, from its beginning to its end."""

    track_id: str
    source: int | None
    since_s: float
    end_s: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What is learned about: a source for good, or this stretch alone."""
        if self.source is None:
            return (self.track_id, self.since_s)
        return (self.source,)

    def holds(self, at_s: float) -> bool:
        return self.since_s <= at_s and (self.end_s is None or at_s < self.end_s)


@define
class _Shown:
    """Somebody was shown to speak."""

    participant_id: str
    since_s: float
    end_s: float | None = None

    def holds(self, at_s: float) -> bool:
        return self.since_s <= at_s and (self.end_s is None or at_s < self.end_s)


@define
class SlotOwners:
    """Follows the sources on the tracks; each method returns what is to be told because of it."""

    _stretches: list[_Stretch] = field(factory=list)
    _shown: list[_Shown] = field(factory=list)
    _devices: dict[int, str | None] = field(factory=dict)
    _learned: dict[tuple[object, ...], VoiceOwner] = field(factory=dict)
    _captions: dict[tuple[object, ...], Counter[str]] = field(factory=dict)
    _told: dict[str, dict[float, VoiceOwner]] = field(factory=dict)
    _now_s: float = 0.0

    # --- what comes in ------------------------------------------------------------------

    def heard(
        self, track_id: str, source: int | None, at_s: float, *, active: bool
    ) -> list[TrackIdentified]:
        """Take that a source begins on a track, or ends."""
        self._pass(at_s)
        if active:
            self._stretches.append(_Stretch(track_id, source, at_s))
            self._stretches.sort(key=lambda stretch: stretch.since_s)
            del self._stretches[:-KEPT_STRETCHES]
        else:
            for stretch in self._stretches:
                if (stretch.track_id, stretch.source, stretch.end_s) == (track_id, source, None):
                    stretch.end_s = max(at_s, stretch.since_s)
        return self._again()

    def streams(self, devices: Mapping[int, str | None]) -> list[TrackIdentified]:
        """Take whose sources are, by the service's word; None for what is nobody's voice."""
        before = dict(self._devices)
        self._devices.update(devices)
        return [] if before == self._devices else self._again()

    def speaking(self, people: Iterable[str], at_s: float) -> list[TrackIdentified]:
        """Take who is shown to speak from now on."""
        self._pass(at_s)
        now = set(people)
        for shown in self._shown:
            if shown.end_s is None and shown.participant_id not in now:
                shown.end_s = max(at_s, shown.since_s)
        open_ = {shown.participant_id for shown in self._shown if shown.end_s is None}
        self._shown += [_Shown(each, at_s) for each in sorted(now - open_)]
        del self._shown[:-KEPT_SHOWN]
        return self._again()

    def caption(self, participant_id: str, at_s: float) -> list[TrackIdentified]:
        """Take that a caption shows somebody's words."""
        lately = {
            stretch.key
            for stretch in self._stretches
            if stretch.since_s <= at_s
            and (stretch.end_s is None or stretch.end_s >= at_s - CAPTION_LAG_S)
        }
        if len(lately) != 1:
            return []
        self._captions.setdefault(lately.pop(), Counter())[participant_id] += 1
        return self._again()

    def gone(self, track_id: str) -> None:
        """Forget a track that is over."""
        self._stretches = [s for s in self._stretches if s.track_id != track_id]
        self._told.pop(track_id, None)

    def _pass(self, at_s: float) -> None:
        self._now_s = max(self._now_s, at_s)

    # --- what follows -------------------------------------------------------------------

    def owner(self, stretch: _Stretch) -> VoiceOwner:
        """Return whose a stretch is, as far as is known now."""
        if stretch.source is not None and stretch.source in self._devices:
            device = self._devices[stretch.source]
            return NOBODYS if device is None else VoiceOwner(
                device, NameSource.CONTRIBUTING_SOURCE, 0.95
            )  # fmt: skip
        if stretch.key in self._learned:
            return self._learned[stretch.key]
        captions = self._captions.get(stretch.key)
        if captions:
            who, count = captions.most_common(1)[0]
            if count >= SURE_CAPTIONS and count >= SURE_SHARE * captions.total():
                return VoiceOwner(who, NameSource.CAPTION, 0.5)
        return NOBODYS

    def _again(self) -> list[TrackIdentified]:
        if any(s.source is None or s.source not in self._devices for s in self._stretches):
            self._learn()
        signals = []
        for track_id in sorted({stretch.track_id for stretch in self._stretches}):
            mine = [stretch for stretch in self._stretches if stretch.track_id == track_id]
            signals += self._changed(track_id, self._marks(mine), mine[0].since_s)
        return signals

    def _marks(self, stretches: list[_Stretch]) -> dict[float, VoiceOwner]:
        """Return from when on a track is whose, by its stretches."""
        points = {s.since_s for s in stretches} | {s.end_s for s in stretches if s.end_s}
        marks: dict[float, VoiceOwner] = {}
        last: VoiceOwner | None = None
        for at_s in sorted(points):
            here = [stretch for stretch in stretches if stretch.holds(at_s)]
            if not here:
                continue
            newest = here[-1]
            owner = self.owner(newest)
            if any(self._both_s(newest, other) > BOTH_S for other in here[:-1]):
                owner = NOBODYS
            if owner != last:
                marks[at_s] = last = owner
        return marks

    def _both_s(self, one: _Stretch, other: _Stretch) -> float:
        ends = [self._now_s if s.end_s is None else s.end_s for s in (one, other)]
        return min(ends) - max(one.since_s, other.since_s)

    def _changed(
        self, track_id: str, marks: Mapping[float, VoiceOwner], first_s: float
    ) -> list[TrackIdentified]:
        """Return what of a track's owners was told otherwise, or not yet."""
        told = self._told.setdefault(track_id, {})
        signals = []
        times = sorted({*marks, *(at_s for at_s in told if at_s >= first_s)})
        current = NOBODYS
        for at_s in times:
            current = marks.get(at_s, current)
            if told.get(at_s) == current:
                continue
            if at_s in marks:
                told[at_s] = current
            else:
                del told[at_s]
            signals.append(
                TrackIdentified(
                    track_id, current.participant_id, current.source, current.confidence, at_s
                )
            )
        return signals

    def _learn(self) -> None:
        """See who was shown to speak while one source alone was heard."""
        together: dict[tuple[object, ...], Counter[str]] = {}
        points = {0.0, self._now_s}
        spans = [(each.since_s, each.end_s) for each in self._stretches]
        spans += [(each.since_s, each.end_s) for each in self._shown]
        for since_s, end_s in spans:
            points |= {since_s, self._now_s if end_s is None else end_s}
        for start_s, stop_s in pairwise(sorted(points)):
            heard = [s for s in self._stretches if s.holds(start_s)]
            shown = [s for s in self._shown if s.holds(start_s)]
            if len(heard) == 1 and len(shown) == 1:
                seconds = together.setdefault(heard[0].key, Counter())
                ms = round(1000 * (stop_s - start_s))
                seconds[shown[0].participant_id] += ms
        for key, counted in together.items():
            who, ms = counted.most_common(1)[0]
            share = ms / max(1, counted.total())
            if ms >= 1000 * SURE_S and share >= SURE_SHARE:
                self._learned[key] = VoiceOwner(who, NameSource.ACTIVE_SPEAKER, 0.7)
            elif counted.total() >= 1000 * SURE_S and share < DOUBT_SHARE:
                self._learned.pop(key, None)
