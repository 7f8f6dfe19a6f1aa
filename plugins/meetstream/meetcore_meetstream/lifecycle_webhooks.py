"""What a bot's owner is told of its life, before any dialect: the same facts for both. Pure."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meetcore import (
    TERMINAL,
    ArtifactWritten,
    BotHistory,
    EndReason,
    Event,
    State,
    StateChanged,
    TranscriptionStopped,
    Transition,
)
from meetcore_meetstream.statuses import StopNotice, stop_of

__all__ = ["CallbackKind", "Notice", "notices"]

_AFTER = (State.PROCESSING, *TERMINAL)


class CallbackKind(StrEnum):
    """What happened, by MeetStream's present names."""

    SCHEDULED = "bot.scheduled"
    JOINING = "bot.joining"
    IN_WAITING_ROOM = "bot.in_waiting_room"
    IN_MEETING = "bot.inmeeting"
    PERMISSION_ALLOWED = "bot.recording_permission_allowed"
    PERMISSION_DENIED = "bot.recording_permission_denied"
    RECORDING = "bot.recording"
    ERROR = "bot.error"
    LEAVING = "bot.leaving"
    STOPPED = "bot.stopped"
    MANIFEST = "manifest.completed"
    AUDIO = "audio.processed"
    VIDEO = "video.processed"
    TRANSCRIPT = "transcription.processed"
    TRANSCRIPT_FAILED = "transcription.failed"
    DONE = "bot.done"


@frozen
class Notice:
    """One thing to tell.

    Attributes:
        kind: What happened.
        stop: For `STOPPED`, how.
        detail: Words about trouble.
    """

    kind: CallbackKind
    stop: StopNotice | None = None
    detail: str = ""


def notices(event: Event, history: BotHistory, *, audio: bool = True) -> list[Notice]:
    """Return what is to be told about an event.

    Args:
        event: The event.
        history: The bot's history up to and with it.
        audio: Whether the audio was asked for.
    """
    earlier = [transition for transition in history.transitions if transition.seq < event.seq]
    over = any(transition.state in _AFTER for transition in earlier)
    if isinstance(event, StateChanged):
        return _of_state(event, history, earlier, over=over, audio=audio)
    if isinstance(event, ArtifactWritten):
        return _of_file(event, audio=audio) if over else []
    if isinstance(event, TranscriptionStopped) and not over and _been(earlier, State.IN_CALL):
        return [Notice(CallbackKind.ERROR, detail=event.detail)]
    return []


def _been(transitions: list[Transition], state: State) -> bool:
    return any(transition.state is state for transition in transitions)


def _of_file(event: ArtifactWritten, *, audio: bool) -> list[Notice]:
    if event.kind == "audio.mix" and audio:
        return [Notice(CallbackKind.AUDIO)]
    if event.kind == "video":
        return [Notice(CallbackKind.VIDEO)]
    if event.kind == "manifest":
        return [Notice(CallbackKind.MANIFEST)]
    return []


def _of_state(
    event: StateChanged, history: BotHistory, earlier: list[Transition], *, over: bool, audio: bool
) -> list[Notice]:
    state = event.state
    if state in _AFTER:
        told = [] if over else _stopped(event, history, audio=audio)
        return told + (_finished(event, history, earlier) if state in TERMINAL else [])
    if state is State.SCHEDULED:
        return [Notice(CallbackKind.SCHEDULED)]
    if state is State.JOINING:
        return [Notice(CallbackKind.JOINING)]
    if state is State.AWAITING_ADMISSION:
        return [Notice(CallbackKind.IN_WAITING_ROOM)]
    if state is State.IN_CALL and not _been(earlier, State.IN_CALL):
        return [Notice(CallbackKind.IN_MEETING)]
    zoom = history.requested is not None and history.requested.platform == "zoom"
    if state is State.RECORDING and not _been(earlier, State.RECORDING):
        allowed = [Notice(CallbackKind.PERMISSION_ALLOWED)] if zoom else []
        return [*allowed, Notice(CallbackKind.RECORDING)]
    if state is State.LEAVING and _been(earlier, State.IN_CALL):
        refused = zoom and event.reason is EndReason.RECORDING_PERMISSION_DENIED
        denied = [Notice(CallbackKind.PERMISSION_DENIED)] if refused else []
        return [*denied, Notice(CallbackKind.LEAVING)]
    return []


def _stopped(event: StateChanged, history: BotHistory, *, audio: bool) -> list[Notice]:
    told = [Notice(CallbackKind.STOPPED, stop_of(history.reason))]
    for file in history.artifacts.values():
        if file.seq < event.seq:
            told += _of_file(file, audio=audio)
    return told


def _finished(event: StateChanged, history: BotHistory, earlier: list[Transition]) -> list[Notice]:
    told: list[Notice] = []
    recorded = event.state is State.COMPLETED and _been(earlier, State.RECORDING)
    if recorded and history.requested is not None and history.requested.transcriber is not None:
        trouble = history.transcription_trouble
        kind = CallbackKind.TRANSCRIPT if trouble is None else CallbackKind.TRANSCRIPT_FAILED
        told.append(Notice(kind, detail=trouble or ""))
    return [*told, Notice(CallbackKind.DONE)]
