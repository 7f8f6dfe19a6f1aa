"""Every recorded REST message of MeetStream: ours are like it, what its clients send is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meetcore import Capability
from meetcore.gateway.records import BotRow
from meetcore.model.commands import SendChat, ShowImage, Speak
from meetcore.model.lifecycle import State
from meetcore.testing.fake_service import FakeService
from meetcore_meetstream.audio_frames import binary_frame, json_frame
from meetcore_meetstream.frames import Interrupt, PictureByUrl, read_control
from tests.moving_pictures import FRAMES_PER_S
from tests.plugins.meetstream import test_callback_vectors
from tests.plugins.meetstream.likeness import (
    BOT_ID,
    CURRENT,
    LEGACY,
    TESTED,
    as_answer,
    check,
    example,
    of,
    seen,
    send,
)
from tests.plugins.meetstream.stage import (
    BY_NAME,
    LINK,
    VECTORS,
    ZOOM,
    ask,
    enter,
    leave,
    meetstream,
    new_bot,
    play,
)
from tests.plugins.meetstream.test_control_sink import VECTORS_HERE
from tests.plugins.meetstream.test_video_sink import VECTORS_HERE as VIDEO_VECTORS

# --- create_bot ------------------------------------------------------------------------------


@seen(LEGACY, "create_bot.request", "create_bot.response")
async def test_the_seeds_request_for_a_bot_is_taken_whole(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="legacy") as fake:
        fake.rehearsal = True
        reply = await send(fake, LEGACY, "create_bot.request")
        check(
            as_answer(reply),
            LEGACY,
            "create_bot.response",
            "transcript_id",
            "meeting_url",
            "status",
        )
        assert reply.status == 201
        row = fake.only
        order = await fake.order(row)
        asked = example(LEGACY, "create_bot.request")["body"]
        assert (order.url, order.entry_message) == (asked["meeting_link"], asked["bot_message"])
        assert order.metadata == asked["custom_attributes"]
        assert (order.language, order.keep_s) == ("en", 24 * 3600.0)
        assert order.automatic_leave["waiting_room_s"] == 600
        assert order.automatic_leave["recording_permission_s"] == 60
        assert order.join_at is None  # the example's time has passed
        assert order.plugins["meetstream_control"]["url"] == asked["socket_connection_url"]
        assert (
            order.plugins["meetstream_audio"]["url"]
            == (asked["live_audio_required"]["websocket_url"])
        )
        assert [(target.format, target.url) for target in order.webhooks] == [
            ("meetstream", asked["callback_url"]),
            (
                "meetstream_participants",
                asked["recording_config"]["realtime_endpoints"][0]["url"],
            ),
            ("meetstream_transcript", asked["live_transcription_required"]["webhook_url"]),
        ]


@seen(CURRENT, "create_bot.request", "create_bot.response.201", "create_bot.response.507")
async def test_the_present_request_is_taken_and_its_replay_is_507(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        first = await send(fake, CURRENT, "create_bot.request")
        check(as_answer(first), CURRENT, "create_bot.response.201")
        assert first.status == 201
        again = await send(fake, CURRENT, "create_bot.request")
        check(as_answer(again), CURRENT, "create_bot.response.507")
        assert (again.status, again.json) == (507, first.json)
        asked = example(CURRENT, "create_bot.request")["body"]
        order = await fake.order(fake.only)
        assert order.name == asked["bot_name"]
        assert order.keep_s == 168 * 3600.0
        assert order.automatic_leave["nobody_joined_s"] == 600
        assert set(order.sinks) == {"meetstream_control", "meetstream_audio"}


@seen(CURRENT, "create_bot.response.200.dedup", "create_bot.response.409")
async def test_a_deduplication_key_gives_the_bot_again_but_not_for_another_meeting(
    tmp_path: Path,
) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake, deduplication_key="booking-1")
        body = {"meeting_link": LINK, "bot_name": "x", "deduplication_key": "booking-1"}
        again = await ask(fake, "POST", "/bots/create_bot", json=body)
        check(as_answer(again), CURRENT, "create_bot.response.200.dedup", "transcript_id",
              "meeting_url", "status")  # fmt: skip
        assert (again.status, again.json["bot_id"]) == (200, row.bot_id)
        other = await ask(fake, "POST", "/bots/create_bot", json={**body, "meeting_link": ZOOM})
        check(as_answer(other), CURRENT, "create_bot.response.409")
        assert other.status == 409


BAD: dict[str, dict[str, Any]] = {
    "create_bot.response.400.in_call": {"automatic_leave": {"in_call_recording_timeout": 599}},
    "create_bot.response.400.permission": {
        "automatic_leave": {"recording_permission_denied_timeout": 301}
    },
    "create_bot.response.400.no_streaming_provider": {
        "live_transcription_required": {"webhook_url": "https://your-server.com/live"}
    },
}


@of(CURRENT, *BAD)
async def test_what_the_vendor_refuses_is_refused_in_its_words(name: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        body = {"meeting_link": LINK, "bot_name": "x", **BAD[name]}
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert as_answer(reply) == example(CURRENT, name)


# --- reading ---------------------------------------------------------------------------------


async def _read(fake: FakeService, row: BotRow, path: str) -> dict[str, Any]:
    return as_answer(await ask(fake, "GET", path.replace("{id}", row.bot_id)))


@seen(CURRENT, "status.response")
async def test_the_status_is_like_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake)
        fake.go(row, State.JOINING)
        fake.go(row, State.IN_CALL)
        ours = await _read(fake, row, "/bots/{id}/status")
        theirs = example(CURRENT, "status.response")
        assert ours == {"status": 200, "body": {**theirs["body"], "bot_id": row.bot_id}}


DETAIL_MORE = (
    "bot_id", "CreatedAt", "StartTime", "EndTime", "VideoStatus", "ManifestStatus",
    "ScheduledJoinTime", "ExpiresAt", "Reason", "caption_file", "participant_events",
    "Scheduled", "WaitingRoom", "InMeeting", "Recording", "Leaving", "Stopped", "BotNotAllowed",
    "Error", "AudioProcessing", "VideoProcessing", "TranscriptionReady", "Done", "MediaExpired",
    "bot_name", "callback_url", "recording_config",
)  # fmt: skip


@seen(CURRENT, "detail.response")
async def test_the_detail_is_like_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake)
        play(fake, row)
        ours = await _read(fake, row, "/bots/{id}/detail")
        check(ours, CURRENT, "detail.response", *DETAIL_MORE)
        bot, theirs = ours["body"]["bot_details"], example(CURRENT, "detail.response")["body"]
        for key in ("BotUsername", "MeetingLink", "Platform", "Status", "AudioStatus",
                    "TranscriptStatus"):  # fmt: skip
            assert bot[key] == theirs["bot_details"][key], key
        assert bot["Duration"] == 121
        assert bot["StatusTimeline"]["Joining"]["status"] is True
        assert (
            bot["StatusTimeline"]["BotRejected"]
            == (theirs["bot_details"]["StatusTimeline"]["BotRejected"])
        )
        assert await _read(fake, row, "/bots/{id}/summary") == ours


@seen(CURRENT, "list_bots.response")
async def test_an_empty_list_is_the_examples(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        reply = await ask(fake, "GET", "/bots")
        assert as_answer(reply) == example(CURRENT, "list_bots.response")


@seen(CURRENT, "get_audio.response")
async def test_the_link_to_the_audio_is_like_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        check(await _read(fake, row, "/bots/{id}/get_audio"), CURRENT, "get_audio.response")


@seen(CURRENT, "get_video.response")
async def test_the_link_to_the_video_is_like_the_example_and_never_made_up(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        ours = await _read(fake, row, "/bots/{id}/get_video")
        assert ours["status"] == 404
        assert not set(ours["body"]) & set(example(CURRENT, "get_video.response")["body"])
        fake.abilities |= {Capability.VIDEO}
        row = await new_bot(fake, video_required=True)
        assert (await fake.order(row)).video is True
        enter(fake, row)
        assert (await _read(fake, row, "/bots/{id}/get_video"))["status"] == 202
        leave(fake, row)
        ours = await _read(fake, row, "/bots/{id}/get_video")
        check(ours, CURRENT, "get_video.response")
        info = ours["body"]["video_info"]
        assert (info["resolution"], info["frames_processed"]) == ("160x96", 3 * FRAMES_PER_S)
        assert (info["corrupted_frames"], abs(info["duration"] - 3.0) < 0.2) == (0, True)
        claims = fake.verify("media", ours["body"]["video_url"].rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "files/video.mp4"
        assert await _read(fake, row, "/bots/{id}/get_video") == ours
        detail = (await _read(fake, row, "/bots/{id}/detail"))["body"]["bot_details"]
        assert detail["VideoStatus"] == "Success"
        assert detail["StatusTimeline"]["VideoProcessing"]["status"] is True


@seen(CURRENT, "get_participants.response")
async def test_the_participants_are_like_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        ours = await _read(fake, row, "/bots/{id}/get_participants")
        theirs = example(CURRENT, "get_participants.response")
        assert {**ours["body"][0], "streamIds": ["s1"]}.keys() == theirs["body"][0].keys()
        for person in ours["body"]:
            for key, value in theirs["body"][0].items():
                assert type(person[key]) is type(value), key
        assert [p["displayName"] for p in ours["body"]] == ["Alice", "Bob"]
        assert ours["body"][0]["humanized_status"] == "joined"


@seen(CURRENT, "get_transcript.response.200", "get_transcript.response.202")
async def test_the_transcript_is_like_the_examples(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        made = await ask(fake, "POST", "/bots/create_bot", json={
            "meeting_link": LINK, "bot_name": "x",
            "recording_config": {"transcript": {"provider": {"deepgram": {}}}},
        })  # fmt: skip
        path = f"/transcript/{made.json['transcript_id']}/get_transcript"
        assert await _read(fake, fake.only, path) == example(CURRENT, "get_transcript.response.202")
        play(fake, fake.only)
        ours = await _read(fake, fake.only, path)
        check(ours, CURRENT, "get_transcript.response.200")
        line, word = ours["body"][0], ours["body"][0]["words"][0]
        theirs = example(CURRENT, "get_transcript.response.200")["body"][0]
        assert {k: line[k] for k in ("speaker", "start_time", "end_time")} == {
            k: theirs[k] for k in ("speaker", "start_time", "end_time")
        }
        assert word == theirs["words"][0]
        assert type(word["speaker"]) is int


@seen(CURRENT, "scheduled_bots.response")
async def test_scheduled_bots_are_like_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        await new_bot(fake, join_at="2999-04-08T14:59:00Z")
        ours = as_answer(await ask(fake, "GET", "/calendar/scheduled_bots"))
        check(ours, CURRENT, "scheduled_bots.response")
        assert ours["body"]["scheduled_bots"][0]["scheduled_join_time"].startswith("2999-04-08T14")


# --- acting ----------------------------------------------------------------------------------


@seen(CURRENT, "remove_bot.request", "remove_bot.response")
async def test_removing_a_bot_is_answered_as_in_the_example(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        reply = await send(fake, CURRENT, "remove_bot.request", row.bot_id)
        assert as_answer(reply) == example(CURRENT, "remove_bot.response")
        posted = await ask(fake, "POST", f"/bots/{row.bot_id}/remove_bot")
        assert posted.status == 200
        assert [command.type for _, command in fake.commanded] == ["stop", "stop"]


@of(CURRENT, "pause_recording.response", "resume_recording.response")
async def test_pausing_is_answered_as_in_the_example(name: str, tmp_path: Path) -> None:
    command = name.partition(".")[0]
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        if command.startswith("resume"):
            fake.go(row, State.PAUSED)
        reply = await ask(fake, "POST", f"/bots/{row.bot_id}/{command}")
        assert json.loads(json.dumps(as_answer(reply)).replace(row.bot_id, BOT_ID)) == example(
            CURRENT, name
        )
        assert [each.type for _, each in fake.commanded] == [command.partition("_")[0]]


@seen(CURRENT, "send_message.request")
async def test_a_chat_message_is_taken(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        reply = await send(fake, CURRENT, "send_message.request", row.bot_id)
        assert (reply.status, reply.json["bot_id"]) == (200, row.bot_id)
        assert fake.commanded == [(row.bot_id, SendChat("Hello from the bot"))]


@of(CURRENT, "send_image.request")
async def test_what_cannot_be_done_is_refused_in_the_vendors_shape(
    name: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        reply = await send(fake, CURRENT, name, row.bot_id)
        assert reply.status == 400
        assert list(reply.json) == ["message"]
        assert fake.commanded == []


async def test_whether_a_picture_can_be_shown_is_asked_of_the_platform(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake, bot_image_url="https://pictures.example.org/x.png")
        enter(fake, row)
        cannot = await send(fake, CURRENT, "send_image.request", row.bot_id)
        assert "not supported for GMeet" in cannot.json["message"]
        fake.abilities |= {Capability.SHOW_IMAGE}
        unfetched = await send(fake, CURRENT, "send_image.request", row.bot_id)
        assert (unfetched.status, fake.commanded) == (400, [])
        fake.web[example(CURRENT, "send_image.request")["body"]["img_url"]] = b"GIF89a"
        shown = await send(fake, CURRENT, "send_image.request", row.bot_id)
        assert (shown.status, shown.json["command"]) == (200, "send_image")
        assert fake.commanded == [(row.bot_id, ShowImage(b"GIF89a", "image/gif"))]
        row = await new_bot(fake, bot_image_url="https://pictures.example.org/x.png")
        order = await fake.order(row)
        assert order.plugins["picture"] == {"url": "https://pictures.example.org/x.png"}


@seen(CURRENT, "transcribe.request", "transcribe.response")
async def test_a_recording_is_transcribed_once_more(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        early = await send(fake, CURRENT, "transcribe.request", row.bot_id)
        assert (early.status, list(early.json)) == (409, ["message"])
        leave(fake, row)
        reply = await send(fake, CURRENT, "transcribe.request", row.bot_id)
        check(as_answer(reply), CURRENT, "transcribe.response")
        ((_, asked),) = fake.asked_again
        assert (asked.transcriber, asked.language) == ("deepgram", "en")
        assert asked.webhook is not None
        assert asked.webhook.url == "https://your-server.com/webhook"
        again = await send(fake, CURRENT, "transcribe.request", row.bot_id)
        assert again.status == 409


# --- sockets ---------------------------------------------------------------------------------

COMMANDS: dict[tuple[str, str], Any] = {
    (LEGACY, "socket.sendmsg"): SendChat("Hello Dropping message from server"),
    (LEGACY, "socket.sendaudio"): Speak(b"\x00\x00\x01\x00\xff\xff\xff\x7f", 48_000),
    (CURRENT, "socket.sendmsg"): SendChat("Hello!"),
    (CURRENT, "socket.sendaudio"): Speak(b"\x00\x00\x01\x00\xff\xff\xff\x7f", 48_000),
    (CURRENT, "socket.sendchat"): SendChat("Here is my response..."),
    (CURRENT, "socket.interrupt"): Interrupt(),
    (CURRENT, "socket.sendimg"): ShowImage(b"\x89PNG\r\n\x1a\n", "image/png"),
    (CURRENT, "socket.sendimg_url"): PictureByUrl("https://example.com/bot-avatar.png"),
    (CURRENT, "socket.ack.control"): None,
    (CURRENT, "socket.ack.audio"): None,
    (CURRENT, "video.video_latency_pong"): None,
}
TESTED.update(COMMANDS)


@pytest.mark.parametrize("which", sorted(COMMANDS), ids=" ".join)
def test_a_message_to_the_bot_is_understood(which: tuple[str, str]) -> None:
    assert read_control(json.dumps(BY_NAME[which]["example"])) == COMMANDS[which]


@of(CURRENT, "audio.frame.alice", "audio.frame.james", "audio.frame.nospeaker",
    "audio.frame.utf8")  # fmt: skip
def test_a_frame_of_sound_is_the_example_to_the_byte(name: str) -> None:
    theirs = example(CURRENT, name)
    decoded = theirs["decoded"]
    pcm = b"".join(sample.to_bytes(2, "little", signed=True) for sample in decoded["samples"])
    ours = binary_frame(decoded["speaker_id"], decoded["speaker_name"], pcm)
    assert ours.hex() == theirs["hex"]
    assert ours[decoded["pcm_offset"] :] == pcm


@seen(LEGACY, "audio.PCMChunk")
def test_a_legacy_frame_of_sound_is_the_example() -> None:
    theirs = example(LEGACY, "audio.PCMChunk")
    assert json.loads(json_frame("Alice", b"\x00\x00\x01\x00\xff\xff\xff\x7f")) == theirs


TESTED.update(VECTORS_HERE)
TESTED.update(VIDEO_VECTORS)


def test_every_vector_has_a_test() -> None:
    assert test_callback_vectors.EVENTS
    assert len(VECTORS) == 89
    assert set(BY_NAME) == TESTED
