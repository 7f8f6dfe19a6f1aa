"""What an event means to a reader, in one line: for every type of event there is one."""

from __future__ import annotations

from functools import singledispatch

from meetcore.model.commands import PersonAnswer
from meetcore.model.events import (
    ArtifactWritten,
    AudioLost,
    BotReleased,
    BotRequested,
    BotTakenOver,
    BotUnresponsive,
    CaptureDegraded,
    CaptureRestored,
    CaptureStarted,
    ChatReceived,
    CommandAnswered,
    DeliveryAbandoned,
    DeliveryAttempted,
    DiagnosticsCaptured,
    EndingDetailed,
    Event,
    EventLost,
    LedgerClosed,
    MediaLost,
    NoticeShown,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PersonAnswered,
    PersonAskedFor,
    PluginEvent,
    PluginFailed,
    PluginSlow,
    RosterDegraded,
    RosterRestored,
    SegmentFinalized,
    SegmentWithheld,
    ShareStarted,
    ShareStopped,
    SpeakingStarted,
    SpeakingStopped,
    SpeechFinished,
    SpeechInterrupted,
    SpeechStarted,
    StateChanged,
    StepTaken,
    TopicMarked,
    TrackClosed,
    TrackOpened,
    TrackOwnerIdentified,
    TranscriberNotice,
    TranscriberRestarted,
    TranscriberSwitched,
    TranscriberUsage,
    TranscriptionGap,
    TranscriptionStopped,
    UnknownEvent,
    VideoDegraded,
    VideoRestored,
    VoiceNamed,
)
from meetcore.model.lifecycle import Evidence, Outcome, State, outcome_of

__all__ = ["TROUBLE", "chat_kind", "clock", "line_of", "plain_line"]

TROUBLE: tuple[type[Event], ...] = (
    AudioLost,
    BotUnresponsive,
    CaptureDegraded,
    CaptureRestored,
    DeliveryAbandoned,
    DiagnosticsCaptured,
    EventLost,
    PluginFailed,
    PluginSlow,
    RosterDegraded,
    SegmentWithheld,
    TranscriberRestarted,
    TranscriberSwitched,
    TranscriptionGap,
    TranscriptionStopped,
    VideoDegraded,
    VideoRestored,
)
"""The events that report trouble, or its end."""

_TOLD = (
    ArtifactWritten,
    BotReleased,
    BotTakenOver,
    ChatReceived,
    NoticeShown,
    ParticipantExcluded,
    ParticipantIncluded,
    ParticipantJoined,
    ParticipantLeft,
    PersonAnswered,
    PersonAskedFor,
    SegmentFinalized,
    ShareStarted,
    ShareStopped,
    SpeechInterrupted,
    SpeechStarted,
    StateChanged,
    TopicMarked,
    TranscriberNotice,
    *TROUBLE,
)
_SAMPLES_IN_MS = 16


def clock(seconds: float | None) -> str:
    """Return a meeting time as `01:02.3`, or blanks before the call."""
    if seconds is None:
        return "--:--.-"
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes):02d}:{rest:04.1f}"


def plain_line(event: Event, name: str) -> str | None:
    """Return the line of an event, None for what a person who watches a bot need not know.

    Args:
        event: The event.
        name: The bot's name in the meeting.
    """
    if not isinstance(event, _TOLD):
        return None
    if isinstance(event, ParticipantJoined) and event.participant.is_self:
        return None
    if isinstance(event, TranscriberNotice) and event.kind == "language":
        return None
    return line_of(event, name)


def line_of(event: Event, name: str) -> str:
    """Return what an event means to a reader; there is something for every type.

    Args:
        event: The event.
        name: The bot's name in the meeting.
    """
    line = _line(event)
    if isinstance(event, StateChanged) and event.state is State.AWAITING_ADMISSION:
        hint = event.evidence.hint if event.evidence is not None else None
        return f"{line}: {hint or f'ask the host to admit {name}'}"
    return line


@singledispatch
def _line(event: Event) -> str:
    return event.type


def _words(value: str) -> str:
    return value.replace("_", " ")


def _because(evidence: Evidence | None) -> str:
    return f": {evidence.detail}" if evidence is not None and evidence.detail else ""


@_line.register
def _(event: BotRequested) -> str:
    return f"{event.display_name} is asked to join {event.public_url}"


@_line.register
def _(event: StateChanged) -> str:
    line = _words(event.state.value)
    if event.reason is None:
        return line
    if event.state is State.COMPLETED:
        cut_short = outcome_of(event.state, event.reason) is Outcome.CUT_SHORT
        line += ", cut short" if cut_short else ""
    told = event.previous is State.PROCESSING  # with the leaving, a line above
    return f"{line} ({_words(event.reason.value)}{'' if told else _because(event.evidence)})"


