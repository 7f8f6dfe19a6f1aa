"""Assistants that come to a server over HTTP, with the SDK's own client and the server's keys."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from meetcore.gateway.records import Scope
from meetcore_server.assembly import Server
from tests.plugins.server.running import SHORT, STAY, http, serving

READ = frozenset({Scope.READ})
WRITE = frozenset({Scope.READ, Scope.WRITE})


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Server]:
    async with serving(folder, dialects=("mcp",), api_key="root-key") as server:
        yield server


@asynccontextmanager
async def assistant(server: Server, key: str, **options: Any) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as inner:
        transport = streamable_http_client(f"{server.url}/mcp", http_client=inner)
        async with Client(transport, **options) as client:
            yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    told = answer.structured_content
    assert told is not None
    return told["result"] if set(told) == {"result"} else told


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    return str(answer.content[0].text)  # type: ignore[union-attr]


async def until(client: Client, bot_id: str, *states: str) -> dict[str, Any]:
    with trio.fail_after(30):
        while True:
            bot: dict[str, Any] = await ask(client, "bot_state", bot_id=bot_id)
            if bot["state"] in states:
                return bot
            await trio.sleep(0.05)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_assistant_attends_a_meeting_over_http(tmp_path: Path, mode: str) -> None:
    async with opened(tmp_path) as server:
        _, key = await server.service.create_key(1, scopes=WRITE)
        async with assistant(server, key, mode=mode) as client:
            assert "screenshot" in {tool.name for tool in (await client.list_tools()).tools}
            bot = await ask(client, "join_meeting", url=SHORT, name="Minutes")
            said: list[str] = []
            after, ended = 0, False
            while not ended:
                told = await ask(client, "transcript", bot_id=bot["bot_id"], after=after, wait_s=20)
                said += [each["speaker"] for each in told["segments"]]
                after, ended = told["next_after"], told["ended"]
            assert set(said) == {"Ada", "Ben"}
            shown = await until(client, bot["bot_id"], "completed")
            assert (shown["name"], shown["reason"]) == ("Minutes", "meeting_ended")
            whole = await client.read_resource(f"meetcore://bots/{bot['bot_id']}/transcript")
            assert "good morning" in whole.contents[0].text  # type: ignore[union-attr]
            chat = await ask(client, "chat", bot_id=bot["bot_id"])
            assert [each["text"] for each in chat["messages"]] == ["hello"]


async def test_it_writes_sees_the_page_and_leaves_with_a_key_that_may(tmp_path: Path) -> None:
    async with opened(tmp_path) as server:
        _, key = await server.service.create_key(1, scopes=WRITE)
        async with assistant(server, key) as client:
            bot_id = (await ask(client, "join_meeting", url=STAY))["bot_id"]
            await until(client, bot_id, "recording")
            await ask(client, "send_chat", bot_id=bot_id, text="hello from outside")
            people = await ask(client, "participants", bot_id=bot_id)
            assert ("Ada", True) in [(each["name"], each["host"]) for each in people]
            (picture,) = (await client.call_tool("screenshot", {"bot_id": bot_id})).content
            assert base64.b64decode(picture.data).startswith(b"\xff\xd8")  # type: ignore[union-attr]
            assert "no passcode" in await refused(
                client, "join_meeting", url=STAY, passcode="secret"
            )
            await ask(client, "leave_meeting", bot_id=bot_id)
            assert (await until(client, bot_id, "completed"))["reason"] == "stop_requested"
            assert "ended" in await refused(client, "screenshot", bot_id=bot_id)


async def test_no_answer_is_stronger_than_the_key(tmp_path: Path) -> None:
    async with opened(tmp_path) as server:
        _, writer = await server.service.create_key(1, scopes=WRITE)
        row, reader = await server.service.create_key(1, scopes=READ)
        user, _ = await server.service.create_user("ada@example.org")
        _, other = await server.service.create_key(user.id, scopes=WRITE)
        async with assistant(server, writer) as client:
            bot_id = (await ask(client, "join_meeting", url=STAY))["bot_id"]
            await until(client, bot_id, "recording")
        async with assistant(server, reader) as client:
            assert [b["bot_id"] for b in await ask(client, "list_bots")] == [bot_id]
            await ask(client, "transcript", bot_id=bot_id)
            for tool, more in (
                ("join_meeting", {"url": STAY}),
                ("send_chat", {"bot_id": bot_id, "text": "evil"}),
                ("say", {"bot_id": bot_id, "text": "evil"}),
                ("leave_meeting", {"bot_id": bot_id}),
            ):
                assert "scope 'write'" in await refused(client, tool, **more)
        async with assistant(server, other) as client:
            assert await ask(client, "list_bots") == []
            for tool in ("bot_state", "transcript", "chat", "participants", "screenshot"):
                assert bot_id in await refused(client, tool, bot_id=bot_id)
        live = server.service.live.get(bot_id)
        assert live is not None
        assert live.row.state.value == "recording"
        assert not [line for line in live.history.chat if line.by_bot]
        async with assistant(server, reader) as client:
            await ask(client, "list_bots")
            await server.service.revoke_key(row.id)
            with pytest.raises(Exception, match=r"401|Unauthorized|key"):
                await ask(client, "list_bots")


async def test_without_a_key_and_beside_the_protocol_it_answers_as_http_has_it(
    tmp_path: Path,
) -> None:
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"accept": "application/json, text/event-stream"}
    async with opened(tmp_path) as server:
        async with http(server) as client:
            answer = await client.post("/mcp", json=question, headers=accept)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "key" in answer.json()["error"]["message"]
        async with http(server, "root-key") as client:
            answer = await client.post("/mcp", json=question, headers=accept)
            assert answer.status_code == 200
            names = {tool["name"] for tool in answer.json()["result"]["tools"]}
            assert {"join_meeting", "screenshot"} <= names
            for method in ("GET", "DELETE"):
                wrong = await client.request(method, "/mcp", headers=accept)
                assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
            bad = await client.post("/mcp", content=b"{", headers=accept)
            assert bad.status_code == 400
            away = await client.post("/mcp/elsewhere", json=question, headers=accept)
            assert away.status_code == 404
            root = json.dumps((await client.get("/v1/about")).json())
            assert "Model Context Protocol" in root
