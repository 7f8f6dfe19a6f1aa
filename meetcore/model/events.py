"""The entries of a bot's journal: what happened, in past tense, immutable, numbered.

Every event has a `type` (its name on the wire), the bot's id, `seq` (gap-free from 1,
given by the journal), `at` (wall time, UTC) and `meeting_s` (seconds since the bot entered
the call, None before that). Drafts (`meetcore.model.drafts`) are shown, not kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from attrs import field, frozen

from meetcore.model.drafts import DRAFT_TYPES, Draft, LevelDraft, SegmentDraft
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.plain import NO_TIME, data_of, format_time, to_json
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment

__all__ = [
    "DRAFT_TYPES",
    "EVENT_TYPES",
    "ArtifactWritten",
    "AudioLost",
    "BotRequested",
    "BotUnresponsive",
    "CaptureDegraded",
    "CaptureRestored",
    "CaptureStarted",
    "ChatReceived",
    "CommandAnswered",
    "DeliveryAbandoned",
    "DeliveryAttempted",
    "DiagnosticsCaptured",
    "Draft",
    "EndingDetailed",
    "Event",
    "EventLost",
    "LedgerClosed",
    "LedgerEntry",
    "LevelDraft",
    "MediaLost",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PluginEvent",
    "PluginFailed",
    "PluginSlow",
    "RosterDegraded",
    "RosterRestored",
    "SegmentDraft",
    "SegmentFinalized",
    "SegmentWithheld",
    "SpeakingStarted",
    "SpeakingStopped",
    "SpeechFinished",
    "SpeechInterrupted",
    "SpeechStarted",
    "StateChanged",
    "StepTaken",
    "TrackClosed",
    "TrackOpened",
    "TrackOwnerIdentified",
    "TranscriberRestarted",
    "TranscriberUsage",
    "TranscriptionGap",
    "TranscriptionStopped",
    "UnknownEvent",
]


@frozen(kw_only=True)
class Event:
    """Root of all events. The journal fills in `bot_id`, `seq`, `at` and `meeting_s`."""

    type: ClassVar[str]
    bot_id: str = ""
    seq: int = 0
    at: datetime = NO_TIME
    meeting_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as it is on the wire, in a webhook and in the journal."""
        return {
            "type": self.type,
            "seq": self.seq,
            "bot_id": self.bot_id,
            "at": format_time(self.at),
            "meeting_s": self.meeting_s,
            "data": data_of(self),
        }

    def to_json(self) -> str:
        """Return `to_dict` as a line of JSON."""
        return to_json(self.to_dict())


@frozen(kw_only=True)
class BotRequested(Event):
    """A bot was asked for: the first entry of every journal.

    `format` is that of the whole journal, 0 in one from before formats were numbered.
    """

    type: ClassVar[str] = "bot.requested"
    platform: str
    native_id: str
    public_url: str
    display_name: str
    transcriber: str | None = None
    sinks: tuple[str, ...] = ()
    scheduled_for: datetime | None = None
    metadata: dict[str, str] = field(factory=dict)
    meetcore_version: str = ""
    format: int = 0


@frozen(kw_only=True)
class StateChanged(Event):
    """The bot went from one state of the lifecycle to the next; terminal ones carry the reason."""

    type: ClassVar[str] = "state.changed"
    state: State
    previous: State | None = None
    reason: EndReason | None = None
    evidence: Evidence | None = None


@frozen(kw_only=True)
class EndingDetailed(Event):
    """A further finding about the end, after the reason was fixed."""

    type: ClassVar[str] = "ending.detailed"
    reason: EndReason
    evidence: Evidence


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
    """A chat message, somebody's or the bot's own."""

    type: ClassVar[str] = "chat.received"
    message_id: str
    sender_id: str | None
    sender_name: str
    text: str
    by_bot: bool = False


@frozen(kw_only=True)
class SegmentFinalized(Event):
    """A stretch of transcript that was recognised for good, or a later revision of one.

    Text is not recognised again, but who said it may be learned late: keep the newest revision of
    each id. An empty one takes the segment away: its words are another's now.
    """

    type: ClassVar[str] = "segment.finalized"
    segment: Segment


@frozen(kw_only=True)
class SegmentWithheld(Event):
    """A segment was kept back, since a reviser that must not be passed by did not revise it.

    `cause` is `failed`, `timed_out`, `wrong_type` or `unfinished` (the bot had to end first).
    Its text is nowhere.
    """

    type: ClassVar[str] = "segment.withheld"
    segment_id: str
    track_id: str
    participant_id: str | None
    start_s: float
    end_s: float
    plugin: str
    cause: str


@frozen(kw_only=True)
class TranscriptionGap(Event):
    """Speech that was heard but not transcribed, in seconds of meeting time."""

    type: ClassVar[str] = "transcription.gap"
    track_id: str
    start_s: float
    end_s: float
    cause: str


@frozen(kw_only=True)
class TranscriberRestarted(Event):
    """The transcriber of a track failed and was started again."""

    type: ClassVar[str] = "transcriber.restarted"
    track_id: str
    kind: str
    detail: str
    attempt: int


@frozen(kw_only=True)
class TranscriberUsage(Event):
    """What one stream of a transcriber was sent (replays too) and how long it was open.

    `billed_s` and `cost` are the provider's word, None where it says nothing.
    """

    type: ClassVar[str] = "transcriber.usage"
    transcriber: str
    track_id: str
    audio_s: float
    open_s: float
    billed_s: float | None = None
    cost: float | None = None
    currency: str | None = None


@frozen(kw_only=True)
class TranscriptionStopped(Event):
    """A track is not transcribed any more: the trouble is not of the kind that passes."""

    type: ClassVar[str] = "transcription.stopped"
    track_id: str
    kind: str
    detail: str


