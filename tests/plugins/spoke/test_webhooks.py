"""Webhooks over whole lives: order, one end only, links that expire, and media that plays."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
import trio

from meetcore.gateway import format_ms
from meetcore.gateway.records import BotRow, WebhookTarget
from meetcore.gateway.service import Moment
from meetcore.model.events import ParticipantJoined, SegmentFinalized
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.plain import to_json
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment
from meetcore.testing.fake_accounts import START
from meetcore.testing.fake_service import FakeService
from meetcore_spoke.mp4 import mp4_path
from meetcore_spoke.transcripts import line
from tests.plugins.spoke.stage import (
    HOOK,
    codes,
    enter,
    fail,
    leave,
    lines,
    new_bot,
    play,
    said,
    speech,
    spoke,
    told,
)

SEED_CODES = [
    "joining_call",
    "in_waiting_room",
    "in_call_not_recording",
    "in_call_recording",
    "call_ended",
]


@pytest.mark.parametrize("extended", [False, True])
async def test_a_good_life_has_the_five_codes_and_then_complete(
    extended: bool, tmp_path: Path
) -> None:
    async with spoke(tmp_path, extended=extended) as fake:
        play(fake, await new_bot(fake))
        bodies = await told(fake)
        assert codes(bodies) == SEED_CODES
        assert [body["event"] for body in bodies][-1] == "complete"
        assert [body["event"] for body in bodies].count("failed") == 0


async def test_a_bot_that_was_removed_while_it_recorded_is_complete(tmp_path: Path) -> None:
    async with spoke(tmp_path, extended=True) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        leave(fake, row, EndReason.REMOVED)
        bodies = await told(fake)
        assert codes(bodies) == SEED_CODES
        assert bodies[-1]["event"] == "complete"


async def test_a_reason_is_told_once_before_the_call_ends_and_the_bot_fails(
    tmp_path: Path,
) -> None:
    async with spoke(tmp_path, extended=True) as fake:
        row = await new_bot(fake)
        for state in (State.JOINING, State.AWAITING_ADMISSION):
            fake.pass_time(1)
            fake.go(row, state)
        for state in (State.LEAVING, State.PROCESSING, State.FAILED):
            fake.pass_time(1)
            fake.go(row, state, EndReason.ADMISSION_TIMEOUT)
        bodies = await told(fake)
        assert codes(bodies) == [
            "joining_call",
            "in_waiting_room",
            "waiting_room_timeout",
            "call_ended",
        ]
        assert bodies[-1]["data"]["error"] == "TimeoutWaitingToStart"


async def test_by_default_only_the_seeds_codes_are_told(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        for state in (State.PAUSED, State.RECORDING):
            fake.pass_time(1)
            fake.go(row, state)
        leave(fake, row)
        bodies = await told(fake)
        assert set(codes(bodies)) == set(SEED_CODES)
        assert codes(bodies)[3:7] == [
            "in_call_recording",
            "in_call_not_recording",
            "in_call_recording",
            "call_ended",
        ]


async def test_the_link_works_for_an_hour(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        token = (await told(fake))[-1]["data"]["mp4"].rpartition("/")[2]
        fake.pass_time(3599)
        assert fake.verify("media", token)
        fake.pass_time(2)
        assert fake.verify("media", token) is None


async def test_another_attempt_has_a_fresh_link_and_the_same_id(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await told(fake)
        (first,) = [posted for posted in fake.posted if posted.kind == "complete"]
        fake.pass_time(4 * 3600)
        async for event in fake.events(fake.row(row.bot_id)):
            last = event
        history = await fake.history(row)
        moment = Moment(
            row=fake.row(row.bot_id), event=last, history=history, target=first.target, attempt=2
        )
        (again,) = await fake.formats["spoke"].messages(moment)
        assert again.id == first.outgoing.id
        assert again.body != first.outgoing.body


async def _completed(fake: FakeService, row: BotRow, *, extended: bool) -> bytes:
    """Return the body that tells of a bot's end."""
    async for event in fake.events(row):
        last = event
    target = WebhookTarget(format="spoke", url=HOOK, data={"extended": extended})
    moment = Moment(
        row=fake.row(row.bot_id), event=last, history=await fake.history(row), target=target
    )
    (outgoing,) = await fake.formats["spoke"].messages(moment)
    assert outgoing.kind == "complete"
    return outgoing.body


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("name", ["Alice", '"transcript":[', "\ud83d", "é"])
async def test_a_transcript_is_written_as_if_it_were_whole(
    tmp_path: Path, name: str, extended: bool
) -> None:
    extra = {"transcript": [], "data": {"transcript": [1]}}
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=None, speech_to_text="Default", extra=extra)
        enter(fake, row)
        fake.happen(row, *(said(f"s{n}", name, (name, n, n + 1)) for n in range(3)))
        leave(fake, row, media=False)
        body = await _completed(fake, row, extended=extended)
        message = json.loads(body)
        segments = [segment async for segment in fake.segments(row)]
        transcript = [line(segment, extended=extended) for segment in segments]
        assert message["data"]["transcript"] == transcript
        assert message["data"]["extra"] == extra
        assert body == to_json(message).encode()


