"""A bot as detail, status, summary and list show it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meetcore import BotHistory, ChatEntry, EndReason, State
from meetcore.gateway import BotRow, format_ms
from meetcore_meetstream.statuses import STAGES, media_status, status_of, stop_of
from meetcore_meetstream.variants import Variant, attributes_of, platform_name

__all__ = [
    "bot_and_revision",
    "chats",
    "detail",
    "listed",
    "participants",
    "speaker_timeline",
    "transcript_id",
    "transcript_id_of",
]

_SAMPLE_RATE_HZ = 48_000
_BYTES_PER_SAMPLE = 2


def transcript_id(row: BotRow) -> str | None:
    """Return the id under which a bot's transcript is found: the bot's own; None for none."""
    return row.bot_id if row.transcriber is not None else None


def transcript_id_of(row: BotRow, revision: int) -> str:
    """Return the id of a transcript: the bot's for the live one, with a number for others."""
    return f"{row.bot_id}_{revision}" if revision else row.bot_id


def bot_and_revision(transcript: str) -> tuple[str, int]:
    """Return the bot's id and the number that an id of a transcript means."""
    bot_id, _, number = transcript.partition("_")
    if number.isascii() and number.isdigit() and len(number) < 10:
        return bot_id, int(number)
    return transcript, 0


def _stage(at: str | None, message: str) -> dict[str, Any]:
    return {"message": message if at else "", "status": at is not None, "timestamp": at}


def _timeline(row: BotRow, history: BotHistory | None) -> dict[str, Any]:
    transitions = history.transitions if history is not None else []
    firsts: dict[State, str] = {}
    for transition in transitions:
        firsts.setdefault(transition.state, format_ms(transition.at))
    stages = {name: _stage(firsts.get(state), message) for name, (state, message) in STAGES.items()}
    stop = stop_of(row.reason)
    left = history.left_at if history is not None else row.ended_at
    left_at = (
        format_ms(left) if left is not None and (row.ended or State.LEAVING in firsts) else None
    )
    ended_at = format_ms(row.ended_at) if row.ended_at is not None else None
    done_at = ended_at if row.ended else None
    by_status = {
        "Stopped": "Stopped",
        "BotNotAllowed": "NotAllowed",
        "BotRejected": "Denied",
        "Error": "FAILED",
    }
    for name, status in by_status.items():
        stages[name] = _stage(left_at if stop.bot_status == status else None, stop.message)
    audio = _file(history, "audio.mix")
    stages["AudioProcessing"] = _stage(audio, "Audio processing completed successfully")
    video = _file(history, "video")
    stages["VideoProcessing"] = _stage(video, "Video processing completed successfully")
    ready = done_at if row.transcriber and row.in_call_at else None
    stages["TranscriptionReady"] = _stage(ready, "Transcript processing completed successfully")
    stages["Done"] = _stage(done_at, "Bot processing completed")
    gone = format_ms(row.deleted_at) if row.deleted_at is not None else None
    stages["MediaExpired"] = _stage(gone, "Media has been deleted")
    return stages


def _file(history: BotHistory | None, kind: str) -> str | None:
    files = history.artifacts.values() if history is not None else ()
    return next((format_ms(file.at) for file in files if file.kind == kind), None)


def duration_s(row: BotRow, history: BotHistory | None) -> int:
    """Return how long the bot was in the call, in whole seconds; 0 while it is not known."""
    left = history.left_at if history is not None else row.ended_at
    if row.in_call_at is None or left is None:
        return 0
    return max(0, round((left - row.in_call_at).total_seconds()))


def listed(row: BotRow, variant: Variant) -> dict[str, Any]:
    """Return a bot as the list shows it."""
    return {
        "bot_id": row.bot_id,
        "BotID": row.bot_id,
        "BotUsername": row.name,
        "MeetingLink": row.url,
        "Platform": platform_name(row.platform),
        "Status": status_of(row, variant),
        "CreatedAt": format_ms(row.created_at),
        "StartTime": format_ms(row.in_call_at) if row.in_call_at else None,
        "EndTime": format_ms(row.ended_at) if row.ended_at else None,
        "custom_attributes": attributes_of(row.extras),
    }


