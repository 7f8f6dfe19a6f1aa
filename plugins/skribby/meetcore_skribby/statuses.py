"""A bot's states as Skribby names them, and the transitions between them. Pure."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from attrs import define, frozen

from meetcore import TERMINAL, EndReason, State, StateChanged

__all__ = ["Standing", "StatusData", "StatusTrack", "Transition", "standing"]

_LIVING = {
    State.SCHEDULED: "scheduled",
    State.REQUESTED: "booting",
    State.JOINING: "joining",
    State.AWAITING_ADMISSION: "joining",
    State.IN_CALL: "recording",
    State.RECORDING: "recording",
    State.PAUSED: "recording",
    State.LEAVING: "leaving",
    State.PROCESSING: "processing",
}

_FINISHED = {
    EndReason.MEETING_ENDED: "meeting_ended",
    EndReason.STOP_REQUESTED: "manually_stopped",
    EndReason.REMOVED: "kicked",
    EndReason.EVERYONE_LEFT: "last_person_detected",
    EndReason.NOBODY_JOINED: "last_person_detected",
    EndReason.SILENCE: "silence_detection_triggered",
}

_NOT_ADMITTED = {
    EndReason.MEETING_ENDED: "call_already_finished",
    EndReason.STOP_REQUESTED: "manually_stopped",
    EndReason.REMOVED: "request_denied",
    EndReason.DENIED: "request_denied",
    EndReason.ADMISSION_TIMEOUT: "waiting_room_timeout",
    EndReason.INVALID_MEETING_URL: "invalid_meeting_url",
    EndReason.MEETING_NOT_FOUND: "invalid_meeting_url",
}

_FAILED = {
    EndReason.MEETING_NOT_STARTED: "not_admitted",
    EndReason.MEETING_LOCKED: "not_admitted",
    EndReason.MEETING_FULL: "not_admitted",
    EndReason.WRONG_PASSCODE: "invalid_credentials",
    EndReason.SIGN_IN_REQUIRED: "auth_required",
    EndReason.CAPTCHA_REQUIRED: "bot_detected",
    EndReason.BOT_BLOCKED: "bot_detected",
}


class StatusData(TypedDict):
    """A change of status, as in webhooks, events and frames."""

    old_status: str
    new_status: str
    stop_reason: NotRequired[str]


@frozen
class Standing:
    """A status, and why the bot stopped where it has one of the vendor's words for that."""

    status: str
    stop_reason: str | None = None


@frozen
class Transition:
    """One change of status."""

    old: str
    new: str
    stop_reason: str | None = None

    @property
    def data(self) -> StatusData:
        """As it goes out; `stop_reason` only where there is one."""
        data: StatusData = {"old_status": self.old, "new_status": self.new}
        if self.stop_reason is not None:
            data["stop_reason"] = self.stop_reason
        return data


def standing(
    state: State, reason: EndReason | None, *, admitted: bool, batch: bool = False
) -> Standing:
    """Return where a bot stands.

    Args:
        state: Its state.
        reason: Why it ends, None while that is not known.
        admitted: Whether it was ever in the call: one that ended before is `not_admitted`.
        batch: Whether its model transcribes afterwards, as its client sees it.
    """
    if state not in TERMINAL:
        status = _LIVING[state]
        return Standing("transcribing" if batch and status == "processing" else status)
    if not admitted and reason in _NOT_ADMITTED:
        return Standing("not_admitted", _NOT_ADMITTED[reason])
    if state is State.FAILED:
        return Standing(_FAILED.get(reason, "failed") if reason else "failed")
    return Standing("finished", _FINISHED.get(reason) if reason else None)


@define
class StatusTrack:
    """Follows a bot's states and tells each change of status once. A reducer.

    Args:
        batch: As for `standing`.
    """

    batch: bool = False
    now: Standing | None = None
    admitted: bool = False

    def take(self, event: StateChanged) -> list[Transition]:
        """Take the next change of state; return what changes of status it makes."""
        self.admitted = self.admitted or event.state is State.IN_CALL
        after = standing(event.state, event.reason, admitted=self.admitted, batch=self.batch)
        before, self.now = self.now, after
        if before is None or before.status == after.status:
            return []
        if after.status == "transcribing":
            return [Transition(before.status, "processing"), Transition("processing", after.status)]
        return [Transition(before.status, after.status, after.stop_reason)]
