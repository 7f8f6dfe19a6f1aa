"""The bodies of Spoke's webhooks. Pure."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from meetcore_spoke.statuses import Change, StatusBody
from meetcore_spoke.transcripts import Line

__all__ = ["CompleteData", "FailedData", "Message", "complete", "failed", "status_change"]


class StatusData(TypedDict):
    """The data of `bot.status_change`."""

    bot_id: str
    status: StatusBody


class CompleteData(TypedDict):
    """The data of `complete`; from `audio` on, later additions."""

    bot_id: str
    mp4: str
    speakers: list[str]
    transcript: NotRequired[list[Line]]
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


class Message(TypedDict):
    """What is POSTed."""

    event: str
    data: StatusData | CompleteData | FailedData


def status_change(bot_id: str, change: Change) -> Message:
    """Return the message about a change of status."""
    return {"event": "bot.status_change", "data": {"bot_id": bot_id, "status": change.body}}


def complete(data: CompleteData) -> Message:
    """Return the message that ends a bot with its data."""
    return {"event": "complete", "data": data}


def failed(data: FailedData) -> Message:
    """Return the message that ends a bot without."""
    return {"event": "failed", "data": data}
