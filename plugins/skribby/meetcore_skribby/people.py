"""Who is in the meeting, and what Skribby tells about them: a reducer over events. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from attrs import define, field, frozen

from meetcore import (
    Event,
    Participant,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    ShareStarted,
    ShareStopped,
    SpeakingStarted,
    SpeakingStopped,
    format_time,
)

__all__ = [
    "LivePerson",
    "Occurrence",
    "People",
    "PersonState",
    "RestPerson",
    "RestPersonEvent",
    "milliseconds",
]


class PersonState(TypedDict):
    """What is known of somebody's devices; no platform tells of cameras yet."""

    active: bool
    microphone: str
    camera: str
    screenshare: str


class LivePerson(TypedDict):
    """A participant, in frames."""

    participantId: str
    participantName: str
    timestamp: int
    state: PersonState
    lastSeenAt: int


class RestPersonEvent(TypedDict):
    """Something a participant did, in the bot object."""

    type: str
    timestamp: int


class PresenceInterval(TypedDict):
    """A time somebody was there; without `left_at` they still are."""

    joined_at: int
    left_at: NotRequired[int]


class RestPerson(TypedDict):
    """A participant, in the bot object."""

    name: str
    avatar: str | None
    first_seen_at: str
    last_seen_at: int
    left_at: NotRequired[int]
    presence_intervals: list[PresenceInterval]
    events: NotRequired[list[RestPersonEvent]]


@frozen
class Occurrence:
    """Something that happened to a participant: a frame's type, and its data."""

    type: str
    data: LivePerson


def milliseconds(at: datetime) -> int:
    """Return a time as milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def _when(event: Event, meeting_s: float) -> datetime:
    """Return the wall time of a moment in the meeting that an event tells of."""
    if event.meeting_s is None:
        return event.at
    return event.at - timedelta(seconds=event.meeting_s - meeting_s)


@define
class _PersonRecord:
    participant: Participant
    first_seen_at: datetime
    last_seen_ms: int
    intervals: list[PresenceInterval]
    talking: bool = False
    shares: bool | None = None
    done: list[tuple[str, int]] = field(factory=list)

    @property
    def here(self) -> bool:
        return "left_at" not in self.intervals[-1]

    def live(self, at_ms: int) -> LivePerson:
        muted = self.participant.muted
        return {
            "participantId": self.participant.id,
            "participantName": self.participant.name,
            "timestamp": at_ms,
            "state": {
                "active": self.here,
                "microphone": "unknown" if muted is None else "muted" if muted else "unmuted",
                "camera": "unknown",
                "screenshare": _SHARING[self.shares],
            },
            "lastSeenAt": self.last_seen_ms,
        }

    def rest(self) -> RestPerson:
        person: RestPerson = {
            "name": self.participant.name,
            "avatar": None,
            "first_seen_at": format_time(self.first_seen_at),
            "last_seen_at": self.last_seen_ms,
            "presence_intervals": list(self.intervals),
        }
        if not self.here:
            person["left_at"] = self.intervals[-1]["left_at"]
        return person


# Of somebody who has not shared it is not known whether the platform would tell.
_SHARING = {None: "unknown", True: "sharing", False: "not-sharing"}


@define
class People:
    """Everybody ever seen, except our own bot. Call `take` with each event, in order.

    Args:
        keep: Whether to keep what each of them did: in a long meeting that is much.
    """

    keep: bool = False
    _known: dict[str, _PersonRecord] = field(factory=dict)

    def take(self, event: Event) -> list[Occurrence]:
        """Take the next event; return what is told about it, in order."""
        if isinstance(event, (ParticipantJoined, ParticipantUpdated)):
            return self._seen(event.participant, event.at)
        if isinstance(event, ParticipantLeft):
            return self._left(event)
        if isinstance(event, SpeakingStarted):
            return self._speech(event.participant_id, _when(event, event.start_s), talking=True)
        if isinstance(event, SpeakingStopped):
            return self._speech(event.participant_id, _when(event, event.end_s), talking=False)
        if isinstance(event, ShareStarted):
            return self._sharing(event.participant_id, event.at, shares=True)
        if isinstance(event, ShareStopped):
            return self._sharing(event.participant_id, event.at, shares=False)
        return []

    def live(self) -> list[LivePerson]:
        """Return those who are there now, for the first frame."""
        return [person.live(person.last_seen_ms) for person in self._known.values() if person.here]

    def rest(self) -> list[RestPerson]:
        """Return everybody, for the bot object; with what they did, where that is kept."""
        people = [person.rest() for person in self._known.values()]
        if self.keep:
            for person, known in zip(people, self._known.values(), strict=True):
                person["events"] = [{"type": what, "timestamp": at} for what, at in known.done]
        return people

    def _seen(self, participant: Participant, at: datetime) -> list[Occurrence]:
        if participant.is_self:
            return []
        at_ms = milliseconds(at)
        person = self._known.get(participant.id)
        if person is None:
            person = _PersonRecord(participant, at, at_ms, [{"joined_at": at_ms}])
            self._known[participant.id] = person
            return [Occurrence("participant-tracked", person.live(at_ms))]
        before, person.participant = person.participant, participant
        person.last_seen_ms = max(at_ms, person.last_seen_ms)
        told: list[Occurrence] = []
        if not person.here:
            person.intervals.append({"joined_at": at_ms})
            told.append(self._happened(person, "rejoined", at_ms))
        if None not in (before.muted, participant.muted) and before.muted != participant.muted:
            told.append(self._happened(person, "muted" if participant.muted else "unmuted", at_ms))
        return told

    def _left(self, event: ParticipantLeft) -> list[Occurrence]:
        person = self._known.get(event.participant_id)
        if person is None or not person.here:
            return []
        told = self._speech(event.participant_id, event.at, talking=False)
        at_ms = milliseconds(event.at)
        person.last_seen_ms = max(at_ms, person.last_seen_ms)
        person.intervals[-1] = {"joined_at": person.intervals[-1]["joined_at"], "left_at": at_ms}
        return [*told, self._happened(person, "left", at_ms)]

    def _speech(self, participant_id: str, at: datetime, *, talking: bool) -> list[Occurrence]:
        person = self._known.get(participant_id)
        if person is None or person.talking is talking:
            return []
        person.talking = talking
        at_ms = milliseconds(at)
        person.last_seen_ms = max(at_ms, person.last_seen_ms)
        what = "started-speaking" if talking else "stopped-speaking"
        return [self._happened(person, what, at_ms)]

    def _sharing(self, who: str | None, at: datetime, *, shares: bool) -> list[Occurrence]:
        person = self._known.get(who or "")
        if person is None or bool(person.shares) is shares:
            return []
        person.shares = shares
        at_ms = milliseconds(at)
        person.last_seen_ms = max(at_ms, person.last_seen_ms)
        what = "started-screenshare" if shares else "stopped-screenshare"
        return [self._happened(person, what, at_ms)]

    def _happened(self, person: _PersonRecord, what: str, at_ms: int) -> Occurrence:
        if self.keep:
            person.done.append((what, at_ms))
        frame = what if what.endswith("-speaking") else f"participant-{what}"
        return Occurrence(frame, person.live(at_ms))
