"""A bot's states as Spoke's status codes, and how a bot ends: `complete`, or one error. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict

from attrs import define, frozen

from meetcore import TERMINAL, EndReason, State, StateChanged
from meetcore.gateway import format_ms

__all__ = ["Change", "StatusBody", "StatusTrack", "codes", "error_of", "errors"]

_ERRORS = {
    EndReason.DENIED: "BotNotAccepted",
    EndReason.RECORDING_PERMISSION_DENIED: "BotNotAccepted",
    EndReason.ADMISSION_TIMEOUT: "TimeoutWaitingToStart",
    EndReason.NOBODY_JOINED: "TimeoutWaitingToStart",
    EndReason.EVERYONE_LEFT: "TimeoutWaitingToStart",
    EndReason.MEETING_NOT_STARTED: "TimeoutWaitingToStart",
    EndReason.INVALID_MEETING_URL: "InvalidMeetingUrl",
    EndReason.MEETING_NOT_FOUND: "CannotJoinMeeting",
    EndReason.MEETING_ENDED: "CannotJoinMeeting",
    EndReason.MEETING_LOCKED: "CannotJoinMeeting",
    EndReason.MEETING_FULL: "CannotJoinMeeting",
    EndReason.WRONG_PASSCODE: "CannotJoinMeeting",
    EndReason.SIGN_IN_REQUIRED: "CannotJoinMeeting",
    EndReason.CAPTCHA_REQUIRED: "CannotJoinMeeting",
    EndReason.BOT_BLOCKED: "CannotJoinMeeting",
    EndReason.OFFICIAL_API_REQUIRED: "CannotJoinMeeting",
    EndReason.REMOVED: "BotRemoved",
    EndReason.STOP_REQUESTED: "ApiRequest",
}

_CODE_OF_ERROR = {
    "BotNotAccepted": "bot_rejected",
    "BotRemoved": "bot_removed",
    "TimeoutWaitingToStart": "waiting_room_timeout",
    "InvalidMeetingUrl": "invalid_meeting_url",
    "ApiRequest": "api_request_stop",
}

_CODES = {
    State.JOINING: "joining_call",
    State.AWAITING_ADMISSION: "in_waiting_room",
    State.IN_CALL: "in_call_not_recording",
    State.RECORDING: "in_call_recording",
    State.PAUSED: "in_call_not_recording",
}


def codes(*, extended: bool) -> list[str]:
    """Return every status code that is told, the later ones last."""
    later = ["recording_paused", "recording_resumed", *_CODE_OF_ERROR.values(), "meeting_error"]
    return [*dict.fromkeys(_CODES.values()), "call_ended", *(later if extended else ())]


def errors() -> list[str]:
    """Return every error a bot can end with."""
    return [*dict.fromkeys(_ERRORS.values()), "InternalError"]


class StatusBody(TypedDict):
    """A status, as in `bot.status_change`."""

    code: str
    created_at: str
    start_time: NotRequired[int]
    error_message: NotRequired[str]
    error_type: NotRequired[str]


@frozen
class Change:
    """One change of status."""

    code: str
    at: datetime
    start_time_ms: int | None = None
    error_message: str | None = None
    error_type: str | None = None

    @property
    def body(self) -> StatusBody:
        """As it goes out."""
        body: StatusBody = {"code": self.code, "created_at": format_ms(self.at)}
        if self.start_time_ms is not None:
            body["start_time"] = self.start_time_ms
        if self.error_message is not None:
            body["error_message"] = self.error_message
        if self.error_type is not None:
            body["error_type"] = self.error_type
        return body


def error_of(state: State, reason: EndReason | None, *, recorded: bool) -> str | None:
    """Return with which error a bot that ended has failed, None where it is complete.

    A bot that recorded is complete, also one that was removed. One that did not has failed, also
    where nothing went wrong: there is no recording to hand over.
    """
    if recorded and state is State.COMPLETED:
        return None
    return _ERRORS.get(reason, "InternalError") if reason else "InternalError"


@define
class StatusTrack:
    """Follows a bot's states and tells each change of status. A reducer.

    Args:
        extended: Whether the later codes are told, too: pauses, and the reason of a failure.
    """

    extended: bool = False
    recorded: bool = False
    _last: State | None = None
    _left: bool = False
    _reason_told: bool = False

    def take(self, event: StateChanged) -> list[Change]:
        """Take the next change of state; return the changes of status, in order."""
        before, self._last = self._last, event.state
        if event.state in _CODES:
            return [self._living(event, before)]
        changes: list[Change] = []
        if event.reason is not None and not self.recorded and not self._reason_told:
            self._reason_told = True
            changes += self._why(event, event.reason)
        ended = event.state is State.PROCESSING or event.state in TERMINAL
        if ended and not self._left:
            self._left = True
            changes.append(Change("call_ended", event.at))
        return changes

    def _living(self, event: StateChanged, before: State | None) -> Change:
        code = _CODES[event.state]
        if self.extended and event.state is State.PAUSED:
            code = "recording_paused"
        if event.state is not State.RECORDING:
            return Change(code, event.at)
        self.recorded = True
        if self.extended and before is State.PAUSED:
            return Change("recording_resumed", event.at)
        start_ms = round(event.at.timestamp() * 1000) if self.extended else None
        return Change(code, event.at, start_ms)

    def _why(self, event: StateChanged, reason: EndReason) -> list[Change]:
        if not self.extended:
            return []
        error = _ERRORS.get(reason, "InternalError")
        code = _CODE_OF_ERROR.get(error)
        if code is not None:
            return [Change(code, event.at)]
        detail = event.evidence.detail if event.evidence else ""
        message = detail or reason.value.replace("_", " ")
        return [Change("meeting_error", event.at, error_message=message, error_type=error)]
