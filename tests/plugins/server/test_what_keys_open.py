"""What an answer holds is no stronger than the key that asked, and ends with it, in every dialect.

The routes and sockets are taken from the mounts and from the description of the native API, so a
new one is covered without a word here.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio
import trio_websocket

from meetcore.gateway.records import Scope
from meetcore.model.lifecycle import State
from meetcore_server.assembly import Server
from tests.plugins.server.running import STAY, http, ordered, said, say, serving, socket, until

DIALECTS = ("vexa", "skribby", "meetstream", "spoke")
READ = frozenset({Scope.READ})
WRITE = frozenset({Scope.READ, Scope.WRITE})

_URL = re.compile(r'(?:https?|wss?)://127\.0\.0\.1[^"\s\\]*')
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")


def headers_of(key: str) -> dict[str, str]:
    """The key, wherever a mount may look for it; MeetStream's scheme is its own."""
    return {
        "x-api-key": key,
        "x-spoke-api-key": key,
        "x-admin-api-key": key,
        "authorization": f"Bearer {key}",
    }


@asynccontextmanager
async def everywhere(folder: Path) -> AsyncIterator[tuple[Server, str, dict[str, Any]]]:
    """A server with a bot that records, ordered with a key that may write, in every dialect."""
    link = {"meeting_url": STAY}
    orders: list[tuple[str, str, dict[str, Any]]] = [
        ("native", "/v1/bots", link),
        ("vexa", "/vexa/bots", link),
        ("meetstream", "/meetstream/api/v1/bots/create_bot", {"meeting_link": STAY}),
        ("spoke", "/spoke/bots", {**link, "bot_name": "B", "recording_mode": "audio_only"}),
    ]
    async with serving(
        folder, dialects=DIALECTS, api_key="root-key", requests_per_s=None
    ) as server:
        _, key = await server.service.create_key(1, scopes=WRITE)
        made: dict[str, Any] = {}
        async with http(server) as client:
            for name, path, body in orders:
                how = headers_of(key)
                if name == "meetstream":
                    how["authorization"] = f"Token {key}"
                answer = await client.post(path, json=body, headers=how)
                made[name] = (answer.status_code, answer.text)
        yield server, key, made


def paths_of(server: Server, description: Any, rows: Any) -> list[tuple[str, str, str]]:
    """Every route that only reads, as (mount, method, path), for each bot there is."""
    found: set[tuple[str, str, str]] = set()
    for template, operations in description["paths"].items():
        if "get" in operations:
            for row in rows:
                path = template.replace("{bot_id}", row.bot_id)
                if "{" not in path and "stream" not in path:
                    found.add(("native", "GET", path))
    for mount in server.mounts.by_name.values():
        for route in mount.routes:
            if route.method != "GET" or "remove" in route.template:
                continue
            for row in rows:
                path = re.sub(r"\{platform\}", "google_meet", route.template)
                path = re.sub(r"\{(native_id|native_meeting_id)\}", row.native_id, path)
                path = re.sub(r"\{(meeting_id|recording_id|user_id)\}", str(row.number), path)
                path = re.sub(r"\{media_id\}", "1", path)
                path = re.sub(r"\{[a-z_.]+\}", row.bot_id, path)
                found.add((mount.name, "GET", f"/{mount.name}{path}"))
    return sorted(found)


@pytest.mark.long
async def test_what_a_key_that_may_only_read_is_told_cannot_be_used_to_write(
    tmp_path: Path,
) -> None:
    async with everywhere(tmp_path) as (server, _, made), http(server) as client:
        assert all(status in (200, 201) for status, _ in made.values()), made
        _, reader = await server.service.create_key(1, scopes=READ)
        rows = [live.row for live in server.service.live.all()]
        assert len({row.dialect for row in rows}) == len(made)
        for row in rows:
            with trio.fail_after(90):
                while server.service.live.get(row.bot_id).row.state is not State.RECORDING:  # noqa: ASYNC110
                    await trio.sleep(0.05)
        description = (await client.get("/openapi/openapi.json")).json()
        urls: set[str] = set()
        tokens: set[str] = set()
        answered: set[str] = set()
        for mount, method, path in paths_of(server, description, rows):
            how = headers_of(reader)
            if mount == "meetstream":
                how["authorization"] = f"Token {reader}"
            answer = await client.request(method, path, headers=how)
            assert answer.status_code < 500, (path, answer.text)
            if answer.status_code == 200:
                answered.add(mount)
                urls |= set(_URL.findall(answer.text))
                tokens |= set(_TOKEN.findall(answer.text))
        made_token = await client.post("/v1/socket-tokens", json={}, headers=headers_of(reader))
        urls.add(made_token.json()["url"])
        tokens.add(made_token.json()["token"])
        for row in rows:
            path = f"/v1/bots/{row.bot_id}/look-in"
            hands = await client.post(path, json={"take_over": True}, headers=headers_of(reader))
            assert hands.status_code == 403
            look = (await client.post(path, json={}, headers=headers_of(reader))).json()
            urls.add(f"{look['url']}?token={look['token']}")
            urls.add(look["page_url"])
            tokens.add(look["token"])
        assert answered == {"native", *DIALECTS}
        assert any(url.startswith("ws") and "/skribby/" in url for url in urls)
        for url in urls:
            await _attack(server, client, url, tokens, rows)
        for row in rows:
            now = server.service.live.get(row.bot_id)
            assert now is not None
            assert now.row.state is State.RECORDING
            assert not [line for line in now.history.chat if line.by_bot], row.dialect
            page: Any = now.running.bot.call.page
            assert (page.inputs, page.acting) == ([], False)


