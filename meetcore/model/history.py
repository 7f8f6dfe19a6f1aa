"""What a bot's journal says so far, without its transcript: the read model of answers and pages.

A reducer over events. It stays small however long the meeting is: states, people, who spoke when,
chat and files. Segments are read from the journal where they are wanted.
"""

from __future__ import annotations

from datetime import datetime

from attrs import define, field, frozen

from meetcore.model.chapters import Chapters
from meetcore.model.events import (
    ArtifactWritten,
    BotRequested,
    CaptureDegraded,
    CaptureRestored,
    CaptureStarted,
    ChatReceived,
    Event,
    EventLost,
    LedgerClosed,
    ParticipantExcluded,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    PersonAskedFor,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    TranscriberUsage,
    TranscriptionStopped,
)
from meetcore.model.exclusion import plain_name
from meetcore.model.lifecycle import (
    TERMINAL,
    Ending,
    EndReason,
    Evidence,
    State,
    check_transition,
)
from meetcore.model.roster import Participant, SpeakingTimeline
from meetcore.model.transcription_cost import TranscriptionCost

__all__ = ["BotHistory", "ChatEntry", "Presence", "Transition"]


@frozen(kw_only=True)
class Transition:
    """One change of state, with when and why."""

    seq: int
    at: datetime
    state: State
    previous: State | None
    reason: EndReason | None = None
    evidence: Evidence | None = None


@frozen(kw_only=True)
class ChatEntry:
    """One chat message; `direct` ones were for one person alone, `to_id` and `to_name`."""

    seq: int
    at: datetime
    meeting_s: float | None
    message_id: str
    sender_id: str | None
    sender_name: str
    text: str
    by_bot: bool
    direct: bool = False
    to_id: str | None = None
    to_name: str = ""


def _is_of(entry: ChatEntry, excluded: ParticipantExcluded) -> bool:
    """Whether somebody excluded wrote a message; by the name, where the platform says no id."""
    if entry.sender_id is not None or entry.by_bot:
        return entry.sender_id == excluded.participant_id
    return bool(excluded.name) and plain_name(entry.sender_name) == plain_name(excluded.name or "")


@define(kw_only=True)
class Presence:
    """One person, and when they were there.

    Attributes:
        participant: As last seen.
        intervals: When they came and went; the end is None while they are there.
        talking: Whether they speak now.
    """

    participant: Participant
    intervals: list[tuple[datetime, datetime | None]] = field(factory=list)
    talking: bool = False

    @property
    def here(self) -> bool:
        """Whether they are in the meeting."""
        return bool(self.intervals) and self.intervals[-1][1] is None


