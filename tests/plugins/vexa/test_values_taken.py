"""What the vendor's own schema takes is taken, and what its answers have is in ours."""

from __future__ import annotations

from typing import Any

import pytest

from meetcore.model.lifecycle import EndReason, State
from tests.plugins.vexa.life import ADMIN, MEET, PATH, VexaFake

AS_ADMIN = {"X-Admin-API-Key": ADMIN}


@pytest.mark.parametrize(
    "values",
    [
        {"transcribe_enabled": "true"},
        {"recording_enabled": 1},
        {"recording_enabled": 0.0},
        {"video": "Off"},
        {"automatic_leave": {"max_bot_time": 900000.0}},
        {"automatic_leave": {"max_bot_time": " 900000 "}},
    ],
)
async def test_a_value_that_the_vendor_reads_is_taken(
    values: dict[str, Any], vexa: VexaFake
) -> None:
    assert (await vexa.ask("POST", "/bots", {**MEET, **values}))[0] == 201
    order = await vexa.fake.order(vexa.fake.only)
    if "automatic_leave" in values:
        assert order.automatic_leave == {"max_duration_s": 900.0}


@pytest.mark.parametrize(
    "values",
    [
        {"transcribe_enabled": "maybe"},
        {"recording_enabled": 2},
        {"automatic_leave": {"max_bot_time": True}},
        {"automatic_leave": {"max_bot_time": 900.5}},
        {"automatic_leave": {"max_bot_time": "soon"}},
    ],
)
async def test_what_the_vendor_does_not_read_is_refused(
    values: dict[str, Any], vexa: VexaFake
) -> None:
    assert (await vexa.ask("POST", "/bots", {**MEET, **values}))[0] == 422


@pytest.mark.parametrize("turned", [False, True])
async def test_an_older_name_counts_where_the_newer_is_not_there(
    turned: bool, vexa: VexaFake
) -> None:
    pairs = [
        ("max_wait_for_admission", 60_000),
        ("waiting_room_timeout", 90_000),
        ("everyone_left_timeout", 30_000),
        ("max_time_left_alone", None),
    ]
    leave = dict(reversed(pairs) if turned else pairs)
    assert (await vexa.ask("POST", "/bots", {**MEET, "automatic_leave": leave}))[0] == 201
    order = await vexa.fake.order(vexa.fake.only)
    assert order.automatic_leave == {"waiting_room_s": 60.0, "everyone_left_s": 30.0}


async def new_user(vexa: VexaFake, **more: Any) -> dict[str, Any]:
    body = {"email": "a@example.com", **more}
    status, user = await vexa.ask("POST", "/admin/users", body, headers=AS_ADMIN)
    assert status == 201
    assert isinstance(user, dict)
    return user


@pytest.mark.parametrize(
    ("query", "body", "may_write"),
    [
        ("?scope=tx", None, False),
        ("?scopes=tx,browser", None, False),
        ("", {"scope": "tx"}, False),
        ("", None, True),
        ("?scope=bot", None, True),
        ("?scope=tx&scopes=bot,tx", None, True),
    ],
)
async def test_a_key_opens_what_was_asked_for_and_no_more(
    query: str, body: Any, may_write: bool, vexa: VexaFake
) -> None:
    user = await new_user(vexa, max_concurrent_bots="3")
    assert user["max_concurrent_bots"] == 3
    at = f"/admin/users/{user['id']}/tokens{query}"
    status, token = await vexa.ask("POST", at, body, headers=AS_ADMIN)
    assert status == 201
    sent = await vexa.ask("POST", "/bots", MEET, key=token["token"])
    assert sent[0] == (201 if may_write else 403)
    assert (await vexa.ask("GET", "/meetings", key=token["token"]))[0] == 200


@pytest.mark.parametrize("query", ["?scope=admin", "?scope=", "?scopes=", "?scopes=tx,all"])
async def test_a_scope_that_there_is_not_is_refused(query: str, vexa: VexaFake) -> None:
    user = await new_user(vexa)
    at = f"/admin/users/{user['id']}/tokens{query}"
    assert (await vexa.ask("POST", at, headers=AS_ADMIN))[0] == 422


async def test_a_user_is_shown_with_the_ids_of_their_keys_and_their_webhook(
    vexa: VexaFake,
) -> None:
    user = await new_user(vexa)
    at = f"/admin/users/{user['id']}"
    _, token = await vexa.ask("POST", f"{at}/tokens", headers=AS_ADMIN)
    data = {"data": {"webhook_url": "https://example.com/hook"}}
    assert (await vexa.ask("PATCH", at, data, headers=AS_ADMIN))[0] == 200
    _, shown = await vexa.ask("GET", at, headers=AS_ADMIN)
    assert shown["data"] == data["data"]
    assert [each["id"] for each in shown["api_tokens"]] == [token["id"]]
    assert token["token"] not in str(shown)
    await vexa.ask("DELETE", f"/admin/tokens/{token['id']}", headers=AS_ADMIN)
    assert (await vexa.ask("GET", at, headers=AS_ADMIN))[1]["api_tokens"] == []
    for refused, status in (
        ({"email": "b@example.com"}, 400),
        ({"email": "a@example.com"}, 200),
        ({"data": {"webhook_url": "http://10.0.0.1/"}}, 422),
        ({"data": {"plan": "gold"}}, 422),
        ({"data": []}, 422),
        ({"data": {"webhook_url": "https://example.org/"}, "max_concurrent_bots": -1}, 422),
    ):
        assert (await vexa.ask("PATCH", at, refused, headers=AS_ADMIN))[0] == status, refused
    _, shown = await vexa.ask("GET", at, headers=AS_ADMIN)
    assert shown["data"] == data["data"], "of what is refused nothing is kept"


async def test_recordings_of_one_meeting_can_be_asked_for(vexa: VexaFake) -> None:
    rows = [vexa.admit(await vexa.send_bot())]
    vexa.record(rows[0])
    vexa.end(rows[0])
    rows.append(vexa.admit(await vexa.send_bot()))
    vexa.record(rows[1])
    vexa.end(rows[1])
    for row in rows:
        _, found = await vexa.ask("GET", f"/recordings?meeting_id={row.number}")
        assert [each["meeting_id"] for each in found["recordings"]] == [row.number]
    assert (await vexa.ask("GET", "/recordings?meeting_id=999"))[1] == {"recordings": []}
    assert (await vexa.ask("GET", "/recordings?meeting_id=x"))[0] == 422


async def test_the_links_to_a_recording_have_both_names_and_say_how_long_they_last(
    vexa: VexaFake,
) -> None:
    row = vexa.admit(await vexa.send_bot())
    vexa.record(row)
    vexa.end(row)
    at = f"/recordings/{row.number}"
    _, master = await vexa.ask("GET", f"{at}/master?type=audio")
    _, link = await vexa.ask("GET", f"{at}/media/1/download")
    assert master["media_file_id"] == 1
    for shown in (master, link):
        assert shown["url"] == shown["download_url"]
        assert shown["url"].startswith("http://fake.test/v1/media/")
        assert (shown["expires_in"], shown["filename"]) == (3600, link["filename"])


async def test_in_e4_a_bot_that_is_leaving_cannot_be_stopped_again(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot())
    at = f"/bots/{PATH}?dialect=E4"
    assert (await vexa.ask("DELETE", at))[0] == 200
    vexa.fake.go(row, State.LEAVING, EndReason.STOP_REQUESTED)
    assert await vexa.ask("DELETE", at) == (404, {"detail": "No active meeting for this bot"})
