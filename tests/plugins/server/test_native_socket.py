"""The native WebSocket: many bots over one connection, from any point on, and commands."""

from __future__ import annotations

import json

import pytest
import trio
import trio_websocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.json_values import nested

from .running import SHORT, STAY, http, ordered, refused, said, say, serving, socket, until


async def events_of(connection, bot_id, until_state="completed"):
    events = []
    while True:
        message = await said(connection)
        if message.get("bot_id") != bot_id or "seq" not in message:
            continue
        events.append(message)
        if message["type"] == "state.changed" and message["data"]["state"] == until_state:
            return events


async def test_two_bots_are_followed_over_one_connection_without_a_gap(tmp_path):
    async with serving(tmp_path) as server, http(server) as client, socket(server) as connection:
        ids = [(await ordered(client, SHORT + str(n)))["id"] for n in range(2)]
        for bot_id in ids:
            await say(connection, type="subscribe", bot_id=bot_id, after=0)
        seqs = {bot_id: [] for bot_id in ids}
        drafts, ended = 0, 0
        while ended < 2:
            message = await said(connection)
            if "seq" in message:
                seqs[message["bot_id"]].append(message["seq"])
                ended += message["data"].get("state") == "completed"
            drafts += message["type"] == "segment.draft"
        for found in seqs.values():
            assert found == list(range(1, len(found) + 1))
        assert drafts > 0


async def test_following_begins_after_the_event_one_has_or_with_what_happens_now(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=bot["id"], after=12)
            answer = await said(connection)
            assert answer["type"] == "subscribed"
            events = await events_of(connection, bot["id"])
            assert [e["seq"] for e in events] == list(range(13, answer["last_seq"] + 1))
            await say(connection, type="subscribe", bot_id=bot["id"])
            assert (await said(connection))["type"] == "subscribed"
            await say(connection, type="ping")
            assert await said(connection) == {"type": "pong"}


async def test_a_connection_that_breaks_resumes_where_it_was(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await ordered(client)
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=bot["id"], after=0, drafts=False)
            first = await events_of(connection, bot["id"], "recording")
        async with socket(server) as connection:
            await say(
                connection, type="subscribe", bot_id=bot["id"], after=first[-1]["seq"], drafts=False
            )
            rest = await events_of(connection, bot["id"])
        seqs = [event["seq"] for event in first + rest]
        assert seqs == list(range(1, seqs[-1] + 1))


async def test_commands_over_the_socket_are_carried_out_and_answered(tmp_path):
    async with serving(tmp_path) as server, http(server) as client, socket(server) as connection:
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        for number, command in enumerate([{"type": "send_chat", "data": {"text": "hi"}},
                                          {"type": "fly"}, {"type": "stop"}]):  # fmt: skip
            await say(connection, type="command", id=number, bot_id=bot["id"], command=command)
        answers = [await said(connection) for _ in range(3)]
        assert [answer["ok"] for answer in answers] == [True, False, True]
        assert "fly" in answers[1]["error"]
        assert (await until(client, bot["id"], "completed"))["reason"] == "stop_requested"


async def test_a_read_only_token_sees_its_bots_and_can_do_nothing(tmp_path):
    async with serving(tmp_path, api_key="secret-key") as server, http(server, "secret-key") as c:
        bot, other = await ordered(c, STAY), await ordered(c, STAY)
        answer = await c.post("/v1/socket-tokens", json={"bot_ids": [bot["id"]]})
        token = answer.json()["token"]
        async with socket(server, f"/v1/ws?token={token}") as connection:
            await say(connection, type="subscribe", bot_id=other["id"], after=0)
            assert (await said(connection))["type"] == "error"
            command = {"type": "stop"}
            await say(connection, type="command", id=1, bot_id=bot["id"], command=command)
            assert (await said(connection))["error"].startswith("This connection may only read")
            await say(connection, type="subscribe", bot_id=bot["id"], after=0)
            assert (await said(connection))["type"] == "subscribed"
            assert (await said(connection))["type"] == "bot.requested"
        answer = await c.post("/v1/socket-tokens", json={"write": True, "expires_s": 60})
        async with socket(server, f"/v1/ws?token={answer.json()['token']}") as connection:
            await say(connection, type="command", id=2, bot_id=bot["id"], command={"type": "stop"})
            assert (await said(connection))["ok"] is True
        assert await refused(server, f"/v1/ws?token={token[:-3]}xyz") == 401


async def test_who_shows_no_key_may_say_it_first_and_nothing_else(tmp_path):
    async with serving(tmp_path, api_key="secret-key") as server:
        async with socket(server) as connection:
            await say(connection, type="authenticate", key="secret-key")
            assert await said(connection) == {"type": "authenticated"}
            await say(connection, type="ping")
            assert await said(connection) == {"type": "pong"}
        async with socket(server) as connection:
            await say(connection, type="ping")
            assert (await said(connection))["code"] == "unauthorized"
            with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                await connection.get_message()
            assert closed.value.reason.code == 4401


async def test_a_page_of_another_origin_is_kept_out_where_no_key_is_needed(tmp_path):
    async with serving(tmp_path) as server:
        assert await refused(server, "/v1/ws", origin="https://evil.example") == 403
        async with socket(server, origin=server.url) as connection:
            await say(connection, type="ping")
            assert await said(connection) == {"type": "pong"}


JSON = nested(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    st.text(max_size=6),
)
ASKED = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe", "command", "ping", "x"]) | JSON},
    optional={
        "bot_id": JSON,
        "after": JSON,
        "drafts": JSON,
        "id": JSON,
        "command": JSON | st.fixed_dictionaries({"type": JSON, "data": JSON}),
    },
)


FEW = 50


async def test_whatever_is_said_is_answered_and_the_connection_lives(tmp_path):
    said_so_far = []

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.lists(ASKED.map(json.dumps) | st.text(max_size=20), min_size=1, max_size=4))
    def collect(messages):
        said_so_far.append(messages)

    collect()
    async with serving(tmp_path) as server:
        for first in range(0, len(said_so_far), FEW):  # a connection may say 500 things at once
            async with socket(server) as connection:
                for messages in said_so_far[first : first + FEW]:
                    for message in messages:
                        await connection.send_message(message)
                    await say(connection, type="ping")
                    pinged = '"ping"' in str(messages)
                    for _ in range(len(messages) + 1):
                        if await said(connection) == {"type": "pong"} and not pinged:
                            break
        assert server.service.live.all() == []


async def test_a_subscriber_that_reads_nothing_is_parted_with_and_nobody_waits_for_it(tmp_path):
    async with serving(tmp_path) as server, http(server) as client:
        bot = await until(client, (await ordered(client))["id"], "completed")
        host, port = server.url.removeprefix("http://").split(":")
        stalled = await trio.open_tcp_stream(host, int(port))
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        await stalled.send_all(
            b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n" + key + b"\r\n"
        )
        assert b"101" in await stalled.receive_some(1000)
        async with socket(server) as connection:
            await say(connection, type="subscribe", bot_id=bot["id"], after=0)
            await events_of(connection, bot["id"])
        await stalled.aclose()
