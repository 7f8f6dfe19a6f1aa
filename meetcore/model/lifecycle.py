"""A bot's states, the one table of their order, and why a bot ends: the first reason wins.

A terminal state and its reason together are one of three outcomes. `completed` says that what the
bot recorded is whole, not that the bot meant to end: one that crashed in the middle of a meeting
has completed with the reason `crashed`, and its outcome is `cut_short`. Whoever has to tell well
from ill (an exit code, a dashboard) asks for the outcome.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import evolve, field, frozen

from meetcore.model.errors import IllegalTransition

__all__ = [
    "COMPLETING",
    "EXIT_CODES",
    "EXIT_INTERRUPTED",
    "EXIT_NO_READER",
    "EXIT_WRONG_USE",
    "IN_CALL",
    "TERMINAL",
    "TRANSITIONS",
    "EndReason",
    "Ending",
    "Evidence",
    "Outcome",
    "State",
    "check_transition",
    "outcome_of",
]


class State(StrEnum):
    """Where a bot is between being asked for and being done."""

    SCHEDULED = "scheduled"
    REQUESTED = "requested"
    JOINING = "joining"
    AWAITING_ADMISSION = "awaiting_admission"
    IN_CALL = "in_call"
    RECORDING = "recording"
    PAUSED = "paused"
    LEAVING = "leaving"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class EndReason(StrEnum):
    """Why a bot's attendance ended."""

    MEETING_ENDED = "meeting_ended"
    STOP_REQUESTED = "stop_requested"
    REMOVED = "removed"
    EVERYONE_LEFT = "everyone_left"
    NOBODY_JOINED = "nobody_joined"
    SILENCE = "silence"
    MAX_DURATION = "max_duration"
    DENIED = "denied"
    ADMISSION_TIMEOUT = "admission_timeout"
    INVALID_MEETING_URL = "invalid_meeting_url"
    MEETING_NOT_FOUND = "meeting_not_found"
    MEETING_NOT_STARTED = "meeting_not_started"
    MEETING_LOCKED = "meeting_locked"
    MEETING_FULL = "meeting_full"
    WRONG_PASSCODE = "wrong_passcode"
    SIGN_IN_REQUIRED = "sign_in_required"
    CAPTCHA_REQUIRED = "captcha_required"
    BOT_BLOCKED = "bot_blocked"
    OFFICIAL_API_REQUIRED = "official_api_required"
    CLIENT_NEVER_LOADED = "client_never_loaded"
    RECORDING_PERMISSION_DENIED = "recording_permission_denied"
    CONNECTION_LOST = "connection_lost"
    TRANSCRIPTION_FAILED = "transcription_failed"
    CRASHED = "crashed"
    INTERNAL_ERROR = "internal_error"


COMPLETING: frozenset[EndReason] = frozenset(
    {
        EndReason.MEETING_ENDED,
        EndReason.STOP_REQUESTED,
        EndReason.REMOVED,
        EndReason.EVERYONE_LEFT,
        EndReason.NOBODY_JOINED,
        EndReason.SILENCE,
        EndReason.MAX_DURATION,
    }
)
"""Reasons that complete a bot. Every other one fails it, unless something was recorded first."""

IN_CALL: frozenset[State] = frozenset({State.IN_CALL, State.RECORDING, State.PAUSED})
TERMINAL: frozenset[State] = frozenset({State.COMPLETED, State.FAILED})


class Outcome(StrEnum):
    """What a bot's end amounts to.

    `attended`: it ended as bots are meant to. `cut_short`: something else ended it after it had
    recorded; what it recorded until then is whole. `failed`: nothing was recorded.
    """

    ATTENDED = "attended"
    CUT_SHORT = "cut_short"
    FAILED = "failed"


EXIT_CODES: dict[Outcome, int] = {Outcome.ATTENDED: 0, Outcome.FAILED: 1, Outcome.CUT_SHORT: 3}
"""The exit code of a command that ran a bot to its end. An error before there is a bot is 1 too."""

EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
"""As a shell says it for every program: wrong use, ended by Ctrl-C, nobody reads the output."""


