"""The entries of a bot's journal: what happened, in past tense, immutable, numbered.

Every event has a `type` (its name on the wire), the bot's id, `seq` (gap-free from 1,
given by the journal), `at` (wall time, UTC) and `meeting_s` (seconds since the bot entered
the call, None before that). Drafts (`meetcore.model.drafts`) are shown, not kept.
"""

from __future__ import annotations

from meetcore.model.event import Event, UnknownEvent
from meetcore.model.life_events import (
    BotRequested,
    EndingDetailed,
    StateChanged,
)
from meetcore.model.meeting_events import (
    BotReleased,
    BotTakenOver,
    CaptureDegraded,
    CaptureRestored,
    CaptureStarted,
    ChatReceived,
    NoticeShown,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PersonAnswered,
    PersonAskedFor,
    RosterDegraded,
    RosterRestored,
    ShareStarted,
    ShareStopped,
    SpeakingStarted,
    SpeakingStopped,
    TopicMarked,
    TrackClosed,
    TrackOpened,
    TrackOwnerIdentified,
    VideoDegraded,
    VideoRestored,
)
from meetcore.model.transcript_events import (
    SegmentFinalized,
    SegmentWithheld,
    TranscriberNotice,
    TranscriberRestarted,
    TranscriberSwitched,
    TranscriberUsage,
    TranscriptionGap,
    TranscriptionStopped,
    VoiceNamed,
)
from meetcore.model.work_events import (
    ArtifactWritten,
    AudioLost,
    BotUnresponsive,
    CommandAnswered,
    DeliveryAbandoned,
    DeliveryAttempted,
    DiagnosticsCaptured,
    EventLost,
    LedgerClosed,
    LedgerEntry,
    MediaLost,
    PluginEvent,
    PluginFailed,
    PluginSlow,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    StepTaken,
)

__all__ = [
    "EVENT_TYPES",
    "ArtifactWritten",
    "AudioLost",
    "BotReleased",
    "BotRequested",
    "BotTakenOver",
    "BotUnresponsive",
    "CaptureDegraded",
    "CaptureRestored",
    "CaptureStarted",
    "ChatReceived",
    "CommandAnswered",
    "DeliveryAbandoned",
    "DeliveryAttempted",
    "DiagnosticsCaptured",
    "EndingDetailed",
    "Event",
    "EventLost",
    "LedgerClosed",
    "LedgerEntry",
    "MediaLost",
    "NoticeShown",
    "ParticipantExcluded",
    "ParticipantIncluded",
    "ParticipantJoined",
    "ParticipantLeft",
    "ParticipantUpdated",
    "PersonAnswered",
    "PersonAskedFor",
    "PluginEvent",
    "PluginFailed",
    "PluginSlow",
    "RosterDegraded",
    "RosterRestored",
    "SegmentFinalized",
    "SegmentWithheld",
    "ShareStarted",
    "ShareStopped",
    "SpeakingStarted",
    "SpeakingStopped",
    "SpeechFinished",
    "SpeechInterrupted",
    "SpeechStarted",
    "StateChanged",
    "StepTaken",
    "TopicMarked",
    "TrackClosed",
    "TrackOpened",
    "TrackOwnerIdentified",
    "TranscriberNotice",
    "TranscriberRestarted",
    "TranscriberSwitched",
    "TranscriberUsage",
    "TranscriptionGap",
    "TranscriptionStopped",
    "UnknownEvent",
    "VideoDegraded",
    "VideoRestored",
    "VoiceNamed",
]


def _all_event_types() -> dict[str, type[Event]]:
    return {cls.type: cls for cls in Event.__subclasses__() if "type" in cls.__dict__}


EVENT_TYPES: dict[str, type[Event]] = _all_event_types()
"""Every event class by its name on the wire."""
