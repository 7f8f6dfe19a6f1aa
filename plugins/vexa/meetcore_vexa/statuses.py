"""From states and end reasons to Vexa's words: status, completion reason, failure stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from attrs import frozen

from meetcore import IN_CALL, TERMINAL, BotHistory, EndReason, State, Transition
from meetcore_vexa.variants import Variant

__all__ = [
    "Standing",
    "StatusStep",
    "standing_of",
    "steps_of",
    "transition_rows",
]

_STATUS = {
    State.SCHEDULED: "scheduled",
    State.REQUESTED: "requested",
    State.JOINING: "joining",
    State.AWAITING_ADMISSION: "awaiting_admission",
    State.IN_CALL: "active",
    State.RECORDING: "active",
    State.PAUSED: "active",
    State.LEAVING: "stopping",
    State.PROCESSING: "stopping",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
}


_FIRST_WORDS = {
    EndReason.MEETING_ENDED: "left_alone",
    EndReason.STOP_REQUESTED: "stopped",
    EndReason.REMOVED: "evicted",
    EndReason.EVERYONE_LEFT: "left_alone",
    EndReason.NOBODY_JOINED: "left_alone",
    EndReason.SILENCE: "left_alone",
    EndReason.MAX_DURATION: "stopped",
    EndReason.DENIED: "awaiting_admission_rejected",
    EndReason.ADMISSION_TIMEOUT: "awaiting_admission_timeout",
    EndReason.INVALID_MEETING_URL: "validation_error",
    EndReason.MEETING_NOT_FOUND: "validation_error",
    EndReason.WRONG_PASSCODE: "validation_error",
}
"""The six words of E1. What it has no word for stays null."""

_LATER_WORDS = {
    **_FIRST_WORDS,
    EndReason.NOBODY_JOINED: "startup_alone",
    EndReason.MAX_DURATION: "max_bot_time_exceeded",
    EndReason.SIGN_IN_REQUIRED: "auth_session_missing",
    EndReason.MEETING_NOT_STARTED: "join_failure",
    EndReason.MEETING_LOCKED: "join_failure",
    EndReason.MEETING_FULL: "join_failure",
    EndReason.CAPTCHA_REQUIRED: "join_failure",
    EndReason.BOT_BLOCKED: "join_failure",
    EndReason.OFFICIAL_API_REQUIRED: "join_failure",
    EndReason.CLIENT_NEVER_LOADED: "join_failure",
}

_EARLY_TROUBLE = frozenset({EndReason.CONNECTION_LOST, EndReason.CRASHED, EndReason.INTERNAL_ERROR})


@frozen(kw_only=True)
class Standing:
    """Where a bot stands, as far as Vexa's words go.

    Attributes:
        reason: Why it ended, None before.
        detail: What was seen.
        reached: The state it was in last before it left or ended; None where unknown.
        was_in: Whether it was ever in the call.
    """

    state: State
    reason: EndReason | None = None
    detail: str = ""
    reached: State | None = None
    was_in: bool = False

    def status(self, variant: Variant) -> str:
        """Return the status. In E4 a bot that was stopped before it got in has failed."""
        if (
            variant is Variant.E4
            and self.state is State.COMPLETED
            and self.reason is EndReason.STOP_REQUESTED
            and not self.was_in
        ):
            return "failed"
        return _STATUS[self.state]

    def completion_reason(self, variant: Variant) -> str | None:
        """Return Vexa's word for why it ended; None before, and where Vexa has none."""
        if self.reason is None or self.state not in TERMINAL:
            return None
        if variant is Variant.E1:
            return _FIRST_WORDS.get(self.reason)
        if not self.was_in:
            if self.reason is EndReason.STOP_REQUESTED and variant is not Variant.E4:
                return "stopped_before_admission"
            if self.reason in _EARLY_TROUBLE:
                return "join_failure"
        return _LATER_WORDS.get(self.reason)

    def failure_stage(self, variant: Variant) -> str | None:
        """Return how far a bot that failed had come, None for any other."""
        if self.status(variant) != "failed":
            return None
        if self.was_in:
            return "active"
        if self.reason in (EndReason.DENIED, EndReason.ADMISSION_TIMEOUT):
            return "awaiting_admission"
        if self.reached in (State.JOINING, State.AWAITING_ADMISSION):
            return _STATUS[self.reached]
        return "requested"

    def error(self, variant: Variant) -> str | None:
        """Return what a failed bot is said to have failed of."""
        if self.status(variant) != "failed":
            return None
        word = self.completion_reason(variant)
        return word or (self.reason.value if self.reason else "internal_error")


def standing_of(history: BotHistory) -> Standing:
    """Return where the bot of a history stands."""
    end = history.end
    return Standing(
        state=history.state or State.REQUESTED,
        reason=history.reason if end else None,
        detail=end.evidence.detail if end and end.evidence else "",
        reached=history.reached,
        was_in=history.in_call_at is not None,
    )


@frozen(kw_only=True)
class StatusStep:
    """A change of status as Vexa's clients see it: several states may share one status."""

    transition: Transition
    before: str | None
    after: str
    standing: Standing


def steps_of(transitions: Sequence[Transition], variant: Variant) -> list[StatusStep]:
    """Return the changes of status among the changes of state."""
    steps: list[StatusStep] = []
    status: str | None = None
    reached: State | None = None
    reason: EndReason | None = None
    was_in = False
    for transition in transitions:
        reason = reason or transition.reason
        was_in = was_in or transition.state in IN_CALL
        if transition.state not in (State.LEAVING, State.PROCESSING, *TERMINAL):
            reached = transition.state
        standing = Standing(
            state=transition.state,
            reason=reason if transition.state in TERMINAL else None,
            detail=transition.evidence.detail if transition.evidence else "",
            reached=reached,
            was_in=was_in,
        )
        after = standing.status(variant)
        if after != status:
            steps.append(
                StatusStep(transition=transition, before=status, after=after, standing=standing)
            )
        status = after
    return steps


def transition_rows(
    steps: Iterable[StatusStep], written: Callable[[datetime], str]
) -> list[dict[str, str | None]]:
    """Return the history of a bot's status, for `data.status_transition`."""
    return [
        {
            "from": step.before,
            "to": step.after,
            "timestamp": written(step.transition.at),
            "source": "bot_callback",
        }
        for step in steps
    ]
