"""Who is in the meeting, and who spoke when: reducers over events."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from enum import StrEnum
from math import frexp, inf

from attrs import define, evolve, field, frozen

from meetcore.model.errors import RecipientRefused

__all__ = [
    "NameSource",
    "Participant",
    "Roster",
    "RosterChange",
    "RosterLists",
    "SpeakingTimeline",
    "SpeechMark",
    "SpeechSpan",
    "speech_shares",
]


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
    def self_id(self) -> str | None:
        """The id of our own bot, None where the list does not name it."""
        return next((p.id for p in self.present.values() if p.is_self), None)

    @property
    def others(self) -> tuple[Participant, ...]:
        """Everybody present except our own bot."""
        return tuple(p for p in self.present.values() if not p.is_self)

    def recipient(self, to: str) -> Participant:
        """Return the one person that a message is for.

        Args:
            to: An id, which goes before names, or a name; case and blanks at its ends aside.

        Raises:
            RecipientRefused: Nobody else present is it, or several have the name.
        """
        known = self.present.get(to)
        wanted = to.strip().casefold()
        found = [p for p in self.others if wanted and p.name.strip().casefold() == wanted]
        if known is not None and not known.is_self:
            return known
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(repr(p.id) for p in found)
            raise RecipientRefused(
                f"{len(found)} people in the meeting are called {to!r}.",
                f"Say which by the id: {ids}.",
            )
        here = ", ".join(f"{p.name!r} ({p.id})" for p in self.others[:20])
        raise RecipientRefused(
            f"Nobody else in the meeting is called {to!r} or has that id.",
            f"In the meeting are: {here or 'nobody else'}.",
        )

    @property
    def people(self) -> tuple[Participant, ...]:
        """Everybody present who is not a bot."""
        return tuple(p for p in self.present.values() if not p.is_self and not p.is_bot)


@frozen(kw_only=True)
class RosterChange:
    """What follows from one list of participants.

    Attributes:
        trouble: Why the list cannot be believed; empty if it can.
        left: Ids of those who are gone.
        joined: Those who are new.
        updated: Those of whom something is another now.
    """

    trouble: str = ""
    left: tuple[str, ...] = ()
    joined: tuple[Participant, ...] = ()
    updated: tuple[Participant, ...] = ()


@define
class RosterLists:
    """Makes joined, updated and left of whole lists, as web clients give them. A reducer.

    Such lists flicker: a panel that is drawn anew lacks people, a client that shares its screen
    shows one of them, a client that reconnects shows nobody. So

    * a list without our own bot in it is unwell, and nothing is concluded from it;
    * who is missing once may be there again: they are gone when two lists in a row lack them.
      Only where somebody of the same name came under a new id in that very list, one is enough:
      who reconnects gets a new id, and would stand there twice;
    * a name that is empty is not shown yet, and no new name.

    Args:
        roster: Who is in the meeting by what was concluded so far.
    """

    roster: Roster
    _missing: set[str] = field(factory=set)

    def take(self, participants: Iterable[Participant], self_id: str | None) -> RosterChange:
        """Take the next list; the roster is not changed by it.

        Args:
            participants: Everybody in it; of two entries with one id the first counts.
            self_id: Which of them is our own bot, None if none is.
        """
        listed: dict[str, Participant] = {}
        for each in participants:
            listed.setdefault(each.id, each)
        if self_id not in listed:
            return RosterChange(trouble=f"a list of {len(listed)} without the bot itself")
        present = self.roster.present
        seen = [
            evolve(each, is_self=each.id == self_id, name=each.name or self._name(each.id))
            for each in listed.values()
        ]
        joined = tuple(each for each in seen if each.id not in present)
        came = {each.name for each in joined if each.name}
        missing = {who for who in present if who not in listed}
        left = tuple(
            who
            for who in present
            if who in missing and (who in self._missing or present[who].name in came)
        )
        self._missing = missing.difference(left)
        updated = tuple(each for each in seen if each.id in present and present[each.id] != each)
        return RosterChange(left=left, joined=joined, updated=updated)

    def _name(self, participant_id: str) -> str:
        return self.roster.name_of(participant_id) or ""


@frozen
class SpeechSpan:
    """One stretch of speech by one participant, in seconds of meeting time.

    Attributes:
        participant_id: Who spoke.
        start_s: When it began.
        end_s: When it ended, None while it goes on.
        source: How that is known.
        track_id: On which track; None where that is not known.
    """

    participant_id: str
    start_s: float
    end_s: float | None = None
    source: NameSource = NameSource.TRACK
    track_id: str | None = None

    def overlap_s(self, start_s: float, end_s: float) -> float:
        """Return how many seconds of [start_s, end_s] this span covers."""
        own_end = end_s if self.end_s is None else self.end_s
        return max(0.0, min(end_s, own_end) - max(start_s, self.start_s))


@frozen
class SpeechMark:
    """Evidence that somebody spoke, or did not, from `at_s` on."""

    at_s: float
    speaking: bool
    source: NameSource


_Key = tuple[str, str | None]
_Listed = list[tuple[float, int]]
"""Start and index of spans, in order of the start; of two with the same, as they came."""
MARKS_KEPT_S = 30.0
_MARKS_PRUNED_AT = 64


@define
class SpeakingTimeline:
    """Who spoke when: a reducer over evidence that may come in any order.

    A page's indicator is seen late and by a changing amount, so that an end may be told before its
    beginning. What counts is when evidence is *from*: at any time somebody speaks if the newest
    mark up to then says so. Marks that change nothing are kept for `MARKS_KEPT_S`, since what
    comes late may make them count; evidence that is older than that is not taken any more.

    Closed spans are kept by how long they are, to a power of two, and in each list by their start:
    what touches a moment began at most that long before. So a name in hour three costs what it did
    in minute one, whether somebody spoke for a second or for hours.
    """

    spans: list[SpeechSpan] = field(factory=list)
    _open: dict[_Key, int] = field(factory=dict)
    _marks: dict[_Key, list[SpeechMark]] = field(factory=dict)
    _oldest: dict[_Key, float] = field(factory=dict)
    _by_key: dict[_Key, _Listed] = field(factory=dict)
    _by_length: dict[int, _Listed] = field(factory=dict)

    def started(
        self, participant_id: str, at_s: float, source: NameSource, track_id: str | None = None
    ) -> bool:
        """Note that somebody speaks from `at_s` on; return False if that is known."""
        return bool(self.mark(participant_id, SpeechMark(at_s, True, source), track_id))

    def stopped(self, participant_id: str, at_s: float, track_id: str | None = None) -> bool:
        """Note that somebody does not speak from `at_s` on; return False if that is known."""
        mark = SpeechMark(at_s, False, NameSource.UNKNOWN)
        return bool(self.mark(participant_id, mark, track_id))

    def mark(
        self, participant_id: str, mark: SpeechMark, track_id: str | None = None
    ) -> list[SpeechMark]:
        """Take evidence about somebody, on one track or wherever they are heard.

        Returns:
            The changes between speech and silence from the mark on, itself first: one, unless it
            came after later ones. None if it changes nothing.
        """
        key = (participant_id, track_id)
        marks = self._marks.setdefault(key, [])
        if mark.at_s < self._oldest.get(key, -inf):
            return []
        place = bisect_right(marks, mark.at_s, key=_time)
        marks.insert(place, mark)
        before = marks[place - 1].speaking if place else False
        after = marks[place + 1] if place + 1 < len(marks) else None
        changes: list[SpeechMark] = []
        if mark.speaking is not before:
            (self._begin if mark.speaking else self._end)(key, mark, after)
            if before and place and marks[place - 1].at_s == mark.at_s:
                # An end at the very beginning takes it back: there is nothing to tell of it later.
                place -= 1
                del marks[place]
            speaking = before
            for each in marks[place:]:
                if each.speaking is not speaking:
                    changes.append(each)
                    speaking = each.speaking
        if len(marks) > _MARKS_PRUNED_AT:
            self._prune(key, marks)
        return changes

    def _begin(self, key: _Key, mark: SpeechMark, after: SpeechMark | None) -> None:
        """Speech begins at a mark that was silence: there, earlier than known, or up to an end."""
        who, track_id = key
        if after is not None and after.speaking:
            index = self._span_at(key, after.at_s)
            old = self.spans[index]
            self._replace(index, evolve(old, start_s=mark.at_s, source=mark.source))
            return
        end_s = None if after is None else after.at_s
        self._add(SpeechSpan(who, mark.at_s, end_s, mark.source, track_id), key)

    def _end(self, key: _Key, mark: SpeechMark, after: SpeechMark | None) -> None:
        """Speech ends at a mark within a span; what is told to go on after it is a new one."""
        index = self._span_at(key, mark.at_s)
        old = self.spans[index]
        if old.end_s is None:
            del self._open[key]
        self._replace(index, evolve(old, end_s=mark.at_s))
        if after is not None and after.speaking:
            again = SpeechSpan(key[0], after.at_s, old.end_s, after.source, key[1])
            self._add(again, key)

    def _add(self, span: SpeechSpan, key: _Key) -> None:
        index = len(self.spans)
        self.spans.append(span)
        if span.end_s is None:
            self._open[key] = index
        self._index(index)

    def _span_at(self, key: _Key, at_s: float) -> int:
        """Return the index of the span of somebody that begins at or before `at_s`, the last."""
        index = self._open.get(key)
        if index is not None and self.spans[index].start_s <= at_s:
            return index
        listed = self._by_key[key]
        return listed[bisect_right(listed, (at_s, len(self.spans))) - 1][1]

    def _prune(self, key: _Key, marks: list[SpeechMark]) -> None:
        """Forget marks that nothing can come before any more, but the one that holds there."""
        old = bisect_right(marks, marks[-1].at_s - MARKS_KEPT_S, key=_time)
        if old > 1:
            del marks[: old - 1]
            self._oldest[key] = marks[0].at_s

    # --- the index --------------------------------------------------------------------

    def _lists_of(self, span: SpeechSpan) -> list[_Listed]:
        """Return the lists in which a span stands; an open one has no length yet."""
        lists = [self._by_key.setdefault((span.participant_id, span.track_id), [])]
        if span.end_s is not None:
            _, exponent = frexp(max(span.end_s - span.start_s, 1.0))
            lists.append(self._by_length.setdefault(exponent, []))
        return lists

    def _index(self, index: int) -> None:
        span = self.spans[index]
        for listed in self._lists_of(span):
            place = bisect_right(listed, (span.start_s, len(self.spans)))
            listed.insert(place, (span.start_s, index))

    def _replace(self, index: int, span: SpeechSpan) -> None:
        old = self.spans[index]
        for listed in self._lists_of(old):
            del listed[listed.index((old.start_s, index), bisect_left(listed, (old.start_s, -1)))]
        self.spans[index] = span
        self._index(index)

    # --- asking -----------------------------------------------------------------------

    @property
    def speaking(self) -> tuple[str, ...]:
        """Ids of those who speak now, in the order they began."""
        return tuple(dict.fromkeys(who for who, _ in self._open))

    def open_on(self, participant_id: str) -> list[str | None]:
        """Return the tracks on which somebody speaks now, None where that is not known."""
        return [track_id for who, track_id in self._open if who == participant_id]

    def between(self, start_s: float, end_s: float) -> Iterator[SpeechSpan]:
        """Yield the spans that touch [start_s, end_s], in the order in which they were told."""
        found = [index for index in self._open.values() if self.spans[index].start_s < end_s]
        for exponent, listed in self._by_length.items():
            first = bisect_left(listed, (start_s - 2.0**exponent, -1))
            last = bisect_left(listed, (end_s, -1))
            found += [index for _, index in listed[first:last]]
        for index in sorted(found):
            span = self.spans[index]
            if span.end_s is None or span.end_s > start_s:
                yield span

    def shares(self, start_s: float, end_s: float) -> dict[str, float]:
        """Return for each participant the seconds they spoke within [start_s, end_s]."""
        return speech_shares(self.between(start_s, end_s), start_s, end_s)

    def seconds_by_participant(self) -> dict[str, float]:
        """Return how long each participant spoke, closed spans only."""
        total: dict[str, float] = {}
        for span in self.spans:
            if span.end_s is not None:
                length = span.end_s - span.start_s
                total[span.participant_id] = total.get(span.participant_id, 0.0) + length
        return total


def _time(mark: SpeechMark) -> float:
    return mark.at_s


def speech_shares(spans: Iterable[SpeechSpan], start_s: float, end_s: float) -> dict[str, float]:
    """Return for each participant how many seconds of [start_s, end_s] their spans cover."""
    shares: dict[str, float] = {}
    for span in spans:
        seconds = shares.get(span.participant_id, 0.0) + span.overlap_s(start_s, end_s)
        if seconds > 0:
            shares[span.participant_id] = seconds
    return shares