@frozen(kw_only=True)
class BotUnresponsive(Event):
    """The bot's process answered nothing for a time; what was said then may be lost.

    It writes this itself when it answers again, or recovery does after it was given up.
    """

    type: ClassVar[str] = "bot.unresponsive"
    silent_s: float


@frozen(kw_only=True)
class EventLost(Event):
    """An event that cannot be read any more: its line in the journal is damaged.

    It has the number of the event it stands for, so that no number is missing. Written by recovery
    in its place; shown by whoever reads a journal that nobody has recovered yet.
    """

    type: ClassVar[str] = "event.lost"
    detail: str


@frozen(kw_only=True)
class AudioLost(Event):
    """Audio that one consumer did not get: which samples of which track, and why."""

    type: ClassVar[str] = "audio.lost"
    track_id: str
    consumer: str
    start_sample: int
    samples: int
    cause: str


@frozen(kw_only=True)
class MediaLost(Event):
    """Media that one consumer did not get: `fragments` of a track from number `first` on."""

    type: ClassVar[str] = "media.lost"
    track_id: str
    consumer: str
    first: int
    fragments: int
    cause: str


@frozen
class LedgerEntry:
    """The account of one track for one consumer, in samples at 16 kHz, or in fragments of media.

    `captured == delivered + withheld + lost`: `withheld` is what was kept back on purpose,
    silence from a transcriber that asks for speech only, or everything while paused.
    """

    track_id: str
    consumer: str
    captured: int
    delivered: int
    withheld: int
    lost: int
    unit: str = "samples"


@frozen(kw_only=True)
class LedgerClosed(Event):
    """The account of audio and media of the whole attendance."""

    type: ClassVar[str] = "ledger.closed"
    entries: tuple[LedgerEntry, ...]
    balanced: bool


@frozen(kw_only=True)
class ArtifactWritten(Event):
    """A file for afterwards is complete; `path` is relative to the bot's folder."""

    type: ClassVar[str] = "artifact.written"
    kind: str
    path: str
    media_type: str
    size_bytes: int
    duration_s: float | None = None


@frozen(kw_only=True)
class DiagnosticsCaptured(Event):
    """A step failed; what the page looked like lies in `folder`."""

    type: ClassVar[str] = "diagnostics.captured"
    step: str
    folder: str
    detail: str = ""


@frozen(kw_only=True)
class StepTaken(Event):
    """A step of the join worked: which, and how."""

    type: ClassVar[str] = "step.taken"
    name: str
    detail: str = ""


@frozen(kw_only=True)
class CommandAnswered(Event):
    """A command from outside was carried out or refused.

    `command_id` is the command's own, or one that the bot made; `by` is who asked, a sink's name
    or `api`, empty for the program itself.
    """

    type: ClassVar[str] = "command.answered"
    command: str
    ok: bool
    error: str | None = None
    command_id: str = ""
    by: str = ""


@frozen(kw_only=True)
class SpeechStarted(Event):
    """The bot began to say something; `text` is empty where it is not known in words."""

    type: ClassVar[str] = "speech.started"
    speech_id: str
    text: str = ""
    by: str = ""


@frozen(kw_only=True)
class SpeechFinished(Event):
    """The bot said something to its end, which took `duration_s`."""

    type: ClassVar[str] = "speech.finished"
    speech_id: str
    duration_s: float
    text: str = ""


@frozen(kw_only=True)
class SpeechInterrupted(Event):
    """Something that the bot was to say was not said to its end, but for `position_s` seconds.

    `cause` is `interrupted` (somebody asked for it), `replaced` (something else was to be said),
    `leaving`, `timed_out` or `failed`; `detail` says more of the last two.
    """

    type: ClassVar[str] = "speech.interrupted"
    speech_id: str
    position_s: float
    cause: str
    text: str = ""
    detail: str = ""


@frozen(kw_only=True)
class PluginFailed(Event):
    """A plugin raised or hung; the bot went on without that call.

    `frame` is the author's own last line on the way there, as `folder/file.py:12 function`.
    """

    type: ClassVar[str] = "plugin.failed"
    plugin: str
    where: str
    error: str
    detached: bool = False
    frame: str = ""


@frozen(kw_only=True)
class PluginSlow(Event):
    """A plugin held up the event loop or lags behind; `missed` items were not shown to it."""

    type: ClassVar[str] = "plugin.slow"
    plugin: str
    where: str
    seconds: float = 0.0
    missed: int = 0


@frozen(kw_only=True)
class DeliveryAttempted(Event):
    """One attempt to deliver one event to a target."""

    type: ClassVar[str] = "delivery.attempted"
    sink: str
    target: str
    event_seq: int
    attempt: int
    ok: bool
    status: int | None = None
    error: str | None = None
    next_try_s: float | None = None


@frozen(kw_only=True)
class DeliveryAbandoned(Event):
    """An event was not delivered within the schedule and went to the dead letters."""

    type: ClassVar[str] = "delivery.abandoned"
    sink: str
    target: str
    event_seq: int
    attempts: int
    error: str


@frozen(kw_only=True)
class PluginEvent(Event):
    """Something a plugin has to say that the core has no word for."""

    type: ClassVar[str] = "plugin.event"
    plugin: str
    name: str
    data: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An entry of a type this version does not know, kept as it was read."""

    type: ClassVar[str] = "unknown"
    type_name: str
    data: dict[str, object] = field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, as it was read."""
        return {**super().to_dict(), "type": self.type_name, "data": self.data}


def _all_event_types() -> dict[str, type[Event]]:
    return {cls.type: cls for cls in Event.__subclasses__() if "type" in cls.__dict__}


EVENT_TYPES: dict[str, type[Event]] = _all_event_types()
"""Every event class by its name on the wire."""
