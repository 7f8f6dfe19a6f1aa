"""Zoom's webhook at a real server: signed, and a bot goes to the stream."""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import evolve

import meetcore
from meetcore import Secret, State
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore_server.assembly import ServeOptions, open_server
from meetcore_zoom_rtms.testing import open_simulator
from meetcore_zoom_rtms.webhook import _older, signed_by
from meetcore_zoom_rtms.wire import StopReason
from tests.plugins.server.empty_tables import with_tables
from tests.plugins.server.running import http

TOKEN = "secret-token-of-the-app"
KEY = "key-for-the-webhooks-bots-which-is-long"


@asynccontextmanager
async def serving(folder, zoom=None, **options: Any):
    options = {"secret_token": TOKEN, "api_key": KEY, "transcriber": "none", **options}
    plugins = meetcore.Plugins(only=["files", "server", "zoom_rtms"])
    settings: dict[str, Any] = {"out_dir": folder / "bots", "sinks": []}
    if zoom is not None:
        given = zoom.options()
        settings["plugins"] = {
            "zoom_rtms": {
                "client_id": given.client_id,
                "client_secret": given.client_secret.reveal(),
                "hosts": ["127.0.0.1"],
            }
        }
    config = meetcore.load_config(None, settings, environ={})
    serve = ServeOptions(
        database=with_tables(folder / "server.db"),
        port=0,
        api_key=KEY,
        dialects={"zoom_rtms": options},
    )
    with trio.fail_after(60):
        async with (
            meetcore.open_fleet(
                config, plugins=plugins, launcher=InProcessLauncher(plugins), recover_first=False
            ) as fleet,
            open_server(fleet, serve) as server,
        ):
            yield server


def signed(server, message: dict[str, Any], *, token: str = TOKEN, age_s: float = 0.0):
    body = json.dumps(message).encode()
    stamp = str(int(server.service.now().timestamp() - age_s))
    return {
        "content": body,
        "headers": {
            "x-zm-request-timestamp": stamp,
            "x-zm-signature": signed_by(Secret(token), stamp, body),
        },
    }


async def test_a_stream_that_starts_gets_a_bot_once_and_its_meeting_is_attended(tmp_path):
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        for _ in range(2):  # Zoom sends it again that it heard no answer to
            answer = await client.post("/zoom_rtms/webhook", **signed(server, zoom.webhook()))
            assert answer.status_code == 200, answer.text
        await zoom.streaming()
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        zoom.join(7, "Ada")
        zoom.write(7, "Ada", "hello")
        zoom.end()
        while bot["state"] not in ("completed", "failed"):
            await trio.sleep(0.05)
            bot = (await client.get(f"/v1/bots/{bot['id']}")).json()
        people = (await client.get(f"/v1/bots/{bot['id']}/participants")).json()
    assert bot["reason"] == "meeting_ended"
    assert "Ada" in json.dumps(people)
    for secret in (zoom.stream_id, zoom.client_secret, TOKEN):
        for path in (tmp_path / "bots").rglob("*.jsonl"):
            assert secret not in path.read_text()


async def wait_until(server, client, bot_id: str, *states: str) -> dict[str, Any]:
    while True:
        bot: dict[str, Any] = (await client.get(f"/v1/bots/{bot_id}")).json()
        if bot["state"] in states:
            return bot
        await trio.sleep(0.05)


@pytest.mark.parametrize("event", ["meeting.rtms_started", "meeting.rtms_interrupted"])
async def test_a_stream_that_is_told_again_with_another_server_moves_its_bot_there(tmp_path, event):
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        first = zoom.webhook()
        await client.post("/zoom_rtms/webhook", **signed(server, first))
        await zoom.streaming()
        zoom.fail_over()
        again = zoom.webhook(event)
        for each in (again, again, first):  # Zoom says again what it heard no answer to
            answer = await client.post("/zoom_rtms/webhook", **signed(server, each))
            assert answer.status_code == 200, answer.text
        await zoom.streaming()
        zoom.end()
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        bot = await wait_until(server, client, bot["id"], "completed", "failed")
    assert bot["reason"] == "meeting_ended"
    assert zoom.handshakes == ["signalling", "media"] * 2


async def test_a_bot_that_the_failed_server_ended_is_followed_by_another(tmp_path):
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        first = zoom.webhook()
        await client.post("/zoom_rtms/webhook", **signed(server, first))
        await zoom.streaming()
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        zoom.end(StopReason.INSTANCE_INTERRUPTED)
        await wait_until(server, client, bot["id"], "completed", "failed")
        zoom.fail_over()
        again = zoom.webhook()
        for each in (first, again, again):
            answer = await client.post("/zoom_rtms/webhook", **signed(server, each))
            assert answer.status_code == 200, answer.text
        await zoom.streaming()
        assert len((await client.get("/v1/bots")).json()["bots"]) == 2
        zoom.end()


