"""REST: what a meeting's life looks like, and that anything sent gets a proper answer."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore import Capability, InterruptSpeech
from meetcore.gateway.records import BotRow, NotNow
from meetcore.model.commands import Speak
from meetcore.model.errors import CapabilityMissing, CommandFailed
from meetcore.model.events import SegmentFinalized
from meetcore.model.lifecycle import EndReason, State
from meetcore_vexa.routes_transcripts import SORTED_WITHIN
from tests.plugins.vexa.life import (
    ADMIN,
    KEY,
    MEET,
    PATH,
    VexaFake,
    content,
    open_vexa,
    segment,
)
from tests.plugins.vexa.test_socket import json_values

PLAN = {"meeting_url": "https://meet.google.com/abc-defg-hij", "scheduled_at": "2026-06-25T18:00Z"}
AS_ADMIN = {"X-Admin-API-Key": ADMIN}


async def test_a_second_bot_is_refused_until_the_first_leaves_or_in_e4_is_gone(
    vexa: VexaFake,
) -> None:
    row = vexa.admit(await vexa.send_bot())
    assert (await vexa.ask("POST", "/bots", MEET))[0] == 409
    vexa.fake.go(row, State.LEAVING, EndReason.STOP_REQUESTED)
    assert (await vexa.ask("POST", "/bots?dialect=E4", MEET))[0] == 409
    assert (await vexa.ask("POST", "/bots", MEET))[0] == 201
    assert (await vexa.ask("POST", "/bots", MEET))[0] == 409


async def test_times_have_a_zone_in_e4_only(vexa: VexaFake) -> None:
    row = vexa.end(vexa.admit(await vexa.send_bot()))
    for era, zoned in (("E1", False), ("E3", False), ("E4", True)):
        _, body = await vexa.ask("GET", f"/meetings/{row.number}?dialect={era}")
        written = [body[name] for name in ("start_time", "end_time", "created_at", "updated_at")]
        written += [transition["timestamp"] for transition in body["data"]["status_transition"]]
        assert {text.endswith("Z") for text in written} == {zoned}


async def test_the_history_of_a_status_is_kept(vexa: VexaFake) -> None:
    row = vexa.refuse(await vexa.send_bot())
    _, body = await vexa.ask("GET", f"/bots/id/{row.number}?dialect=E3")
    transitions = [
        (transition["from"], transition["to"]) for transition in body["data"]["status_transition"]
    ]
    assert transitions == [
        ("requested", "joining"),
        ("joining", "awaiting_admission"),
        ("awaiting_admission", "failed"),
    ]
    assert body["completion_reason"] == "awaiting_admission_rejected"
    assert body["failure_stage"] == "awaiting_admission"
    assert body["data"]["last_error"]["details"] == "host denied admission"
    _, listed = await vexa.ask("GET", "/meetings?dialect=E3")
    for name in ("status", "completion_reason", "failure_stage"):
        assert listed["meetings"][0][name] == body[name]


async def test_all_meetings_are_listed_unless_a_page_is_asked_for(vexa: VexaFake) -> None:
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for other in "abcdefghij":
            await vexa.send_bot(native_meeting_id=f"abc-defg-{letter}{other}x")
    _, body = await vexa.ask("GET", "/meetings")
    assert (len(body["meetings"]), body["has_more"]) == (260, False)
    _, page = await vexa.ask("GET", "/bots?dialect=E4")
    assert (len(page["meetings"]), page["has_more"]) == (50, True)
    _, tail = await vexa.ask("GET", "/meetings?limit=100&offset=250")
    assert [m["id"] for m in tail["meetings"]] == list(range(10, 0, -1))
    assert not tail["has_more"]
    _, none = await vexa.ask("GET", "/meetings?status=failed&platform=google_meet")
    assert none["meetings"] == []


async def test_a_transcript_is_in_the_order_it_was_spoken_with_the_newest_words(
    vexa: VexaFake,
) -> None:
    row = vexa.admit(await vexa.send_bot())
    vexa.say(row, "second", key="b", start_s=5.0, end_s=6.0)
    vexa.say(row, "frist", key="a", start_s=1.0, end_s=2.0)
    vexa.say(row, "  ", key="c", start_s=1.5, end_s=2.0)
    vexa.say(row, "first", key="a", revision=2, start_s=1.0, end_s=2.0)
    _, body = await vexa.ask("GET", f"/transcripts/{PATH}")
    assert [each["text"] for each in body["segments"]] == ["first", "second"]


async def test_a_long_transcript_is_sent_in_pieces(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot())
    count = SORTED_WITHIN + 50
    for number in range(count):
        said = segment("x" * 50, key=f"s-{number}", start_s=number, end_s=number + 0.5)
        vexa.fake.happen(row, SegmentFinalized(segment=said))
    reply = await vexa.fake.call("GET", f"/transcripts/{PATH}", headers={"X-API-Key": KEY})
    assert reply.stream is not None
    pieces = [piece async for piece in reply.stream]
    assert max(map(len, pieces)) < 1000
    starts = [each["start"] for each in json.loads(b"".join(pieces))["segments"]]
    assert starts == sorted(starts)
    assert len(starts) == count


async def test_a_run_is_picked_by_its_number_and_the_newest_is_the_default(
    vexa: VexaFake,
) -> None:
    first = vexa.end(vexa.admit(await vexa.send_bot()))
    second = await vexa.send_bot()
    _, body = await vexa.ask("GET", f"/transcripts/{PATH}")
    assert body["id"] == second.number
    _, body = await vexa.ask("GET", f"/transcripts/{PATH}?meeting_id={first.number}")
    assert body["id"] == first.number
    assert (await vexa.ask("GET", f"/transcripts/{PATH}?meeting_id=99"))[0] == 404
    assert (await vexa.ask("GET", f"/transcripts/{PATH}?meeting_id=one"))[0] == 422


async def test_a_deleted_meeting_is_gone_and_nameless(vexa: VexaFake) -> None:
    row = vexa.end(vexa.admit(await vexa.send_bot()))
    await vexa.ask("PATCH", f"/meetings/{PATH}", {"data": {"name": "Weekly"}})
    assert (await vexa.ask("DELETE", f"/meetings/{PATH}"))[0] == 200
    assert (await vexa.ask("DELETE", f"/meetings/{PATH}"))[0] == 404
    assert (await vexa.ask("GET", f"/transcripts/{PATH}"))[0] == 404
    _, body = await vexa.ask("GET", f"/meetings/{row.number}")
    assert (body["native_meeting_id"], body["constructed_meeting_url"]) == (None, None)
    assert (body["data"], body["status"]) == ({}, "completed")


async def test_a_meeting_that_is_just_closing_its_files_is_deleted_in_a_moment(
    vexa: VexaFake, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    vexa.end(vexa.admit(await vexa.send_bot()))
    refusals, delete_data = [1, 2, 3], vexa.fake.delete_data

    async def delete_data_later(row: BotRow) -> int:
        if refusals:
            refusals.pop()
            raise NotNow(State.COMPLETED, "The bot is closing its files.")
        return await delete_data(row)

    monkeypatch.setattr(vexa.fake, "delete_data", delete_data_later)
    assert (await vexa.ask("DELETE", f"/meetings/{PATH}"))[0] == 200
    refusals.extend(range(1000))
    vexa.end(vexa.admit(await vexa.send_bot()))
    began = trio.current_time()
    assert (await vexa.ask("DELETE", f"/meetings/{PATH}"))[0] == 409
    assert trio.current_time() - began < 10


async def test_a_shared_transcript_is_read_without_a_key_until_it_expires(
    vexa: VexaFake,
) -> None:
    row = vexa.admit(await vexa.send_bot())
    vexa.say(row, "hello", who="Ada")
    vexa.say(row, "hm", who=None, key="u-1")
    _, shared = await vexa.ask("POST", f"/transcripts/{PATH}/share?ttl_seconds=60")
    assert shared["url"].startswith("http://fake.test/vexa/public/transcripts/")
    path = shared["url"].removeprefix("http://fake.test/vexa")
    status, text = await vexa.ask("GET", path, key=None)
    assert (status, b"Ada: hello" in text, b"Unknown: hm" in text) == (200, True, True)
    vexa.fake.pass_time(61)
    assert (await vexa.ask("GET", path, key=None))[0] == 404
    assert (await vexa.ask("GET", "/public/transcripts/guessed.txt", key=None))[0] == 404
    _, e4 = await vexa.ask("POST", f"/transcripts/{PATH}/share?dialect=E4")
    assert sorted(e4) == ["expires_at", "id", "mode", "token"]


async def test_a_recording_is_listed_and_sent(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot("E3"))
    assert (await vexa.ask("GET", f"/recordings/{row.number}"))[0] == 404
    vexa.record(row)
    vexa.end(row)
    _, body = await vexa.ask("GET", "/recordings")
    (recording,) = body["recordings"]
    assert (recording["id"], recording["status"]) == (row.number, "completed")
    (media,) = recording["media_files"]
    assert (media["type"], media["format"], media["file_size_bytes"]) == ("audio", "opus", 14)
    at = f"/recordings/{row.number}"
    assert (await vexa.ask("GET", at))[1] == recording
    raw = await vexa.ask("GET", f"{at}/media/1/raw")
    assert raw == (200, b"OggS and so on")
    _, link = await vexa.ask("GET", f"{at}/media/1/download?dialect=E3")
    assert link["download_url"].startswith("http://fake.test/v1/media/")
    assert link["filename"].endswith(".opus")
    assert await vexa.ask("GET", f"{at}/media/1/download?dialect=E4") == raw
    _, master = await vexa.ask("GET", f"{at}/master?type=audio")
    assert master["raw_url"] == f"{at}/media/1/raw"
    assert (await vexa.ask("GET", f"{at}/master?type=video"))[0] == 404
    assert (await vexa.ask("GET", f"{at}/media/2/raw"))[0] == 404
    _, transcript = await vexa.ask("GET", f"/transcripts/{PATH}?dialect=E3")
    assert transcript["recordings"] == [recording]


async def test_what_was_not_to_be_recorded_is_shown_nowhere(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot("E3", recording_enabled=False))
    vexa.record(row)
    assert (await vexa.ask("GET", "/recordings"))[1] == {"recordings": []}
    assert (await vexa.ask("GET", f"/recordings/{row.number}/media/1/raw"))[0] == 404


async def test_a_plan_is_made_moved_and_dropped(vexa: VexaFake) -> None:
    status, plan = await vexa.ask("POST", "/meetings?dialect=E4", {**PLAN, "title": "Weekly"})
    assert (status, plan["status"], plan["data"]["name"]) == (201, "scheduled", "Weekly")
    assert plan["scheduled_at"] == "2026-06-25T18:00:00.000000Z"
    assert (await vexa.ask("POST", "/meetings?dialect=E4", PLAN))[0] == 409
    at = f"/meetings/{plan['id']}"
    change = {"scheduled_at": "2026-06-26T18:00:00+02:00", "title": "Later"}
    _, moved = await vexa.ask("PATCH", f"{at}?dialect=E4", change)
    assert (moved["scheduled_at"], moved["data"]["name"]) == (
        "2026-06-26T16:00:00.000000Z",
        "Later",
    )
    assert (await vexa.ask("GET", "/meetings?exclude_planned=true"))[1]["meetings"] == []
    assert (await vexa.ask("DELETE", at))[0] == 204
    assert (await vexa.ask("PATCH", at, {"title": "Too late"}))[0] == 409
    for lacking in ({}, {"title": "x"}, {**PLAN, "auto_join": False}, {**PLAN, "scheduled_at": 7}):
        assert (await vexa.ask("POST", "/meetings", lacking))[0] == 422


async def test_a_bot_on_its_way_cannot_be_planned_any_more(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    assert (await vexa.ask("PATCH", f"/meetings/{row.number}", {"title": "x"}))[0] == 409
    assert (await vexa.ask("DELETE", f"/meetings/{row.number}"))[0] == 409


async def test_what_a_platform_cannot_do_is_never_said_to_be_done(vexa: VexaFake) -> None:
    vexa.admit(await vexa.send_bot())
    vexa.fake.refusing = CapabilityMissing("meet", "speak")
    pcm = {"audio_base64": "AAAA", "format": "pcm"}
    status, body = await vexa.ask("POST", f"/bots/{PATH}/speak", pcm)
    assert (status, "cannot speak" in body["detail"]) == (404, True)
    vexa.fake.refusing = CommandFailed("The chat did not open.")
    assert (await vexa.ask("POST", f"/bots/{PATH}/chat", {"text": "x"}))[0] == 503
    vexa.fake.refusing = None
    assert (await vexa.ask("PUT", f"/bots/{PATH}/config", {"language": "fr"}))[0] == 404
    assert (await vexa.ask("POST", f"/bots/{PATH}/speak", pcm))[0] == 202
    assert vexa.fake.commanded[-1][1] == Speak(b"\0\0", 24_000)
    commanded = len(vexa.fake.commanded)
    assert (await vexa.ask("DELETE", f"/bots/{PATH}/speak"))[0] == 202
    assert len(vexa.fake.commanded) == commanded  # a platform that cannot speak is silent
    vexa.fake.abilities |= {Capability.SPEAK}
    assert (await vexa.ask("DELETE", f"/bots/{PATH}/speak"))[0] == 202
    assert vexa.fake.commanded[-1][1] == InterruptSpeech()


@pytest.mark.parametrize(
    "wrong",
    [
        {"platform": "skype"},
        {"platform": 7},
        {"native_meeting_id": None},
        {"native_meeting_id": "ABC-DEFG-HIJ"},
        {"language": "klingon"},
        {"task": "translate"},
        {"task": "sing"},
        {"passcode": "12345678"},
        {"automatic_leave": {"never": 1}},
        {"automatic_leave": {"max_bot_time": -1}},
        {"automatic_leave": []},
        {"bot_name": ["Notes"]},
        {"recording_enabled": "perhaps"},
        {"transcription_tier": "gold"},
        {"video": "perhaps"},
        {"default_avatar_url": "file:///etc/passwd"},
        {"meeting_url": "not a link"},
        {"meeting_url": "https://example.com/meeting"},
        {"meeting_url": "https://zoom.us/j/98765432101"},
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_by_field(
    wrong: dict[str, Any], vexa: VexaFake
) -> None:
    status, body = await vexa.ask("POST", "/bots", {**MEET, **wrong})
    assert status == 422
    if isinstance(body["detail"], list):
        assert {"loc", "msg", "type"} <= body["detail"][0].keys()
        assert body["detail"][0]["loc"][1] in wrong


async def test_what_leads_nowhere_is_answered_as_fastapi_does(vexa: VexaFake) -> None:
    assert await vexa.ask("GET", "/workspaces") == (404, {"detail": "Not Found"})
    assert await vexa.ask("PUT", "/bots") == (405, {"detail": "Method Not Allowed"})
    reply = await vexa.fake.call("POST", "/bots", body=b"{", headers={"X-API-Key": KEY})
    assert (reply.status, (await content(reply))["detail"][0]["loc"]) == (422, ["body"])


async def _transcribed(vexa: VexaFake, row: Any, *said: Any, error: str | None = None) -> None:
    await trio.sleep(0.1)  # it was asked for by then: the clock jumps when nothing else is to do
    await vexa.fake.transcribed(row, said, error=error)


async def test_a_recording_without_a_transcript_is_transcribed_afterwards(
    vexa: VexaFake, autojump_clock: trio.testing.MockClock
) -> None:
    row = await vexa.send_bot("E3", transcribe_enabled=False)
    at = f"/meetings/{row.number}/transcribe?dialect=E3"
    assert (await vexa.ask("POST", at))[0] == 400
    vexa.admit(row)
    vexa.record(row)
    vexa.end(row)
    assert (await vexa.ask("POST", at, {"language": "klingon"}))[0] == 422
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_transcribed, vexa, row, segment("Said afterwards."))
        status, body = await vexa.ask("POST", at, {"language": "en"})
    assert (status, body["meeting_id"], body["segment_count"]) == (200, row.number, 1)
    assert vexa.fake.asked_again[0][1].language == "en"
    _, transcript = await vexa.ask("GET", f"/transcripts/{PATH}?dialect=E3")
    assert [each["text"] for each in transcript["segments"]] == ["Said afterwards."]
    assert transcript["segments"][0]["absolute_start_time"]
    again, refusal = await vexa.ask("POST", at)
    assert (again, refusal["detail"]) == (409, "This meeting is already transcribed (1 segments)")


async def test_a_transcription_afterwards_that_fails_or_takes_long_says_so(
    vexa: VexaFake, autojump_clock: trio.testing.MockClock
) -> None:
    row = await vexa.send_bot("E3", transcribe_enabled=False)
    at = f"/meetings/{row.number}/transcribe?dialect=E3"
    vexa.admit(row)
    vexa.end(row)
    assert (await vexa.ask("POST", at))[0] == 404, "nothing was recorded"
    vexa.record(row)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(_transcribed, vexa, row, error="no credit"))
        status, body = await vexa.ask("POST", at)
    assert (status, "no credit" in body["detail"]) == (502, True)
    status, body = await vexa.ask("POST", at)
    assert (status, body["segment_count"]) == (202, 0)
    asked = len(vexa.fake.asked_again)
    assert (await vexa.ask("POST", at))[0] == 202, "it joins in the wait for the one that is made"
    assert len(vexa.fake.asked_again) == asked


async def test_a_meeting_that_was_transcribed_live_is_not_transcribed_again(vexa: VexaFake) -> None:
    row = await vexa.send_bot("E3")
    vexa.admit(row)
    vexa.say(row, "Hello.")
    vexa.record(row)
    vexa.end(row)
    assert (await vexa.ask("POST", f"/meetings/{row.number}/transcribe"))[0] == 409
    assert vexa.fake.asked_again == []


async def test_admins_make_users_and_tokens_that_work(vexa: VexaFake) -> None:
    new = {"email": "a@example.com", "max_concurrent_bots": 1}
    status, user = await vexa.ask("POST", "/admin/users", new, headers=AS_ADMIN)
    again, same = await vexa.ask("POST", "/admin/users", new, headers=AS_ADMIN)
    assert (status, again, user) == (201, 200, same)
    at = f"/admin/users/{user['id']}"
    status, token = await vexa.ask("POST", f"{at}/tokens", headers=AS_ADMIN)
    assert token["token"].startswith("vxa_bot_")
    assert (await vexa.ask("POST", "/bots", MEET, key=token["token"]))[0] == 201
    _, me = await vexa.ask("GET", "/auth/me", key=token["token"])
    assert (me["user_id"], me["email"], me["max_concurrent"]) == (user["id"], new["email"], 1)
    scopes = f"{at}/tokens?scopes=tx&expires_in=60&dialect=E4"
    _, reader = await vexa.ask("POST", scopes, headers=AS_ADMIN)
    assert (reader["token"][:7], reader["scopes"]) == ("vxa_tx_", ["tx"])
    assert (await vexa.ask("POST", "/bots", MEET, key=reader["token"]))[0] == 403
    assert (await vexa.ask("GET", "/meetings", key=reader["token"]))[0] == 200
    gone = await vexa.ask("DELETE", f"/admin/tokens/{reader['id']}", headers=AS_ADMIN)
    assert gone == (204, None)
    assert (await vexa.ask("GET", "/meetings", key=reader["token"]))[0] == 401
    twice = await vexa.ask("DELETE", f"/admin/tokens/{reader['id']}", headers=AS_ADMIN)
    assert twice[0] == 404
    change = {"name": "A", "max_concurrent_bots": 3}
    _, changed = await vexa.ask("PATCH", at, change, headers=AS_ADMIN)
    assert (changed["name"], changed["max_concurrent_bots"]) == ("A", 3)
    _, found = await vexa.ask("GET", "/admin/users/email/a@example.com", headers=AS_ADMIN)
    assert found == changed
    assert (await vexa.ask("GET", "/admin/users/99", headers=AS_ADMIN))[0] == 404


async def test_a_user_sees_their_own_meetings_only(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    stranger, _ = await vexa.fake.create_user("b@example.com")
    vexa.fake.new_key("theirs", user_id=stranger.id)
    for path in (f"/transcripts/{PATH}", f"/meetings/{row.number}", f"/bots/{PATH}/chat"):
        assert (await vexa.ask("GET", path, key="theirs"))[0] == 404
    assert (await vexa.ask("GET", "/meetings", key="theirs"))[1]["meetings"] == []


async def test_the_configured_era_is_everybodys_who_chose_none(tmp_path: Path) -> None:
    async with open_vexa(tmp_path) as vexa:
        vexa.fake.options["vexa"] = {"dialect": "e4"}
        vexa.fake.mounts.clear()
        import meetcore_vexa.plugin

        vexa.fake.load(meetcore_vexa.plugin)
        assert (await vexa.ask("GET", "/user/dialect"))[1] == {"dialect": "E4"}
        assert (await vexa.ask("GET", "/meetings?dialect=E9"))[0] == 422


# --- anything ---------------------------------------------------------------------------

paths = st.sampled_from(
    [
        "/bots", "/bots/status", f"/bots/{PATH}", f"/bots/{PATH}/config", f"/bots/{PATH}/speak",
        f"/bots/{PATH}/chat", f"/bots/{PATH}/screen", f"/bots/{PATH}/avatar", "/meetings",
        "/meetings/1", f"/meetings/{PATH}", "/meetings/1/transcribe", f"/transcripts/{PATH}",
        f"/transcripts/{PATH}/share", "/recordings", "/recordings/1", "/recordings/1/media/1/raw",
        "/recordings/1/master", "/user/webhook", "/user/dialect", "/auth/me", "/recording-config",
        "/admin/users", "/admin/users/1", "/admin/users/1/tokens", "/admin/tokens/1",
    ]
)  # fmt: skip
NAMES = """
    platform native_meeting_id meeting_url passcode bot_name language task automatic_leave data text
    audio_base64 format sample_rate type url image_base64 webhook_url webhook_secret webhook_events
    dialect email max_concurrent_bots scopes expires_in title scheduled_at auto_join enabled
    capture_modes name
