"""Who was excluded from recording and transcript, and when: a reducer over a bot's events.

Whoever makes files of a journal asks it; the bot itself does, too (`meetcore.bot.exclusion`). Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from math import inf

from attrs import define, evolve, field

from meetcore.model.event import Event
from meetcore.model.events import (
    ChatReceived,
    ParticipantExcluded,
    ParticipantIncluded,
    SegmentFinalized,
)
from meetcore.model.transcript import Segment

__all__ = ["BlankedEvents", "ExcludedTimes", "plain_name"]


def plain_name(name: str) -> str:
    """Return a name for comparing: without case, accents and surplus spaces."""
    apart = unicodedata.normalize("NFKD", name)
    bare = "".join(each for each in apart if not unicodedata.combining(each))
    return " ".join(unicodedata.normalize("NFKC", bare.casefold()).split())


@define
class ExcludedTimes:
    """When each participant was excluded, in seconds of meeting time; minus infinity for always."""

    _stretches: dict[str, list[tuple[float, float]]] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self._stretches)

    def take(self, event: Event) -> None:
        """Take one event of the journal."""
        if isinstance(event, ParticipantExcluded):
            self.exclude(event.participant_id, event.since_s)
        elif isinstance(event, ParticipantIncluded):
            self.include(event.participant_id, event.from_s)

    def exclude(self, participant_id: str, since_s: float | None) -> None:
        """Note that somebody is excluded from a time on, None for always."""
        start_s = -inf if since_s is None else since_s
        before = self._stretches.get(participant_id, [])
        kept = [(a, min(b, start_s)) for a, b in before if a < start_s]
        self._stretches[participant_id] = [*kept, (start_s, inf)]

    def include(self, participant_id: str, from_s: float) -> None:
        """Note that somebody is not excluded any more from a time on."""
        before = self._stretches.get(participant_id, [])
        self._stretches[participant_id] = [(a, min(b, from_s)) for a, b in before if a < from_s]

    def stretches(self, participant_id: str) -> list[tuple[float, float]]:
        """Return when somebody was excluded: from, until."""
        return list(self._stretches.get(participant_id, ()))

    def now(self, participant_id: str | None) -> bool:
        """Whether somebody is excluded as things stand."""
        return any(end_s == inf for _, end_s in self._stretches.get(participant_id or "", ()))

    def ever(self, participant_id: str | None) -> bool:
        """Whether somebody was excluded at any time."""
        return (participant_id or "") in self._stretches

    def during(self, participant_id: str | None, start_s: float, end_s: float) -> bool:
        """Whether somebody was excluded at any time within [start_s, end_s]."""
        return any(
            (a < end_s and start_s < b) or a <= start_s < b
            for a, b in self._stretches.get(participant_id or "", ())
        )

    @property
    def ever_excluded(self) -> set[str]:
        """Ids of those who were excluded at any time."""
        return set(self._stretches)

    @property
    def of_now(self) -> set[str]:
        """Ids of those who are excluded as things stand."""
        return {who for who in self._stretches if self.now(who)}


_PART = re.compile(r"(-\d{4,})\.\d+$")


def _utterance(segment_id: str) -> str:
    """Return which utterance a segment is a part of: its words may have been another part's."""
    return _PART.sub(r"\1", segment_id)


@define
class BlankedEvents:
    """Which entries of a journal have words that are to go, and what they are without them.

    Words move between the parts of an utterance as it is learned who said them, so of an utterance
    in which somebody excluded has a part only the newest revision of each part stays, and of theirs
    none. A reducer: take every entry, then ask.

    Attributes:
        times: Who was excluded when.
    """

    times: ExcludedTimes = field(factory=ExcludedTimes)
    _newest: dict[str, Segment] = field(factory=dict)

    def take(self, event: Event) -> None:
        """Take the next entry."""
        self.times.take(event)
        if isinstance(event, SegmentFinalized):
            segment = event.segment
            known = self._newest.get(segment.id)
            if known is None or segment.revision >= known.revision:
                self._newest[segment.id] = segment

    def shown(self) -> list[Segment]:
        """Return the newest revisions that are somebody's who was excluded, not yet withdrawn."""
        return [each for each in self._newest.values() if not each.withdrawn and self._hidden(each)]

    def _hidden(self, segment: Segment) -> bool:
        return self.times.during(segment.participant_id, segment.start_s, segment.end_s)

    def change(self) -> Callable[[Event], Event | None]:
        """Return what says of an entry what it is without those words; None where it has none."""
        touched = {_utterance(each.id) for each in self._newest.values() if self._hidden(each)}

        def blank(event: Event) -> Event | None:
            if isinstance(event, ChatReceived):
                at_s = event.meeting_s or 0.0
                hidden = bool(event.text) and self.times.during(event.sender_id, at_s, at_s)
                return evolve(event, text="") if hidden else None
            if not isinstance(event, SegmentFinalized):
                return None
            segment = event.segment
            if not (segment.text or segment.words) or _utterance(segment.id) not in touched:
                return None
            newest = self._newest.get(segment.id)
            old = newest is not None and newest.revision > segment.revision
            if not (old or self._hidden(segment)):
                return None
            bare = evolve(segment, text="", words=(), end_s=segment.start_s, correction=True)
            return evolve(event, segment=bare)

        return blank

    @classmethod
    def of(cls, events: Iterable[Event]) -> BlankedEvents:
        """Build one from the entries of a journal."""
        blanked = cls()
        for event in events:
            blanked.take(event)
        return blanked