@pytest.mark.parametrize("state", [State.LEAVING, State.PROCESSING])
async def test_a_bot_that_is_on_its_way_out_is_followed_by_another(tmp_path, monkeypatch, state):
    """Its server failed, and another has the stream already."""
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        await client.post("/zoom_rtms/webhook", **signed(server, zoom.webhook()))
        await zoom.streaming()
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        zoom.end(StopReason.INSTANCE_INTERRUPTED)
        await wait_until(server, client, bot["id"], "completed", "failed")
        receiver = type(server.service)
        bots, create = receiver.bots, receiver.create

        async def on_its_way(service, client, query):
            rows = await bots(service, client, evolve(query, states=None))
            rows = [evolve(row, state=state) for row in rows]
            return [row for row in rows if query.states is None or row.state in query.states]

        async def replayed(service, client, order):
            row = await create(service, client, order)
            return evolve(row, state=state) if row.bot_id == bot["id"] else row

        monkeypatch.setattr(receiver, "bots", on_its_way)
        monkeypatch.setattr(receiver, "create", replayed)
        zoom.fail_over()
        answer = await client.post("/zoom_rtms/webhook", **signed(server, zoom.webhook()))
        assert answer.status_code == 200, answer.text
        monkeypatch.undo()
        await zoom.streaming()
        assert len((await client.get("/v1/bots")).json()["bots"]) == 2
        zoom.end()


async def test_what_is_told_late_moves_no_bot_back(tmp_path):
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        first = zoom.webhook()
        late = {**zoom.webhook("meeting.rtms_interrupted"), "event_ts": first["event_ts"] + 1}
        await client.post("/zoom_rtms/webhook", **signed(server, first))
        await zoom.streaming()
        zoom.fail_over()
        newest = {**zoom.webhook("meeting.rtms_interrupted"), "event_ts": first["event_ts"] + 2}
        for each in (newest, late, {**late, "event": "meeting.rtms_started"}):
            answer = await client.post("/zoom_rtms/webhook", **signed(server, each))
            assert answer.status_code == 200, answer.text
            await zoom.streaming()
        assert zoom.handshakes == ["signalling", "media"] * 2
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        steps = (tmp_path / "bots" / bot["id"]).rglob("*.jsonl")
        moves = [
            line for path in steps for line in path.read_text().splitlines() if "goes on at" in line
        ]
        assert len(moves) == 1
        zoom.end()


@pytest.mark.parametrize(
    ("told_at", "than", "older"),
    [
        ("9", "10", True),
        ("10", "9", False),
        ("10", "10", False),
        ("a", "10", False),
        ("1", None, False),
    ],
)
def test_which_webhook_is_older(told_at, than, older):
    assert _older(told_at, than) is older


async def test_a_bot_that_a_person_stopped_does_not_come_back(tmp_path):
    async with (
        open_simulator() as zoom,
        serving(tmp_path, zoom) as server,
        http(server, KEY) as client,
    ):
        await client.post("/zoom_rtms/webhook", **signed(server, zoom.webhook()))
        await zoom.streaming()
        (bot,) = (await client.get("/v1/bots")).json()["bots"]
        await client.post(f"/v1/bots/{bot['id']}/stop")
        await wait_until(server, client, bot["id"], "completed", "failed")
        for event in ("meeting.rtms_started", "meeting.rtms_interrupted"):
            answer = await client.post("/zoom_rtms/webhook", **signed(server, zoom.webhook(event)))
            assert answer.status_code == 200
        assert len((await client.get("/v1/bots")).json()["bots"]) == 1


async def test_an_interruption_that_says_not_where_changes_nothing(tmp_path):
    async with serving(tmp_path) as server, http(server, KEY) as client:
        message = {"event": "meeting.rtms_interrupted", "payload": {"meeting_uuid": "u"}}
        answer = await client.post("/zoom_rtms/webhook", **signed(server, message))
        assert answer.status_code == 200
        assert (await client.get("/v1/bots")).json()["bots"] == []


async def test_the_address_is_confirmed_as_zoom_asks(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        message = {"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}
        answer = await client.post("/zoom_rtms/webhook", **signed(server, message))
    wanted = hmac.new(TOKEN.encode(), b"abc", hashlib.sha256).hexdigest()
    assert answer.json() == {"plainToken": "abc", "encryptedToken": wanted}


@pytest.mark.parametrize("how", ["unsigned", "another token", "too old", "too new", "changed"])
async def test_what_zoom_did_not_sign_orders_nothing(tmp_path, how):
    async with serving(tmp_path) as server, http(server, KEY) as client:
        message = {
            "event": "meeting.rtms_started",
            "payload": {"meeting_uuid": "u", "rtms_stream_id": "s", "server_urls": "wss://zoom.us"},
        }
        request = signed(
            server,
            message,
            token="another" if how == "another token" else TOKEN,
            age_s={"too old": 400.0, "too new": -400.0}.get(how, 0.0),
        )
        if how == "unsigned":
            request["headers"] = {}
        if how == "changed":
            request["content"] += b" "
        answer = await client.post("/zoom_rtms/webhook", **request)
        assert answer.status_code == 401
        assert (await client.get("/v1/bots")).json()["bots"] == []


@pytest.mark.parametrize("message", [[], {"event": "meeting.rtms_started"}, {"event": None}])
async def test_a_signed_message_that_says_too_little(tmp_path, message):
    async with serving(tmp_path) as server, http(server, KEY) as client:
        answer = await client.post("/zoom_rtms/webhook", **signed(server, message))
    assert answer.status_code == (200 if message == {"event": None} else 400)


async def test_without_its_secret_there_is_no_webhook(tmp_path):
    async with serving(tmp_path, secret_token=None) as server, http(server) as client:
        assert (await client.post("/zoom_rtms/webhook", content=b"{}")).status_code == 404
