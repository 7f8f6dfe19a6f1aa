"""The bot object, in full. Pure, apart from the links it is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from attrs import field, frozen

from meetcore import PrivateTargets, State, format_time
from meetcore.gateway import BotRow, Listed
from meetcore_skribby.create_request import (
    SERVICES,
    CreateBotRequest,
    StopOptions,
    parse_create_request,
)
from meetcore_skribby.journal_summary import JournalSummary, LoggedEvent
from meetcore_skribby.models import is_batch, is_realtime, key_of
from meetcore_skribby.people import RestPerson
from meetcore_skribby.statuses import Standing, standing
from meetcore_skribby.transcripts import RestSegment

__all__ = ["BotObject", "Links", "bot_object", "model_of", "standing_of", "wish_of"]

_TAKEN = PrivateTargets(all=True)
"""What a bot was made with was checked when it was made."""

_PLATFORMS = {"google_meet": "gmeet", "meet": "gmeet", "gmeet": "gmeet"}


class BotObject(TypedDict):
    """A bot, as every route that answers with one gives it."""

    id: str
    status: str
    stop_reason: str | None
    service: str
    scheduled_for: str | None
    time_limit: int | None
    stop_options: StopOptions
    bot_name: str
    bot_avatar: str | None
    meeting_url: str
    webhook_url: str | None
    custom_metadata: Mapping[str, str]
    recording_url: str | None
    recording_available_until: str | None
    websocket_url: str | None
    websocket_read_only_url: str | None
    websocket_audio_url: str | None
    video: bool
    lang: str | None
    detected_lang: str | None
    transcript: Listed | list[RestSegment]
    transcription_model: str
    transcription_model_key: str
    participants: list[RestPerson]
    events: list[LoggedEvent]
    profanity_filter: bool
    custom_vocabulary: list[str]
    created_at: str
    finished_at: str | None


@frozen(kw_only=True)
class Links:
    """Links that only the server can make; None where there is nothing to link to."""

    recording: str | None = field(default=None, repr=False)
    recording_until: datetime | None = None
    websocket: str | None = field(default=None, repr=False)
    websocket_read_only: str | None = field(default=None, repr=False)
    websocket_audio: str | None = field(default=None, repr=False)


def wish_of(row: BotRow) -> CreateBotRequest:
    """Return what a bot was asked for; for one ordered elsewhere what that comes to here."""
    request = row.extras.get("request")
    if row.dialect == "skribby" and request:
        return parse_create_request(request, _TAKEN)
    service = _PLATFORMS.get(row.platform, row.platform)
    return parse_create_request(
        {
            "transcription_model": f"{row.transcriber}-realtime" if row.transcriber else "none",
            "service": service if service in SERVICES else "gmeet",
            "meeting_url": "https://meeting.invalid",
            "bot_name": "bot",
        },
        _TAKEN,
    )


def model_of(row: BotRow) -> str:
    """Return the model a bot was asked to transcribe with."""
    return wish_of(row).model


def standing_of(row: BotRow, summary: JournalSummary | None = None) -> Standing:
    """Return where a bot stands: by its journal, or by its row where there is none to read."""
    if summary is not None and summary.standing is not None:
        return summary.standing
    admitted = row.in_call_at is not None
    return standing(row.state, row.reason, admitted=admitted, batch=is_batch(model_of(row)))


def bot_object(
    row: BotRow, summary: JournalSummary, links: Links, transcript: Listed | None = None
) -> BotObject:
    """Return a bot.

    What was asked for and is not done here (video or an avatar on a platform that cannot, the
    profanity filter) stands in it as off: it says what is, not what was wished.

    Args:
        row: The bot.
        summary: What its journal says besides; empty where that was deleted.
        links: Its links.
        transcript: What was said; None for nothing yet.
    """
    create_request = wish_of(row)
    stands = standing_of(row, summary)
    scheduled = row.scheduled_for if row.state is State.SCHEDULED else create_request.scheduled_for
    live = is_realtime(create_request.model)
    return {
        "id": row.bot_id,
        "status": stands.status,
        "stop_reason": stands.stop_reason,
        "service": create_request.service,
        "scheduled_for": format_time(scheduled) if scheduled else None,
        "time_limit": create_request.time_limit_s,
        "stop_options": create_request.stop_options,
        "bot_name": row.name,
        "bot_avatar": create_request.avatar_url if row.extras.get("shows_avatar") else None,
        "meeting_url": row.url,
        "webhook_url": create_request.webhook_url,
        "custom_metadata": dict(row.metadata),
        "recording_url": links.recording,
        "recording_available_until": (
            format_time(links.recording_until) if links.recording_until else None
        ),
        "websocket_url": links.websocket if live else None,
        "websocket_read_only_url": links.websocket_read_only if live else None,
        "websocket_audio_url": links.websocket_audio
        if live and create_request.realtime_audio
        else None,
        "video": bool(row.extras.get("video")),
        "lang": create_request.lang,
        "detected_lang": summary.detected_language,
        "transcript": [] if transcript is None else transcript,
        "transcription_model": create_request.model,
        "transcription_model_key": key_of(create_request.model),
        "participants": summary.people.rest(),
        "events": summary.events,
        "profanity_filter": False,
        "custom_vocabulary": list(create_request.vocabulary) if row.transcriber else [],
        "created_at": format_time(row.created_at),
        "finished_at": format_time(row.ended_at) if row.ended_at else None,
    }
