"""Live frames against REST: the same segments, whatever happens to a bot, in every era."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.model.drafts import Draft, LevelDraft, SegmentDraft
from meetcore.model.events import (
    BotRequested,
    ChatReceived,
    Event,
    SegmentFinalized,
    StateChanged,
    StepTaken,
    TranscriptionGap,
)
from meetcore.model.lifecycle import TERMINAL, TRANSITIONS, EndReason, State
from meetcore.model.transcript import Segment
from meetcore_vexa.bot_object import MeetingIdentity
from meetcore_vexa.frames import frames_for
from meetcore_vexa.variants import Variant
from tests.plugins.vexa.life import PATH, SEAT, VexaFake, open_vexa, segment

MEETING = MeetingIdentity(
    id=42, bot_id="0b5e", user_id=7, platform="google_meet", native_id="abc-defg-hij"
)
NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


class MapOfTime:
    """What clients of E1 and E2 do: by `absolute_start_time`, the newest `updated_at` wins."""

    def __init__(self) -> None:
        self.segments: dict[str, Any] = {}

    def take(self, segments: list[Any]) -> None:
        for incoming in segments:
            if not incoming["text"].strip():
                continue
            key = incoming["absolute_start_time"]
            known = self.segments.get(key)
            if known is None or incoming["updated_at"] >= known["updated_at"]:
                self.segments[key] = incoming

    def told(self) -> dict[str, tuple[str, str | None]]:
        return {key: (each["text"], each["speaker"]) for key, each in sorted(self.segments.items())}


class MapOfIds:
    """What clients of E3 and E4 do: confirmed by id; pending replaced per speaker; retractions."""

    def __init__(self) -> None:
        self.confirmed: dict[str, Any] = {}
        self.pending: dict[str, dict[str, Any]] = {}

    def take(self, frame: Any) -> None:
        if frame["type"] == "transcript_retract":
            for drafts in self.pending.values():
                for key in frame["segment_ids"]:
                    drafts.pop(key, None)
        elif frame["type"] == "transcript":
            for each in frame["confirmed"]:
                assert each["completed"] is True
                self.confirmed[each["segment_id"]] = each
            assert not any(each["completed"] for each in frame["pending"])
            self.pending[frame["speaker"]] = {e["segment_id"]: e for e in frame["pending"]}

    def drafts(self) -> set[str]:
        return {key for drafts in self.pending.values() for key in drafts}


def happened(*items: Event | Draft) -> list[Event | Draft]:
    """Put items a second apart, numbered as a journal would."""
    placed: list[Event | Draft] = []
    seq = 0
    for number, item in enumerate(items):
        at = NOON + timedelta(seconds=number)
        if isinstance(item, Event):
            seq += 1
            placed.append(evolve(item, seq=seq, at=at, bot_id="0b5e"))
        else:
            placed.append(evolve(item, after_seq=seq, at=at, bot_id="0b5e"))
    return placed


IN_CALL = [
    StateChanged(state=State.REQUESTED),
    StateChanged(state=State.JOINING, previous=State.REQUESTED),
    StateChanged(state=State.IN_CALL, previous=State.JOINING),
]


def told(variant: Variant, *items: Event | Draft) -> list[Any]:
    frames = frames_for(MEETING, variant)
    return [frame for item in happened(*IN_CALL, *items) for frame in frames.frames(item)]


def draft(text: str, **more: Any) -> SegmentDraft:
    return SegmentDraft(segment=segment(text, finalized=False, **more))


def final(text: str, **more: Any) -> SegmentFinalized:
    return SegmentFinalized(segment=segment(text, **more))


def test_a_segments_absolute_start_is_one_text_though_its_start_moves() -> None:
    frames = told(
        Variant.E1,
        draft("a", start_s=12.4, onset_s=12.4),
        draft("a b", start_s=12.52, onset_s=12.4, revision=2),
        final("a b.", start_s=12.61, onset_s=12.4, revision=3),
    )
    segments = [f["payload"]["segments"][0] for f in frames if "segments" in f["payload"]]
    assert len(segments) == 4
    (text,) = {each["absolute_start_time"] for each in segments}
    assert len(text) == 27
    assert text.startswith("2026-11-20T12:00:14.650")
    assert text.endswith("Z")


@pytest.mark.parametrize("variant", list(Variant))
def test_a_segments_seconds_have_both_names_in_every_frame(variant: Variant) -> None:
    frames = told(variant, draft("a"), final("a b"))
    bodies = [
        each
        for frame in frames
        for each in (
            *frame.get("payload", {}).get("segments", []),
            *frame.get("confirmed", []),
            *frame.get("pending", []),
        )
    ]
    assert len(bodies) >= 2
    names = ("start", "start_time", "end", "end_time")
    assert {tuple(each[name] for name in names) for each in bodies} == {(12.4, 12.4, 15.1, 15.1)}


def test_two_people_who_begin_at_once_do_not_replace_each_other() -> None:
    frames = told(Variant.E1, final("yes", key="a-1"), final("no", key="b-1", who="Ada"))
    kept = MapOfTime()
    for frame in frames:
        kept.take(frame["payload"].get("segments", []))
    assert sorted(text for text, _ in kept.told().values()) == ["no", "yes"]


@pytest.mark.parametrize("variant", list(Variant))
def test_a_draft_that_comes_after_its_final_is_not_told(variant: Variant) -> None:
    before = told(variant, final("a b."))
    assert told(variant, final("a b."), draft("a", revision=9)) == before


def test_states_that_share_a_status_are_told_once() -> None:
    steps = [State.RECORDING, State.PAUSED, State.RECORDING, State.LEAVING, State.PROCESSING]
    changes = [StateChanged(state=state) for state in steps]
    frames = told(Variant.E1, *changes, StateChanged(state=State.COMPLETED))
    statuses = [frame["payload"]["status"] for frame in frames]
    assert statuses == ["requested", "joining", "active", "stopping", "completed"]


@pytest.mark.parametrize("variant", list(Variant))
def test_a_failed_bot_says_what_it_failed_of(variant: Variant) -> None:
    frames = frames_for(MEETING, variant)
    items = happened(
        *IN_CALL[:2],
        StateChanged(state=State.FAILED, reason=EndReason.CAPTCHA_REQUIRED),
    )
    last = [frame for item in items for frame in frames.frames(item)][-1]
    expected = "captcha_required" if variant is Variant.E1 else "join_failure"
    assert last["payload"]["error"] == expected
    if variant.bundles:
        assert last["payload"]["data"] == {
            "completion_reason": "join_failure",
            "failure_stage": "joining",
        }


def test_in_e4_a_bot_that_was_stopped_before_it_got_in_has_failed() -> None:
    items = happened(
        *IN_CALL[:2],
        StateChanged(state=State.LEAVING, reason=EndReason.STOP_REQUESTED),
        StateChanged(state=State.COMPLETED, reason=EndReason.STOP_REQUESTED),
    )
    ends = {}
    for variant in Variant:
        frames = frames_for(MEETING, variant)
        ends[variant] = [f for item in items for f in frames.frames(item)][-1]["payload"]
    assert ends[Variant.E1] == {"status": "completed"}
    assert ends[Variant.E3]["data"]["completion_reason"] == "stopped_before_admission"
    assert (ends[Variant.E4]["status"], ends[Variant.E4]["error"]) == ("failed", "stopped")


def test_a_draft_of_another_speaker_than_its_final_leaves_nothing_behind() -> None:
    kept = MapOfIds()
    for frame in told(Variant.E3, draft("a", who=None), final("a", who="Ada")):
        kept.take(frame)
    assert kept.drafts() == set()
    assert [each["speaker"] for each in kept.confirmed.values()] == ["Ada"]


@pytest.mark.parametrize("variant", [Variant.E3, Variant.E4])
@pytest.mark.parametrize(
    "end",
    [
        TranscriptionGap(track_id="t", start_s=12.0, end_s=16.0, cause="gave up"),
        final("later", key="t-0002", start_s=20.0, end_s=21.0),
        StateChanged(state=State.COMPLETED, reason=EndReason.MEETING_ENDED),
    ],
)
def test_a_draft_that_comes_to_nothing_is_taken_back(variant: Variant, end: Event) -> None:
    frames = told(variant, draft("uh"), end)
    kept = MapOfIds()
    for frame in frames:
        kept.take(frame)
    assert kept.drafts() == set()
    retracted = [f["segment_ids"] for f in frames if f["type"] == "transcript_retract"]
    assert retracted == ([["t-0001"]] if variant is Variant.E4 else [])


# --- any journal --------------------------------------------------------------------------

texts = st.sampled_from(["", " ", "a", "a b", "ünï \U0001f600", "\ud800"])
names = st.sampled_from([None, "Ada", "John", ""])


@st.composite
def speech(draw: st.DrawFn, first: int) -> list[Event | Draft]:
    """Draw segments, each with drafts, at most one final and perhaps a later revision of it."""
    items: list[Event | Draft] = []
    for number in range(first, first + draw(st.integers(0, 5))):
        start_s = draw(st.integers(0, 8)) / 4
        said: Segment = segment(
            draw(texts),
            key=f"{draw(st.sampled_from('tu'))}-{number}",
            who=draw(names),
            start_s=start_s,
            end_s=start_s + draw(st.integers(0, 8)) / 4,
            onset_s=start_s,
            finalized=False,
            language=draw(st.sampled_from([None, "en-US", "de"])),
        )
        revisions = draw(st.lists(texts, max_size=3))
        for revision, text in enumerate(revisions):
            moved = evolve(said, revision=revision, text=text, start_s=start_s + revision / 8)
            items.append(SegmentDraft(segment=moved))
        for revision in range(draw(st.sampled_from([0, 1, 1, 2]))):
            done = evolve(said, revision=9 + revision, finalized=True)
            items.append(SegmentFinalized(segment=done))
    return items


@st.composite
def lives(draw: st.DrawFn) -> list[Event | Draft]:
    """Draw a bot's journal with drafts between its events."""
    items: list[Event | Draft] = []
    state, was_in = State.REQUESTED, False
    reason = draw(st.sampled_from(list(EndReason)))
    while state not in TERMINAL and len(items) < 40:
        following = sorted(TRANSITIONS[state])
        state = draw(st.sampled_from(following))
        terminal = state in TERMINAL or state is State.LEAVING
        items.append(StateChanged(state=state, reason=reason if terminal else None))
        was_in = was_in or state is State.IN_CALL
        if was_in and state not in TERMINAL:
            items += draw(speech(len(items)))
            items.append(LevelDraft(track_id="t", participant_id=None, dbfs=-30.0))
        if draw(st.booleans()):
            items.append(StepTaken(name="a step"))
            chat = ChatReceived(message_id="1", sender_id=None, sender_name="Ada", text=draw(texts))
            items.append(chat)
    return items


