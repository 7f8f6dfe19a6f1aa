"""The bodies of callbacks, in both dialects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from meetcore.gateway import format_ms
from meetcore_meetstream.lifecycle_webhooks import CallbackKind, Notice
from meetcore_meetstream.statuses import stop_of
from meetcore_meetstream.variants import Variant, stamp_us

__all__ = ["Body", "callback", "deletion"]

Body = dict[str, Any]

_LIVING = {
    CallbackKind.SCHEDULED: ("Scheduled", "Bot is scheduled"),
    CallbackKind.JOINING: ("Joining", "Bot is joining the meeting"),
    CallbackKind.IN_WAITING_ROOM: ("InWaitingRoom", "Bot is waiting to be admitted"),
    CallbackKind.IN_MEETING: ("InMeeting", "Bot is in the meeting"),
    CallbackKind.PERMISSION_ALLOWED: ("RecordingPermissionAllowed", "Recording permission granted"),
    CallbackKind.PERMISSION_DENIED: ("RecordingPermissionDenied", "Recording permission denied"),
    CallbackKind.RECORDING: ("Recording", "Bot started recording"),
    CallbackKind.LEAVING: ("Leaving", "Bot is leaving the meeting"),
    CallbackKind.DONE: ("Done", "Bot processing completed"),
}

_AUDIO = "Audio processing completed successfully"
_VIDEO = "Video processing completed successfully"
_TRANSCRIPT = "Transcript processing completed successfully"
_PROCESSED: dict[CallbackKind, tuple[str, str, str, int]] = {
    CallbackKind.MANIFEST: ("manifest_status", "Success", "Manifest uploaded", 200),
    CallbackKind.AUDIO: ("audio_status", "Success", _AUDIO, 200),
    CallbackKind.VIDEO: ("video_status", "Success", _VIDEO, 200),
    CallbackKind.TRANSCRIPT: ("transcript_status", "Success", _TRANSCRIPT, 200),
    CallbackKind.TRANSCRIPT_FAILED: (
        "transcript_status",
        "Failed",
        "Transcript processing error",
        500,
    ),
}


def callback(
    notice: Notice,
    variant: Variant,
    *,
    bot_id: str,
    at: datetime,
    attributes: Mapping[str, Any],
) -> Body | None:
    """Return what is POSTed to a `callback_url`, None where the dialect has no word for it."""
    if variant is Variant.LEGACY:
        said = _legacy(notice, bot_id)
        return None if said is None else said | {"event": notice.kind.value}
    body: Body = {"event": notice.kind.value, "bot_event": notice.kind.value, "bot_id": bot_id}
    body |= _said(notice)
    return body | {"timestamp": format_ms(at), "custom_attributes": dict(attributes)}


def _said(notice: Notice) -> Body:
    if notice.kind is CallbackKind.STOPPED:
        stop = notice.stop or stop_of(None)
        return {
            "bot_event": stop.bot_event,
            "bot_status": stop.bot_status,
            "message": stop.message,
            "status_code": stop.status_code,
        }
    if notice.kind is CallbackKind.ERROR:
        message = notice.detail or "Transcription stopped"
        return {"bot_status": "InMeeting", "message": message}
    if notice.kind in _LIVING:
        status, message = _LIVING[notice.kind]
        return {"bot_status": status, "message": message, "status_code": 200}
    field, status, message, code = _PROCESSED[notice.kind]
    return {
        "message": f"{message}: {notice.detail}" if notice.detail else message,
        "status_code": code,
        "status": "success" if code == 200 else "error",
        field: status,
    }


def _legacy(notice: Notice, bot_id: str) -> Body | None:
    if notice.kind is CallbackKind.JOINING:
        status, message, code = "joining", "Bot is joining the meeting", 102
    elif notice.kind is CallbackKind.IN_MEETING:
        status, message, code = "InMeeting", "Successfully joined the meeting", 200
    elif notice.kind is CallbackKind.STOPPED:
        status, message, code = "Stopped", "Bot exited and step function was triggered", 500
    elif notice.kind in (
        CallbackKind.AUDIO,
        CallbackKind.VIDEO,
        CallbackKind.TRANSCRIPT,
        CallbackKind.TRANSCRIPT_FAILED,
    ):
        said = _said(notice)
        del said["status"]
        return {"bot_id": bot_id, **said}
    else:
        return None
    return {"bot_id": bot_id, "bot_status": status, "message": message, "status_code": code}


def deletion(bot_id: str, variant: Variant, at: datetime, deleted_objects: int | None) -> Body:
    """Return the callback about a bot's data; `deleted_objects` is None where that failed."""
    worked = deleted_objects is not None
    message = f"Successfully deleted {deleted_objects} objects for bot {bot_id}"
    body: Body = {
        "event": "data_deletion",
        "bot_id": bot_id,
        "status": "success" if worked else "failed",
        "message": message if worked else "Failed to delete data",
        "deleted_objects": deleted_objects or 0,
        "timestamp": stamp_us(at),
        "status_code": 200 if worked else 500,
    }
    if variant is Variant.CURRENT:
        body["bot_event"] = "data_deletion"
    return body
