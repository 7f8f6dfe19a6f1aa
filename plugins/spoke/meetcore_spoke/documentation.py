"""What the routes under /bots/webhooks say about the webhooks a user gets. Pure.

The examples are made by what makes the webhooks, so that they are as those are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NotRequired, TypedDict

from meetcore import NameSource, Segment, Word
from meetcore_spoke.statuses import Change, codes, errors
from meetcore_spoke.transcripts import line
from meetcore_spoke.webhook_bodies import (
    CompleteData,
    FailedData,
    WebhookBody,
    complete,
    failed,
    status_change,
    transcription_complete,
)

__all__ = ["Documentation", "WebhookDocumentation", "documentation"]

_BOT = "123e4567-e89b-12d3-a456-426614174000"
_END = "123e4567-e89b-12d3-a456-426614174001"
_AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
_MEDIA = "https://HOST/v1/media/SIGNED/mix"
_SEGMENT = Segment(
    id="t-0001",
    revision=1,
    finalized=True,
    track_id="t",
    participant_id="p",
    speaker_name="Ada",
    speaker_source=NameSource.TRACK,
    speaker_confidence=1.0,
    text="Good morning",
    words=(Word("Good", 1.5, 1.8), Word("morning", 1.8, 2.3)),
    start_s=1.5,
    end_s=2.3,
)


class WebhookDocumentation(TypedDict):
    """One kind of webhook: when it comes, an example, and which values it can have."""

    event: str
    when: str
    example: WebhookBody
    codes: NotRequired[list[str]]
    errors: NotRequired[list[str]]


class Documentation(TypedDict):
    """All kinds, and the header that has the client's key."""

    header: str
    events: list[WebhookDocumentation]


def documentation(header: str, *, extended: bool) -> Documentation:
    """Return what a user's webhooks are like.

    Args:
        header: The header that has the client's key.
        extended: Whether the user gets the later codes and fields.
    """
    ended: CompleteData = {
        "bot_id": _BOT,
        "mp4": f"{_MEDIA}.mp4",
        "speakers": ["Ada"],
        "transcript": [line(_SEGMENT, extended=extended)],
    }
    refused: FailedData = {"bot_id": _BOT, "error": "BotNotAccepted"}
    if extended:
        ended["event"], ended["audio"] = "complete", f"{_MEDIA}.opus"
        refused["message"] = "The host denied it."
        ended["extra"] = refused["extra"] = None
        ended["event_uuid"] = refused["event_uuid"] = _END
    return {
        "header": header,
        "events": [
            {
                "event": "bot.status_change",
                "when": "The status of a bot has changed.",
                "codes": codes(extended=extended),
                "example": status_change(_BOT, Change("joining_call", _AT)),
            },
            {
                "event": "complete",
                "when": "A bot that recorded is done: the last message. Without speech_to_text it "
                "has no transcript.",
                "example": complete(ended),
            },
            {
                "event": "failed",
                "when": "A bot ended without a recording: the last message.",
                "errors": errors(),
                "example": failed(refused),
            },
            {
                "event": "transcription_complete",
                "when": "A recording was transcribed once more, after POST /bots/retranscribe.",
                "example": transcription_complete(_BOT),
            },
        ],
    }
