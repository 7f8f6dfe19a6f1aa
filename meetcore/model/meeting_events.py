"""Entries of a journal about the meeting: who is there, who speaks, what is written and shown."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from meetcore.model.commands import PersonAnswer
from meetcore.model.event import Event
from meetcore.model.roster import NameSource, Participant

__all__ = [
    "BotReleased",
    "BotTakenOver",
    "CaptureDegraded",
    "CaptureRestored",
    "CaptureStarted",
    "ChatReceived",
    "NoticeShown",
    "ParticipantExcluded",
    "ParticipantIncluded",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PersonAnswered",
    "PersonAskedFor",
    "RosterDegraded",
    "RosterRestored",
    "ShareStarted",
    "ShareStopped",
    "SpeakingStarted",
    "SpeakingStopped",
    "TopicMarked",
    "TrackClosed",
    "TrackOpened",
    "TrackOwnerIdentified",
    "VideoDegraded",
    "VideoRestored",
]


@frozen(kw_only=True)
class ParticipantJoined(Event):
    """Somebody is in the meeting."""

    type: ClassVar[str] = "participant.joined"
    participant: Participant


@frozen(kw_only=True)
class ParticipantUpdated(Event):
    """Somebody's name, role or mute state changed."""

    type: ClassVar[str] = "participant.updated"
    participant: Participant


@frozen(kw_only=True)
class ParticipantLeft(Event):
    """Somebody left the meeting."""

    type: ClassVar[str] = "participant.left"
    participant_id: str
    name: str | None = None


@frozen(kw_only=True)
class ParticipantExcluded(Event):
    """Nothing of somebody is recorded or transcribed from here on.

    Their sound, words and chat messages go nowhere; that they are there, and when they speak,
    is told as ever. `since_s` is the meeting time from which on that holds. None is from the
    beginning: then what is known of them comes again withdrawn, is blank in the journal, and is
    silent in the recordings once these are complete.

    `remains` says what of before that cannot be undone: `words` and `chat` that were delivered,
    `sound` that was given to others live, `mix` (it is in a recording of everybody together that
    cannot be parted), `media` (in encoded sound or pictures that were passed on). `by` is who asked
    for it: a plugin, a sink, `api`; empty for the program. `participant_id` is empty where the
    platform only says how they are called: then it holds for whoever has that name.
    """

    type: ClassVar[str] = "participant.excluded"
    participant_id: str
    name: str | None
    since_s: float | None = None
    remains: tuple[str, ...] = ()
    by: str = ""


@frozen(kw_only=True)
class ParticipantIncluded(Event):
    """Somebody who was excluded is recorded and transcribed again, from `from_s` on."""

    type: ClassVar[str] = "participant.included"
    participant_id: str
    name: str | None
    from_s: float
    by: str = ""


@frozen(kw_only=True)
class SpeakingStarted(Event):
    """Somebody began to speak, `start_s` seconds into the meeting.

    Evidence may come late. Where it lies before what was told of somebody already, the changes
    after it are told again, so that the last event always says what is so now.
    `track_id` says on which track, where the indicator did; None for anywhere.
    """

    type: ClassVar[str] = "speaking.started"
    participant_id: str
    name: str | None
    start_s: float
    source: NameSource
    track_id: str | None = None


@frozen(kw_only=True)
class SpeakingStopped(Event):
    """Somebody stopped speaking, `end_s` seconds into the meeting; else as its start."""

    type: ClassVar[str] = "speaking.stopped"
    participant_id: str
    name: str | None
    end_s: float
    source: NameSource
    track_id: str | None = None


@frozen(kw_only=True)
class TrackOpened(Event):
    """A source of audio opened, with whose it is where that was known by then."""

    type: ClassVar[str] = "track.opened"
    track_id: str
    participant_id: str | None
    kind: str
    name_source: NameSource


@frozen(kw_only=True)
class TrackOwnerIdentified(Event):
    """It was learned, corrected or taken back whose a track is.

    What was said on it comes again as a later revision of its segments. `participant_id` is None
    where it is nobody's any more; `since_s` is when it became theirs, in seconds of meeting time,
    None for as long as there is the track.
    """

    type: ClassVar[str] = "track.identified"
    track_id: str
    participant_id: str | None
    name: str | None
    source: NameSource
    confidence: float
    since_s: float | None = None


