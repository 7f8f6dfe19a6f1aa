"""A finalized segment that is cut again by speaker, as it reaches the outside: no word twice."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from mcp import Client

from meetcore.gateway.records import BotRow
from meetcore.log.journal import Journal
from meetcore.log.log_reader import FolderLog
from meetcore.model.events import BotRequested, Event, SegmentFinalized, StateChanged
from meetcore.model.history import BotHistory
from meetcore.model.lifecycle import State
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment, Transcript, Word
from meetcore.testing.fake_records import finalized_by, newest
from meetcore_mcp.bots import ServiceBots
from meetcore_mcp.tools import make_server
from meetcore_skribby.frames import SkribbyDialect
from meetcore_vexa.bot_object import MeetingIdentity
from meetcore_vexa.frames import frames_for
from meetcore_vexa.variants import Variant

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def segment(key: str, text: str, who: str | None, at: int, revision: int = 1) -> Segment:
    words = tuple(Word(w, at + i, at + i + 0.9) for i, w in enumerate(text.split()))
    return Segment(
        id=key, revision=revision, finalized=True, track_id="mix", participant_id=who,
        speaker_name=who, speaker_source=NameSource.ACTIVE_SPEAKER, speaker_confidence=0.9,
        text=text, words=words, start_s=at, end_s=at + len(words), onset_s=at,
        correction=revision > 1,
    )  # fmt: skip


FIRST = [segment("u", "one two", "Ada", 0), segment("u.1", "three", "Ben", 2)]
AGAIN = [segment("u", "one two three", "Ada", 0, 2), FIRST[1].without_text()]
APART = [segment("u", "one", "Ada", 0, 3), segment("u.2", "two three", "Cem", 1, 2)]


def journal(*segments: Segment) -> list[Event]:
    said = [SegmentFinalized(segment=each) for each in segments]
    states = [State.REQUESTED, State.JOINING, State.IN_CALL, State.RECORDING]
    moves = [StateChanged(state=b, previous=a) for a, b in zip([None, *states], states)]  # noqa: B905
    head = BotRequested(platform="sim", native_id="x", public_url="sim:x", display_name="N")
    end = [
        StateChanged(state=State.LEAVING, previous=State.RECORDING),
        StateChanged(state=State.PROCESSING, previous=State.LEAVING),
        StateChanged(state=State.COMPLETED, previous=State.PROCESSING, reason="meeting_ended"),
    ]
    events = [head, *moves, *said, *end]
    return [evolve(e, seq=n, at=AT, bot_id="b", meeting_s=1.0) for n, e in enumerate(events, 1)]


def written(folder: Path, *segments: Segment) -> Journal:
    log = Journal(folder / "journal.jsonl", "b", fsync=False)
    for event in journal(*segments):
        log.append(event)
    return log


def test_whoever_keeps_the_newest_of_each_id_has_each_word_once():
    assert Transcript.of([*FIRST, *AGAIN]).text == "Ada: one two three"
    assert Transcript.of([*FIRST, *AGAIN, *APART]).text == "Ada: one\nCem: two three"


@pytest.mark.parametrize("variant", list(Variant))
def test_vexas_frames_take_back_what_became_anothers(variant: Variant):
    meeting = MeetingIdentity(id=1, bot_id="b", user_id=1, platform="zoom", native_id="x")
    frames = frames_for(meeting, variant)
    told: dict[str, str] = {}
    retracted: list[str] = []
    for event in journal(*FIRST, *AGAIN):
        for frame in frames.frames(event):
            retracted += frame.get("segment_ids", ())
            for each in (
                *frame.get("payload", {}).get("segments", ()),
                *frame.get("confirmed", ()),
            ):
                told[each.get("segment_id") or each["absolute_start_time"]] = each["text"]
    assert sorted(told.values()) == ["", "one two three"]
    assert retracted == (["u.1"] if variant is Variant.E4 else [])


def live_lines(dialect: Any, events: list[Event]) -> list[Any]:
    return [json.loads(text) for event in events for text in dialect.messages(event)]


def test_a_wire_that_can_only_add_is_told_no_corrections():
    frames = live_lines(SkribbyDialect(batch=False), journal(*FIRST, *AGAIN, *APART))
    said = [frame["data"]["transcript"] for frame in frames if frame["type"] == "ts"]
    assert said == ["one two", "three"]


class Shelf:
    """Of a service, what an assistant reads a transcript from: one bot's log."""

    def __init__(self, log: FolderLog) -> None:
        self._log = log

    async def bot(self, *_: Any) -> BotRow:
        meeting = {"platform": "sim", "native_id": "x", "public_url": "sim:x", "url": "sim:x"}
        whose = {"user_id": 1, "key_id": "k", "dialect": "mcp", "name": "N"}
        at: dict[str, Any] = {"created_at": AT, "updated_at": AT, "state": State.COMPLETED}
        return BotRow(number=1, bot_id="b", **meeting, **whose, **at)

    def finalized(self, _: BotRow) -> AsyncGenerator[SegmentFinalized, None]:
        return self._log.finalized()

    def events(self, _: BotRow, *, after: int) -> AsyncGenerator[Event, None]:
        return self._log.read(after)


async def test_an_assistant_that_knows_a_segment_is_told_that_it_was_taken_back(tmp_path):
    known = len(journal(*FIRST)) - 3  # up to the last segment, of which three events follow
    written(tmp_path, *FIRST, *AGAIN)
    bots: Any = ServiceBots(Shelf(FolderLog(tmp_path)), None)  # type: ignore[arg-type]
    async with Client(make_server(lambda: bots)) as client:
        later = await client.call_tool("transcript", {"bot_id": "b", "after": known})
        whole = await client.call_tool("transcript", {"bot_id": "b"})
    told = [(each["id"], each["text"], each.get("withdrawn")) for each in _segments(later)]
    assert told == [("u", "one two three", None), ("u.1", "", True)]
    assert [each["text"] for each in _segments(whole)] == ["one two three"]


def _segments(answer: Any) -> list[dict[str, Any]]:
    segments: list[dict[str, Any]] = answer.structured_content["segments"]
    return segments


async def test_a_journal_that_is_read_gives_what_is_left(tmp_path):
    log = written(tmp_path, *FIRST, *AGAIN)
    read = FolderLog(log.path.parent)
    found = [event async for event in read.finalized()]
    assert [event.segment.text for event in found] == ["one two three"]
    after = found[0].seq - 1
    later = [event.segment async for event in read.finalized(after)]
    assert [(each.id, each.withdrawn) for each in later] == [("u", False), ("u.1", True)]
    assert [finalized_by(log, seq) for seq in newest(log)] == found
    assert len(newest(log, after)) == 2
    assert (await read.history()).segments == 1
    history = BotHistory()
    for event in log.read():
        history.take(event)
    assert history.segments == 1
    log.close()