def outcome_of(state: State, reason: EndReason) -> Outcome:
    """Return what a terminal state and its reason amount to.

    Raises:
        IllegalTransition: No bot ends in that state for that reason.
    """
    if state is State.COMPLETED:
        return Outcome.ATTENDED if reason in COMPLETING else Outcome.CUT_SHORT
    if state is State.FAILED and reason not in COMPLETING:
        return Outcome.FAILED
    raise IllegalTransition(
        f"No bot ends in the state {state.value!r} for the reason {reason.value!r}.",
        "Every reason has its terminal state in `Ending.terminal_state`.",
    )


_S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    _S.SCHEDULED: frozenset({_S.REQUESTED, _S.FAILED, _S.COMPLETED}),
    _S.REQUESTED: frozenset({_S.JOINING, _S.FAILED, _S.COMPLETED}),
    _S.JOINING: frozenset({_S.AWAITING_ADMISSION, _S.IN_CALL, _S.LEAVING, _S.FAILED}),
    _S.AWAITING_ADMISSION: frozenset({_S.IN_CALL, _S.LEAVING, _S.FAILED}),
    _S.IN_CALL: frozenset({_S.AWAITING_ADMISSION, _S.RECORDING, _S.LEAVING, _S.FAILED}),
    _S.RECORDING: frozenset({_S.AWAITING_ADMISSION, _S.PAUSED, _S.LEAVING, _S.FAILED}),
    _S.PAUSED: frozenset({_S.AWAITING_ADMISSION, _S.RECORDING, _S.LEAVING, _S.FAILED}),
    _S.LEAVING: frozenset({_S.PROCESSING, _S.FAILED}),
    _S.PROCESSING: frozenset({_S.COMPLETED, _S.FAILED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
}
"""Every legal change of state. A host may send a bot back to the waiting room, hence the loops.

After a crash, recovery ends a bot from wherever it stood: see `check_transition`.
"""


def check_transition(old: State | None, new: State, *, recovering: bool = False) -> None:
    """Raise unless a bot may go from `old` to `new`.

    Args:
        old: The present state, None before the first.
        new: The state wanted.
        recovering: True while finishing what a killed process left: then every state
            that is not terminal may end.

    Raises:
        IllegalTransition: The table does not have it.
    """
    if old is None:
        if new in (State.SCHEDULED, State.REQUESTED) or (recovering and new in TERMINAL):
            return
        raise IllegalTransition(f"A bot cannot begin in state {new.value!r}.")
    if new in TRANSITIONS[old] or (recovering and new in TERMINAL and old not in TERMINAL):
        return
    allowed = ", ".join(sorted(TRANSITIONS[old])) or "nothing: it is terminal"
    raise IllegalTransition(
        f"A bot cannot go from {old.value!r} to {new.value!r}.", f"Allowed from there: {allowed}."
    )


@frozen
class Evidence:
    """What was seen that justifies a conclusion.

    Attributes:
        signal: Name of the observation, for instance `call_ended` or `leave_rule`.
        detail: What was seen, in words.
        selector: The selector that matched, where a page was read.
        screenshot: Path of a picture of it, relative to the bot's folder.
        hint: What a host or an operator can do about it, in a sentence.
    """

    signal: str
    detail: str = ""
    selector: str | None = None
    screenshot: str | None = None
    hint: str | None = None


@frozen
class Ending:
    """The verdict on why a bot ends. The first reason stays; what is found later adds detail.

    Attributes:
        reason: The first reason given, None while the bot goes on.
        evidence: What supports it.
        later: Reasons found afterwards, kept as detail.
    """

    reason: EndReason | None = None
    evidence: Evidence | None = None
    later: tuple[tuple[EndReason, Evidence], ...] = field(default=())

    def conclude(self, reason: EndReason, evidence: Evidence) -> Ending:
        """Return the verdict after one more finding."""
        if self.reason is None:
            return Ending(reason, evidence)
        return evolve(self, later=(*self.later, (reason, evidence)))

    def terminal_state(self, *, something_recorded: bool) -> State:
        """Return the state the bot ends in.

        Args:
            something_recorded: Whether any audio was kept before the end.
        """
        if self.reason in COMPLETING or something_recorded:
            return State.COMPLETED
        return State.FAILED