def replayed(variant: Variant, life: list[Event | Draft]) -> tuple[Any, Any, list[Any]]:
    """Let a life happen at a fake service; return its REST transcript, meeting and live frames."""
    found: dict[str, Any] = {}

    async def main(folder: Path) -> None:
        async with open_vexa(folder) as vexa:
            row = await vexa.send_bot(variant.value)
            socket = await vexa.socket(variant.value)
            socket.say({"action": "subscribe", "meetings": [SEAT]})
            await vexa.fake.settled()
            for item in life:
                vexa.fake.pass_time(0.25)
                if isinstance(item, Draft):
                    vexa.fake.draft(row, item)
                else:
                    vexa.fake.happen(row, item)
            found["frames"] = socket.frames()
            found["rest"] = await asked(vexa, f"/transcripts/{PATH}", variant)
            found["meeting"] = await asked(vexa, f"/meetings/{row.number}", variant)

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder))
    return found["rest"], found["meeting"], found["frames"]


async def asked(vexa: VexaFake, path: str, variant: Variant) -> Any:
    status, body = await vexa.ask("GET", f"{path}?dialect={variant.value}")
    assert status == 200
    return body


@settings(max_examples=40, deadline=None)
@given(variant=st.sampled_from(list(Variant)), life=lives())
def test_whatever_happens_rest_and_frames_tell_the_same(
    variant: Variant, life: list[Event | Draft]
) -> None:
    rest, meeting, frames = replayed(variant, life)
    statuses = [f["payload"]["status"] for f in frames if f["type"] == "meeting.status"]
    assert rest["status"] == meeting["status"] == statuses[-1]
    history = [transition["to"] for transition in meeting["data"].get("status_transition", [])]
    assert history == statuses[1:]
    errors = [f["payload"]["error"] for f in frames if "error" in f.get("payload", {})]
    assert errors == ([meeting["data"]["last_error"]["error"]] if errors else [])
    confirmed = {each["segment_id"]: each for each in rest["segments"]}
    assert len(confirmed) == len(rest["segments"])
    if variant.bundles:
        kept = MapOfIds()
        for frame in frames:
            kept.take(frame)
        assert kept.confirmed.keys() == confirmed.keys()
        for key, each in kept.confirmed.items():
            assert {n: each[n] for n in confirmed[key] if n in each} == {
                n: value for n, value in confirmed[key].items() if n in each
            }
        if meeting["end_time"]:
            assert kept.drafts() == set()
        return
    live = MapOfTime()
    for frame in frames:
        if frame["type"].startswith("transcript."):
            live.take(frame["payload"]["segments"])
    once = MapOfTime()
    once.take(rest["segments"])
    assert len(once.segments) == len(rest["segments"])
    finals = {key: text for key, text in live.told().items() if live.segments[key]["completed"]}
    assert finals == once.told()


def test_a_first_event_gives_no_frame() -> None:
    requested = BotRequested(
        platform="meet", native_id="abc-defg-hij", public_url="https://x", display_name="Notes"
    )
    assert frames_for(MEETING, Variant.E1).messages(requested) == []