def detail(
    row: BotRow, history: BotHistory | None, variant: Variant, transcript_id: str | None
) -> dict[str, Any]:
    """Return `bot_details`; `history` is None after deletion."""
    audio = _file(history, "audio.mix") is not None
    video = _file(history, "video") is not None
    recorded = history is not None and history.recording_at is not None
    heard = recorded and history is not None and history.transcription_trouble is None
    failed = recorded and not heard
    transcript = "Failed" if failed else media_status(row, heard, row.transcriber is not None)
    return {
        **listed(row, variant),
        "Duration": duration_s(row, history),
        "AudioStatus": media_status(row, audio, row.extras.get("audio") is not False),
        "VideoStatus": media_status(row, video, video or bool(row.extras.get("video"))),
        "TranscriptStatus": transcript if row.transcriber is not None else None,
        "ManifestStatus": media_status(row, _file(history, "manifest") is not None),
        "StatusTimeline": _timeline(row, history),
        "RequestPayload": row.extras.get("request", {"meeting_link": row.url}),
        "ScheduledJoinTime": format_ms(row.scheduled_for) if row.scheduled_for else None,
        "ExpiresAt": format_ms(row.delete_after) if row.delete_after else None,
        "Reason": _reason(row.reason),
        "caption_file": None,
        "participant_events": _comings(history),
        "transcript_id": transcript_id,
    }


def _reason(reason: EndReason | None) -> str | None:
    return None if reason is None else stop_of(reason).message


def _comings(history: BotHistory | None) -> list[dict[str, Any]]:
    told: list[tuple[str, dict[str, Any]]] = []
    for presence in history.others if history is not None else ():
        who = {"id": presence.participant.id, "name": presence.participant.name}
        for came, went in presence.intervals:
            told.append((format_ms(came), {"action": "join", "participant": who}))
            if went is not None:
                told.append((format_ms(went), {"action": "leave", "participant": who}))
    return [{**each, "timestamp": at} for at, each in sorted(told, key=lambda pair: pair[0])]


def participants(history: BotHistory) -> list[dict[str, Any]]:
    """Return everybody who was ever seen, our own bot left out."""
    people: list[dict[str, Any]] = []
    for presence in history.others:
        who = presence.participant
        changed = max(went or came for came, went in presence.intervals)
        people.append(
            {
                "deviceId": who.id,
                "displayName": who.name,
                "fullName": who.name,
                "profilePicture": "",
                "status": 1 if presence.here else 0,
                "humanized_status": "joined" if presence.here else "left",
                "streamIds": [],
                "lastUpdated": format_ms(changed),
            }
        )
    return people


def chats(row: BotRow, history: BotHistory) -> dict[str, Any]:
    """Return the chat."""
    lines = [_chat(line) for line in history.chat]
    by_speaker: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_speaker.setdefault(line["speakerName"], []).append(line)
    platform = platform_name(row.platform)
    return {
        "metadata": {"botId": row.bot_id, "totalMessages": len(lines), "platform": platform},
        "speakers": list(by_speaker),
        "chatMessages": lines,
        "messagesBySpeaker": by_speaker,
        "serverMetadata": {},
    }


def _chat(line: ChatEntry) -> dict[str, Any]:
    return {
        "messageId": line.message_id,
        "deviceId": line.sender_id or "",
        "timestamp": format_ms(line.at),
        "text": line.text,
        "speakerName": line.sender_name,
    }


def speaker_timeline(history: BotHistory, audio: str, spans: Sequence[Any] | None = None) -> Any:
    """Return who spoke when, in byte offsets into the sound as 16-bit PCM at 48 kHz.

    Args:
        history: The bot's history.
        audio: A link to the recording, empty for none.
        spans: The spans to tell; None for all.
    """
    offset_s = history.capture_offset_s or 0.0
    chunks = []
    for index, span in enumerate(history.timeline.spans if spans is None else spans):
        end_s = span.start_s if span.end_s is None else span.end_s
        chunks.append(
            {
                "chunkIndex": index,
                "timestamp": round(span.start_s * 1000),
                "sampleRate": _SAMPLE_RATE_HZ,
                "speakerId": span.participant_id,
                "speakerName": history.name_of(span.participant_id) or "Unknown",
                "startByte": _byte(span.start_s - offset_s),
                "endByte": _byte(end_s - offset_s),
            }
        )
    mix = [file for file in history.artifacts.values() if file.kind == "audio.mix"]
    length_s = (mix[-1].duration_s or 0.0) if mix else 0.0
    return {
        "chunks": chunks,
        "lastUpdated": format_ms(history.last_at) if history.last_at else None,
        "audioFilePath": audio,
        "totalFileSize": _byte(length_s),
    }


def _byte(seconds: float) -> int:
    return max(0, round(seconds * _SAMPLE_RATE_HZ)) * _BYTES_PER_SAMPLE
