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

Stretch = tuple[float, float]


def plain_name(name: str) -> str:
    """Return a name for comparing: without case, accents and surplus spaces."""
    apart = unicodedata.normalize("NFKD", name)
    bare = "".join(each for each in apart if not unicodedata.combining(each))
    return " ".join(unicodedata.normalize("NFKC", bare.casefold()).split())


@define
class ExcludedTimes:
    """When each participant was excluded, in seconds of meeting time; minus infinity for always.

    What has no id is known by its name: a message or a caption of which the platform only says how
    whoever wrote or said it is called. Of several people of one name it may be any of them.
    """

    _stretches: dict[str, list[Stretch]] = field(factory=dict)
    _of_name: dict[str, set[str]] = field(factory=dict)
    _by_name: dict[str, list[Stretch]] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self._stretches or self._by_name)

    def take(self, event: Event) -> None:
        """Take one event of the journal."""
        if isinstance(event, ParticipantExcluded):
            self.exclude(event.participant_id, event.since_s, event.name)
        elif isinstance(event, ParticipantIncluded):
            self.include(event.participant_id, event.from_s, event.name)

    def exclude(self, participant_id: str, since_s: float | None, name: str | None = None) -> None:
        """Note that somebody is excluded from a time on, None for always.

        Args:
            participant_id: Who; empty for whoever has the name, where nobody's id is known.
            since_s: From when on.
            name: How they are called.
        """
        plain = plain_name(name or "")
        if participant_id:
            _begin(self._stretches, participant_id, since_s)
            if plain:
                self._of_name.setdefault(plain, set()).add(participant_id)
        elif plain:
            _begin(self._by_name, plain, since_s)

    def include(self, participant_id: str, from_s: float, name: str | None = None) -> None:
        """Note that somebody is not excluded any more from a time on."""
        if participant_id:
            _end(self._stretches, participant_id, from_s)
        plain = plain_name(name or "")
        if plain in self._by_name and not any(map(self.now, self._of_name.get(plain, ()))):
            _end(self._by_name, plain, from_s)

    def stretches(self, participant_id: str, name: str = "") -> list[Stretch]:
        """Return when somebody was excluded: from, until; by the name where the id is empty."""
        if not participant_id:
            return list(self._by_name.get(plain_name(name), ()))
        return list(self._stretches.get(participant_id, ()))

    def now(self, participant_id: str | None) -> bool:
        """Whether somebody is excluded as things stand."""
        return any(end_s == inf for _, end_s in self._stretches.get(participant_id or "", ()))

    def ever(self, participant_id: str | None) -> bool:
        """Whether somebody was excluded at any time."""
        return (participant_id or "") in self._stretches

    def during(
        self, participant_id: str | None, start_s: float, end_s: float, name: str | None = None
    ) -> bool:
        """Whether somebody was excluded at any time within [start_s, end_s].

        Args:
            participant_id: Who.
            start_s: From when on.
            end_s: Until when.
            name: How they are called; it counts where there is no id.
        """
        found = self._stretches.get(participant_id or "", ())
        if participant_id is None and name:
            found = self._named(plain_name(name))
        return any((a < end_s and start_s < b) or a <= start_s < b for a, b in found)

    def _named(self, plain: str) -> list[Stretch]:
        ids = self._of_name.get(plain, ())
        return [
            *self._by_name.get(plain, ()),
            *(each for who in ids for each in self._stretches[who]),
        ]

    def name_alone(self, name: str) -> bool:
        """Whether whoever has a name is excluded as things stand, and nobody of it by their id."""
        plain = plain_name(name)
        excluded = any(end_s == inf for _, end_s in self._by_name.get(plain, ()))
        return excluded and not any(map(self.now, self._of_name.get(plain, ())))

    @property
    def somebody_unknown(self) -> bool:
        """Whether somebody is excluded as things stand of whom only a name is known."""
        return any(map(self.name_alone, self._by_name))

    @property
    def ever_excluded(self) -> set[str]:
        """Ids of those who were excluded at any time."""
        return set(self._stretches)

    @property
    def by_name_alone(self) -> list[Stretch]:
        """When somebody was excluded of whom only a name is known: from, until."""
        return [each for found in self._by_name.values() for each in found]

    @property
    def of_now(self) -> set[str]:
        """Ids of those who are excluded as things stand."""
        return {who for who in self._stretches if self.now(who)}


def _begin(stretches: dict[str, list[Stretch]], key: str, since_s: float | None) -> None:
    start_s = -inf if since_s is None else since_s
    kept = [(a, min(b, start_s)) for a, b in stretches.get(key, []) if a < start_s]
    stretches[key] = [*kept, (start_s, inf)]


def _end(stretches: dict[str, list[Stretch]], key: str, from_s: float) -> None:
    stretches[key] = [(a, min(b, from_s)) for a, b in stretches.get(key, []) if a < from_s]


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
        return self.times.during(
            segment.participant_id, segment.start_s, segment.end_s, segment.speaker_name
        )

    def change(self) -> Callable[[Event], Event | None]:
        """Return what says of an entry what it is without those words; None where it has none."""
        touched = {_utterance(each.id) for each in self._newest.values() if self._hidden(each)}

        def blank(event: Event) -> Event | None:
            if isinstance(event, ChatReceived):
                at_s = event.meeting_s or 0.0
                name = None if event.by_bot else event.sender_name
                hidden = bool(event.text) and self.times.during(event.sender_id, at_s, at_s, name)
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
