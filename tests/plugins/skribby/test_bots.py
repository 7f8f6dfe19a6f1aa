"""Bots over REST: what is asked for, what is said about them, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from meetcore.gateway.records import BotQuery, BotRequest
from meetcore.model.commands import SendChat, Stop
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.model.events import ParticipantJoined
from meetcore.model.lifecycle import EndReason, State
from meetcore.model.roster import Participant
from tests.plugins.skribby.stage import (
    BEARER,
    KEY,
    ask,
    bot_of,
    chat,
    create_request,
    enter,
    leave,
    new_bot,
    operator,
    play,
    read,
    segment,
    segments_in_memory,
    skribby,
    speaking,
)

LATER = 1_900_000_000


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_every_route_stands_at_the_root_and_below_api_v1(prefix: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        made = await ask(fake, "POST", f"{prefix}/bot", json=create_request())
        got = await ask(fake, "GET", f"{prefix}/bot/{made.json['id']}")
        listed = await ask(fake, "GET", f"{prefix}/bot/scheduled")
        assert (made.status, got.status, listed.status) == (201, 200, 200)
        assert got.json == made.json
        assert listed.json == []


async def test_the_order_says_what_the_body_said(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(
            fake,
            bot_name=" Notes ",
            lang="de",
            initial_chat_message="Hi",
            custom_metadata={"crm": "42"},
            webhook_url="https://example.com/hook",
            stop_options={
                "time_limit": 120,
                "waiting_room_timeout": "5",
                "last_person_detection": 0,
                "silence_detection": 3,
            },
        )
        order = await fake.order(row)
    assert order.name == "Notes"
    assert order.transcriber == "deepgram"
    assert (order.language, order.entry_message) == ("de", "Hi")
    assert order.metadata == {"crm": "42"}
    assert order.automatic_leave == {
        "max_duration_s": 7200.0,
        "waiting_room_s": 300.0,
        "nobody_joined_s": 600.0,
        "everyone_left_s": None,
        "silence_s": 180.0,
    }
    assert [target.url for target in order.webhooks] == ["https://example.com/hook"]
    assert str(order.webhooks[0].secret).startswith("skr_")


@pytest.mark.parametrize(
    ("service", "longest"), [("gmeet", 60), ("teams", 50), ("zoom", 64)], ids=str
)
async def test_a_long_name_is_cut_to_what_the_service_shows(
    service: Any, longest: Any, tmp_path: Path
) -> None:
    links = {
        "gmeet": "https://meet.google.com/osk-sbwe-nff",
        "teams": "https://teams.live.com/meet/9387167464734",
        "zoom": "https://zoom.us/j/123456789",
    }
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, service=service, meeting_url=links[service], bot_name="n" * 100)
        assert (await bot_of(fake, row))["bot_name"] == "n" * longest


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("whisper", "whisper"),
        ("groq/whisper-large-v3-turbo", "whisper"),
        ("assembly-ai-realtime", "assemblyai"),
        ("deepgram-realtime-v3", "deepgram"),
        ("elevenlabs-v2", "elevenlabs"),
        ("rev-ai", "revai"),
        ("pocketsphinx-realtime", "pocketsphinx"),
        ("none", None),
    ],
)
async def test_a_model_names_its_provider(model: Any, provider: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, transcription_model=model)
        assert (await fake.order(row)).transcriber == provider


async def test_a_provider_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        fake.providers = {"pocketsphinx"}
        reply = await ask(fake, "POST", "/bot", json=create_request())
        assert reply.status == 422
        (sentence,) = reply.json["errors"]["transcription_model"]
        assert sentence.startswith("The selected transcription model is invalid.")
        assert "pocketsphinx" in sentence


async def test_whoever_transcribes_in_place_of_the_provider_is_named(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        fake.rehearsal = True
        reply = await ask(fake, "POST", "/bot", json=create_request())
        assert reply.headers["X-Meetcore-Note"] == "deepgram is played by embedded"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"bot_name": ""}, "bot_name"),
        ({"bot_name": 7}, "bot_name"),
        ({"bot_name": "a\x00b"}, "bot_name"),
        ({"service": "jitsi"}, "service"),
        ({"service": ["gmeet"]}, "service"),
        ({"service": "zoom"}, "service"),
        ({"meeting_url": "osk-sbwe"}, "meeting_url"),
        ({"meeting_url": "https://[::1"}, "meeting_url"),
        ({"meeting_url": "https://example.org/room"}, "meeting_url"),
        ({"webhook_url": "ftp://example.org"}, "webhook_url"),
        ({"video": "maybe"}, "video"),
        ({"scheduled_start_time": "tomorrow"}, "scheduled_start_time"),
        ({"scheduled_start_time": 10**14}, "scheduled_start_time"),
        ({"stop_options": 3}, "stop_options"),
        ({"stop_options": {"waiting_room_timeout": 61}}, "stop_options.waiting_room_timeout"),
        ({"stop_options": {"time_limit": True}}, "stop_options.time_limit"),
        ({"custom_metadata": {"a": 1}}, "custom_metadata.a"),
        ({"custom_metadata": {"a": "x" * 501}}, "custom_metadata.a"),
        ({"custom_metadata": {str(n): "" for n in range(51)}}, "custom_metadata"),
        ({"custom_vocabulary": "word"}, "custom_vocabulary"),
        ({"recording_start_mode": "manual"}, "recording_start_mode"),
        ({"authentication": {"always_authenticate": 3}}, "authentication.always_authenticate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_field_that_is_wrong_is_named(changes: Any, wrong: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        for path in ("/bot", "/bot/validate"):
            reply = await ask(fake, "POST", path, json=create_request(**changes))
            assert reply.status == 422
            assert list(reply.json["errors"]) == [wrong]
            assert reply.json["message"] == reply.json["errors"][wrong][0]
        assert await fake.bots(await operator(fake), BotQuery()) == []


async def test_several_wrong_fields_are_counted(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bot", json={"service": "gmeet"})
        assert reply.json["message"].endswith("field is required. (and 2 more errors)")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"null", b'"x"', b"", b"NaN", b'{"a": "\\ud800"}'])
async def test_a_body_that_is_no_object_is_refused(body: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bot", body=body)
        assert reply.status in (400, 422)
        assert isinstance(reply.json["message"], str)


async def test_validating_makes_no_bot(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        reply = await ask(fake, "POST", "/bot/validate", json=create_request())
        assert (reply.status, reply.json["valid"]) == (200, True)
        assert await fake.bots(await operator(fake), BotQuery()) == []


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nope"}, {"Authorization": KEY}])
async def test_without_a_valid_key_everything_is_401(header: Any, tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        for route in fake.mounts["skribby"].routes:
            path = route.template.replace("{id}", "x")
            reply = await fake.call(route.method, path, headers=header, json={})
            assert (reply.status, reply.json) == (401, {"message": "Unauthenticated."})


async def test_another_users_bot_is_not_there(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        user, _ = await fake.create_user("eve@example.org")
        eve = {"Authorization": f"Bearer {fake.new_key('eve', user_id=user.id)}"}
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("GET", "/pricing")):
            reply = await fake.call(method, f"/bot/{row.bot_id}{tail}", headers=eve)
            assert (reply.status, reply.json) == (404, {"message": "Not found."})


async def test_a_path_or_method_that_is_not_there_is_answered_in_json(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        assert (await ask(fake, "GET", "/bots")).status == 404
        wrong = await ask(fake, "PUT", "/bot")
        assert wrong.status == 405
        assert "POST" in wrong.json["message"]


# --- what is said about a bot --------------------------------------------------------------


async def test_a_bot_says_what_is_and_not_what_was_wished(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(
            fake,
            video=True,
            bot_avatar_url="https://example.com/a.png",
            profanity_filter=True,
        )
        body = await bot_of(fake, row)
        assert body["video"] is False
        assert body["bot_avatar"] is None
        assert body["profanity_filter"] is False
        assert body["custom_vocabulary"] == []


async def test_participants_carry_what_they_did_only_when_asked(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        began = fake.now()
        speaking(fake, row, seconds=2.5)
        (john,) = (await bot_of(fake, row))["participants"]
        assert john["name"] == "John Doe"
        assert "events" not in john
        (john,) = (await bot_of(fake, row, "?with-speaker-events=true"))["participants"]
        assert [event["type"] for event in john["events"]] == [
            "started-speaking",
            "stopped-speaking",
        ]
        start_ms, stop_ms = (event["timestamp"] for event in john["events"])
        assert stop_ms - start_ms == 2500
        assert start_ms == round(began.timestamp() * 1000)


async def test_speakers_are_numbered_in_the_order_they_are_transcribed(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(
            row,
            segment(name="s1", who="p2", speaker="Eve"),
            segment(name="s2"),
            segment(name="s3", who=None, speaker=None),
            segment("And once more.", name="s1", who="p2", speaker="Eve", revision=2),
        )
        transcript = (await bot_of(fake, row))["transcript"]
        assert [(part["speaker"], part["speaker_name"]) for part in transcript] == [
            (0, "Eve"),
            (1, "John Doe"),
            (2, None),
        ]
        assert transcript[0]["transcript"] == "And once more."


async def test_a_long_transcript_is_sent_while_it_is_read(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, *(segment(name=f"s{number}") for number in range(2000)))
        fake.happen(row, segment("As it reads now.", name="s0", revision=2))
        before = segments_in_memory()
        reply = await fake.call("GET", f"/bot/{row.bot_id}", headers=BEARER)
        assert reply.stream is not None
        whole, most = b"", 0
        async for piece in reply.stream:
            whole += piece
            most = max(most, segments_in_memory())
        assert most - before < 10
        transcript = json.loads(whole)["transcript"]
        assert len(transcript) == 2000
        assert transcript[0]["transcript"] == "As it reads now."


async def test_a_transcript_that_is_deleted_while_it_is_asked_for_is_empty(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        reply = await fake.call("GET", f"/bot/{row.bot_id}", headers=BEARER)
        await fake.delete_data(row)
        body = (await read(reply)).json
        assert (body["status"], body["transcript"]) == ("finished", [])


async def test_the_recording_has_a_link_that_expires_when_it_says(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        assert (await bot_of(fake, row))["recording_url"] is None
        leave(fake, row)
        body = await bot_of(fake, row)
        token = body["recording_url"].rpartition("/")[2]
        claims = fake.verify("media", token)
        assert claims is not None
        assert claims["path"] == "files/mix.opus"
        until = datetime.fromisoformat(body["recording_available_until"])
        fake.pass_time((until - fake.now()).total_seconds() - 1)
        assert fake.verify("media", token)
        fake.pass_time(2)
        assert fake.verify("media", token) is None


async def test_a_recording_kept_for_a_year_has_a_link_for_a_year(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, store_recording_for_1_year=True)
        enter(fake, row)
        leave(fake, row)
        until = (await bot_of(fake, row))["recording_available_until"]
        assert (datetime.fromisoformat(until) - fake.now()).days == 365


async def test_a_batch_bot_transcribes_after_the_meeting_as_its_client_sees_it(
    tmp_path: Path,
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, transcription_model="whisper")
        play(fake, row)
        events = (await bot_of(fake, row))["events"]
        transitions = [e["data"]["new_status"] for e in events if e["event"] == "status_update"]
        assert transitions == [
            "joining",
            "recording",
            "leaving",
            "processing",
            "transcribing",
            "finished",
        ]


@pytest.mark.parametrize(
    ("reason", "state", "status", "stop_reason"),
    [
        (EndReason.DENIED, State.FAILED, "not_admitted", "request_denied"),
        (EndReason.ADMISSION_TIMEOUT, State.FAILED, "not_admitted", "waiting_room_timeout"),
        (EndReason.INVALID_MEETING_URL, State.FAILED, "not_admitted", "invalid_meeting_url"),
        (EndReason.STOP_REQUESTED, State.COMPLETED, "not_admitted", "manually_stopped"),
        (EndReason.MEETING_ENDED, State.COMPLETED, "not_admitted", "call_already_finished"),
        (EndReason.SIGN_IN_REQUIRED, State.FAILED, "auth_required", None),
        (EndReason.WRONG_PASSCODE, State.FAILED, "invalid_credentials", None),
        (EndReason.CAPTCHA_REQUIRED, State.FAILED, "bot_detected", None),
        (EndReason.CRASHED, State.FAILED, "failed", None),
    ],
)
async def test_a_bot_that_never_got_in_says_why(
    reason: Any, state: Any, status: Any, stop_reason: Any, tmp_path: Path
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        fake.go(row, State.JOINING)
        fake.go(row, state, reason)
        body = await bot_of(fake, row)
        assert (body["status"], body["stop_reason"]) == (status, stop_reason)


@pytest.mark.parametrize(
    ("reason", "stop_reason"),
    [
        (EndReason.MEETING_ENDED, "meeting_ended"),
        (EndReason.EVERYONE_LEFT, "last_person_detected"),
        (EndReason.SILENCE, "silence_detection_triggered"),
        (EndReason.REMOVED, "kicked"),
        (EndReason.STOP_REQUESTED, "manually_stopped"),
        (EndReason.MAX_DURATION, None),
        (EndReason.CONNECTION_LOST, None),
    ],
)
async def test_a_bot_that_was_in_says_why_it_left(
    reason: Any, stop_reason: Any, tmp_path: Path
) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        leave(fake, row, reason)
        body = await bot_of(fake, row)
        assert (body["status"], body["stop_reason"]) == ("finished", stop_reason)


async def test_a_bot_of_another_api_can_be_looked_at(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        client = await operator(fake)
        order = BotRequest(url="https://teams.live.com/meet/9387167464734", transcriber="deepgram")
        row = await fake.create(client, order)
        fake.happen(row, ParticipantJoined(participant=Participant(id="a", name="Ada")))
        body = await bot_of(fake, row)
        assert (body["service"], body["status"]) == ("teams", "booting")
        assert body["websocket_url"]
        assert (await ask(fake, "GET", "/bot/scheduled")).json == []


# --- what is done with a bot ---------------------------------------------------------------


async def test_scheduled_bots_are_listed_changed_and_sent_at_once(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        late = await new_bot(fake, scheduled_start_time=LATER + 60, custom_metadata={"a": "b"})
        early = await new_bot(fake, scheduled_start_time=LATER)
        listed = (await ask(fake, "GET", "/bot/scheduled")).json
        assert [bot["id"] for bot in listed] == [early.bot_id, late.bot_id]
        assert listed[0]["scheduled_for"] == "2030-03-17T17:46:40.000000Z"

        change = {"bot_name": "Updated", "custom_metadata": None}
        body = (await ask(fake, "PATCH", f"/bot/{late.bot_id}", json=change)).json
        assert (body["bot_name"], body["custom_metadata"]) == ("Updated", {})
        assert body["status"] == "scheduled"
        assert fake.row(late.bot_id).scheduled_for == datetime.fromtimestamp(LATER + 60, UTC)

        now = {"scheduled_start_time": None}
        body = (await ask(fake, "PATCH", f"/bot/{late.bot_id}", json=now)).json
        assert (body["status"], body["scheduled_for"]) == ("booting", None)
        again = await ask(fake, "PATCH", f"/bot/{late.bot_id}", json={"bot_name": "x"})
        assert again.status == 400


async def test_a_start_may_be_written_as_the_clients_types_have_it(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, scheduled_for="2030-03-17T18:46:40+01:00")
        assert row.scheduled_for == datetime.fromtimestamp(LATER, UTC)
        path = f"/bot/{row.bot_id}"
        later = (await ask(fake, "PATCH", path, json={"scheduled_start_time": LATER + 1})).json
        assert later["scheduled_for"] == "2030-03-17T17:46:41.000000Z"
        wrong = await ask(fake, "POST", "/bot", json=create_request(scheduled_for="soon"))
        assert list(wrong.json["errors"]) == ["scheduled_for"]


async def test_a_change_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, scheduled_start_time=LATER)
        reply = await ask(fake, "PATCH", f"/bot/{row.bot_id}", json={"service": "x"})
        assert reply.status == 422
        assert (await bot_of(fake, row))["service"] == "gmeet"


async def test_a_start_in_the_past_is_now(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, scheduled_start_time=1_700_000_000)
        assert (await bot_of(fake, row))["status"] == "booting"


async def test_stopping_is_said_to_the_bot_once(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        assert (await ask(fake, "POST", f"/bot/{row.bot_id}/stop")).status == 200
        assert [command for _, command in fake.commanded] == [Stop()]
        leave(fake, row)
        assert (await ask(fake, "POST", f"/bot/{row.bot_id}/stop")).status == 200
        assert len(fake.commanded) == 1


async def test_a_running_bot_is_not_deleted_one_that_has_ended_is(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        refused = await ask(fake, "DELETE", f"/bot/{row.bot_id}")
        assert refused.status == 400
        leave(fake, row)
        assert (await ask(fake, "DELETE", f"/bot/{row.bot_id}")).status == 200
        assert fake.row(row.bot_id).deleted_at is not None
        assert (await ask(fake, "GET", f"/bot/{row.bot_id}")).status == 404
        assert (await ask(fake, "DELETE", f"/bot/{row.bot_id}")).status == 404


async def test_a_scheduled_bot_that_is_deleted_never_sets_out(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake, scheduled_start_time=LATER)
        assert (await ask(fake, "DELETE", f"/bot/{row.bot_id}")).status == 200
        assert fake.row(row.bot_id).ended
        assert (await ask(fake, "GET", "/bot/scheduled")).json == []


async def test_a_bot_whose_data_was_deleted_elsewhere_still_has_a_status(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        play(fake, row)
        await fake.delete_data(fake.row(row.bot_id))
        body = await bot_of(fake, row)
        assert (body["status"], body["stop_reason"]) == ("finished", "meeting_ended")
        assert (body["transcript"], body["recording_url"]) == ([], None)


async def test_chat_is_sent_or_refused_and_never_falsely_sent(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        path = f"/bot/{row.bot_id}/chat-message"
        assert (await ask(fake, "POST", path, json={"message": "Hello"})).status == 200
        assert fake.commanded == [(row.bot_id, SendChat("Hello"))]
        bodies: list[Any] = [{}, {"message": ""}, {"message": 3}, {"content": "Hello"}, []]
        for body in bodies:
            assert (await ask(fake, "POST", path, json=body)).status == 422
        for trouble in (
            CapabilityMissing("teams", "send_chat"),
            CommandRefused("Not in the call."),
            CommandFailed("It did not work."),
        ):
            fake.refusing = trouble
            reply = await ask(fake, "POST", path, json={"message": "Hello"})
            assert (reply.status, reply.json) == (400, {"message": str(trouble)})
        assert len(fake.commanded) == 1


async def test_a_chat_message_stands_in_the_events(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        enter(fake, row)
        fake.happen(row, chat("Hi"))
        event = (await bot_of(fake, row))["events"][-1]
        assert event["event"] == "chat_message"
        assert event["data"] == {
            "id": "m1",
            "parent_id": None,
            "content": "Hi",
            "username": "John Doe",
        }


async def test_what_is_sold_elsewhere_is_free_or_not_to_be_had(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        row = await new_bot(fake)
        pricing = (await ask(fake, "GET", f"/bot/{row.bot_id}/pricing")).json
        assert pricing["total"] == {"rate_per_hour": 0.0, "amount": None}
        nothing = await ask(fake, "PUT", "/reserved-capacity", json={"count": 0})
        assert nothing.json == {"reserved": 0, "available": 0}
        for count in ({}, {"count": "many"}, {"count": -1}):
            assert (await ask(fake, "PUT", "/reserved-capacity", json=count)).status == 422


async def test_each_user_has_a_webhook_secret_and_can_renew_it(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        first = (await ask(fake, "GET", "/webhook-secret")).json["secret"]
        row = await new_bot(fake, webhook_url="https://example.com/hook")
        assert (await fake.targets(row))[0].secret == first
        renewed = (await ask(fake, "POST", "/webhook-secret")).json["secret"]
        assert renewed != first
        assert (await ask(fake, "GET", "/webhook-secret")).json["secret"] == renewed


async def test_a_secret_of_the_operators_cannot_be_renewed_by_a_user(tmp_path: Path) -> None:
    async with skribby(tmp_path, webhook_secret="operator") as fake:
        assert (await ask(fake, "GET", "/webhook-secret")).json == {"secret": "operator"}
        assert (await ask(fake, "POST", "/webhook-secret")).status == 403


async def test_a_link_nobody_knows_is_refused(tmp_path: Path) -> None:
    async with skribby(tmp_path) as fake:
        fake.platforms = lambda url: None
        reply = await fake.call("POST", "/bot", headers=BEARER, json=create_request())
        assert reply.status == 422
        assert list(reply.json["errors"]) == ["meeting_url"]