@define
class BotHistory:
    """What happened to one bot. Call `take` with each event, in order.

    Attributes:
        requested: The first event.
        transitions: Every change of state.
        people: Everybody ever seen, by id, our own bot too.
        timeline: Who spoke when, in seconds of meeting time.
        chat: Every chat message.
        artifacts: Every file, the newest of a path.
        chapters: What a player of the whole meeting lists.
        capture_offset_s: Where sample 0 of the call's clock lies in the meeting, None before.
        in_call_at: When the bot was first in the call.
        recording_at: When it first recorded.
        segment_ids: The ids of the segments that were finalized.
        capture_trouble: What is wrong with the audio now, None for nothing.
        transcription_trouble: Why nothing is transcribed any more, None otherwise.
        person_needed: What a person is asked to do at the browser just now, None for nothing.
        transcription_cost: What its transcription used and cost.
        events_lost: How many events cannot be read any more.
        excluded_anybody: Whether anybody was ever excluded.
        ledger_closed: Whether the account of its audio was closed: it finished in order.
        last_seq: Number of the newest event.
        last_at: When that was.
    """

    requested: BotRequested | None = None
    transitions: list[Transition] = field(factory=list)
    people: dict[str, Presence] = field(factory=dict)
    timeline: SpeakingTimeline = field(factory=SpeakingTimeline)
    chat: list[ChatEntry] = field(factory=list)
    artifacts: dict[str, ArtifactWritten] = field(factory=dict)
    chapters: Chapters = field(factory=Chapters)
    capture_offset_s: float | None = None
    in_call_at: datetime | None = None
    recording_at: datetime | None = None
    segment_ids: set[str] = field(factory=set, repr=False)
    capture_trouble: str | None = None
    transcription_trouble: str | None = None
    person_needed: str | None = None
    transcription_cost: TranscriptionCost = field(factory=TranscriptionCost)
    events_lost: int = 0
    excluded_anybody: bool = False
    ledger_closed: bool = False
    last_seq: int = 0
    last_at: datetime | None = None

    @property
    def state(self) -> State | None:
        """Where the bot is in its life."""
        return self.transitions[-1].state if self.transitions else None

    @property
    def segments(self) -> int:
        """How many segments were finalized."""
        return len(self.segment_ids)

    @property
    def ended(self) -> bool:
        """Whether it is in a terminal state."""
        return self.state in TERMINAL

    @property
    def end(self) -> Transition | None:
        """The change to the terminal state, None before."""
        return self.transitions[-1] if self.ended else None

    @property
    def reason(self) -> EndReason | None:
        """Why it ends, as soon as that is known."""
        return next(
            (transition.reason for transition in self.transitions if transition.reason), None
        )

    @property
    def ended_at(self) -> datetime | None:
        """When it came to its terminal state."""
        return self.end.at if self.end else None

    @property
    def left_at(self) -> datetime | None:
        """When it began to leave, or ended without leaving."""
        transitions = (
            transition.at
            for transition in self.transitions
            if transition.state is State.LEAVING or transition.state in TERMINAL
        )
        return next(transitions, None)

    @property
    def reached(self) -> State | None:
        """The state it was in last before it left or ended."""
        going = [h for h in self.transitions if h.state not in (State.LEAVING, State.PROCESSING)]
        return next(
            (
                transition.state
                for transition in reversed(going)
                if transition.state not in TERMINAL
            ),
            None,
        )

    @property
    def others(self) -> list[Presence]:
        """Everybody ever seen except our own bot, in the order they came."""
        return [p for p in self.people.values() if not p.participant.is_self]

    def name_of(self, participant_id: str | None) -> str | None:
        """Return the last known name of a participant."""
        presence = self.people.get(participant_id or "")
        return presence.participant.name if presence else None

    def end_event(self, reason: EndReason, evidence: Evidence) -> StateChanged:
        """Return the terminal event of a bot that nobody runs any more, or ever did.

        Raises:
            IllegalTransition: It has ended already.
        """
        ending = Ending().conclude(reason, evidence)
        state = ending.terminal_state(something_recorded=self.recording_at is not None)
        check_transition(self.state, state, recovering=True)
        return StateChanged(
            state=state, previous=self.state, reason=ending.reason, evidence=ending.evidence
        )

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.last_seq, self.last_at = event.seq, event.at
        self.chapters.take(event)
        if isinstance(event, StateChanged):
            self._moved(event)
        elif isinstance(event, SegmentFinalized):
            change = self.segment_ids.discard if event.segment.withdrawn else self.segment_ids.add
            change(event.segment.id)
        elif isinstance(event, (ParticipantJoined, ParticipantUpdated)):
            self._seen(event.participant, event.at)
        elif isinstance(event, ParticipantLeft):
            self._gone(event)
        elif isinstance(event, (SpeakingStarted, SpeakingStopped)):
            self._speech(event)
        elif isinstance(event, ChatReceived):
            if event.text:  # what was taken back is empty
                self._chat(event)
        elif isinstance(event, ParticipantExcluded):
            self.excluded_anybody = True
            if event.since_s is None:
                self.chat = [each for each in self.chat if not _is_of(each, event)]
        elif isinstance(event, ArtifactWritten):
            self.artifacts[event.path] = event
        elif isinstance(event, BotRequested):
            self.requested = event
        elif isinstance(event, CaptureStarted):
            self.capture_offset_s = event.offset_s
        elif isinstance(event, CaptureDegraded):
            self.capture_trouble = event.detail
        elif isinstance(event, CaptureRestored):
            self.capture_trouble = None
        elif isinstance(event, EventLost):
            self.events_lost += 1
        elif isinstance(event, LedgerClosed):
            self.ledger_closed = True
        elif isinstance(event, TranscriptionStopped):
            self.transcription_trouble = event.detail
        elif isinstance(event, PersonAskedFor):
            self.person_needed = event.what if event.needed else None
        elif isinstance(event, TranscriberUsage):
            self.transcription_cost.take(event)

    def _moved(self, event: StateChanged) -> None:
        transition = Transition(
            seq=event.seq,
            at=event.at,
            state=event.state,
            previous=event.previous,
            reason=event.reason,
            evidence=event.evidence,
        )
        self.transitions.append(transition)
        if event.state is State.IN_CALL and self.in_call_at is None:
            self.in_call_at = event.at
        if event.state is State.RECORDING and self.recording_at is None:
            self.recording_at = event.at

    def _seen(self, participant: Participant, at: datetime) -> None:
        presence = self.people.get(participant.id)
        if presence is None:
            presence = self.people[participant.id] = Presence(participant=participant)
        presence.participant = participant
        if not presence.here:
            presence.intervals.append((at, None))

    def _gone(self, event: ParticipantLeft) -> None:
        presence = self.people.get(event.participant_id)
        if presence is not None and presence.here:
            presence.intervals[-1] = (presence.intervals[-1][0], event.at)
            presence.talking = False

    def _speech(self, event: SpeakingStarted | SpeakingStopped) -> None:
        who = event.participant_id
        if isinstance(event, SpeakingStarted):
            self.timeline.started(who, event.start_s, event.source, event.track_id)
        else:
            self.timeline.stopped(who, event.end_s, event.track_id)
        presence = self.people.get(who)
        if presence is not None:
            presence.talking = bool(self.timeline.open_on(who))

    def _chat(self, event: ChatReceived) -> None:
        self.chat.append(
            ChatEntry(
                seq=event.seq,
                at=event.at,
                meeting_s=event.meeting_s,
                message_id=event.message_id,
                sender_id=event.sender_id,
                sender_name=event.sender_name,
                text=event.text,
                by_bot=event.by_bot,
                direct=event.direct,
                to_id=event.to_id,
                to_name=event.to_name,
            )
        )
