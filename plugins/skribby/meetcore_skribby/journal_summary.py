"""What a bot's journal says that stands in the bot object or in the first frame. Pure.

All but the segments, of which there may be thousands: whoever writes them reads them once more.
"""

from __future__ import annotations

from typing import Any, TypedDict

from attrs import define, field

from meetcore import (
    ArtifactWritten,
    ChatReceived,
    Event,
    Segment,
    SegmentFinalized,
    StateChanged,
    TranscriptionStopped,
    format_time,
)
from meetcore_skribby.frames import chat_data
from meetcore_skribby.people import LivePerson, People
from meetcore_skribby.statuses import Standing, StatusTrack
from meetcore_skribby.transcripts import LiveSegment, SpeakerNumbers

__all__ = ["Connected", "JournalSummary", "LoggedEvent"]


class LoggedEvent(TypedDict):
    """An entry of the bot object's `events`."""

    event: str
    data: Any
    created_at: str


class Connected(TypedDict):
    """What the first frame tells."""

    transcripts: list[LiveSegment]
    participants: list[LivePerson]
    chat_messages: list[dict[str, str | None]]
    status: str | None


@define
class JournalSummary:
    """A reducer: call `take` with each event, in order.

    Args:
        batch: Whether the model transcribes afterwards, as the client sees it.
        speaker_events: Whether what participants did is kept.
    """

    batch: bool = False
    speaker_events: bool = False
    last_seq: int = 0
    events: list[LoggedEvent] = field(factory=list)
    people: People = field(init=False)
    recording: ArtifactWritten | None = None
    video: ArtifactWritten | None = None
    _statuses: StatusTrack = field(init=False)
    _speakers: SpeakerNumbers = field(factory=SpeakerNumbers)
    _languages: dict[str, str | None] = field(factory=dict)
    _chat: list[dict[str, str | None]] = field(factory=list)
    _stopped: bool = False

    def __attrs_post_init__(self) -> None:
        """Begin before the first state."""
        self._statuses = StatusTrack(self.batch)
        self.people = People(keep=self.speaker_events)

    @property
    def standing(self) -> Standing | None:
        """Where the bot stands, None before the first event."""
        return self._statuses.now

    @property
    def detected_language(self) -> str | None:
        """The language of the first segment that has one."""
        return next((language for language in self._languages.values() if language), None)

    def speaker_of(self, segment: Segment) -> int | None:
        """Return the number of a segment's speaker, None for a segment that came afterwards."""
        return self._speakers.number(segment) if segment.id in self._languages else None

    def connected(self, transcripts: list[LiveSegment]) -> Connected:
        """Return what the first frame of a socket tells."""
        return {
            "transcripts": transcripts,
            "participants": self.people.live(),
            "chat_messages": list(self._chat),
            "status": self.standing.status if self.standing else None,
        }

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.last_seq = event.seq
        if isinstance(event, StateChanged):
            for transition in self._statuses.take(event):
                self._log("status_update", transition.data, event)
        elif isinstance(event, SegmentFinalized):
            self._languages[event.segment.id] = event.segment.language
            self._speakers.number(event.segment)
        elif isinstance(event, ChatReceived):
            chat = chat_data(event)
            self._chat.append(chat)
            told = {name: chat[name] for name in ("id", "parent_id", "content", "username")}
            self._log("chat_message", told, event)
        elif isinstance(event, TranscriptionStopped):
            if not self._stopped:
                self._log("error", {"message": event.detail}, event)
            self._stopped = True
        elif isinstance(event, ArtifactWritten):
            if event.kind == "audio.mix":
                self.recording = event
            elif event.kind == "video":
                self.video = event
        else:
            self.people.take(event)

    def _log(self, name: str, data: Any, event: Event) -> None:
        self.events.append({"event": name, "data": data, "created_at": format_time(event.at)})
