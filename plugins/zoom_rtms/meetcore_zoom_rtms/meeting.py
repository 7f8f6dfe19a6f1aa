"""What Zoom tells of a meeting, as signals: people, speakers, chat, words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from meetcore import (
    CaptionSeen,
    ChatArrived,
    NameSource,
    Participant,
    ParticipantAppeared,
    ParticipantGone,
    Signal,
    SpeakingIndicated,
    TrackAppeared,
)
from meetcore_zoom_rtms.tracks import Tracks
from meetcore_zoom_rtms.wire import AUDIO_RATE_HZ, EventType

__all__ = ["MIX", "MeetingReader"]

MIX = "mix"
_EVERYONE = 1
_FAR_S = 600.0
_MICROSECONDS = 100_000_000_000_000
_NEW = 1


def _person(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return somebody's id and name; None for nobody, which Zoom writes as 0."""
    user_id = given.get("user_id", given.get("userId"))
    name = given.get("user_name", given.get("userName"))
    if not isinstance(user_id, (int, str)) or user_id in (0, "0", ""):
        return None
    return str(user_id), name.strip() if isinstance(name, str) else ""


@define
class MeetingReader:
    """Who is in a meeting and what was told of it so far.

    Attributes:
        tracks: The sound, for the clock.
        mixed: Whether everybody is on one track.
    """

    tracks: Tracks
    mixed: bool = False
    _names: dict[str, str] = field(factory=dict)
    _speaker: str | None = None
    _gone: set[str] = field(factory=set)
    _announced: set[str] = field(factory=set)

    def event(self, event: Mapping[str, Any]) -> Iterator[Signal]:
        """Yield what an `EVENT` means."""
        kind = event.get("event_type")
        if kind == EventType.PARTICIPANT_JOINED:
            for each in _people(event):
                self._gone.discard(each[0])
                yield from self._seen(*each)
        elif kind == EventType.PARTICIPANT_LEFT:
            for user_id, _ in _people(event):
                self._names.pop(user_id, None)
                self._gone.add(user_id)
                yield ParticipantGone(user_id)
        elif kind == EventType.ACTIVE_SPEAKER:
            yield from self._active(event)

    def sound(self, content: Mapping[str, Any]) -> tuple[str, list[Signal]]:
        """Return the track of an audio packet, and what it tells of who speaks.

        A packet without a person is of the mix, whatever was asked for.
        """
        person = None if self.mixed else _person(content)
        track_id = MIX if person is None else f"user-{person[0]}"
        told: list[Signal] = [] if person is None else list(self._seen(*person))
        if track_id not in self._announced:
            self._announced.add(track_id)
            told.append(
                TrackAppeared(track_id, None, "mix")
                if person is None
                else TrackAppeared(track_id, person[0])
            )
        return track_id, told

    def words(self, content: Mapping[str, Any]) -> Iterator[Signal]:
        """Yield what a line of Zoom's own transcript means."""
        text, person = content.get("data"), _person(content)
        if not isinstance(text, str) or not text.strip():
            return
        began = content.get("start_time", content.get("timestamp"))
        yield CaptionSeen(
            participant_id=person[0] if person else None,
            name=person[1] if person else "",
            text=text.strip(),
            at_s=self._at_s(began),
            final=True,
            key=f"{person[0] if person else ''}-{began}",
        )

    def chat(self, content: Mapping[str, Any]) -> Iterator[Signal]:
        """Yield what a chat message means: a new one to everybody, no other.

        Its text stands in `data`, alone or in an object as JSON; both are sent (2026).
        """
        given = {**content, **_inner(content.get("data"))}
        session, operation = given.get("chat_session"), given.get("operation_type", _NEW)
        kind = session.get("type", _EVERYONE) if isinstance(session, Mapping) else session
        text = given.get("data", "")
        if kind not in (None, _EVERYONE) or operation != _NEW or not isinstance(text, str):
            return
        sender = given.get("sender")
        person = _person(sender if isinstance(sender, Mapping) else given)
        if not text:
            return
        message_id = given.get("message_id") or f"{given.get('timestamp')}-{person}-{text}"
        yield ChatArrived(
            message_id=str(message_id),
            sender_id=person[0] if person else None,
            sender_name=person[1] if person else "",
            text=text,
        )

    def _seen(self, user_id: str, name: str) -> Iterator[Signal]:
        if user_id in self._gone:
            return  # what of them was on its way
        known = self._names.get(user_id)
        if known is None or (name and name != known):
            self._names[user_id] = name or known or ""
            yield ParticipantAppeared(Participant(id=user_id, name=self._names[user_id]))

    def _at_s(self, stamp: object) -> float | None:
        """Return where a stamp lies on the sound's clock; None for what cannot be one of it.

        Milliseconds of the wall clock are documented; microseconds are taken, too.
        """
        if not isinstance(stamp, int) or isinstance(stamp, bool):
            return None
        stamp_ms = stamp // 1000 if stamp > _MICROSECONDS else stamp
        at_s = self.tracks.sample_at(stamp_ms) / AUDIO_RATE_HZ
        far = abs(at_s - self.tracks.newest_sample / AUDIO_RATE_HZ) > _FAR_S
        return None if far else max(0.0, at_s)

    def _active(self, event: Mapping[str, Any]) -> Iterator[Signal]:
        """Yield who speaks on the mix now, and who does no longer."""
        person = _person(event)
        at_s = self._at_s(event.get("timestamp"))
        track_id = MIX if self.mixed else None
        source = NameSource.ACTIVE_SPEAKER
        if self._speaker is not None and (person is None or person[0] != self._speaker):
            yield SpeakingIndicated(
                self._speaker, speaking=False, source=source, track_id=track_id, at_s=at_s
            )
        self._speaker = person[0] if person else None
        if person is not None:
            yield from self._seen(*person)
            yield SpeakingIndicated(
                person[0], speaking=True, source=source, track_id=track_id, at_s=at_s
            )


def _people(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the people of an event: a list, or one in the event itself."""
    listed = event.get("participants")
    for each in listed if isinstance(listed, list) else [event]:
        person = _person(each) if isinstance(each, Mapping) else None
        if person is not None:
            yield person


def _inner(data: object) -> Mapping[str, Any]:
    if not isinstance(data, str) or not data.lstrip().startswith("{"):
        return {}
    try:
        inner = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return inner if isinstance(inner, dict) and ("data" in inner or "sender" in inner) else {}
