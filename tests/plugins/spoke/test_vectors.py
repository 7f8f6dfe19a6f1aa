"""Every recorded message of Spoke: what we send is like it, what its clients send is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from meetcore.gateway.records import BotRow
from meetcore.model.events import ParticipantJoined, SpeakingStarted
from meetcore.model.lifecycle import EndReason, Evidence, State
from meetcore.model.roster import NameSource, Participant
from meetcore.testing.fake_service import FakeService
from meetcore_spoke.frames import SAMPLES, Pieces, SpeakerChanges, handshake
from tests.plugins.spoke.stage import (
    BY_NAME,
    KEY,
    VECTORS,
    enter,
    fail,
    leave,
    new_bot,
    play,
    spoke,
    told,
)

BOT_ID = "123e4567-e89b-12d3-a456-426614174000"


def value_at(example: Any, dotted: str) -> Any:
    if dotted.startswith("headers."):
        return example["headers"][dotted.removeprefix("headers.")]
    for part in dotted.split("."):
        example = example[int(part)] if isinstance(example, list) else example[part]
    return example


def assert_like(ours: Any, theirs: Any, where: str = "") -> None:
    """Every field of the example is there, with its type, and no other."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert set(ours) == set(theirs), where
        for key, value in theirs.items():
            assert_like(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        assert ours or not theirs, where
        for item in ours if theirs else ():
            assert_like(item, theirs[0], f"{where}.0")
    elif isinstance(theirs, bool) or isinstance(ours, bool):
        assert type(ours) is type(theirs), where
    elif isinstance(theirs, (int, float)) and where.endswith(("start", "end", "_time", "offset")):
        assert isinstance(ours, (int, float)), where
    else:
        assert type(ours) is type(theirs), where


# --- REST ------------------------------------------------------------------------------------


async def _send(fake: FakeService, name: str, bot_id: str) -> Any:
    example = BY_NAME[name]["example"]
    text = json.dumps(example.get("body", {})).replace(BOT_ID, bot_id)
    return await fake.call(
        example["method"],
        example["path"].replace(BOT_ID, bot_id),
        headers=example["headers"],
        body=text.encode(),
    )


@pytest.mark.parametrize("name", ["bots.post.request.seed_era", "bots.post.request.v1_late"])
async def test_a_request_for_a_bot_is_taken_and_answered(name: str, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        reply = await _send(fake, name, BOT_ID)
        response = BY_NAME["bots.post.response"]
        assert reply.status == response["example"]["status"]
        assert_like(reply.json, response["example"]["body"])
        order = await fake.order(fake.only)
        body = BY_NAME[name]["example"]["body"]
        assert (order.url, order.name) == (body["meeting_url"], body["bot_name"])
        assert order.entry_message == body["entry_message"]
        assert bool(order.sinks) is ("streaming" in body)


async def test_removing_a_bot_is_answered_as_in_the_example(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        reply = await _send(fake, "bots.delete.request", row.bot_id)
        example = BY_NAME["bots.delete.response"]["example"]
        assert (reply.status, reply.json) == (example["status"], example["body"])


async def test_deleting_data_is_answered_as_in_the_example(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        path = f"/bots/{row.bot_id}/delete_data"
        reply = await fake.call("POST", path, headers={"x-spoke-api-key": KEY})
        example = BY_NAME["delete_data.response"]["example"]
        assert (reply.status, reply.json) == (example["status"], example["body"])


async def test_transcribing_again_is_taken_and_its_end_is_told(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await told(fake)
        fake.posted.clear()
        reply = await _send(fake, "retranscribe.request", row.bot_id)
        assert reply.status == 202
        await fake.transcribed(row)
        (posted,) = fake.posted
        theirs = BY_NAME["webhook.transcription_complete"]["example"]
        assert posted.json == {**theirs["body"], "data": {"bot_id": row.bot_id}}
        assert posted.outgoing.headers == {"x-spoke-api-key": KEY}
        assert posted.url == "https://your-company.com/your-endpoint"


# --- webhooks ----------------------------------------------------------------------------------

Life = Callable[[FakeService, BotRow], None]


def _paused(fake: FakeService, row: BotRow) -> None:
    enter(fake, row)
    fake.pass_time(1)
    fake.go(row, State.PAUSED)
    fake.pass_time(1)
    fake.go(row, State.RECORDING)


def _stopped_at_the_door(fake: FakeService, row: BotRow) -> None:
    fake.go(row, State.JOINING)
    fake.go(row, State.LEAVING, EndReason.STOP_REQUESTED)
    fake.go(row, State.PROCESSING)
    fake.go(row, State.COMPLETED, EndReason.STOP_REQUESTED)


def _not_joined(reason: EndReason, detail: str = "") -> Life:
    return lambda fake, row: fail(fake, row, reason, detail)


def _entered(fake: FakeService, row: BotRow) -> None:
    enter(fake, row)


def _removed_before_recording(fake: FakeService, row: BotRow) -> None:
    for state in (State.JOINING, State.IN_CALL):
        fake.go(row, state)
    fake.go(row, State.FAILED, EndReason.REMOVED, Evidence("removed"))


STATUS = "webhook.bot.status_change."
STATUSES: dict[str, tuple[Life, bool]] = {
    f"{STATUS}joining_call": (_entered, False),
    f"{STATUS}in_waiting_room": (_entered, False),
    f"{STATUS}in_call_not_recording": (_entered, False),
    f"{STATUS}in_call_recording.seed": (_entered, False),
    f"{STATUS}in_call_recording": (_entered, True),
    f"{STATUS}call_ended": (play, False),
    f"{STATUS}recording_paused": (_paused, True),
    f"{STATUS}recording_resumed": (_paused, True),
    f"{STATUS}bot_rejected": (_not_joined(EndReason.DENIED), True),
    f"{STATUS}bot_removed": (_removed_before_recording, True),
    f"{STATUS}waiting_room_timeout": (_not_joined(EndReason.ADMISSION_TIMEOUT), True),
    f"{STATUS}invalid_meeting_url": (_not_joined(EndReason.INVALID_MEETING_URL), True),
    f"{STATUS}meeting_error": (_not_joined(EndReason.CRASHED, "Setup timeout"), True),
    f"{STATUS}api_request_stop": (_stopped_at_the_door, True),
}


@pytest.mark.parametrize("name", sorted(STATUSES))
async def test_a_change_of_status_is_like_the_example(name: str, tmp_path: Path) -> None:
    life, extended = STATUSES[name]
    vector = BY_NAME[name]
    theirs = vector["example"]["body"]
    async with spoke(tmp_path, extended=extended) as fake:
        life(fake, await new_bot(fake))
        bodies = await told(fake)
        headers = [dict(posted.outgoing.headers) for posted in fake.posted]
    code = theirs["data"]["status"]["code"]
    (ours,) = [
        b for b in bodies if b["event"] == theirs["event"] and b["data"]["status"]["code"] == code
    ]
    assert_like(ours, theirs)
    assert len(ours["data"]["status"]["created_at"]) == len(theirs["data"]["status"]["created_at"])
    if "error_message" in theirs["data"]["status"]:
        assert ours["data"]["status"]["error_message"] == "Setup timeout"
    for required in vector["required_fields"]:
        value_at({"body": ours, "headers": headers[0]}, required)
    assert all(header == {"x-spoke-api-key": KEY} for header in headers)


FAILURES: dict[str, Life] = {
    "CannotJoinMeeting": _not_joined(EndReason.SIGN_IN_REQUIRED),
    "TimeoutWaitingToStart": _not_joined(EndReason.ADMISSION_TIMEOUT),
    "BotNotAccepted": _not_joined(EndReason.DENIED),
    "InternalError": _not_joined(EndReason.CRASHED),
    "InvalidMeetingUrl": _not_joined(EndReason.INVALID_MEETING_URL),
    "BotRemoved": _removed_before_recording,
}


@pytest.mark.parametrize("error", sorted(FAILURES))
async def test_a_failure_is_told_as_in_the_example(error: str, tmp_path: Path) -> None:
    example = BY_NAME[f"webhook.failed.{error}"]["example"]
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        FAILURES[error](fake, row)
        bodies = await told(fake)
        theirs = {**example["body"], "data": {**example["body"]["data"], "bot_id": row.bot_id}}
        assert bodies[-1] == theirs
        assert [b["event"] for b in bodies].count("failed") == 1
        assert fake.posted[-1].outgoing.headers["x-spoke-api-key"] == KEY


async def test_a_failure_with_the_later_fields_is_like_the_example(tmp_path: Path) -> None:
    example = BY_NAME["webhook.failed.v1_late"]["example"]
    async with spoke(tmp_path, extended=True, webhook_header="same") as fake:
        row = await new_bot(fake, header="x-meeting-baas-api-key", extra={"foo": "bar"})
        fail(fake, row, EndReason.MEETING_NOT_FOUND, "Nobody knows that meeting.")
        ours = (await told(fake))[-1]
        assert_like(ours, example["body"])
        assert ours["data"]["extra"] == example["body"]["data"]["extra"]
        assert ours["data"]["message"] == "Nobody knows that meeting."
        assert fake.posted[-1].outgoing.headers == {"x-meeting-baas-api-key": KEY}


async def test_the_seeds_meeting_is_told_as_in_the_seed(tmp_path: Path) -> None:
    theirs = BY_NAME["webhook.complete.seed"]["example"]["body"]
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text="Gladia")
        play(fake, row)
        ours = (await told(fake))[-1]
        assert_like(ours, theirs)
        for name in ("speakers", "transcript"):
            assert ours["data"][name] == theirs["data"][name]
        claims = fake.verify("media", ours["data"]["mp4"].rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "files/mix.mp4"


async def test_without_speech_to_text_there_is_no_transcript_as_in_the_example(
    tmp_path: Path,
) -> None:
    theirs = BY_NAME["webhook.complete.no_transcript"]["example"]["body"]
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        leave(fake, row)
        assert_like((await told(fake))[-1], theirs)


async def test_the_end_with_the_later_fields_is_like_the_example(tmp_path: Path) -> None:
    example = BY_NAME["webhook.complete.v1_late"]["example"]
    async with spoke(tmp_path, extended=True, webhook_header="x-meeting-baas-api-key") as fake:
        row = await new_bot(fake, speech_to_text={"provider": "Default"}, extra={"foo": "bar"})
        play(fake, row)
        ours = (await told(fake))[-1]
        assert_like(ours, example["body"])
        assert ours["data"]["extra"] == {"foo": "bar"}
        assert fake.posted[-1].outgoing.headers == {"x-meeting-baas-api-key": KEY}


async def test_calendars_are_out_of_scope_and_never_told_of(tmp_path: Path) -> None:
    theirs = BY_NAME["webhook.calendar.sync_events"]["example"]["body"]
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        assert theirs["event"] not in {body["event"] for body in await told(fake)}
        reply = await fake.call("GET", "/calendars/", headers={"x-spoke-api-key": KEY})
        assert (reply.status, reply.json["error"]) == (404, "NotFound")


# --- the streaming socket ----------------------------------------------------------------------


def test_the_handshake_is_the_examples() -> None:
    assert json.loads(handshake(BOT_ID)) == BY_NAME["streaming.handshake"]["example"]


def test_a_speaker_change_is_like_the_example() -> None:
    theirs = BY_NAME["streaming.speakers"]["example"]
    john = Participant(id="p", name="John Doe")
    started = SpeakingStarted(participant_id="p", name=None, start_s=0.0, source=NameSource.TRACK)
    at = started.at.fromtimestamp(1640995200, started.at.tzinfo)
    changes = SpeakerChanges()
    assert changes.take(ParticipantJoined(participant=john)) is None
    ours = json.loads(changes.take(evolve(started, at=at)) or "")
    assert_like(ours, theirs)
    assert ours == [{**theirs[0], "id": 1}]


def test_sound_is_bare_samples_as_in_the_example() -> None:
    example = BY_NAME["streaming.audio.output"]["example"]
    raw = np.array(example["samples"], "<i2").tobytes()
    assert raw.hex() == example["hex"]
    assert Pieces(16_000).cut(raw, last=True) == [raw]
    assert [len(piece) for piece in Pieces(16_000).cut(raw * SAMPLES)] == [512] * 4


def test_every_example_is_tested_here() -> None:
    tested = {
        *STATUSES,
        *(f"webhook.failed.{error}" for error in FAILURES),
        "bots.post.request.seed_era",
        "bots.post.request.v1_late",
        "bots.post.response",
        "bots.delete.request",
        "bots.delete.response",
        "delete_data.response",
        "retranscribe.request",
        "webhook.transcription_complete",
        "webhook.failed.v1_late",
        "webhook.complete.seed",
        "webhook.complete.no_transcript",
        "webhook.complete.v1_late",
        "webhook.calendar.sync_events",
        "streaming.handshake",
        "streaming.speakers",
        "streaming.audio.output",
        "streaming.audio.input",  # in test_stream_sink.py: it needs a socket
    }
    assert {vector["name"] for vector in VECTORS} == tested
    assert len(VECTORS) == 37