@_line.register
def _(event: EndingDetailed) -> str:
    return f"also seen: {_words(event.reason.value)}{_because(event.evidence)}"


@_line.register
def _(event: ParticipantJoined) -> str:
    return f"{event.participant.name} joined"


@_line.register
def _(event: ParticipantUpdated) -> str:
    who = event.participant
    now = [
        word
        for word, holds in (("host", who.is_host), ("muted", who.muted), ("a bot", who.is_bot))
        if holds
    ]
    return f"{who.name} is now {', '.join(now) or 'neither host nor muted'}"


@_line.register
def _(event: ParticipantLeft) -> str:
    return f"{event.name or 'somebody'} left"


@_line.register
def _(event: ParticipantExcluded) -> str:
    line = f"{event.name or 'somebody'} is not recorded from now on"
    if event.since_s is None:
        line = f"{event.name or 'somebody'} is not recorded, since the beginning"
    if event.remains:
        line += f"; cannot be undone: {', '.join(event.remains)}"
    return line


@_line.register
def _(event: ParticipantIncluded) -> str:
    return f"{event.name or 'somebody'} is recorded again"


@_line.register
def _(event: SpeakingStarted) -> str:
    return f"{event.name or 'somebody'} begins to speak"


@_line.register
def _(event: SpeakingStopped) -> str:
    return f"{event.name or 'somebody'} stops speaking"


@_line.register
def _(event: TrackOpened) -> str:
    return f"track {event.track_id} of {event.participant_id or 'somebody unknown'} opens"


@_line.register
def _(event: TrackOwnerIdentified) -> str:
    return f"track {event.track_id} is {event.name or event.participant_id or 'somebody'}'s"


@_line.register
def _(event: TrackClosed) -> str:
    return f"track {event.track_id} closes"


@_line.register
def _(event: CaptureStarted) -> str:
    return f"the first sound came, {event.offset_s:.1f} s into the meeting"


@_line.register
def _(event: CaptureDegraded) -> str:
    return f"audio trouble: {event.detail}"


@_line.register
def _(event: CaptureRestored) -> str:
    return "audio is back"


@_line.register
def _(event: VideoDegraded) -> str:
    return f"video trouble: {event.detail}"


@_line.register
def _(event: VideoRestored) -> str:
    return "the picture moves again"


@_line.register
def _(event: RosterDegraded) -> str:
    return f"cannot see who is here: {event.detail}"


@_line.register
def _(event: RosterRestored) -> str:
    return "who is here can be seen again"


@_line.register
def _(event: NoticeShown) -> str:
    answer = f" (pressed {event.answer!r})" if event.answer else ""
    return f"the meeting says ({_words(event.kind)}): {event.text}{answer}"


@_line.register
def _(event: PersonAskedFor) -> str:
    what = _words(event.what)
    if not event.needed:
        return f"a person is needed no more ({what})"
    wait = f", within {event.wait_s:.0f} s" if event.wait_s is not None else ""
    return f"a person is needed at the browser ({what}){wait}: {event.detail}"


@_line.register
def _(event: PersonAnswered) -> str:
    whom = f" ({event.by})" if event.by else ""
    said = "it is done" if event.answer is PersonAnswer.DONE else "nobody will do it"
    return f"asked for a person ({_words(event.what)}): {said}{whom}"


@_line.register
def _(event: BotTakenOver) -> str:
    return f"a person has taken the page over{f' ({event.by})' if event.by else ''}"


@_line.register
def _(event: BotReleased) -> str:
    whom = f" ({event.by})" if event.by else ""
    return f"the page is the bot's own again ({event.cause}, {event.lasted_s:.0f} s){whom}"


@_line.register
def _(event: TopicMarked) -> str:
    return f"topic: {event.topic}{f' ({event.by})' if event.by else ''}"


@_line.register
def _(event: ShareStarted) -> str:
    return f"{event.name or 'somebody'} shares a screen"


@_line.register
def _(event: ShareStopped) -> str:
    return f"{event.name or 'somebody'} shares a screen no more"


@_line.register
def _(event: ChatReceived) -> str:
    return f"{event.sender_name} ({chat_kind(event)}): {event.text}"


def chat_kind(event: ChatReceived) -> str:
    """Return what stands beside who wrote a message: that it is chat, and whom alone it is for."""
    return f"chat, to {event.to_name or 'one person'} alone" if event.direct else "chat"