@frozen(kw_only=True)
class TrackClosed(Event):
    """A source of audio closed."""

    type: ClassVar[str] = "track.closed"
    track_id: str


@frozen(kw_only=True)
class CaptureStarted(Event):
    """The first audio came. Sample 0 of the call's clock lies `offset_s` into the meeting."""

    type: ClassVar[str] = "capture.started"
    offset_s: float


@frozen(kw_only=True)
class CaptureDegraded(Event):
    """The bot is in the call but audio does not arrive as it should."""

    type: ClassVar[str] = "capture.degraded"
    detail: str
    track_id: str | None = None


@frozen(kw_only=True)
class CaptureRestored(Event):
    """Audio arrives again."""

    type: ClassVar[str] = "capture.restored"
    detail: str = ""
    track_id: str | None = None


@frozen(kw_only=True)
class VideoDegraded(Event):
    """What is recorded as video has not changed or was black for 10 s, or is not recorded now.

    A meeting in which nobody has a camera on and nobody speaks may well look the same for so long.
    """

    type: ClassVar[str] = "video.degraded"
    detail: str


@frozen(kw_only=True)
class VideoRestored(Event):
    """What is recorded as video moves again."""

    type: ClassVar[str] = "video.restored"
    detail: str = ""


@frozen(kw_only=True)
class RosterDegraded(Event):
    """The list of participants cannot be believed for now: unknown, not empty."""

    type: ClassVar[str] = "roster.degraded"
    detail: str


@frozen(kw_only=True)
class RosterRestored(Event):
    """The list of participants can be believed again."""

    type: ClassVar[str] = "roster.restored"
    detail: str = ""


@frozen(kw_only=True)
class ChatReceived(Event):
    """A chat message, somebody's or the bot's own.

    `direct` says that it was for one person alone: `to_id` (None where unknown) and `to_name` say
    for whom, the bot itself if somebody wrote to it.
    """

    type: ClassVar[str] = "chat.received"
    message_id: str
    sender_id: str | None
    sender_name: str
    text: str
    by_bot: bool = False
    direct: bool = False
    to_id: str | None = None
    to_name: str = ""


@frozen(kw_only=True)
class ShareStarted(Event):
    """Somebody shares a screen from now on; `share_id` is the track of its media, if there is."""

    type: ClassVar[str] = "share.started"
    share_id: str
    participant_id: str | None
    name: str | None = None


@frozen(kw_only=True)
class ShareStopped(Event):
    """A screen is shared no more."""

    type: ClassVar[str] = "share.stopped"
    share_id: str
    participant_id: str | None
    name: str | None = None


@frozen(kw_only=True)
class TopicMarked(Event):
    """Somebody said what the meeting is about from now on: a chapter of the recording begins."""

    type: ClassVar[str] = "topic.marked"
    topic: str
    by: str = ""


@frozen(kw_only=True)
class NoticeShown(Event):
    """The meeting told its guests something: that it is recorded, that notes are taken.

    `answer` is what the bot pressed, empty where it only read it.
    """

    type: ClassVar[str] = "notice.shown"
    kind: str
    text: str
    answer: str = ""


@frozen(kw_only=True)
class PersonAskedFor(Event):
    """The page wants something that only a person can do (`needed`), or wants it no more."""

    type: ClassVar[str] = "person.needed"
    what: str
    needed: bool = True
    detail: str = ""
    wait_s: float | None = None
    screenshot: str | None = None


@frozen(kw_only=True)
class PersonAnswered(Event):
    """Somebody said that what a person was asked for is done, or that nobody will do it."""

    type: ClassVar[str] = "person.answered"
    what: str
    answer: PersonAnswer
    by: str = ""


@frozen(kw_only=True)
class BotTakenOver(Event):
    """A person has mouse and keyboard of the bot's page from now on; the bot presses nothing."""

    type: ClassVar[str] = "bot.taken_over"
    by: str = ""


@frozen(kw_only=True)
class BotReleased(Event):
    """Mouse and keyboard of the page are the bot's own again, after `lasted_s` seconds.

    `cause` is `released` (they were given back), `gone` (whoever had them looks no more), `idle`
    (nothing was done with them for two minutes) or `leaving`.
    """

    type: ClassVar[str] = "bot.released"
    by: str = ""
    cause: str = ""
    lasted_s: float = 0.0
