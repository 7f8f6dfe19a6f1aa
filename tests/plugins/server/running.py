"""A server in the test's own run, with scripted meetings behind the links, and clients for it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import trio
import trio_websocket

import meetcore
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore_server.assembly import ServeOptions, Server, open_server
from tests.stores.blobs import blob_server

from .empty_tables import with_tables

ROW_STORE = Path(__file__).parents[3] / "examples" / "row_store.py"
PLUGIN = Path(__file__).parents[2] / "scripted_meetings.py"
SHORT = "https://meet.google.com/short-abc"
STAY = "https://meet.google.com/stay-abc"
WAIT = "https://meet.google.com/wait-abc"
DENY = "https://meet.google.com/deny-abc"
HANDSHAKE_WITHIN_S = 20.0
CLOSE_WITHIN_S = 5.0


def plugin_files_of_tests(*others: Path) -> list[Path]:
    """Return the plugins of every server here: the meetings, and the store where it is another."""
    rows = os.environ.get("TESTS_STORE") == "rows"
    return [PLUGIN, *others, *([ROW_STORE] if rows else [])]


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    dialects: tuple[str, ...] = (),
    plugin_files: tuple[Path, ...] = (),
    launcher: meetcore.Launcher | None = None,
    config: dict[str, Any] | None = None,
    places: int = 50,
    **options: Any,
) -> AsyncIterator[Server]:
    """Serve bots that run in this process unless a launcher is given."""
    files = plugin_files_of_tests(*plugin_files)
    plugins = meetcore.Plugins(only=["files", "server", *dialects], files=files)
    settings = {"transcriber": "scripted", "out_dir": folder / "bots", **(config or {})}
    if os.environ.get("TESTS_STORE") == "rows":
        os.makedirs(folder, exist_ok=True)
        mine = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        rows = {"blobs": f"{blob_server()}/{mine}", "workplaces": str(folder / "bots")}
        settings["store"] = {"url": f"rows://{folder}/rows.db"}
        settings["plugins"] = {**settings.get("plugins", {}), "rows": rows}
    bot_config = meetcore.load_config(None, settings, environ={})
    if "database" not in options:
        options["database"] = with_tables(folder / "server.db")
    options["plugin_files"] = tuple(map(str, files))
    options.setdefault("port", 0)
    with trio.fail_after(280):
        async with (
            meetcore.open_fleet(
                bot_config,
                plugins=plugins,
                limit=places,
                launcher=launcher or InProcessLauncher(plugins),
                recover_first=False,
            ) as fleet,
            open_server(fleet, ServeOptions(**options)) as server,
        ):
            yield server


@asynccontextmanager
async def http(server: Server, key: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(
        base_url=server.url,
        headers=headers,
        timeout=30,
        trust_env=False,
        verify=False,  # there is no TLS, and to read the authorities' certificates takes long
    ) as client:
        yield client


async def ordered(client: httpx2.AsyncClient, url: str = SHORT, **body: Any) -> dict[str, Any]:
    """Order a bot; return it."""
    answer = await client.post("/v1/bots", json={"meeting_url": url, **body})
    assert answer.status_code == 201, answer.text
    bot: dict[str, Any] = answer.json()
    return bot


@asynccontextmanager
async def socket_at(
    url: str, path: str, headers: list[tuple[str, str]]
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """Hold a WebSocket; its stream is closed also where the server closed first.

    Raises:
        trio.TooSlowError: There is no connection, or no handshake, within 20 s; the latter in a
            group.
    """
    place = urlsplit(url)
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        stream = await trio.open_tcp_stream(place.hostname or "", place.port or 0)
    async with stream, trio.open_nursery() as nursery:
        with trio.fail_after(HANDSHAKE_WITHIN_S):  # a server that dies now leaves it without an end
            connection = await trio_websocket.wrap_client_stream(
                nursery, stream, place.netloc, path, extra_headers=headers
            )
        try:
            yield connection
        finally:
            with trio.move_on_after(CLOSE_WITHIN_S):
                await connection.aclose()
        nursery.cancel_scope.cancel()


async def until(client: httpx2.AsyncClient, bot_id: str, *states: str) -> dict[str, Any]:
    """Return a bot once it has been in one of the states, or has ended; told over the socket."""
    key = client.headers.get("authorization")
    extra = [("authorization", key)] if key else []
    async with socket_at(str(client.base_url), "/v1/ws", extra) as connection:
        await say(connection, type="subscribe", bot_id=bot_id, after=0, drafts=False)
        while True:
            event = await said(connection)
            assert event["type"] != "error", event
            if event["type"] == "state.changed":
                state = event["data"]["state"]
                if state in (*states, "completed", "failed"):
                    break
    shown = await client.get(f"/v1/bots/{bot_id}")
    bot: dict[str, Any] = shown.json()
    return bot


@asynccontextmanager
async def socket(
    server: Server, path: str = "/v1/ws", **headers: str
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    extra = [(name.replace("_", "-"), value) for name, value in headers.items()]
    async with socket_at(server.url, path, extra) as connection:
        yield connection


async def said(connection: trio_websocket.WebSocketConnection) -> Any:
    return json.loads(await connection.get_message())


async def say(connection: trio_websocket.WebSocketConnection, **message: Any) -> None:
    await connection.send_message(json.dumps(message))


async def refused(server: Server, path: str, **headers: str) -> int:
    """Return the status with which a WebSocket is refused, over a connection of its own."""
    upgrade = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with http(server) as client:
        answer = await client.get(path, headers={**upgrade, **headers})
    return int(answer.status_code)
