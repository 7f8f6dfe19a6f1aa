"""Bots as `meeting_data` and `bots_with_metadata` give them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from meetcore import BotHistory
from meetcore.gateway import BotRow, format_ms
from meetcore_spoke.statuses import error_of

__all__ = ["RecentBot", "RecordedBot", "duration_s", "fits_extra", "recent_bot", "recorded_bot"]


class RecentBot(TypedDict):
    """A bot in the list."""

    id: int
    uuid: str
    bot_name: str
    meeting_url: str
    created_at: str
    ended_at: str | None
    duration: int | None
    speakers: list[str]
    extra: Any
    session_id: str | None
    access_count: int | None
    last_accessed_at: str | None


class RecordedBot(TypedDict):
    """A bot in `meeting_data`."""

    id: int
    uuid: str
    account_id: int
    bot_param_id: int
    bot_name: str
    meeting_url: str
    created_at: str
    bot_joined_at: str | None
    bot_exited_at: str | None
    ended_at: str | None
    is_stopped: bool
    errors: str | None
    extra: Any
    webhook_url: str
    mp4_s3_path: str
    reserved: bool
    diarization_v2: bool
    transcription_custom_parameters: Any
    recording_mode: str | None
    speech_to_text_provider: str | None
    deduplication_key: str | None
    enter_message: str | None
    waiting_room_timeout: int | None
    noone_joined_timeout: int | None
    silence_timeout: int | None
    streaming_input: str | None
    streaming_output: str | None
    streaming_audio_frequency: str | None


def duration_s(row: BotRow, history: BotHistory) -> int:
    """Return for how many seconds a bot was in the meeting, 0 where it never was."""
    if row.in_call_at is None:
        return 0
    end = history.left_at or row.ended_at or history.last_at or row.in_call_at
    return max(0, int((end - row.in_call_at).total_seconds()))


def recent_bot(row: BotRow, history: BotHistory, speakers: list[str]) -> RecentBot:
    """Return a bot for the list."""
    return {
        "id": row.number,
        "uuid": row.bot_id,
        "bot_name": row.name,
        "meeting_url": row.url,
        "created_at": format_ms(row.created_at),
        "ended_at": format_ms(row.ended_at) if row.ended_at else None,
        "duration": duration_s(row, history) if row.ended else None,
        "speakers": speakers,
        "extra": _extra(row),
        "session_id": None,
        "access_count": None,
        "last_accessed_at": None,
    }


def recorded_bot(row: BotRow, history: BotHistory, webhook_url: str | None) -> RecordedBot:
    """Return a bot for `meeting_data`; what was asked for stands in it as it was asked for."""
    asked: Mapping[str, Any] = row.extras.get("asked", {})
    ended_at = format_ms(row.ended_at) if row.ended_at else None
    left_at = format_ms(history.left_at) if history.left_at else ended_at
    recorded = history.recording_at is not None
    error = error_of(row.state, row.reason, recorded=recorded) if row.ended else None
    return {
        "id": row.number,
        "uuid": row.bot_id,
        "account_id": row.user_id,
        "bot_param_id": row.number,
        "bot_name": row.name,
        "meeting_url": row.url,
        "created_at": format_ms(row.created_at),
        "bot_joined_at": format_ms(row.in_call_at) if row.in_call_at else None,
        "bot_exited_at": left_at if row.in_call_at else None,
        "ended_at": ended_at,
        "is_stopped": row.ended,
        "errors": None if row.deleted_at is not None else error,
        "extra": _extra(row),
        "webhook_url": webhook_url or "",
        "mp4_s3_path": "",
        "reserved": False,
        "diarization_v2": False,
        "transcription_custom_parameters": {},
        "recording_mode": asked.get("recording_mode"),
        "speech_to_text_provider": asked.get("speech_to_text_provider"),
        "deduplication_key": asked.get("deduplication_key"),
        "enter_message": asked.get("enter_message"),
        "waiting_room_timeout": asked.get("waiting_room_timeout"),
        "noone_joined_timeout": asked.get("noone_joined_timeout"),
        "silence_timeout": asked.get("silence_timeout"),
        "streaming_input": asked.get("streaming_input"),
        "streaming_output": asked.get("streaming_output"),
        "streaming_audio_frequency": asked.get("streaming_audio_frequency"),
    }


def _extra(row: BotRow) -> Any:
    """Return what the client gave, or an empty object: the vendor's schema knows no null here."""
    extra = row.extras.get("extra")
    return {} if extra is None else extra


def fits_extra(extra: Any, wanted: str) -> bool:
    """Whether a bot's `extra` has what a filter names: `key:value`, several parted by commas."""
    if not isinstance(extra, Mapping):
        return False
    for pair in wanted.split(","):
        name, colon, value = pair.strip().partition(":")
        if not colon or str(extra.get(name.strip(), "")) != value.strip():
            return False
    return True
