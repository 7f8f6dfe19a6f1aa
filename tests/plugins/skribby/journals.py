"""Journals as they may be: whole lives of bots, drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import evolve
from hypothesis import strategies as st

from meetcore.model.drafts import LevelDraft, SegmentDraft
from meetcore.model.events import (
    BotRequested,
    ChatReceived,
    Event,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    SegmentFinalized,
    SpeakingStarted,
    SpeakingStopped,
    StateChanged,
    StepTaken,
    TranscriptionStopped,
)
from meetcore.model.lifecycle import TERMINAL, TRANSITIONS, EndReason, State
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment

__all__ = ["drafts", "journals", "written"]

START = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
PEOPLE = st.sampled_from(["p1", "p2", "p3", "me"])
NAMES = st.text(min_size=1, max_size=8)
SECONDS = st.floats(0, 10_000, allow_nan=False)


def _participant(who: str, name: str, muted: bool | None) -> Participant:
    return Participant(id=who, name=name, muted=muted, is_self=who == "me")


PARTICIPANTS = st.builds(_participant, PEOPLE, NAMES, st.none() | st.booleans())
SEGMENTS = st.builds(
    lambda number, revision, who, name, text, start_s: Segment(
        id=f"s{number}",
        revision=revision,
        finalized=True,
        track_id="t1",
        participant_id=who,
        speaker_name=name,
        speaker_source=NameSource.TRACK,
        speaker_confidence=1.0,
        text=text,
        start_s=start_s,
        end_s=start_s + 1,
    ),
    st.integers(1, 5),
    st.integers(1, 3),
    st.none() | PEOPLE,
    st.none() | NAMES,
    st.text(min_size=1),
    SECONDS,
)
SPEAKING: dict[str, st.SearchStrategy[object]] = {
    "participant_id": PEOPLE,
    "name": st.none() | NAMES,
    "source": st.sampled_from(NameSource),
}
HAPPENINGS: st.SearchStrategy[Event] = st.one_of(
    st.builds(ParticipantJoined, participant=PARTICIPANTS),
    st.builds(ParticipantUpdated, participant=PARTICIPANTS),
    st.builds(ParticipantLeft, participant_id=PEOPLE),
    st.builds(SpeakingStarted, start_s=SECONDS, **SPEAKING),
    st.builds(SpeakingStopped, end_s=SECONDS, **SPEAKING),
    st.builds(SegmentFinalized, segment=SEGMENTS),
    st.builds(
        ChatReceived,
        message_id=NAMES,
        sender_id=PEOPLE,
        sender_name=st.text(),
        text=st.text(),
        by_bot=st.booleans(),
    ),
    st.builds(TranscriptionStopped, track_id=NAMES, kind=st.just("auth"), detail=st.text()),
    st.builds(StepTaken, name=NAMES),
)
FEW = st.lists(HAPPENINGS, max_size=4)
NEXT = {at: st.sampled_from(sorted(after)) for at, after in TRANSITIONS.items() if after}
FIRST: st.SearchStrategy[State] = st.sampled_from([State.SCHEDULED, State.REQUESTED])
CHANGES = st.integers(0, 14)
REASONS = st.sampled_from(EndReason)
drafts = st.one_of(
    st.builds(SegmentDraft, segment=SEGMENTS),
    st.builds(LevelDraft, track_id=NAMES, participant_id=st.none(), dbfs=st.just(-20.0)),
)


def written(events: Sequence[Event], bot_id: str = "b-1") -> list[Event]:
    """Return events as a journal writes them: numbered, with times."""
    result: list[Event] = []
    in_call_at: datetime | None = None
    for seq, event in enumerate(events, 1):
        at = START + timedelta(seconds=seq)
        if isinstance(event, StateChanged) and event.state is State.IN_CALL and not in_call_at:
            in_call_at = at
        meeting_s = None if in_call_at is None else (at - in_call_at).total_seconds()
        result.append(evolve(event, bot_id=bot_id, seq=seq, at=at, meeting_s=meeting_s))
    return result


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """A life by the table of states, with all sorts of things in between; it may not have ended."""
    events: list[Event] = [
        BotRequested(
            platform="google_meet", native_id="n", public_url="https://x.test", display_name="bot"
        )
    ]
    state = draw(FIRST)
    events.append(StateChanged(state=state))
    for _ in range(draw(CHANGES)):
        if state not in NEXT:
            break
        events += draw(FEW)
        previous, state = state, draw(NEXT[state])
        ending = state in TERMINAL or state is State.LEAVING
        reason = draw(REASONS) if ending else None
        events.append(StateChanged(state=state, previous=previous, reason=reason))
    return written(events)
