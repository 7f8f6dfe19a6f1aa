"""Every example of what Vexa's clients send is accepted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from meetcore.model.commands import SendChat, ShowImage
from meetcore.testing.fake_service import FakeSocket
from tests.plugins.vexa.life import ADMIN, PATH, PICTURE, VECTORS, VexaFake

RECEIVED = {name: v for name, v in VECTORS.items() if v["direction"] == "client->server"}
Check = Callable[[VexaFake, int, Any], Awaitable[None]]

ACTIVE_BEFORE = {
    "delete_bots.request", "put_config.request", "get_transcript.request", "patch_meeting.request",
    "post_speak.request", "post_chat.request", "post_screen.request", "put_avatar.request",
}  # fmt: skip

STATUS = {
    "post_bots.request.meet": 201,
    "post_bots.request.teams": 201,
    "post_bots.request.url_only": 201,
    "delete_bots.request": 202,
    "put_config.request": 202,
    "get_transcript.request": 200,
    "patch_meeting.request": 200,
    "put_user_webhook.request": 200,
    "post_admin_users.request": 201,
    "post_chat.request": 202,
    "post_speak.request": 202,
    "post_screen.request": 202,
    "put_avatar.request": 202,
}


@pytest.mark.parametrize("name", STATUS)
async def test_what_clients_send_is_accepted(name: str, vexa: VexaFake) -> None:
    example = RECEIVED[name]["example"]
    if name in ACTIVE_BEFORE:
        vexa.admit(await vexa.send_bot(language="es"))
    if url := example.get("body", {}).get("url"):
        vexa.fake.web[url] = PICTURE
    query = {**example.get("query", {}), "dialect": "E3"}
    if name in ("delete_bots.request", "put_config.request"):
        query["dialect"] = "E1"
    if "meeting_id" in query:
        query["meeting_id"] = vexa.fake.only.number
    path = f"{example['path']}?" + "&".join(f"{key}={value}" for key, value in query.items())
    status, body = await vexa.ask(
        example["method"], path, example.get("body", ...), key=None, headers=example["headers"]
    )
    assert status == STATUS[name], body
    assert isinstance(body, dict)


def test_every_example_of_what_clients_send_is_tried() -> None:
    sockets = {name for name in RECEIVED if name.startswith("ws.")}
    assert RECEIVED.keys() == STATUS.keys() | sockets | {"client.vexa_client.url_prefix_dropped"}


async def test_vexa_clients_calls_arrive_where_the_plugin_is_mounted_at_the_root(
    vexa: VexaFake,
) -> None:
    example = RECEIVED["client.vexa_client.url_prefix_dropped"]["example"]
    templates = {(r.method, r.template) for r in vexa.fake.mounts["vexa"].routes}
    assert (example["method"], example["path"]) in templates


async def test_a_socket_takes_its_key_from_the_header_or_from_the_query(vexa: VexaFake) -> None:
    example = RECEIVED["ws.connect"]["example"]
    vexa.fake.new_key("KEY")
    path = "/" + example["url"].rpartition("/")[2]
    for opened in (
        await vexa.fake.connect(path),
        await vexa.fake.connect("/ws", headers=example["headers"]),
    ):
        assert isinstance(opened, FakeSocket)
        assert await vexa.heard(opened, {"action": "ping"}) == [{"type": "pong"}]


@pytest.mark.parametrize(
    ("name", "answer"),
    [("ws.subscribe", "subscribed"), ("ws.unsubscribe", "unsubscribed"), ("ws.ping", "pong")],
)
async def test_what_clients_say_over_the_socket_is_accepted(
    name: str, answer: str, vexa: VexaFake
) -> None:
    await vexa.send_bot()
    socket = await (vexa.subscribed() if name == "ws.unsubscribe" else vexa.socket())
    frames = await vexa.heard(socket, RECEIVED[name]["example"])
    assert frames[0]["type"] == answer


async def test_what_a_client_wishes_reaches_the_bot(vexa: VexaFake) -> None:
    await vexa.ask("POST", "/bots", RECEIVED["post_bots.request.teams"]["example"]["body"])
    order = await vexa.fake.order(vexa.fake.only)
    assert order.url == "https://teams.live.com/meet/9387167464734?p=qxJanYOcdjN4d6UlGa"
    body = RECEIVED["post_bots.request.url_only"]["example"]["body"]
    status, answer = await vexa.ask("POST", "/bots?dialect=E4", body)
    assert (status, answer["platform"], answer["native_meeting_id"]) == (201, "zoom", "98765432101")
    assert answer["constructed_meeting_url"] == "https://zoom.us/j/98765432101"
    order = await vexa.fake.order(vexa.fake.only)
    assert order.url == body["meeting_url"]
    assert order.automatic_leave == {"waiting_room_s": 600.0, "everyone_left_s": 120.0}
    assert (order.name, order.transcriber) == ("Notes", "default")


async def test_chat_and_pictures_reach_the_bot(vexa: VexaFake) -> None:
    row = vexa.admit(await vexa.send_bot())
    example = RECEIVED["post_chat.request"]["example"]
    await vexa.ask(example["method"], example["path"], example["body"])
    png = "data:image/png;base64,iVBORw0KGgo="
    status, _ = await vexa.ask("PUT", f"/bots/{PATH}/avatar", {"image_base64": png})
    assert status == 202
    assert [command for _, command in vexa.fake.commanded] == [
        SendChat("Summary"),
        ShowImage(b"\x89PNG\r\n\x1a\n", "image/png"),
    ]
    assert row.bot_id == vexa.fake.commanded[0][0]


async def test_an_ordinary_key_is_no_admins(vexa: VexaFake) -> None:
    for headers in ({}, {"X-Admin-API-Key": "vxa_bot_example"}):
        status, body = await vexa.ask("GET", "/admin/users", headers=headers)
        assert (status, list(body)) == (403, ["detail"])
    status, body = await vexa.ask("GET", "/admin/users", headers={"X-Admin-API-Key": ADMIN})
    assert (status, body[0]["email"]) == (200, "operator@localhost")
