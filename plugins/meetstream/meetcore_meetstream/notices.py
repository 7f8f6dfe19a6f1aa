"""What a bot's owner is told of its life, before any dialect: the same facts for both. Pure."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from meetcore.events import ArtifactWritten, Event, StateChanged, TranscriptionStopped
from meetcore.lifecycle import COMPLETING, TERMINAL, EndReason, State
from meetcore.story import Hop, Story

__all__ = ["Kind", "Notice", "Stop", "notices", "stop_of"]

_AFTER = (State.PROCESSING, *TERMINAL)


class Kind(StrEnum):
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
    TRANSCRIPT = "transcription.processed"
    TRANSCRIPT_FAILED = "transcription.failed"
    DONE = "bot.done"


@frozen
class Stop:
    """How the meeting ended for the bot: `bot_event`, `bot_status`, code and words."""

    bot_event: str
    bot_status: str
    status_code: int
    message: str


@frozen
class Notice:
    """One thing to tell.

    Attributes:
        kind: What happened.
        stop: For `STOPPED`, how.
        detail: Words about trouble.
    """

    kind: Kind
    stop: Stop | None = None
    detail: str = ""


def stop_of(reason: EndReason | None) -> Stop:
    """Return how MeetStream says why a bot stopped."""
    if reason is EndReason.REMOVED:
        return Stop("bot.kicked", "Stopped", 200, "Bot was removed by a participant")
    if reason is EndReason.ADMISSION_TIMEOUT:
        return Stop("bot.notallowed", "NotAllowed", 500, "Failed: Not admitted to meeting")
    if reason is EndReason.DENIED:
        return Stop("bot.denied", "Denied", 500, "Host denied the bot")
    if reason in COMPLETING or reason is EndReason.RECORDING_PERMISSION_DENIED:
        return Stop("bot.stopped", "Stopped", 200, "Bot left the meeting")
    why = f": {reason.value.replace('_', ' ')}" if reason else ""
    return Stop("bot.failed", "FAILED", 500, f"Bot failed{why}")


def notices(event: Event, story: Story, *, audio: bool = True) -> list[Notice]:
    """Return what is to be told about an event.

    Args:
        event: The event.
        story: The bot's story up to and with it.
        audio: Whether the audio was asked for.
    """
    earlier = [hop for hop in story.hops if hop.seq < event.seq]
    over = any(hop.state in _AFTER for hop in earlier)
    if isinstance(event, StateChanged):
        return _of_state(event, story, earlier, over=over, audio=audio)
    if isinstance(event, ArtifactWritten):
        return _of_file(event, audio=audio) if over else []
    if isinstance(event, TranscriptionStopped) and not over and _been(earlier, State.IN_CALL):
        return [Notice(Kind.ERROR, detail=event.detail)]
    return []


def _been(hops: list[Hop], state: State) -> bool:
    return any(hop.state is state for hop in hops)


def _of_file(event: ArtifactWritten, *, audio: bool) -> list[Notice]:
    if event.kind == "audio.mix" and audio:
        return [Notice(Kind.AUDIO)]
    if event.kind == "manifest":
        return [Notice(Kind.MANIFEST)]
    return []


def _of_state(
    event: StateChanged, story: Story, earlier: list[Hop], *, over: bool, audio: bool
) -> list[Notice]:
    state = event.state
    if state in _AFTER:
        told = [] if over else _stopped(event, story, audio=audio)
        return told + (_finished(event, story, earlier) if state in TERMINAL else [])
    if state is State.SCHEDULED:
        return [Notice(Kind.SCHEDULED)]
    if state is State.JOINING:
        return [Notice(Kind.JOINING)]
    if state is State.AWAITING_ADMISSION:
        return [Notice(Kind.IN_WAITING_ROOM)]
    if state is State.IN_CALL and not _been(earlier, State.IN_CALL):
        return [Notice(Kind.IN_MEETING)]
    zoom = story.requested is not None and story.requested.platform == "zoom"
    if state is State.RECORDING and not _been(earlier, State.RECORDING):
        allowed = [Notice(Kind.PERMISSION_ALLOWED)] if zoom else []
        return [*allowed, Notice(Kind.RECORDING)]
    if state is State.LEAVING and _been(earlier, State.IN_CALL):
        refused = zoom and event.reason is EndReason.RECORDING_PERMISSION_DENIED
        denied = [Notice(Kind.PERMISSION_DENIED)] if refused else []
        return [*denied, Notice(Kind.LEAVING)]
    return []


def _stopped(event: StateChanged, story: Story, *, audio: bool) -> list[Notice]:
    told = [Notice(Kind.STOPPED, stop_of(story.reason))]
    for file in story.artifacts.values():
        if file.seq < event.seq:
            told += _of_file(file, audio=audio)
    return told


def _finished(event: StateChanged, story: Story, earlier: list[Hop]) -> list[Notice]:
    told: list[Notice] = []
    recorded = event.state is State.COMPLETED and _been(earlier, State.RECORDING)
    if recorded and story.requested is not None and story.requested.transcriber is not None:
        trouble = story.transcription_trouble
        kind = Kind.TRANSCRIPT if trouble is None else Kind.TRANSCRIPT_FAILED
        told.append(Notice(kind, detail=trouble or ""))
    return [*told, Notice(Kind.DONE)]
