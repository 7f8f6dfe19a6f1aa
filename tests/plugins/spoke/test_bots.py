"""Bots over REST: what is asked for, what is said about them, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meetcore.model.commands import Stop
from meetcore.model.errors import ConfigError
from meetcore.model.events import ArtifactWritten
from meetcore.model.lifecycle import EndReason
from meetcore.plugin.platform import Capability
from meetcore.testing.fake_service import open_fake_service
from meetcore_spoke import plugin
from tests.plugins.spoke.stage import (
    HOOK,
    KEY,
    LINK,
    ask,
    codes,
    create_request,
    enter,
    fail,
    leave,
    lines,
    new_bot,
    play,
    segments_in_memory,
    spoke,
    told,
)


async def test_the_order_says_what_the_body_said(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(
            fake,
            bot_name=" Notes ",
            entry_message="Hi",
            speech_to_text={"provider": "Gladia", "api_key": "secret-of-theirs"},
            automatic_leave={"waiting_room_timeout": 300, "silence_timeout": None},
            streaming={"output": "ws://ear.test:8080/x", "audio_frequency": "16khz"},
            extra={"customer_id": "1"},
        )
        order = await fake.order(row)
    assert (order.name, order.entry_message, order.transcriber) == ("Notes", "Hi", "gladia")
    assert order.automatic_leave == {
        "waiting_room_s": 300.0,
        "nobody_joined_s": 600.0,
        "silence_s": 600.0,
        "max_duration_s": 14400.0,
    }
    assert order.sinks == ("spoke_stream",)
    assert order.plugins == {
        "spoke_stream": {"output": "ws://ear.test:8080/x", "sample_rate_hz": 16_000}
    }
    assert order.extras["extra"] == {"customer_id": "1"}
    assert "secret-of-theirs" not in str(order.extras)


@pytest.mark.parametrize(
    ("wanted", "provider"),
    [(None, None), ("Default", "default"), ({"provider": "Runpod"}, "runpod")],
    ids=str,
)
async def test_speech_to_text_names_who_transcribes(
    wanted: object, provider: str | None, tmp_path: Path
) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text=wanted)
        assert (await fake.order(row)).transcriber == provider


async def test_a_provider_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        fake.providers = {"pocketsphinx"}
        reply = await ask(fake, "POST", "/bots", json=create_request(speech_to_text="Gladia"))
        assert reply.status == 400
        assert "pocketsphinx" in reply.json["message"]


@pytest.mark.parametrize("header", ["x-spoke-api-key", "x-meeting-baas-api-key"])
async def test_both_names_of_the_key_are_taken(header: str, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        await new_bot(fake, header=header)


async def test_without_a_valid_key_everything_is_401(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        for headers in ({}, {"x-spoke-api-key": "nope"}, {"Authorization": f"Bearer {KEY}"}):
            for route in fake.mounts["spoke"].routes:
                path = route.template.replace("{uuid}", "x")
                reply = await fake.call(route.method, path, headers=headers, json={})
                assert (reply.status, reply.json["error"]) == (401, "InvalidApiKey")


async def test_another_users_bot_is_not_there(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        user, _ = await fake.create_user("eve@example.org")
        eve = {"x-spoke-api-key": fake.new_key("eve", user_id=user.id)}
        for method, path in (
            ("DELETE", f"/bots/{row.bot_id}"),
            ("POST", f"/bots/{row.bot_id}/delete_data"),
            ("GET", f"/bots/{row.bot_id}/screenshots"),
            ("GET", f"/bots/meeting_data?bot_id={row.bot_id}"),
        ):
            reply = await fake.call(method, path, headers=eve)
            assert (reply.status, reply.json["error"]) == (404, "BotNotFound")


@pytest.mark.parametrize(
    "changes",
    [
        {"meeting_url": None},
        {"meeting_url": "abc"},
        {"meeting_url": "https://example.org/x"},
        {"meeting_url": "https://[::1"},
        {"bot_name": " "},
        {"bot_name": 7},
        {"bot_name": "a\x00"},
        {"reserved": "yes"},
        {"recording_mode": "cinema"},
        {"recording_mode": []},
        {"speech_to_text": 5},
        {"speech_to_text": {}},
        {"automatic_leave": 600},
        {"automatic_leave": {"waiting_room_timeout": 119}},
        {"automatic_leave": {"silence_timeout": True}},
        {"automatic_leave": {"noone_joined_timeout": "600"}},
        {"webhook_url": "ftp://x.test"},
        {"streaming": []},
        {"streaming": {"output": "https://x.test"}},
        {"streaming": {"output": "ws://user:pass@x.test"}},
        {"streaming": {"output": "ws://x.test", "audio_frequency": "48khz"}},
        {"start_time": "soon"},
        {"start_time": -5},
        {"start_time": 1e300},
        {"start_time": True},
    ],
    ids=str,
)
async def test_a_body_that_is_wrong_is_refused_in_the_vendors_shape(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    async with spoke(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bots", json=create_request(**changes))
        assert reply.status == 400
        assert isinstance(reply.json["error"], str)
        if changes.get("meeting_url"):
            assert reply.json["error"] == "InvalidMeetingUrl"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"a": NaN}', b'{"a": "\\ud800"}'])
async def test_a_body_that_is_no_object_is_refused(body: bytes, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bots", body=body)
        assert reply.status == 400
        assert isinstance(reply.json["error"], str)


@pytest.mark.parametrize(
    "start_time", [1_900_000_000, 1_900_000_000_000, "2030-03-17T17:46:40Z", "2030-03-17T17:46:40"]
)
async def test_a_start_is_taken_in_every_spelling(start_time: object, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, start_time=start_time)
        assert row.scheduled_for == datetime.fromtimestamp(1_900_000_000, UTC)


async def test_a_start_in_the_past_is_now(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        assert (await new_bot(fake, start_time=1_700_000_000)).scheduled_for is None


async def test_a_second_bot_within_five_minutes_needs_a_deduplication_key(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        again = await ask(
            fake, "POST", "/bots", json=create_request(meeting_url=f"{LINK}?authuser=1")
        )
        assert (again.status, again.json["error"]) == (409, "BotAlreadyExists")
        assert row.bot_id in again.json["message"]
        bare = LINK.removeprefix("https://").upper().replace("MEET.GOOGLE.COM", "meet.google.com")
        assert (
            await ask(fake, "POST", "/bots", json=create_request(meeting_url=bare))
        ).status == 409
        await new_bot(fake, deduplication_key="second")
        twice = await ask(fake, "POST", "/bots", json=create_request(deduplication_key="second"))
        assert twice.status == 409
        await new_bot(fake, meeting_url="https://meet.google.com/xyz-defg-hij")
        fake.pass_time(301)
        await new_bot(fake)


async def test_a_bot_that_has_ended_stands_in_nobodys_way(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        fail(fake, await new_bot(fake), EndReason.DENIED)
        await new_bot(fake)


async def test_the_limit_is_answered_with_too_many_requests(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        fake.limit = 0
        reply = await ask(fake, "POST", "/bots", json=create_request())
        assert (reply.status, reply.json["error"]) == (429, "TooManyRequests")


async def test_whoever_transcribes_in_place_of_the_provider_is_named(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        fake.rehearsal = True
        reply = await ask(fake, "POST", "/bots", json=create_request(speech_to_text="Gladia"))
        assert reply.headers["X-Meetcore-Note"] == "gladia is played by embedded"


async def test_removing_a_bot_is_said_to_it_and_harmless_afterwards(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        for _ in range(2):
            reply = await ask(fake, "DELETE", f"/bots/{row.bot_id}")
            assert reply.json == {"ok": True}
            leave(fake, row, EndReason.STOP_REQUESTED) if not fake.row(row.bot_id).ended else None
        assert [command for _, command in fake.commanded] == [Stop()]


async def test_data_is_deleted_once_and_only_after_the_end(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        path = f"/bots/{row.bot_id}/delete_data"
        assert (await ask(fake, "POST", path)).status == 403
        leave(fake, row)
        assert (await ask(fake, "POST", path)).json == {"ok": True, "status": "deleted"}
        assert (await ask(fake, "POST", path)).json == {"ok": True, "status": "alreadyDeleted"}
        data = (await ask(fake, "GET", f"/bots/meeting_data?bot_id={row.bot_id}")).json
        assert (data["mp4"], data["audio"], data["bot_data"]["transcripts"]) == ("", "", [])


async def test_the_recording_mode_says_whether_there_is_a_picture(tmp_path: Path) -> None:
    wanted = {None: None, "speaker_view": True, "gallery_view": True, "audio_only": False}
    async with spoke(tmp_path) as fake:
        for number, (mode, video) in enumerate(wanted.items()):
            row = await new_bot(fake, recording_mode=mode, deduplication_key=str(number))
            assert (await fake.order(row)).video is video
        play(fake, row)
        path = f"/bots/meeting_data?bot_id={row.bot_id}"
        data = (await ask(fake, "GET", path)).json
        claims = fake.verify("media", data["mp4"].rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "files/mix.mp3"


async def test_the_mp4_is_the_video_where_there_is_one(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, recording_mode="speaker_view")
        enter(fake, row)
        video = ArtifactWritten(
            kind="video", path="files/video.mp4", media_type="video/mp4", size_bytes=10
        )
        fake.happen(row, video)
        leave(fake, row)
        complete = (await told(fake))[-1]["data"]
        data = (await ask(fake, "GET", f"/bots/meeting_data?bot_id={row.bot_id}")).json
        for url in (complete["mp4"], data["mp4"]):
            claims = fake.verify("media", url.rpartition("/")[2])
            assert claims is not None
            assert claims["path"] == "files/video.mp4"


async def test_pictures_that_were_taken_are_given_with_links(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        path = f"/bots/{row.bot_id}/screenshots"
        assert (await ask(fake, "GET", path)).json == []
        enter(fake, row)
        picture = ArtifactWritten(
            kind="still.share", path="files/still.png", media_type="image/png", size_bytes=3
        )
        fake.happen(row, picture)
        [shown] = (await ask(fake, "GET", path)).json
        claims = fake.verify("media", shown["url"].rpartition("/")[2])
        assert claims is not None
        assert claims["path"] == "files/still.png"


async def test_a_picture_is_shown_where_the_platform_can(tmp_path: Path) -> None:
    at = "https://company.org/bot.jpg"
    async with spoke(tmp_path) as fake:
        body = create_request(bot_image=at)
        cannot = await ask(fake, "POST", "/bots", json=body)
        assert "no picture" in cannot.headers["X-Meetcore-Note"]
        assert (await fake.order(fake.only)).sinks == ()
        fake.abilities |= {Capability.SHOW_IMAGE}
        row = await new_bot(fake, bot_image=at, deduplication_key="2")
        assert (await fake.order(row)).plugins == {"picture": {"url": at}}
        wrong = await ask(fake, "POST", "/bots", json=create_request(bot_image="file:///etc"))
        assert wrong.status == 400


async def test_meeting_data_has_recording_and_transcript(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, speech_to_text="Default", extra={"a": 1})
        play(fake, row)
        path = f"/bots/meeting_data?bot_id={row.bot_id}"
        data = (await ask(fake, "GET", path)).json
        for name, file in (("mp4", "files/mix.mp4"), ("audio", "files/mix.wav")):
            claims = fake.verify("media", data[name].rpartition("/")[2])
            assert claims is not None
            assert claims["path"] == file
        assert data["duration"] == 6
        bot = data["bot_data"]["bot"]
        assert (bot["uuid"], bot["extra"], bot["errors"]) == (row.bot_id, {"a": 1}, None)
        assert (bot["webhook_url"], bot["speech_to_text_provider"]) == (HOOK, "Default")
        hi = data["bot_data"]["transcripts"][0]
        assert (hi["speaker"], hi["lang"]) == ("Alice", "en")
        assert [word["text"] for word in hi["words"]] == ["Hi", "Bob!"]
        assert hi["words"][0]["start_time"] == 1.3348110430839002
        without = (await ask(fake, "GET", f"{path}&include_transcripts=false")).json
        assert without["bot_data"]["transcripts"] == []
        assert (await ask(fake, "GET", "/bots/meeting_data")).status == 400


async def test_a_long_transcript_is_sent_while_it_is_read(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, webhook_url=None)
        enter(fake, row)
        fake.happen(row, *lines(2000))
        before = segments_in_memory()
        path = f"/bots/meeting_data?bot_id={row.bot_id}"
        reply = await fake.call("GET", path, headers={"x-spoke-api-key": KEY})
        assert reply.stream is not None
        whole, most = b"", 0
        async for piece in reply.stream:
            whole += piece
            most = max(most, segments_in_memory())
        assert most - before < 10
        told = json.loads(whole)["bot_data"]["transcripts"]
        assert [line["id"] for line in told] == list(range(1, 2001))
        assert [word["id"] for line in told for word in line["words"]] == list(range(1, 20_001))


async def test_a_transcript_that_is_deleted_while_it_is_asked_for_is_empty(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        path = f"/bots/meeting_data?bot_id={row.bot_id}"
        reply = await fake.call("GET", path, headers={"x-spoke-api-key": KEY})
        await told(fake)
        await fake.delete_data(row)
        assert reply.stream is not None
        body = json.loads(b"".join([piece async for piece in reply.stream]))
        assert body["bot_data"]["transcripts"] == []
        assert body["duration"] == 6


async def test_meeting_data_of_a_running_bot_has_no_links_yet(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        data = (await ask(fake, "GET", f"/bots/meeting_data?bot_id={row.bot_id}")).json
        assert (data["mp4"], data["audio"]) == ("", "")
        assert data["bot_data"]["bot"]["is_stopped"] is False


async def test_a_failed_bot_says_its_error_in_meeting_data(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        fail(fake, row, EndReason.DENIED)
        data = (await ask(fake, "GET", f"/bots/meeting_data?bot_id={row.bot_id}")).json
        assert data["bot_data"]["bot"]["errors"] == "BotNotAccepted"


async def test_the_list_is_paged_newest_first_without_gap_or_repetition(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        rows = [await new_bot(fake, deduplication_key=str(n), extra={"n": n}) for n in range(5)]
        seen: list[str] = []
        path = "/bots/bots_with_metadata?limit=2"
        while True:
            page = (await ask(fake, "GET", path)).json
            assert page["bots"] == page["recent_bots"]
            seen += [bot["uuid"] for bot in page["bots"]]
            if page["next_cursor"] is None:
                break
            path = f"/bots/bots_with_metadata?limit=2&cursor={page['next_cursor']}"
        assert seen == [row.bot_id for row in reversed(rows)]


async def test_the_list_can_be_filtered_and_sorted(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        first = await new_bot(fake, bot_name="One", extra={"team": "b", "n": 1})
        play(fake, first)
        second = await new_bot(fake, bot_name="Two", extra={"team": "a", "n": 1})

        async def listed(query: str) -> list[str]:
            reply = await ask(fake, "GET", f"/bots/bots_with_metadata?{query}")
            assert reply.status == 200, reply.json
            return [bot["uuid"] for bot in reply.json["bots"]]

        assert await listed("bot_name=one") == [first.bot_id]
        assert await listed("bot_name=O") == [second.bot_id, first.bot_id]
        assert await listed("bot_name=") == [second.bot_id, first.bot_id]
        assert await listed("speaker_name=alice") == [first.bot_id]
        assert await listed("filter_by_extra=team:a") == [second.bot_id]
        assert await listed("filter_by_extra=team:a,n:2") == []
        assert await listed("filter_by_extra=team") == []
        assert await listed("sort_by_extra=team:asc") == [second.bot_id, first.bot_id]
        assert await listed("sort_by_extra=team:desc") == [first.bot_id, second.bot_id]
        assert await listed(f"meeting_url={LINK}") == [second.bot_id, first.bot_id]
        assert await listed(f"meeting_url={LINK}?authuser=1") == [second.bot_id, first.bot_id]
        assert await listed("meeting_url=MEET.google") == [second.bot_id, first.bot_id]
        assert await listed("meeting_url=https://meet.google.com/other") == []
        assert await listed("meeting_url=http://[") == []
        assert await listed("created_before=2026-01-01T00:00:00Z") == []
        shown = (await ask(fake, "GET", "/bots/bots_with_metadata?bot_name=One")).json["bots"][0]
        assert await listed(f"created_before={shown['created_at']}") == [first.bot_id]
        assert await listed("ended_after=2026-01-01T00:00:00") == [first.bot_id]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=-1",
        "limit=²",
        "cursor=x",
        "created_after=soon",
        "created_before=9999-12-31T23:59:59.999999",
    ],
)
async def test_a_query_that_is_wrong_is_refused(query: str, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        reply = await ask(fake, "GET", f"/bots/bots_with_metadata?{query}")
        assert (reply.status, reply.json["error"]) == (400, "InvalidRequest")


async def test_a_page_has_ten_bots_where_no_limit_is_named(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        for number in range(12):
            await new_bot(fake, deduplication_key=str(number))
        page = (await ask(fake, "GET", "/bots/bots_with_metadata")).json
        assert len(page["bots"]) == 10
        rest = await ask(fake, "GET", f"/bots/bots_with_metadata?cursor={page['next_cursor']}")
        assert (len(rest.json["bots"]), rest.json["next_cursor"]) == (2, None)


async def test_what_the_client_did_not_give_is_an_empty_object(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        data = (await ask(fake, "GET", f"/bots/meeting_data?bot_id={row.bot_id}")).json
        bot = data["bot_data"]["bot"]
        assert (bot["extra"], bot["transcription_custom_parameters"]) == ({}, {})
        (listed,) = (await ask(fake, "GET", "/bots/bots_with_metadata")).json["bots"]
        assert listed["extra"] == {}


async def test_there_are_no_screenshots(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake)
        assert (await ask(fake, "GET", f"/bots/{row.bot_id}/screenshots")).json == []


async def test_a_path_or_method_that_is_not_there_is_answered_in_the_vendors_shape(
    tmp_path: Path,
) -> None:
    async with spoke(tmp_path) as fake:
        assert (await ask(fake, "GET", "/nothing")).json["error"] == "NotFound"
        assert (await ask(fake, "PUT", "/bots")).status == 405
        assert (await ask(fake, "POST", "/bots/retranscribe", json={})).status == 400
        unknown = await ask(fake, "POST", "/bots/retranscribe", json={"bot_uuid": "x"})
        assert unknown.status == 404


# --- the account's target ------------------------------------------------------------------------


async def test_the_accounts_target_is_for_bots_that_name_none(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        assert (await ask(fake, "GET", "/accounts/webhook_url")).json == {"webhook_url": None}
        await ask(fake, "POST", "/accounts/webhook_url", json={"webhook_url": "https://a.test/"})
        row = await new_bot(fake, webhook_url=None)
        assert [target.url for target in await fake.targets(row)] == ["https://a.test/"]
        own = await new_bot(fake, deduplication_key="2")
        assert [target.url for target in await fake.targets(own)] == [HOOK]


@pytest.mark.parametrize("header", ["x-spoke-api-key", "x-meeting-baas-api-key"])
async def test_webhooks_have_the_header_the_request_had(header: str, tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        row = await new_bot(fake, header=header)
        fail(fake, row, EndReason.DENIED)
        await told(fake)
        assert {name for post in fake.posted for name in post.outgoing.headers} == {header}


@pytest.mark.parametrize("extended", [False, True])
async def test_the_webhooks_that_are_documented_are_those_that_come(
    extended: bool, tmp_path: Path
) -> None:
    async with spoke(tmp_path, extended=extended) as fake:
        documented = (await ask(fake, "GET", "/bots/webhooks")).json
        assert documented == (await ask(fake, "GET", "/bots/webhooks/bot")).json
        assert documented["header"] == "x-spoke-api-key"
        status, complete, failed, again = documented["events"]
        row = await new_bot(fake, speech_to_text="Default")
        play(fake, row)
        bodies = await told(fake)
        await ask(fake, "POST", "/bots/retranscribe", json={"bot_uuid": row.bot_id})
        await fake.transcribed(row)
        last = fake.posted[-1].json
        assert last == {**again["example"], "data": {"bot_id": row.bot_id}}
        assert bodies[-1].keys() == complete["example"].keys()
        assert bodies[-1]["data"].keys() == complete["example"]["data"].keys()
        assert bodies[0]["data"].keys() == status["example"]["data"].keys()
        assert set(codes(bodies)) <= set(status["codes"])
        assert ("bot_rejected" in status["codes"]) is extended
        assert set(failed["errors"]) >= {"BotNotAccepted", "InternalError"}
        nothing = await ask(fake, "GET", "/bots/webhooks/calendar")
        assert (nothing.status, nothing.json["error"]) == (404, "NotFound")


async def test_a_failure_is_documented_as_it_comes(tmp_path: Path) -> None:
    async with spoke(tmp_path, extended=True) as fake:
        failed = (await ask(fake, "GET", "/bots/webhooks")).json["events"][2]
        fail(fake, await new_bot(fake), EndReason.DENIED)
        body = (await told(fake))[-1]
        assert body["data"].keys() == failed["example"]["data"].keys()
        assert body["data"]["error"] in failed["errors"]


async def test_a_user_chooses_the_header_and_the_later_codes(tmp_path: Path) -> None:
    async with spoke(tmp_path) as fake:
        chosen = {"webhook_header": "x-meeting-baas-api-key", "extended": True}
        assert (await ask(fake, "POST", "/accounts/webhook_url", json=chosen)).status == 200
        row = await new_bot(fake)
        fail(fake, row, EndReason.DENIED)
        bodies = await told(fake)
        assert "bot_rejected" in str(bodies)
        assert fake.posted[0].outgoing.headers == {"x-meeting-baas-api-key": KEY}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"webhook_url": "x"},
        {"webhook_url": 5},
        {"webhook_header": "authorization"},
        {"webhook_header": 5},
        {"extended": "yes"},
    ],
    ids=str,
)
async def test_a_target_that_is_wrong_is_refused_and_changes_nothing(
    body: Any, tmp_path: Path
) -> None:
    async with spoke(tmp_path) as fake:
        reply = await ask(fake, "POST", "/accounts/webhook_url", json=body)
        assert reply.status == 400
        assert await fake.settings(1, "spoke") == {}


@pytest.mark.parametrize("options", [{"header": "x"}, {"webhook_header": "cookie"}, "x"], ids=str)
async def test_an_option_that_is_none_is_refused_at_the_start(
    options: object, tmp_path: Path
) -> None:
    async with open_fake_service(tmp_path) as fake:
        fake.options = {"spoke": options}
        with pytest.raises(ConfigError):
            fake.load(plugin)