async def test_the_end_of_a_long_meeting_costs_little_more_than_its_body(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=None, speech_to_text="Default")
        enter(fake, row)
        fake.happen(row, *lines(2000))
        leave(fake, row, media=False)
        tracemalloc.start()
        try:
            body = await _completed(fake, row, extended=False)
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(json.loads(body)["data"]["transcript"]) == 2000
        assert most_bytes < 4 * len(body)


async def test_the_mp4_plays_and_has_the_meetings_sound(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await told(fake)
        with av.open(str(fake.folder_of(row) / "files/mix.mp4")) as made:
            assert "mp4" in made.format.name
            (stream,) = made.streams
            assert stream.codec_context.name == "opus"
            frames: Any = made.decode(stream)
            seconds = sum(frame.samples for frame in frames) / 48_000
        assert seconds == pytest.approx(2.0, abs=0.1)
        assert sorted(path.name for path in (fake.folder_of(row) / "files").iterdir()) == [
            "mix.mp4",
            "mix.opus",
        ]


async def test_the_mp4_is_made_once_also_by_two_at_a_time(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=None)
        play(fake, row)
        history = await fake.history(row)
        made: list[str | None] = []

        async def make() -> None:
            made.append(await mp4_path(fake, row, history))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(make)
        assert made == ["files/mix.mp4"] * 4
        assert len(list((fake.folder_of(row) / "files").iterdir())) == 2


@pytest.mark.parametrize("content", [None, b"", b"this is no recording"])
async def test_without_a_recording_that_plays_there_is_no_link(
    content: bytes | None, tmp_path: Path
) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        if content is None:
            leave(fake, row, media=False)
        else:
            leave(fake, row)
            (fake.folder_of(row) / "files/mix.opus").write_bytes(content)
        assert (await told(fake))[-1]["data"]["mp4"] == ""


async def test_what_nobody_is_known_to_have_said_is_unknowns(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text="Default")
        enter(fake, row)
        whole = Segment(
            id="s1",
            revision=1,
            finalized=True,
            track_id="mix",
            participant_id=None,
            speaker_name=None,
            speaker_source=NameSource.UNKNOWN,
            speaker_confidence=0.0,
            text="Who said this?",
            start_s=1.0,
            end_s=2.0,
        )
        fake.happen(row, SegmentFinalized(segment=whole))
        leave(fake, row)
        data = (await told(fake))[-1]["data"]
        assert data["speakers"] == []
        assert data["transcript"] == [
            {
                "speaker": "Unknown",
                "words": [{"start": 1.0, "end": 2.0, "word": "Who said this?"}],
            }
        ]


async def test_our_own_bot_is_no_speaker(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        me = Participant(id="me", name="AI Notetaker", is_self=True)
        fake.happen(row, ParticipantJoined(participant=me), *speech("me", 1.0, 2.0))
        fake.happen(row, *speech("Bob", 3.0, 4.0))
        leave(fake, row)
        assert (await told(fake))[-1]["data"]["speakers"] == ["Bob"]


async def test_after_deletion_a_late_attempt_has_neither_link_nor_words(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text="Default")
        play(fake, row)
        await told(fake)
        history = await fake.history(row)
        events = [event async for event in fake.events(row)]
        (posted,) = [posted for posted in fake.posted if posted.kind == "complete"]
        await fake.delete_data(fake.row(row.bot_id))
        moment = Moment(
            row=fake.row(row.bot_id),
            event=events[-1],
            history=history,
            target=posted.target,
            attempt=2,
        )
        (again,) = await fake.formats["spoke"].messages(moment)
        assert b'"mp4":""' in again.body
        assert b'"transcript":[]' in again.body


async def test_without_a_target_nothing_is_posted(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        fail(fake, await new_bot(fake, webhook_url=None), EndReason.DENIED)
        assert await told(fake) == []


def test_times_are_written_as_javascript_writes_them() -> None:
    assert format_ms(START) == "2026-03-04T09:00:00.123Z"
    assert format_ms(START - timedelta(microseconds=123456)) == "2026-03-04T09:00:00.000Z"