"""
field_names = st.sampled_from(NAMES.split())
plausible = st.sampled_from(
    ["google_meet", "abc-defg-hij", "https://meet.google.com/abc-defg-hij", "en", "AAAA", "pcm",
     "2026-06-25T18:00:00Z", "0001-01-01T00:00:00+23:59", "image", "E4", "a@b.c", 0, 1, -1, 2**70]
)  # fmt: skip
bodies = st.one_of(
    json_values, st.dictionaries(field_names, st.one_of(plausible, json_values), max_size=6)
)
queries = st.sampled_from(
    ["", "?dialect=E4", "?dialect=", "?limit=-1", "?limit=9" + "9" * 30, "?offset=x",
     "?meeting_id=", "?meeting_id=1", "?ttl_seconds=0", "?status=%00", "?skip=1&limit=2",
     "?scopes=bot,,sing"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=paths,
    query=queries,
    body=bodies,
    active=st.booleans(),
)
def test_anything_gets_an_answer_of_the_vendors_shape(
    method: str, path: str, query: str, body: Any, active: bool
) -> None:
    async def main(folder: Path) -> None:
        async with open_vexa(folder) as vexa:
            row = await vexa.send_bot()
            row = vexa.admit(row) if active else vexa.refuse(row)
            status, answer = await vexa.ask(method, path + query, body, headers=AS_ADMIN)
            assert 200 <= status < 500 or status == 503
            if status >= 400:
                assert list(answer) == ["detail"]

    with TemporaryDirectory() as folder:
        trio.run(main, Path(folder))


async def test_a_native_row_is_no_vexa_meeting(vexa: VexaFake) -> None:
    row = await vexa.send_bot()
    order = evolve(await vexa.fake.order(row), dialect="native", exclusive=None)
    client = await vexa.fake.authenticate(KEY)
    assert client is not None
    other = await vexa.fake.create(client, order)
    assert (await vexa.ask("GET", f"/meetings/{other.number}"))[0] == 404
    _, body = await vexa.ask("GET", "/meetings")
    assert [meeting["id"] for meeting in body["meetings"]] == [row.number]
