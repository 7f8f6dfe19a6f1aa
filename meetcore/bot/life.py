"""Where a bot is in its life, and why it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from meetcore.model.errors import JournalFull, MeetcoreError, TranscriberError
from meetcore.model.events import ChatReceived, EndingDetailed, StateChanged
from meetcore.model.lifecycle import (
    IN_CALL,
    TERMINAL,
    Ending,
    EndReason,
    Evidence,
    State,
    check_transition,
)
from meetcore.model.recording import RecordingRules

if TYPE_CHECKING:
    from meetcore.bot.context import BotContext
    from meetcore.model.roster import Participant
    from meetcore.plugin.platform import Call

__all__ = ["Life"]


class Life:
    """The state of one bot and the reason for its end. No waiting here.

    Args:
        context: The bot's records.
        at_conclusion: Called once, when there is a reason to end.

    Attributes:
        state: Where the bot is.
        ending: Why it ends, once it does.
        call: The call, while there is one.
        person_needed: What a person was asked for and has not done, if anything.
        recording: What decides whether anything is recorded.
        recorded_something: Whether there was ever something to record.
        hears: Called with whether what is heard belongs to the meeting.
        pauses: Called with whether nothing is to be recorded.
        failure: The first trouble of our own.
    """

    def __init__(self, context: BotContext, at_conclusion: Callable[[], None]) -> None:
        self.state: State | None = None
        self.ending = Ending()
        self.call: Call | None = None
        self.person_needed: str | None = None
        self.recording = RecordingRules(wanted=context.config.record)
        self.recorded_something = False
        self.failure: Exception | None = None
        self.hears: Callable[[bool], None] = lambda in_call: None
        self.pauses: Callable[[bool], None] = lambda paused: None
        self._context = context
        self._at_conclusion = at_conclusion
        self._storage_failed = False

    @property
    def ended(self) -> bool:
        """Whether the bot is in a terminal state."""
        return self.state in TERMINAL

    def go(
        self, state: State, reason: EndReason | None = None, evidence: Evidence | None = None
    ) -> StateChanged:
        """Change the state; an illegal change raises."""
        check_transition(self.state, state)
        previous, self.state = self.state, state
        context, now = self._context, trio.current_time()
        if state is State.IN_CALL and context.in_call_at is None:
            context.in_call_at = now
        # What still comes in while the bot takes its leave is the meeting's, too.
        leaving = state is State.LEAVING and context.in_call_at is not None
        self.hears(state in IN_CALL or leaving)
        context.leave_rules.state_changed(state, now)
        context.rules_changed()
        event = StateChanged(state=state, previous=previous, reason=reason, evidence=evidence)
        recorded = context.record(event)
        assert isinstance(recorded, StateChanged)
        return recorded

    def follow_recording(self) -> None:
        """Record or hold back, as `recording` says; to be called when it changed."""
        may = self.recording.may_record
        self.pauses(not may)
        if may and self.state in (State.IN_CALL, State.PAUSED):
            self.recorded_something = True
            self.go(State.RECORDING)
        elif not may and self.state is State.RECORDING:
            self.go(State.PAUSED)

    def conclude(self, reason: EndReason, evidence: Evidence) -> None:
        """End the attendance for a reason. The first one stays; later ones become detail."""
        first = self.ending.reason is None
        self.ending = self.ending.conclude(reason, evidence)
        if first:
            self._at_conclusion()
        elif (
            not self.ended and reason is not self.ending.reason and not self._context.journal.closed
        ):
            self._context.record(EndingDetailed(reason=reason, evidence=evidence))

    def begin_leaving(self) -> None:
        """Begin to leave, unless that has begun."""
        if self.state not in (State.LEAVING, State.PROCESSING, *TERMINAL):
            self.go(State.LEAVING, self.ending.reason, self.ending.evidence)

    def finish(self) -> StateChanged | None:
        """Go to the terminal state; return that event, None if it was there already."""
        if self.ended or self.state is None:
            return None
        reason = self.ending.reason or EndReason.INTERNAL_ERROR
        context = self._context
        media = any(entry.delivered for entry in context.media_ledger.entries())
        sound = any(context.ledger.captured.values())
        kept = sound or media or bool(context.transcript.segments)
        recorded = self.recorded_something and kept
        state = self.ending.terminal_state(something_recorded=recorded)
        check_transition(self.state, state, recovering=True)
        old, self.state = self.state, state
        end = StateChanged(state=state, previous=old, reason=reason, evidence=self.ending.evidence)
        event = self._context.record(end)
        assert isinstance(event, StateChanged)
        return event

    def cannot_write(self, error: MeetcoreError) -> None:
        """End the attendance, once, because the journal cannot be written."""
        if self._storage_failed or self._context.journal.closed:
            return
        self._storage_failed = True
        self.failure = self.failure or error
        signal = "storage_full" if isinstance(error, JournalFull) else "storage"
        self.conclude(EndReason.INTERNAL_ERROR, Evidence(signal, str(error)))

    def transcription_failed(self, error: TranscriberError) -> None:
        """Decide what follows when a track is not transcribed any more."""
        if self._context.config.leave_on_transcription_failure:
            self.conclude(EndReason.TRANSCRIPTION_FAILED, Evidence("transcriber", error.message))

    def chat_sent(self, text: str, to: Participant | None = None) -> None:
        """Note the bot's own message, and whom alone it was for, where the platform shows none."""
        context = self._context
        context.record(
            ChatReceived(
                message_id=f"own-{context.journal.last_seq + 1}",
                sender_id=None,
                sender_name=context.config.name,
                text=text,
                by_bot=True,
                direct=to is not None,
                to_id=None if to is None else to.id,
                to_name="" if to is None else to.name,
            )
        )