@_line.register
def _(event: SegmentFinalized) -> str:
    segment = event.segment
    said = segment.text or "(this became part of another line)"
    return f"{segment.speaker_name or 'unknown'}{' (corrected)' * segment.correction}: {said}"


@_line.register
def _(event: SegmentWithheld) -> str:
    seconds = event.end_s - event.start_s
    return f"{seconds:.1f} s of {event.track_id} withheld: {event.plugin} {_words(event.cause)}"


@_line.register
def _(event: TranscriptionGap) -> str:
    seconds = event.end_s - event.start_s
    return f"not transcribed: {seconds:.1f} s of {event.track_id} ({event.cause})"


@_line.register
def _(event: TranscriberRestarted) -> str:
    return f"transcriber restarted for {event.track_id}: {event.detail}"


@_line.register
def _(event: TranscriberSwitched) -> str:
    what = f"{event.track_id} is transcribed" if event.track_id else "transcribed"
    return f"{what} by {event.transcriber} now, not by {event.previous}: {event.detail}"


@_line.register
def _(event: TranscriptionStopped) -> str:
    return f"no more transcript for {event.track_id}: {event.detail}"


@_line.register
def _(event: VoiceNamed) -> str:
    voice = f"the voice {event.voice} on {event.track_id}"
    return f"{voice} is {event.name}" if event.name else f"{voice} has no name any more"


@_line.register
def _(event: AudioLost) -> str:
    lost_ms = event.samples / _SAMPLES_IN_MS
    return f"lost {lost_ms:.0f} ms of {event.track_id} for {event.consumer}: {event.cause}"


@_line.register
def _(event: BotUnresponsive) -> str:
    return f"the bot's process answered nothing for {event.silent_s:.0f} s"


@_line.register
def _(event: EventLost) -> str:
    return f"an event cannot be read any more: {event.detail}"


@_line.register
def _(event: LedgerClosed) -> str:
    told = "all of it accounted for" if event.balanced else "the account does not add up"
    tracks = len({entry.track_id for entry in event.entries})
    return f"audio of {tracks} {'track' if tracks == 1 else 'tracks'}: {told}"


@_line.register
def _(event: ArtifactWritten) -> str:
    return f"wrote {event.path}"


@_line.register
def _(event: DiagnosticsCaptured) -> str:
    return f"step {event.step!r} failed; see {event.folder}"


@_line.register
def _(event: StepTaken) -> str:
    return f"step done: {event.name}{f' ({event.detail})' if event.detail else ''}"


@_line.register
def _(event: CommandAnswered) -> str:
    return f"command {event.command}: {'done' if event.ok else event.error or 'refused'}"


@_line.register
def _(event: SpeechStarted) -> str:
    return f"the bot says: {event.text}" if event.text else "the bot begins to speak"


@_line.register
def _(event: SpeechFinished) -> str:
    return f"the bot has spoken for {event.duration_s:.1f} s"


@_line.register
def _(event: SpeechInterrupted) -> str:
    why = _words(event.cause) + (f", {event.detail}" if event.detail else "")
    if event.cause == "barge_in":
        why = "somebody began to speak"
    return f"the bot fell silent after {event.position_s:.1f} s: {why}"


@_line.register
def _(event: MediaLost) -> str:
    return f"media lost: {event.fragments} fragments of {event.track_id} for {event.consumer}"


@_line.register
def _(event: TranscriberNotice) -> str:
    return f"{event.transcriber}: {event.detail}"


@_line.register
def _(event: TranscriberUsage) -> str:
    return f"{event.transcriber} was sent {event.audio_s:.1f} s of {event.track_id}"


@_line.register
def _(event: PluginFailed) -> str:
    return f"{event.plugin}: {event.where} failed: {event.error}"


@_line.register
def _(event: PluginSlow) -> str:
    return f"{event.plugin}: {event.where} held everything up for {event.seconds:g} s"


@_line.register
def _(event: DeliveryAttempted) -> str:
    went = "delivered" if event.ok else event.error or f"status {event.status}"
    return f"{event.sink}: event {event.event_seq} to {event.target}, try {event.attempt}: {went}"


@_line.register
def _(event: DeliveryAbandoned) -> str:
    return (
        f"{event.sink}: event {event.event_seq} to {event.target} given up after "
        f"{event.attempts} tries: {event.error}"
    )


@_line.register
def _(event: PluginEvent) -> str:
    data = ", ".join(f"{key} {value}" for key, value in event.data.items())
    return f"{event.plugin}: {event.name}{f' ({data})' if data else ''}"


@_line.register
def _(event: UnknownEvent) -> str:
    return f"{event.type_name}: of a kind this version does not know"
