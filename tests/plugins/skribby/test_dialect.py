"""What is told about any journal: properties that no meeting may break."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore import Participant, ParticipantJoined, ShareStarted, ShareStopped
from meetcore.model.drafts import Draft
from meetcore.model.errors import CommandRefused
from meetcore.model.events import Event, SegmentFinalized, StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import TERMINAL, State
from meetcore_skribby.frames import ChangeAvatar, SkribbyDialect, action_of
from meetcore_skribby.journal_summary import JournalSummary
from meetcore_skribby.statuses import standing
from meetcore_skribby.transcripts import SpeakerNumbers
from tests.json_values import JSON
from tests.plugins.skribby.journals import drafts, journals

AT = datetime(2026, 11, 28, tzinfo=UTC)
STATUSES = {
    "scheduled",
    "booting",
    "joining",
    "recording",
    "leaving",
    "processing",
    "transcribing",
    "finished",
    "not_admitted",
    "auth_required",
    "bot_detected",
    "invalid_credentials",
    "failed",
}
TYPES = {
    "start",
    "ts",
    "chat-message",
    "participant-tracked",
    "started-speaking",
    "stopped-speaking",
    "participant-left",
    "participant-rejoined",
    "participant-muted",
    "participant-unmuted",
    "participant-started-screenshare",
    "participant-stopped-screenshare",
    "status-update",
    "stop",
    "error",
}


def told(journal: list[Event], *, batch: bool = False) -> list[Any]:
    dialect = SkribbyDialect(batch=batch)
    return [json.loads(text) for event in journal for text in dialect.messages(event)]


def summarised(journal: list[Event], *, batch: bool = False) -> JournalSummary:
    summary = JournalSummary(batch, speaker_events=True)
    for event in journal:
        summary.take(event)
    return summary


@given(journals(), st.booleans())
def test_every_frame_is_of_a_known_type_and_shape(journal: list[Event], batch: bool) -> None:
    for frame in told(journal, batch=batch):
        assert frame["type"] in TYPES
        assert set(frame) <= {"type", "data"}
        if frame["type"] == "status-update":
            assert {frame["data"]["old_status"], frame["data"]["new_status"]} <= STATUSES
        if frame["type"] == "ts":
            assert isinstance(frame["data"]["speaker"], int)


@given(journals(), st.booleans())
def test_transitions_of_status_form_one_chain_without_standing_still(
    journal: list[Event], batch: bool
) -> None:
    transitions = [f["data"] for f in told(journal, batch=batch) if f["type"] == "status-update"]
    for before, after in pairwise(transitions):
        assert before["new_status"] == after["old_status"]
    assert all(transition["old_status"] != transition["new_status"] for transition in transitions)
    standing_now = summarised(journal, batch=batch).standing
    assert standing_now is not None
    if transitions:
        assert transitions[-1]["new_status"] == standing_now.status


def test_who_shares_a_screen_is_told_once_each_way() -> None:
    ada = Participant(id="a", name="Ada")
    journal: list[Event] = [
        ParticipantJoined(participant=ada),
        ShareStarted(share_id="s1", participant_id="a"),
        ShareStarted(share_id="s2", participant_id="a"),
        ShareStarted(share_id="s3", participant_id=None),
        ShareStopped(share_id="s2", participant_id="a"),
    ]
    journal = [evolve(event, seq=seq, at=AT) for seq, event in enumerate(journal, 1)]
    frames = told(journal)
    shown = [(frame["type"], frame["data"]["state"]["screenshare"]) for frame in frames]
    assert shown == [
        ("participant-tracked", "unknown"),
        ("participant-started-screenshare", "sharing"),
        ("participant-stopped-screenshare", "not-sharing"),
    ]


@given(journals())
def test_stop_is_told_once_and_last_and_only_at_the_end(journal: list[Event]) -> None:
    ended = any(isinstance(e, StateChanged) and e.state in TERMINAL for e in journal)
    types = [frame["type"] for frame in told(journal)]
    assert types.count("stop") == ended
    assert types.count("start") <= 1
    if ended:
        assert types[-1] == "stop"


@given(journals())
def test_a_segment_is_appended_once_and_its_speaker_keeps_the_number(journal: list[Event]) -> None:
    segments = [e.segment for e in journal if isinstance(e, SegmentFinalized)]
    lines = [f["data"] for f in told(journal) if f["type"] == "ts"]
    assert len(lines) == len({segment.id for segment in segments})
    summary, speakers = summarised(journal), SpeakerNumbers()
    for segment in segments:
        speakers.number(segment)
        assert summary.speaker_of(evolve(segment, id="later")) is None
    newest = {segment.id: segment for segment in segments}.values()
    assert [summary.speaker_of(segment) for segment in newest] == [
        speakers.number(segment) for segment in newest
    ]
    whose: dict[Any, set[int]] = {}
    seen: set[str] = set()
    dialect = SkribbyDialect()
    for event in journal:
        frames = [json.loads(text) for text in dialect.messages(event)]
        if isinstance(event, SegmentFinalized) and event.segment.id not in seen:
            seen.add(event.segment.id)
            who = event.segment.participant_id
            whose.setdefault(who, set()).add(frames[0]["data"]["speaker"])
    assert all(len(numbers) == 1 for numbers in whose.values())
    numbers = sorted(number for owned in whose.values() for number in owned)
    assert len(numbers) == len(set(numbers))


@given(journals())
def test_frames_and_the_bot_object_tell_the_same(journal: list[Event]) -> None:
    frames, summary = told(journal), summarised(journal)
    logged = [e["data"] for e in summary.events if e["event"] == "status_update"]
    assert logged == [f["data"] for f in frames if f["type"] == "status-update"]
    done = [
        (person["name"], event["type"], event["timestamp"])
        for person in summary.people.rest()
        for event in person["events"]
    ]
    live = [f for f in frames if f["type"].endswith("speaking") or "participant-" in f["type"]]
    live = [f for f in live if f["type"] != "participant-tracked"]
    assert sorted(kind for _, kind, _ in done) == sorted(
        f["type"].removeprefix("participant-") for f in live
    )
    assert sorted(when for *_, when in done) == sorted(f["data"]["timestamp"] for f in live)


@given(journals())
def test_speaking_starts_and_stops_in_turn_and_only_for_those_who_are_there(
    journal: list[Event],
) -> None:
    here: set[str] = set()
    talking: set[str] = set()
    for frame in told(journal):
        who = frame.get("data", {}).get("participantId")
        match frame["type"]:
            case "participant-tracked" | "participant-rejoined":
                assert who not in here
                here.add(who)
            case "participant-left":
                assert who in here
                assert who not in talking
                here.discard(who)
            case "started-speaking":
                assert who not in talking
                talking.add(who)
            case "stopped-speaking":
                assert who in talking
                talking.discard(who)
    assert "me" not in here
    assert [p["participantId"] for p in summarised(journal).people.live()] == [
        p for p in dict.fromkeys(_seen(journal)) if p in here
    ]


def _seen(journal: list[Event]) -> list[str]:
    history = BotHistory()
    for event in journal:
        history.take(event)
    return [presence.participant.id for presence in history.others]


@given(journals())
def test_the_row_and_the_journal_agree_on_the_status(journal: list[Event]) -> None:
    history = BotHistory()
    for event in journal:
        history.take(event)
    last = history.transitions[-1]
    by_row = standing(last.state, last.reason, admitted=history.in_call_at is not None)
    assert summarised(journal).standing == by_row


@given(journals(), drafts)
def test_drafts_are_never_told(journal: list[Event], draft: Draft) -> None:
    dialect = SkribbyDialect()
    for event in journal:
        dialect.messages(event)
        assert dialect.messages(draft) == ()


URLS = st.sampled_from(["https://e.org/a.png", "ftp://e.org", "https://"])
ACTIONS = st.fixed_dictionaries(
    {}, optional={"action": st.sampled_from(["stop", "chat-message", "change-avatar"]) | JSON,
                  "data": st.fixed_dictionaries(
                      {}, optional={"content": JSON, "avatar_url": URLS | JSON}) | JSON}
)  # fmt: skip


@given(st.text() | st.binary() | JSON.map(json.dumps) | ACTIONS.map(json.dumps))
def test_no_message_of_a_client_is_an_error(message: str | bytes) -> None:
    command = action_of(message)
    if isinstance(message, str):
        if command is None or isinstance(command, ChangeAvatar):
            with pytest.raises(CommandRefused):
                SkribbyDialect().command(message)
        else:
            assert SkribbyDialect().command(message) == command


def test_recording_that_goes_back_to_the_waiting_room_is_joining_again() -> None:
    states = [State.REQUESTED, State.JOINING, State.IN_CALL, State.RECORDING]
    states += [State.AWAITING_ADMISSION, State.IN_CALL, State.RECORDING]
    frames = told([StateChanged(state=state) for state in states])
    transitions = [f["data"]["new_status"] for f in frames if f["type"] == "status-update"]
    assert transitions == ["joining", "recording", "joining", "recording"]
    assert [f["type"] for f in frames].count("start") == 1
