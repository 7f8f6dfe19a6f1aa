"""The bodies of Spoke's webhooks. Pure."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from meetcore import to_json
from meetcore_spoke.statuses import Change, StatusBody
from meetcore_spoke.transcripts import TranscriptLine

__all__ = [
    "CompleteData",
    "FailedData",
    "WebhookBody",
    "complete",
    "failed",
    "status_change",
    "transcription_complete",
    "written",
]


class StatusData(TypedDict):
    """The data of `bot.status_change`."""

    bot_id: str
    status: StatusBody


class CompleteData(TypedDict):
    """The data of `complete`; from `audio` on, later additions."""

    bot_id: str
    mp4: str
    speakers: list[str]
    transcript: NotRequired[list[TranscriptLine]]
    audio: NotRequired[str]
    event: NotRequired[str]
    event_uuid: NotRequired[str]
    extra: NotRequired[Any]


class FailedData(TypedDict):
    """The data of `failed`; from `message` on, later additions."""

    bot_id: str
    error: str
    message: NotRequired[str]
    event_uuid: NotRequired[str]
    extra: NotRequired[Any]


class TranscribedData(TypedDict):
    """The data of `transcription_complete`."""

    bot_id: str


class WebhookBody(TypedDict):
    """What is POSTed."""

    event: str
    data: StatusData | CompleteData | FailedData | TranscribedData


def status_change(bot_id: str, change: Change) -> WebhookBody:
    """Return the message about a change of status."""
    return {"event": "bot.status_change", "data": {"bot_id": bot_id, "status": change.body}}


def complete(data: CompleteData) -> WebhookBody:
    """Return the message that ends a bot with its data."""
    return {"event": "complete", "data": data}


def failed(data: FailedData) -> WebhookBody:
    """Return the message that ends a bot without."""
    return {"event": "failed", "data": data}


def transcription_complete(bot_id: str) -> WebhookBody:
    """Return the message that a recording was transcribed once more."""
    return {"event": "transcription_complete", "data": {"bot_id": bot_id}}


def written(message: WebhookBody, lines: bytes | bytearray = b"") -> bytes:
    """Return a message as it is sent.

    Args:
        message: The message; of a long transcript an empty one stands in it.
        lines: What stands in that transcript: JSON, parted by commas.
    """
    # In a text these quotes would have a backslash, and a client's own `extra` comes after them.
    before, seam, after = to_json({**message}).partition('"transcript":[')
    return b"".join((before.encode(), seam.encode(), lines, after.encode()))
