"""Chapters of a recording: what happened when, as marks that a player lists and jumps to. Pure.

A chapter begins where the bot's state in the call changes, where somebody joins, and where somebody
set a topic by the command `MarkTopic`. What happens within a second is one chapter, so that a
meeting to which ten people come at once does not begin with ten of them; of two topics each has its
own. Who joins while there is a topic does not end it, and neither does a pause: their chapter, and
the one after the pause, are named after it, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen

from meetcore.model.events import (
    Event,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantUpdated,
    StateChanged,
    TopicMarked,
)
from meetcore.model.lifecycle import State
from meetcore.model.printable import one_line

__all__ = ["Chapter", "Chapters"]

_TOGETHER_S = 1.0
_MOMENT_S = 0.001
_NAMES_SHOWN = 3
_MOST_MARKS = 1000
"""As many as a list for people can hold; a meeting whose guests come and go faster has no more."""
_STATES = {
    State.IN_CALL: "In the call",
    State.RECORDING: "Recording",
    State.PAUSED: "Paused",
    State.LEAVING: "Leaving",
}


@frozen(kw_only=True)
class Chapter:
    """One chapter.

    Attributes:
        start_s: Where it begins, in seconds of meeting time.
        end_s: Where the next one begins, or the recording ends; None where that is not known.
        title: What began there, in one line.
    """

    start_s: float
    end_s: float | None
    title: str


@frozen
class _Mark:
    at_s: float
    state: State | None = None
    participant_id: str | None = None
    topic: str = ""


@define
class Chapters:
    """Takes the events of a journal, in order, and gives the chapters of its recording.

    Attributes:
        left_out: How many marks were too many.
    """

    left_out: int = 0
    _marks: list[_Mark] = field(factory=list)
    _names: dict[str, str] = field(factory=dict)
    _excluded: set[str] = field(factory=set)

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, ParticipantJoined | ParticipantUpdated):
            self._names[event.participant.id] = event.participant.name
        if isinstance(event, ParticipantExcluded):
            self._excluded.add(event.participant_id)
            if event.since_s is None:
                who = event.participant_id
                self._marks = [each for each in self._marks if each.participant_id != who]
        elif isinstance(event, ParticipantIncluded):
            self._excluded.discard(event.participant_id)
        elif (mark := self._mark(event)) is not None:
            if len(self._marks) < _MOST_MARKS:
                self._marks.append(mark)
            else:
                self.left_out += 1

    def _mark(self, event: Event) -> _Mark | None:
        at_s = event.meeting_s
        if at_s is None:
            return None
        if isinstance(event, StateChanged) and event.state in _STATES:
            return _Mark(at_s, state=event.state)
        if isinstance(event, TopicMarked):
            return _Mark(at_s, topic=event.topic)
        if isinstance(event, ParticipantJoined):
            who = event.participant
            if not who.is_self and who.id not in self._excluded:
                return _Mark(at_s, participant_id=who.id)
        return None

    def until(self, end_s: float | None = None) -> list[Chapter]:
        """Return the chapters, the first of them first.

        Args:
            end_s: Where the recording ends, None while that is not known: what begins there or
                later is left out.
        """
        groups: list[list[_Mark]] = []
        for mark in sorted(self._marks, key=lambda each: each.at_s):
            if end_s is not None and mark.at_s >= end_s:
                break
            if groups and _belongs(groups[-1], mark):
                groups[-1].append(mark)
            else:
                groups.append([mark])
        starts = [round(max(0.0, group[0].at_s), 3) for group in groups]
        ends = [*starts[1:], end_s]
        chapters: list[Chapter] = []
        topic = ""
        for start, end, group in zip(starts, ends, groups, strict=False):
            title = self._title(group)
            set_here = [mark.topic for mark in group if mark.topic]
            if set_here:
                topic = set_here[-1]
            elif topic and _goes_on(group):
                title = f"{topic}: {title}"
            chapters.append(Chapter(start_s=start, end_s=end, title=title))
        return chapters

    def _title(self, group: Sequence[_Mark]) -> str:
        parts = [mark.topic for mark in group if mark.topic]
        states = [_STATES[mark.state] for mark in group if mark.state is not None]
        parts += states[-1:]
        ids = dict.fromkeys(mark.participant_id for mark in group if mark.participant_id)
        if joined := [one_line(self._names.get(each, "")) or "somebody" for each in ids]:
            parts.append(f"{_listed(joined)} joined")
        return ", ".join(parts)


def _goes_on(group: Sequence[_Mark]) -> bool:
    """Return whether the meeting goes on with its topic in a chapter, as far as it is recorded."""
    states = [mark.state for mark in group if mark.state is not None]
    return not states or states[-1] in (State.IN_CALL, State.RECORDING)


def _belongs(group: Sequence[_Mark], mark: _Mark) -> bool:
    """Return whether a mark is of the chapter that is there."""
    apart_s = mark.at_s - group[0].at_s
    alone = mark.topic and any(each.topic for each in group)
    return apart_s < (_MOMENT_S if alone else _TOGETHER_S)


def _listed(names: Sequence[str]) -> str:
    shown, others = names[:_NAMES_SHOWN], len(names) - _NAMES_SHOWN
    if others == 1:
        shown, others = names, 0
    if others > 0:
        return f"{', '.join(shown)} and {others} others"
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
