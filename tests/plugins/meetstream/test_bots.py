"""REST, route by route: who comes in, what is ordered, what is told, and what is refused."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from meetcore.gateway.records import Scope
from meetcore.model.commands import SendChat
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.model.events import ArtifactWritten
from meetcore.model.lifecycle import EndReason, State
from tests.plugins.meetstream.stage import (
    HEADERS,
    HOOK,
    LINK,
    ZOOM,
    ask,
    create_request,
    enter,
    fail,
    meetstream,
    new_bot,
    play,
    said,
    told,
)

# --- who comes in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer YOUR_API_KEY"}, 401),
        ({"authorization": "YOUR_API_KEY"}, 401),
        ({"authorization": "Token "}, 401),
        ({"authorization": "Token wrong"}, 403),
        ({"authorization": "token YOUR_API_KEY"}, 200),
    ],
    ids=str,
)
async def test_a_key_is_a_token(headers: dict[str, str], status: int, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        reply = await fake.call("GET", "/api/v1/bots", headers=headers)
        assert reply.status == status
        if status != 200:
            assert list(reply.json) == ["message"]


@pytest.mark.parametrize(
    "prefix", ["/api/v1", "/v1", "", "/legacy/api/v1", "/current/api/v1", "/current/v1", "/legacy"]
)
async def test_every_route_lies_below_each_prefix(prefix: str, tmp_path: Path) -> None:
    headers = {"Authorization": "Token YOUR_API_KEY"}
    async with meetstream(tmp_path) as fake:
        path = f"{prefix}/bots/create_bot"
        made = await fake.call("POST", path, json=create_request(), headers=headers)
        assert made.status == 201
        path = f"{prefix}/bots/{made.json['bot_id']}/status"
        assert (await fake.call("GET", path, headers=headers)).status == 200
        assert (await fake.call("GET", f"{prefix}/bots/", headers=headers)).status == 200


async def test_a_key_that_may_only_read_makes_no_bot(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        _, key = await fake.create_key(1, scopes=frozenset({Scope.READ}))
        headers = {"authorization": f"Token {key}"}
        reply = await fake.call("POST", "/bots/create_bot", json=create_request(), headers=headers)
        assert reply.status == 403


async def test_somebody_elses_bot_is_not_there(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        fake.new_key("other", user_id=2)
        headers = {"authorization": "Token other"}
        for path in ("status", "detail", "get_audio", "get_participants"):
            reply = await fake.call("GET", f"/bots/{row.bot_id}/{path}", headers=headers)
            assert (reply.status, reply.json) == (404, {"message": "Bot not found"})


@pytest.mark.parametrize(
    "path", ["/calendar/events", "/google-logins", "/admin/configs", "/mia/agents", "/nothing"]
)
async def test_what_is_out_of_scope_is_a_404_in_the_vendors_shape(
    path: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path) as fake:
        reply = await ask(fake, "GET", path)
        assert (reply.status, list(reply.json)) == (404, ["message"])


# --- what is ordered ---------------------------------------------------------------------------


async def _refused(tmp_path: Path, body: Any) -> str:
    async with meetstream(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert reply.status == 400
        assert list(reply.json) == ["message"]
        return str(reply.json["message"])


BAD: list[tuple[dict[str, Any], str]] = [
    ({"meeting_link": None}, "meeting_link is required"),
    ({"meeting_link": "  "}, "meeting_link is required"),
    ({"meeting_link": 7}, "meeting_link must be a string"),
    ({"meeting_link": "https://nowhere.test/x"}, "no link of a platform"),
    ({"bot_name": 7}, "bot_name must be a string"),
    ({"bot_name": "x" * 201}, "bot_name must not exceed"),
    ({"bot_message": ["x"]}, "bot_message must be a string"),
    ({"bot_message": "a\x00b"}, "zero characters"),
    ({"audio_required": "yes"}, "audio_required must be a boolean"),
    ({"video_required": 1}, "video_required must be a boolean"),
    ({"callback_url": "ftp://x.test"}, "callback_url must be a valid"),
    ({"callback_url": "https://user:word@x.test"}, "callback_url must be a valid"),
    ({"bot_image_url": "no url"}, "bot_image_url must be a valid"),
    ({"socket_connection_url": "ws://x.test"}, "socket_connection_url must be a valid"),
    ({"socket_connection_url": {"websocket_url": "https://x.test"}}, "websocket_url must be"),
    ({"live_audio_required": "wss://x.test"}, "live_audio_required must be an object"),
    ({"live_transcription_required": True}, "live_transcription_required must be an object"),
    ({"live_video_required": {"websocket_url": "wss://x.test"}}, "not supported for GMeet"),
    ({"liveVideoRequired": {"websocketUrl": "https://x.test"}}, "websocketUrl must be a valid"),
    ({"agent_config_id": "a"}, "not found"),
    ({"zoom": {"zak_url": "https://a.test", "obf_url": "https://b.test"}}, "cannot both"),
    ({"zoom": {"zak_url": "https://a.test"}}, "not available"),
    ({"google_meet": {"login_required": True}}, "signed-in joins"),
    ({"join_at": "tomorrow"}, "join_at must be a time"),
    ({"join_at": 5}, "join_at must be a time"),
    ({"custom_attributes": "x"}, "custom_attributes must be an object"),
    ({"deduplication_key": ""}, "printable ASCII"),
    ({"deduplication_key": "ü"}, "printable ASCII"),
    ({"deduplication_key": "x" * 2001}, "printable ASCII"),
    ({"automatic_leave": []}, "automatic_leave must be an object"),
    ({"automatic_leave": {"waiting_room_timeout": "600"}}, "whole number of seconds"),
    ({"automatic_leave": {"everyone_left_timeout": 1.5}}, "whole number of seconds"),
    ({"automatic_leave": {"everyone_left_timeout": 0}}, "at least 1 second"),
    ({"automatic_leave": {"bot_detection": {"using_participant_names": {"timeout": 5}}}},
     "matches must be a list"),
    ({"recording_config": {"transcript": {"provider": {"a": {}, "b": {}}}}}, "exactly one"),
    ({"recording_config": {"transcript": {"provider": "deepgram"}}}, "must be an object"),
    ({"recording_config": {"retention": {"type": "timed", "hours": 0}}}, "greater than 0"),
    ({"recording_config": {"retention": {"type": "timed", "hours": True}}}, "greater than 0"),
    ({"recording_config": {"video_layout": "circle"}}, "video_layout must be one of"),
    ({"recording_config": {"realtime_endpoints": [{"type": "webhook"}]}}, "url is required"),
    ({"recording_config": {"realtime_endpoints": [
        {"type": "webhook", "url": "https://x.test", "events": ["bot.dance"]}]}}, "may hold"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD, ids=lambda value: str(value)[:40])
async def test_a_field_that_cannot_be_used_is_a_400_that_names_it(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert words in await _refused(tmp_path, create_request(**change))


@pytest.mark.parametrize("spelling", ["2999-01-15 14:30:00", "2999-01-15T14:30:00Z",
                                      "2999-01-15T16:30:00+02:00"])  # fmt: skip
async def test_both_spellings_of_join_at_are_the_same_time(spelling: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake, join_at=spelling)
        assert row.state is State.SCHEDULED
        assert str(row.scheduled_for) == "2999-01-15 14:30:00+00:00"


@pytest.mark.parametrize(
    "given", ["wss://x.test/c", {"websocket_url": "wss://x.test/c"},
              {"websocketUrl": "wss://x.test/c"}],
    ids=str,
)  # fmt: skip
async def test_the_control_socket_is_taken_as_text_and_as_object(
    given: Any, tmp_path: Path
) -> None:
    async with meetstream(tmp_path) as fake:
        order = await fake.order(await new_bot(fake, socket_connection_url=given))
        assert order.plugins["meetstream_control"] == {"url": "wss://x.test/c"}


@pytest.mark.parametrize("name", ["no_one_joined_timeout", "noone_joined_timeout"])
async def test_both_spellings_of_a_lonely_meeting_are_taken(name: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        order = await fake.order(await new_bot(fake, automatic_leave={name: 77}))
        assert order.automatic_leave["nobody_joined_s"] == 77


@pytest.mark.parametrize(("dialect", "silence_s"), [("legacy", None), ("current", 100.0)])
async def test_the_documented_limits_hold_where_none_are_given(
    dialect: str, silence_s: float | None, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect=dialect) as fake:
        order = await fake.order(await new_bot(fake))
        assert order.automatic_leave == {
            "waiting_room_s": 600.0,
            "nobody_joined_s": 600.0,
            "everyone_left_s": 300.0,
            "max_duration_s": 14_400.0,
            "recording_permission_s": 60.0,
            "silence_s": silence_s,
        }
        assert order.keep_s == 7 * 24 * 3600


@pytest.mark.parametrize(
    ("provider", "transcriber"),
    [
        ({"deepgram": {"model": "nova-3", "language": "en_us"}}, "deepgram"),
        ({"deepgram_streaming": {}}, "deepgram"),
        ({"assemblyai_streaming": {"language_code": "multi"}}, "assemblyai"),
        ({"meetstream_streaming": {}}, "default"),
        ({"meeting_captions": {}}, "default"),
    ],
    ids=str,
)
async def test_a_provider_is_a_transcriber(
    provider: dict[str, Any], transcriber: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        config = {"transcript": {"provider": provider}}
        body = create_request(recording_config=config)
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        order = await fake.order(fake.only)
        assert order.transcriber == transcriber
        streaming = "deepgram" not in provider
        assert (reply.json["transcript_id"] is None) is streaming
        assert order.language == ("en-US" if "deepgram" in provider else None)
        assert ("X-Meetcore-Note" in reply.headers) is ("meeting_captions" in provider)


async def test_without_a_provider_only_the_first_api_transcribes(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        for dialect, transcriber in (("legacy", "default"), ("current", None)):
            path = f"/bots/create_bot?dialect={dialect}"
            body = {"meeting_link": LINK, "bot_name": "x"}
            assert (await ask(fake, "POST", path, json=body)).status == 201
            assert (await fake.order(fake.only)).transcriber == transcriber


async def test_a_provider_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        fake.providers = {"deepgram"}
        config: dict[str, Any] = {"transcript": {"provider": {"sarvam": {}}}}
        body = create_request(recording_config=config)
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert reply.status == 400
        assert "sarvam" in reply.json["message"]


async def test_a_rehearsal_says_who_plays_the_provider_and_takes_plain_sockets(
    tmp_path: Path,
) -> None:
    async with meetstream(tmp_path) as fake:
        fake.rehearsal = True
        body = create_request(socket_connection_url="ws://127.0.0.1:9/c")
        reply = await ask(fake, "POST", "/bots/create_bot", json=body)
        assert reply.status == 201
        assert "played by" in reply.headers["X-Meetcore-Note"]


async def test_the_header_key_wins_over_the_bodys(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        body = create_request(deduplication_key="same")
        headers = {"idempotency-key": "one"}
        first = await ask(fake, "POST", "/bots/create_bot", json=body, headers=headers)
        again = await ask(fake, "POST", "/bots/create_bot", json=body, headers=headers)
        assert (first.status, again.status) == (201, 507)
        assert again.json == first.json
        changed = {**body, "meeting_link": ZOOM}
        wrong = await ask(fake, "POST", "/bots/create_bot", json=changed, headers=headers)
        assert wrong.status == 409
        other = await ask(
            fake, "POST", "/bots/create_bot", json=body, headers={"idempotency-key": "two"}
        )
        assert (other.status, other.json == first.json) == (201, False)


async def test_more_bots_than_allowed_is_a_429(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        fake.limit = 1
        await new_bot(fake)
        assert (await ask(fake, "POST", "/bots/create_bot", json=create_request())).status == 429


# --- a bot that is there -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dialect", "seen"),
    [
        ("legacy", ["joining", "joining", "joining", "InMeeting", "InMeeting", "Stopped",
                    "Stopped"]),
        ("current", ["Joining", "Joining", "InWaitingRoom", "InMeeting", "Recording", "Done",
                     "MediaExpired"]),
    ],
)  # fmt: skip
async def test_the_status_goes_with_the_bot(dialect: str, seen: list[str], tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect=dialect) as fake:
        row = await new_bot(fake)

        async def status() -> str:
            return str((await ask(fake, "GET", f"/bots/{row.bot_id}/status")).json["status"])

        got = [await status()]
        for state in (State.JOINING, State.AWAITING_ADMISSION, State.IN_CALL, State.RECORDING):
            fake.go(row, state)
            got.append(await status())
        for state in (State.LEAVING, State.PROCESSING, State.COMPLETED):
            fake.go(row, state, EndReason.MEETING_ENDED)
        got.append(await status())
        await ask(fake, "DELETE", f"/bots/{row.bot_id}/delete")
        assert [*got, await status()] == seen


async def test_pictures_and_shared_screens_are_given_with_links(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        share = {"kind": "video.share", "path": "share-1-ada.mp4", "speaker_name": "Ada",
                 "duration_s": 12.0}  # fmt: skip
        files = fake.folder_of(row) / "files"
        (files / "manifest.json").write_text(json.dumps({"files": [share]}))
        fake.happen(
            row,
            ArtifactWritten(
                kind="screenshot", path="pictures/1.jpg", media_type="image/jpeg", size_bytes=3
            ),
        )
        shown = (await ask(fake, "GET", f"/bots/{row.bot_id}/get_screenshots")).json
        assert (shown["screenshots_count"], shown["screenshots"][0]["filename"]) == (1, "1.jpg")
        claims = fake.verify("media", shown["screenshots"][0]["url"].rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "pictures/1.jpg"
        streams = (await ask(fake, "GET", f"/bots/{row.bot_id}/get_recording_streams")).json
        assert streams["video_available"]
        [ada] = streams["screenshares"]
        assert ada["participant_name"] == "Ada"
        [segment] = ada["streams"][0]["segments"]
        assert (segment["filename"], segment["duration_seconds"]) == ("share-1-ada.mp4", 12.0)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (EndReason.ADMISSION_TIMEOUT, "NotAllowed"),
        (EndReason.DENIED, "Denied"),
        (EndReason.SIGN_IN_REQUIRED, "FAILED"),
    ],
)
async def test_a_bot_that_never_came_in_says_why(
    reason: EndReason, status: str, tmp_path: Path
) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake)
        fail(fake, row, reason)
        bot = (await ask(fake, "GET", f"/bots/{row.bot_id}/detail")).json["bot_details"]
        assert bot["Status"] == status
        assert bot["Duration"] == 0
        assert bot["AudioStatus"] is None
        events = [body["event"] for body in await told(fake)]
        assert events == ["bot.joining", "bot.in_waiting_room", "bot.stopped", "bot.done"]


async def test_what_a_meeting_left_is_told_by_every_route(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)

        async def read(name: str) -> Any:
            reply = await ask(fake, "GET", f"/bots/{row.bot_id}/{name}")
            assert reply.status == 200
            return reply.json

        timeline = await read("get_speaker_timeline")
        first = timeline["chunks"][0]
        assert (first["speakerName"], first["sampleRate"]) == ("Alice", 48_000)
        assert (first["startByte"], first["endByte"]) == (48_000, 307_200)
        assert timeline["totalFileSize"] == 125 * 96_000
        chats = await read("get_chats")
        assert [m["text"] for m in chats["chatMessages"]] == ["hello"]
        assert chats["speakers"] == ["Alice"]
        assert (await read("get_screenshots"))["screenshots"] == []
        people = await read("get_participants")
        assert [(p["displayName"], p["humanized_status"]) for p in people] == [
            ("Alice", "joined"), ("Bob", "left"),
        ]  # fmt: skip
        (one,) = (await read("transcriptions"))["transcriptions"]
        assert (one["provider"], one["status"]) == ("deepgram", "Success")
        lines = await read("get_transcript")
        assert [line["speaker"] for line in lines] == ["Alice", "Bob"]
        assert [line["words"][0]["speaker"] for line in lines] == [0, 1]
        raw = await read("get_transcript?raw=true")
        assert [line["transcript"] for line in raw["segments"]] == [
            "Hello, everyone.", "Hi Alice!",
        ]  # fmt: skip
        assert raw["provider"] == "deepgram"
        streams = await read("get_audio_streams")
        assert (streams["audio_available"], streams["participants"]) == (True, [])
        assert (await read("get_recording_streams"))["video_available"] is False


@pytest.mark.parametrize("query", ["", "?raw=true"])
async def test_a_transcript_whose_reader_goes_away_is_closed_down_to_the_journal(
    tmp_path: Path, query: str
) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        path = f"/api/v1/transcript/{row.bot_id}/get_transcript{query}"
        reply = await fake.call("GET", path, headers=HEADERS)
        pieces = reply.stream
        assert isinstance(pieces, AsyncGenerator)
        while b"Alice" not in await anext(pieces):
            continue  # to the first line
        await pieces.aclose()
        gc.collect()  # which would tell of a generator that was left as it stood


PENDING = {"get_audio": 202, "get_transcript": 202, "get_audio_streams": 202,
           "get_recording_streams": 202, "get_video": 404, "get_chats": 200,
           "get_speaker_timeline": 200}  # fmt: skip


@pytest.mark.parametrize("name", PENDING)
async def test_what_is_not_ready_is_a_202(name: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        reply = await ask(fake, "GET", f"/bots/{row.bot_id}/{name}")
        assert reply.status == PENDING[name]
        if reply.status != 200:
            assert "message" in reply.json


async def test_audio_that_was_not_wanted_is_neither_told_nor_given(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake, audio_required=False)
        play(fake, row)
        assert all("audio_status" not in body for body in await told(fake))
        assert (await ask(fake, "GET", f"/bots/{row.bot_id}/get_audio")).status == 404


async def test_after_deletion_all_is_gone_and_the_second_one_is_a_404(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake)
        play(fake, row)
        path = f"/bots/{row.bot_id}"
        assert (await ask(fake, "DELETE", f"{path}/delete")).status == 200
        for name in ("get_audio", "get_video", "get_chats", "get_participants", "get_transcript",
                     "transcriptions", "get_speaker_timeline"):  # fmt: skip
            assert (await ask(fake, "GET", f"{path}/{name}")).status == 404
        bot = (await ask(fake, "GET", f"{path}/detail")).json["bot_details"]
        assert (bot["Status"], bot["AudioStatus"]) == ("MediaExpired", "Expired")
        assert (await ask(fake, "DELETE", f"{path}/delete")).status == 404


async def test_a_bot_in_a_meeting_is_not_deleted(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        assert (await ask(fake, "DELETE", f"/bots/{row.bot_id}/delete")).status == 409


async def test_pausing_twice_is_as_good_as_once_and_outside_a_meeting_a_409(
    tmp_path: Path,
) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        path = f"/bots/{row.bot_id}"
        assert (await ask(fake, "POST", f"{path}/pause_recording")).status == 409
        enter(fake, row)
        fake.go(row, State.PAUSED)
        assert (await ask(fake, "POST", f"{path}/pause_recording")).status == 200
        assert fake.commanded == []
        fake.refusing = CommandRefused("not now")
        assert (await ask(fake, "POST", f"{path}/resume_recording")).status == 503


@pytest.mark.parametrize(
    ("error", "status"),
    [(CapabilityMissing("teams", "send_chat"), 400), (CommandRefused("no"), 409),
     (CommandFailed("no"), 503)],
    ids=str,
)  # fmt: skip
async def test_chat_that_cannot_be_sent_is_never_a_success(
    error: Any, status: int, tmp_path: Path
) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        path = f"/bots/{row.bot_id}/send_message"
        assert (await ask(fake, "POST", path, json={"message": "x"})).status == 409
        enter(fake, row)
        fake.refusing = error
        reply = await ask(fake, "POST", path, json={"message": "x"})
        assert (reply.status, list(reply.json)) == (status, ["message"])
        fake.refusing = None
        assert (await ask(fake, "POST", path, json={"message": "x"})).json == {
            "status": "accepted", "bot_id": row.bot_id, "command": "send_message",
        }  # fmt: skip
        assert fake.commanded == [(row.bot_id, SendChat("x"))]


# --- many bots ---------------------------------------------------------------------------------


async def test_the_list_has_pages_and_filters(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        made = [
            await new_bot(fake, meeting_link=link, custom_attributes={"n": str(n % 2)})
            for n, link in enumerate([LINK, ZOOM, LINK, ZOOM, LINK])
        ]

        async def ids(query: str) -> list[int]:
            reply = await ask(fake, "GET", f"/bots?{query}")
            assert reply.status == 200, reply.json
            known = [row.bot_id for row in made]
            return [known.index(bot["bot_id"]) for bot in reply.json["bots"]]

        assert await ids("") == [4, 3, 2, 1, 0]
        assert await ids("platform=Zoom") == [3, 1]
        assert await ids("custom_attr[n]=1") == [3, 1]
        assert await ids("custom_attr%5Bn%5D=0&platform=gmeet") == [4, 2, 0]
        fake.go(made[2], State.JOINING)
        fake.go(made[2], State.IN_CALL)
        assert await ids("status=InMeeting") == [2]
        today = fake.now().strftime("%Y-%m-%d")
        assert len(await ids(f"from={today}&to={today}")) == 5
        assert await ids("to=2001-01-01") == []
        first = (await ask(fake, "GET", "/bots?limit=2")).json
        assert (first["hasNextPage"], len(first["bots"])) == (True, 2)
        assert await ids(f"limit=2&cursor={first['nextCursor']}") == [2, 1]
        last = (await ask(fake, "GET", "/bots?limit=5")).json
        assert (last["hasNextPage"], last["nextCursor"]) == (False, None)


@pytest.mark.parametrize("query", ["from=yesterday", "to=2024-13-01", "cursor=x", "limit=-1"])
async def test_a_query_that_cannot_be_read_is_a_400(query: str, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        assert (await ask(fake, "GET", f"/bots?{query}")).status == 400


async def test_a_scheduled_bot_is_moved_and_cancelled(tmp_path: Path) -> None:
    async with meetstream(tmp_path, dialect="current") as fake:
        row = await new_bot(fake, join_at="2999-01-01T10:00:00Z")
        path = f"/calendar/scheduled_bots/{row.bot_id}"
        moved = await ask(fake, "PATCH", path, json={"scheduled_join_time": "2998-05-05 11:00:00"})
        assert moved.json == {
            "message": "Scheduled bot updated successfully",
            "bot_id": row.bot_id,
            "updated_fields": ["scheduled_join_time"],
            "schedule_updated": True,
        }
        (bot,) = (await ask(fake, "GET", "/calendar/scheduled_bots")).json["scheduled_bots"]
        assert bot["scheduled_join_time"] == "2998-05-05T11:00:00.000000+00:00"
        assert [target.url for target in await fake.targets(row)] == [HOOK]
        gone = await ask(fake, "DELETE", path)
        assert set(gone.json) == {"message", "bot_id"}
        assert (await ask(fake, "GET", "/calendar/scheduled_bots")).json == {"scheduled_bots": []}
        assert (await ask(fake, "DELETE", path)).status == 409
        assert (await ask(fake, "PATCH", path, json={"scheduled_join_time": "2998-01-01"})
                ).status == 409  # fmt: skip
        events = [body["event"] for body in await told(fake)]
        assert events == ["bot.scheduled", "bot.stopped", "bot.done"]


@pytest.mark.parametrize("body", [{}, [], None, {"scheduled_join_time": 5},
                                  {"scheduled_join_time": "x"}], ids=str)  # fmt: skip
async def test_a_time_that_cannot_be_read_moves_no_bot(body: Any, tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake, join_at="2999-01-01T10:00:00Z")
        path = f"/calendar/scheduled_bots/{row.bot_id}"
        assert (await ask(fake, "PATCH", path, json=body)).status == 400


async def test_a_word_of_punctuation_alone_stays_a_word(tmp_path: Path) -> None:
    async with meetstream(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, said("s", "Alice", ("…", 0.0, 0.1), ("don't!", 0.1, 0.2)))
        fake.go(row, State.LEAVING, EndReason.MEETING_ENDED)
        fake.go(row, State.PROCESSING)
        fake.go(row, State.COMPLETED, EndReason.MEETING_ENDED)
        (line,) = (await ask(fake, "GET", f"/transcript/{row.bot_id}/get_transcript")).json
        assert [word["word"] for word in line["words"]] == ["…", "don't"]
