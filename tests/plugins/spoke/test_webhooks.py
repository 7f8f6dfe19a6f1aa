"""Webhooks over whole lives: order, one end only, links that expire, and media that plays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import pytest
import trio

from meetcore.events import ParticipantJoined, SegmentFinalized
from meetcore.lifecycle import EndReason, State
from meetcore.roster import NameSource, Participant
from meetcore.service import Moment
from meetcore.testing.desk_accounts import START
from meetcore.transcript import Segment
from meetcore_spoke.mp4 import mp4_path
from meetcore_spoke.statuses import timestamp
from tests.plugins.spoke.stage import codes, enter, fail, leave, new_bot, play, speech, spoke, told

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
    async with spoke(tmp_path, extended=extended) as desk:
        play(desk, await new_bot(desk))
        bodies = await told(desk)
        assert codes(bodies) == SEED_CODES
        assert [body["event"] for body in bodies][-1] == "complete"
        assert [body["event"] for body in bodies].count("failed") == 0


async def test_a_bot_that_was_removed_while_it_recorded_is_complete(tmp_path: Path) -> None:
    async with spoke(tmp_path, extended=True) as desk:
        row = await new_bot(desk)
        enter(desk, row)
        leave(desk, row, EndReason.REMOVED)
        bodies = await told(desk)
        assert codes(bodies) == SEED_CODES
        assert bodies[-1]["event"] == "complete"


async def test_a_reason_is_told_once_before_the_call_ends_and_the_bot_fails(
    tmp_path: Path,
) -> None:
    async with spoke(tmp_path, extended=True) as desk:
        row = await new_bot(desk)
        for state in (State.JOINING, State.AWAITING_ADMISSION):
            desk.pass_time(1)
            desk.go(row, state)
        for state in (State.LEAVING, State.PROCESSING, State.FAILED):
            desk.pass_time(1)
            desk.go(row, state, EndReason.ADMISSION_TIMEOUT)
        bodies = await told(desk)
        assert codes(bodies) == [
            "joining_call",
            "in_waiting_room",
            "waiting_room_timeout",
            "call_ended",
        ]
        assert bodies[-1]["data"]["error"] == "TimeoutWaitingToStart"


async def test_by_default_only_the_seeds_codes_are_told(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        enter(desk, row)
        for state in (State.PAUSED, State.RECORDING):
            desk.pass_time(1)
            desk.go(row, state)
        leave(desk, row)
        bodies = await told(desk)
        assert set(codes(bodies)) == set(SEED_CODES)
        assert codes(bodies)[3:7] == [
            "in_call_recording",
            "in_call_not_recording",
            "in_call_recording",
            "call_ended",
        ]


async def test_the_link_works_for_an_hour(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        play(desk, row)
        token = (await told(desk))[-1]["data"]["mp4"].rpartition("/")[2]
        desk.pass_time(3599)
        assert desk.verify("media", token)
        desk.pass_time(2)
        assert desk.verify("media", token) is None


async def test_another_attempt_has_a_fresh_link_and_the_same_id(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        play(desk, row)
        await told(desk)
        (first,) = [posted for posted in desk.posted if posted.kind == "complete"]
        desk.pass_time(4 * 3600)
        async for event in desk.events(desk.row(row.bot_id)):
            last = event
        story = await desk.story(row)
        moment = Moment(
            row=desk.row(row.bot_id), event=last, story=story, target=first.target, attempt=2
        )
        (again,) = await desk.formats["spoke"].messages(moment)
        assert again.id == first.outgoing.id
        assert again.body != first.outgoing.body


async def test_the_mp4_plays_and_has_the_meetings_sound(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        play(desk, row)
        await told(desk)
        with av.open(str(desk.path_of(row, "files/mix.mp4"))) as made:
            assert "mp4" in made.format.name
            (stream,) = made.streams
            assert stream.codec_context.name == "opus"
            frames: Any = made.decode(stream)
            seconds = sum(frame.samples for frame in frames) / 48_000
        assert seconds == pytest.approx(2.0, abs=0.1)
        assert sorted(path.name for path in (row.folder / "files").iterdir()) == [
            "mix.mp4",
            "mix.opus",
        ]


async def test_the_mp4_is_made_once_also_by_two_at_a_time(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk, webhook_url=None)
        play(desk, row)
        story = await desk.story(row)
        made: list[str | None] = []

        async def make() -> None:
            made.append(await mp4_path(desk, row, story))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(make)
        assert made == ["files/mix.mp4"] * 4
        assert len(list((row.folder / "files").iterdir())) == 2


@pytest.mark.parametrize("content", [None, b"", b"this is no recording"])
async def test_without_a_recording_that_plays_there_is_no_link(
    content: bytes | None, tmp_path: Path
) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        enter(desk, row)
        if content is None:
            leave(desk, row, media=False)
        else:
            leave(desk, row)
            desk.path_of(row, "files/mix.opus").write_bytes(content)
        assert (await told(desk))[-1]["data"]["mp4"] == ""


async def test_what_nobody_is_known_to_have_said_is_unknowns(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk, speech_to_text="Default")
        enter(desk, row)
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
        desk.happen(row, SegmentFinalized(segment=whole))
        leave(desk, row)
        data = (await told(desk))[-1]["data"]
        assert data["speakers"] == []
        assert data["transcript"] == [
            {
                "speaker": "Unknown",
                "words": [{"start": 1.0, "end": 2.0, "word": "Who said this?"}],
            }
        ]


async def test_our_own_bot_is_no_speaker(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk)
        enter(desk, row)
        me = Participant(id="me", name="AI Notetaker", is_self=True)
        desk.happen(row, ParticipantJoined(participant=me), *speech("me", 1.0, 2.0))
        desk.happen(row, *speech("Bob", 3.0, 4.0))
        leave(desk, row)
        assert (await told(desk))[-1]["data"]["speakers"] == ["Bob"]


async def test_after_deletion_a_late_attempt_has_neither_link_nor_words(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        row = await new_bot(desk, speech_to_text="Default")
        play(desk, row)
        await told(desk)
        story = await desk.story(row)
        events = [event async for event in desk.events(row)]
        (posted,) = [posted for posted in desk.posted if posted.kind == "complete"]
        await desk.delete_data(desk.row(row.bot_id))
        moment = Moment(
            row=desk.row(row.bot_id), event=events[-1], story=story, target=posted.target, attempt=2
        )
        (again,) = await desk.formats["spoke"].messages(moment)
        assert b'"mp4":""' in again.body
        assert b'"transcript":[]' in again.body


async def test_without_a_target_nothing_is_posted(tmp_path: Path) -> None:
    async with spoke(tmp_path) as desk:
        fail(desk, await new_bot(desk, webhook_url=None), EndReason.DENIED)
        assert await told(desk) == []


def test_times_are_written_as_javascript_writes_them() -> None:
    assert timestamp(START) == "2026-03-04T09:00:00.123Z"
    assert timestamp(START - timedelta(microseconds=123456)) == "2026-03-04T09:00:00.000Z"
