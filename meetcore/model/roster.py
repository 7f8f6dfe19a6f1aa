"""Who is in the meeting, and who spoke when: reducers over events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import StrEnum
from math import inf

from attrs import define, evolve, field, frozen

__all__ = ["NameSource", "Participant", "Roster", "SpeakingTimeline", "SpeechSpan"]


class NameSource(StrEnum):
    """How it is known who spoke, from certain to unknown."""

    TRACK = "track"
    CONTRIBUTING_SOURCE = "contributing_source"
    ACTIVE_SPEAKER = "active_speaker"
    CAPTION = "caption"
    DIARIZATION = "diarization"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Participant:
    """Somebody in the meeting.

    Attributes:
        id: The platform's id, stable within one attendance of that person.
        name: The display name as the platform shows it.
        is_bot: Whether this is known to be a bot (ours or another).
        is_self: Whether this is our own bot.
        is_host: Whether the platform shows this person as a host.
        muted: Whether the microphone is off; None where the platform does not tell.
    """

    id: str
    name: str
    is_bot: bool = False
    is_self: bool = False
    is_host: bool = False
    muted: bool | None = None


@define
class Roster:
    """The participants of one meeting, present and past.

    A reducer: call `joined`, `changed` and `left` in the order of events.
    """

    present: dict[str, Participant] = field(factory=dict)
    known: dict[str, Participant] = field(factory=dict)
    anyone_ever_joined: bool = False

    def joined(self, participant: Participant) -> bool:
        """Note that somebody is here; return False if they already were."""
        new = participant.id not in self.present
        self.present[participant.id] = participant
        self.known[participant.id] = participant
        if not participant.is_self:
            self.anyone_ever_joined = True
        return new

    def changed(self, participant: Participant) -> bool:
        """Note a new name, mute state or role; return False if nothing changed."""
        if self.present.get(participant.id) == participant:
            return False
        self.present[participant.id] = participant
        self.known[participant.id] = participant
        return True

    def left(self, participant_id: str) -> bool:
        """Note that somebody went; return False if they were not here."""
        return self.present.pop(participant_id, None) is not None

    def name_of(self, participant_id: str | None) -> str | None:
        """Return the last known name of a participant, present or past."""
        if participant_id is None:
            return None
        participant = self.known.get(participant_id)
        return participant.name if participant else None

    @property
    def others(self) -> tuple[Participant, ...]:
        """Everybody present except our own bot."""
        return tuple(p for p in self.present.values() if not p.is_self)

    @property
    def people(self) -> tuple[Participant, ...]:
        """Everybody present who is not a bot."""
        return tuple(p for p in self.present.values() if not p.is_self and not p.is_bot)


@frozen
class SpeechSpan:
    """One stretch of speech by one participant, in seconds of meeting time."""

    participant_id: str
    start_s: float
    end_s: float | None = None
    source: NameSource = NameSource.TRACK

    def overlap_s(self, start_s: float, end_s: float) -> float:
        """Return how many seconds of [start_s, end_s] this span covers."""
        own_end = end_s if self.end_s is None else self.end_s
        return max(0.0, min(end_s, own_end) - max(start_s, self.start_s))


@define
class SpeakingTimeline:
    """Who spoke when. A reducer: `started` and `stopped` in the order of events.

    Spans are looked up by a bisect on both sides, so that a name in hour three costs what it did
    in minute one. Spans may begin a little out of order, since a track's own speech is known later
    than the platform's indicator, and one may be open for hours.
    """

    spans: list[SpeechSpan] = field(factory=list)
    _open: dict[str, int] = field(factory=dict)
    _starts: list[float] = field(factory=list)
    _by_start: list[int] = field(factory=list)
    _ends_up_to: list[float] = field(factory=list)

    def started(self, participant_id: str, at_s: float, source: NameSource) -> bool:
        """Open a span; return False if one is open already."""
        if participant_id in self._open:
            return False
        index = self._open[participant_id] = len(self.spans)
        self.spans.append(SpeechSpan(participant_id, at_s, None, source))
        place = bisect_right(self._starts, at_s)
        self._starts.insert(place, at_s)
        self._by_start.insert(place, index)
        self._ends_up_to.insert(place, self._ends_up_to[place - 1] if place else -inf)
        return True

    def stopped(self, participant_id: str, at_s: float) -> bool:
        """Close the open span; return False if there is none."""
        index = self._open.pop(participant_id, None)
        if index is None:
            return False
        span = self.spans[index]
        end_s = max(at_s, span.start_s)
        self.spans[index] = evolve(span, end_s=end_s)
        place = self._by_start.index(index, bisect_left(self._starts, span.start_s))
        while place < len(self._ends_up_to) and self._ends_up_to[place] < end_s:
            self._ends_up_to[place] = end_s
            place += 1
        return True

    @property
    def speaking(self) -> tuple[str, ...]:
        """Ids of those who speak now, in the order they began."""
        return tuple(self._open)

    def between(self, start_s: float, end_s: float) -> Iterator[SpeechSpan]:
        """Yield the spans that touch [start_s, end_s], in the order in which they were told."""
        first = bisect_right(self._ends_up_to, start_s)
        last = bisect_left(self._starts, end_s)
        found = set(self._by_start[first:last])
        found.update(index for index in self._open.values() if self.spans[index].start_s < end_s)
        for index in sorted(found):
            span = self.spans[index]
            if span.end_s is None or span.end_s > start_s:
                yield span

    def shares(self, start_s: float, end_s: float) -> dict[str, float]:
        """Return for each participant the seconds they spoke within [start_s, end_s]."""
        shares: dict[str, float] = {}
        for span in self.between(start_s, end_s):
            shares[span.participant_id] = shares.get(span.participant_id, 0.0) + span.overlap_s(
                start_s, end_s
            )
        return {who: seconds for who, seconds in shares.items() if seconds > 0}

    def seconds_by_participant(self) -> dict[str, float]:
        """Return how long each participant spoke, closed spans only."""
        total: dict[str, float] = {}
        for span in self.spans:
            if span.end_s is not None:
                length = span.end_s - span.start_s
                total[span.participant_id] = total.get(span.participant_id, 0.0) + length
        return total
