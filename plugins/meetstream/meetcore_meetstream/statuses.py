"""A bot's state in MeetStream's words: tables. Pure."""

from __future__ import annotations

from attrs import frozen

from meetcore import COMPLETING, EndReason, State
from meetcore.gateway import BotRow
from meetcore_meetstream.variants import Variant

__all__ = ["STAGES", "StopNotice", "media_status", "status_of", "stop_of"]

_STATUS = {
    State.SCHEDULED: "Scheduled",
    State.REQUESTED: "Joining",
    State.JOINING: "Joining",
    State.AWAITING_ADMISSION: "InWaitingRoom",
    State.IN_CALL: "InMeeting",
    State.RECORDING: "Recording",
    State.PAUSED: "Recording",
    State.LEAVING: "Leaving",
    State.PROCESSING: "MediaProcessing",
}
_LEGACY = {
    State.SCHEDULED: "Scheduled",
    State.REQUESTED: "joining",
    State.JOINING: "joining",
    State.AWAITING_ADMISSION: "joining",
    State.IN_CALL: "InMeeting",
    State.RECORDING: "InMeeting",
    State.PAUSED: "InMeeting",
    State.LEAVING: "InMeeting",
}
STAGES = {
    "Scheduled": (State.SCHEDULED, "Bot is scheduled"),
    "Joining": (State.JOINING, "Bot is joining the meeting"),
    "WaitingRoom": (State.AWAITING_ADMISSION, "Bot is waiting to be admitted"),
    "InMeeting": (State.IN_CALL, "Bot is in the meeting"),
    "Recording": (State.RECORDING, "Bot started recording"),
    "Leaving": (State.LEAVING, "Bot is leaving the meeting"),
}
"""The stages of a bot's timeline, with the state and the words of each."""


@frozen
class StopNotice:
    """How the meeting ended for the bot: `bot_event`, `bot_status`, code and words."""

    bot_event: str
    bot_status: str
    status_code: int
    message: str


def stop_of(reason: EndReason | None) -> StopNotice:
    """Return how MeetStream says why a bot stopped."""
    if reason is EndReason.REMOVED:
        return StopNotice("bot.kicked", "Stopped", 200, "Bot was removed by a participant")
    if reason is EndReason.ADMISSION_TIMEOUT:
        return StopNotice("bot.notallowed", "NotAllowed", 500, "Failed: Not admitted to meeting")
    if reason is EndReason.DENIED:
        return StopNotice("bot.denied", "Denied", 500, "Host denied the bot")
    if reason in COMPLETING or reason is EndReason.RECORDING_PERMISSION_DENIED:
        return StopNotice("bot.stopped", "Stopped", 200, "Bot left the meeting")
    why = f": {reason.value.replace('_', ' ')}" if reason else ""
    return StopNotice("bot.failed", "FAILED", 500, f"Bot failed{why}")


def status_of(row: BotRow, variant: Variant) -> str:
    """Return a bot's `status`."""
    if variant is Variant.LEGACY:
        return _LEGACY.get(row.state, "Stopped")
    if row.state in _STATUS:
        return _STATUS[row.state]
    if row.deleted_at is not None:
        return "MediaExpired"
    return "Done" if row.in_call_at is not None else stop_of(row.reason).bot_status


def media_status(row: BotRow, present: bool, wanted: bool = True) -> str | None:
    """Return `AudioStatus`, `TranscriptStatus` and their like; None where there is nothing."""
    if row.deleted_at is not None:
        return "Expired"
    if row.ended:
        return "Success" if present and wanted else None
    return "Processing" if wanted else None