async def _attack(
    server: Server, client: httpx2.AsyncClient, url: str, tokens: set[str], rows: Any
) -> None:
    """Use an address for whatever it may be good for."""
    path = url.partition("127.0.0.1")[2].partition("/")[2]
    path = f"/{path}"
    if not url.startswith("ws"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = await client.request(method, path, json={})
            assert answer.status_code in (401, 403, 404, 405), (method, path)
        return
    addresses = [path] if "?" in path else [f"{path}?token={token}" for token in tokens]
    for address in addresses:
        try:
            async with socket(server, address) as connection:
                await say(connection, action="chat-message", data={"content": "evil"})
                await say(connection, action="stop")
                await say(connection, type="take_over")
                await say(connection, type="input", input={"kind": "text", "text": "evil"})
                for number, row in enumerate(rows):
                    for kind, data in (("send_chat", {"text": "evil"}), ("stop", {})):
                        command = {"type": kind, "data": data}
                        await say(
                            connection,
                            type="command",
                            id=number,
                            bot_id=row.bot_id,
                            command=command,
                        )
                with trio.move_on_after(0.3):
                    while True:
                        await connection.get_message()
        except* (trio_websocket.ConnectionRejected, trio_websocket.ConnectionClosed):
            pass  # it is good for nothing here


# --- sockets end with their key ------------------------------------------------------------------

Opening = Callable[[Server, str], Awaitable[tuple[str, dict[str, str]]]]


async def _native_header(server: Server, key: str) -> tuple[str, dict[str, str]]:
    await trio.lowlevel.checkpoint()
    return "/v1/ws", {"authorization": f"Bearer {key}"}


async def _native_token(server: Server, key: str) -> tuple[str, dict[str, str]]:
    async with http(server, key) as client:
        answer = await client.post("/v1/socket-tokens", json={"write": True, "expires_s": 3600})
    return f"/v1/ws?token={answer.json()['token']}", {}


async def _vexa(server: Server, key: str) -> tuple[str, dict[str, str]]:
    await trio.lowlevel.checkpoint()
    return f"/vexa/ws?api_key={key}", {}


async def _look_in(server: Server, key: str) -> tuple[str, dict[str, str]]:
    async with http(server, key) as client:
        bot = await ordered(client, STAY)
        await until(client, bot["id"], "recording")
        answer = await client.post(f"/v1/bots/{bot['id']}/look-in", json={})
    assert not answer.json()["take_over"]
    return f"/v1/look-in?token={answer.json()['token']}", {}


def _skribby(name: str) -> Opening:
    async def opening(server: Server, key: str) -> tuple[str, dict[str, str]]:
        async with http(server, key) as client:
            bot = await ordered(client, STAY)
            await until(client, bot["id"], "recording")
            shown = await client.get(f"/skribby/bot/{bot['id']}")
        url = urlsplit(shown.json()[name])
        return f"{url.path}?{url.query}", {}

    return opening


OPENINGS: dict[str, Opening] = {
    "native, a key": _native_header,
    "native, a token": _native_token,
    "native, a look at a page": _look_in,
    "vexa": _vexa,
    "skribby": _skribby("websocket_url"),
    "skribby, to read": _skribby("websocket_read_only_url"),
    "skribby, sound": _skribby("websocket_audio_url"),
}


async def test_every_socket_of_every_mount_is_in_the_table(tmp_path: Path) -> None:
    async with serving(tmp_path, dialects=DIALECTS, api_key="k") as server:
        with_sockets = {mount.name for mount in server.mounts.by_name.values() if mount.sockets}
        assert with_sockets == {name.partition(",")[0] for name in OPENINGS} - {"native"}


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_what_a_key_opened_ends_with_it_within_a_second(tmp_path: Path, how: str) -> None:
    async with serving(tmp_path, dialects=DIALECTS, api_key="root-key") as server:
        service, now = server.service, datetime.now(UTC)
        opened: dict[str, Any] = {}
        addresses: dict[str, Any] = {}
        row, key = await service.create_key(1, scopes=WRITE)
        if how == "expired":
            await _expire(server, row.id, now + timedelta(hours=1))
        async with trio.open_nursery() as nursery:
            for name, opening in OPENINGS.items():
                addresses[name] = await opening(server, key)
                path, headers = addresses[name]
                opened[name] = await nursery.start(_hold, server, path, headers)
            bot = next(iter(service.live.all())).row
            streaming = await nursery.start(_stream, server, key, bot.bot_id)
            if how == "revoked":
                assert await service.revoke_key(row.id)
            else:
                await _expire(server, row.id, datetime.now(UTC) - timedelta(seconds=1))
            with trio.fail_after(1.5):
                for name, ended in {**opened, "events": streaming}.items():
                    await ended.wait()
                    del name
            nursery.cancel_scope.cancel()
        for name, (path, headers) in addresses.items():
            if name == "vexa":
                continue  # which is let in to be told, and then closed
            with pytest.raises((trio_websocket.ConnectionRejected, ExceptionGroup)):
                async with socket(server, path, **headers):
                    pytest.fail(name)


async def _expire(server: Server, key_id: str, at: datetime) -> None:
    import sqlalchemy as sa

    from meetcore_server.storage.tables import keys

    change = sa.update(keys).where(keys.c.id == key_id).values(expires_at=at)
    store = server.service.stores.keys
    await store.database.do(lambda c: c.execute(change).rowcount)
    store._remembered.clear()  # an expiry that changes is the test's alone


async def _hold(
    server: Server,
    path: str,
    headers: dict[str, str],
    task_status: trio.TaskStatus[trio.Event],
) -> None:
    ended = trio.Event()
    async with socket(server, path, **headers) as connection:
        if path.startswith("/v1"):
            await say(connection, type="ping")
            while True:  # a look has pictures, too
                message = await connection.get_message()
                if isinstance(message, str) and json.loads(message) == {"type": "pong"}:
                    break
        elif path.startswith("/vexa"):
            await say(connection, action="ping")
            assert await said(connection) == {"type": "pong"}
        else:
            await connection.get_message()
        task_status.started(ended)
        with pytest.raises(trio_websocket.ConnectionClosed) as closed:
            while True:
                await connection.get_message()
        assert closed.value.reason.code == 4401
        ended.set()


async def _stream(
    server: Server, key: str, bot_id: str, task_status: trio.TaskStatus[trio.Event]
) -> None:
    ended = trio.Event()
    async with (
        http(server, key) as client,
        client.stream("GET", f"/v1/bots/{bot_id}/events/stream") as answer,
    ):
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        task_status.started(ended)
        with pytest.raises((httpx2.RemoteProtocolError, StopAsyncIteration)):
            while True:
                await anext(lines)
        ended.set()


async def test_links_to_recordings_end_with_the_key_that_was_told_them(tmp_path: Path) -> None:
    async with serving(
        tmp_path, dialects=DIALECTS, api_key="root-key", config={"sinks": ["files"]}
    ) as server:
        row, key = await server.service.create_key(1, scopes=WRITE)
        async with http(server, key) as client:
            bot = await until(client, (await ordered(client))["id"], "completed")
            files = (await client.get(f"/v1/bots/{bot['id']}/recordings")).json()
            shown = (await client.get(f"/skribby/bot/{bot['id']}")).json()
            spoken = await client.get(
                f"/spoke/bots/meeting_data?bot_id={bot['id']}", headers={"x-spoke-api-key": key}
            )
            urls = [
                *(each["url"] for each in files),
                shown["recording_url"],
                spoken.json()["audio"],
            ]
            assert len(urls) > 3
            for url in urls:
                assert (await client.get(url)).status_code == 200
            await server.service.revoke_key(row.id)
            for url in urls:
                assert (await client.get(url)).status_code == 410, json.dumps(url)


async def test_a_stranger_on_a_socket_may_say_little_and_not_stay(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("meetcore_server.served_socket.OWNED_WITHIN_S", 0.3)
    async with serving(tmp_path, api_key="root-key") as server:
        async with socket(server) as connection:
            await connection.send_message("x" * 5000)
            with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                await connection.get_message()
            assert closed.value.reason.code == 1009
        async with socket(server) as connection:
            with pytest.raises(trio_websocket.ConnectionClosed) as closed:
                await connection.get_message()
            assert closed.value.reason.code == 4401
        async with socket(server) as connection:
            await say(connection, type="authenticate", key="root-key")
            assert await said(connection) == {"type": "authenticated"}
            await say(connection, type="ping", padding="x" * 5000)
            assert await said(connection) == {"type": "pong"}
