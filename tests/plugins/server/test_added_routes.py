"""Routes of a plugin in one file: what the how-to says, in a real server."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

import meetcore
from meetcore_server.assembly import ServeOptions, open_server

from .running import http

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "add-routes.md"
BROKEN = """
import meetcore
from meetcore.gateway.http import Mount


@meetcore.hookimpl
def meetcore_register_routes(app):
    app.mount(Mount(name="half", title="Half"))
"""


STREAMS = """
import trio
import meetcore
from meetcore import StorageUnavailable
from meetcore.gateway import ErrorAnswer, ErrorTable, Mount, Reply, Request, Route

closed = []


async def pieces(size, *, away):
    try:
        yield b"["
        await trio.lowlevel.checkpoint()
        yield b"x" * size
        if away:
            raise StorageUnavailable("The store is away.")
        yield b"]"
    finally:
        closed.append(size)


async def streamed(request: Request) -> Reply:
    away = "away" in request.args
    return Reply(stream=pieces(int(request.params["size"]), away=away), media_type="text/plain")


async def ended(request: Request) -> Reply:
    return Reply(json=closed)


ANSWERS = {"refused": ErrorAnswer(400)}


@meetcore.hookimpl
def meetcore_register_routes(app):
    routes = [Route("GET", "/streamed/{size}", streamed), Route("GET", "/ended", ended)]
    refuse = ErrorTable(ANSWERS, body=lambda text, detail: {"error": text})
    app.mount(Mount(name="streams", title="Streams", routes=routes, refuse=refuse))
"""


async def test_what_cannot_be_read_is_an_error_and_no_half_answer(tmp_path: Path) -> None:
    file = tmp_path / "streams.py"
    file.write_text(STREAMS)
    plugins = meetcore.Plugins(only=["server"], files=[file])
    config = meetcore.BotConfig(out_dir=tmp_path / "bots")
    options = ServeOptions(database=f"sqlite:///{tmp_path}/server.db", port=0)
    async with (
        meetcore.open_fleet(config, plugins=plugins, recover_first=False) as fleet,
        open_server(fleet, options) as server,
        http(server) as client,
    ):
        for size in (10, 100_000):
            whole = await client.get(f"/streams/streamed/{size}")
            assert (whole.status_code, whole.text) == (200, "[" + "x" * size + "]")
        answer = await client.get("/streams/streamed/11?away")
        assert answer.status_code == 503
        assert "error" in answer.json()
        assert answer.headers["retry-after"]
        with pytest.raises(httpx2.RemoteProtocolError):  # it had begun: a half answer shows
            await client.get("/streams/streamed/100001?away")
        assert (await client.get("/streams/ended")).json() == [10, 100_000, 11, 100_001]


async def test_the_routes_of_the_how_to_answer(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    file = tmp_path / "minutes.py"
    file.write_text("".join(code))
    plugins = meetcore.Plugins(only=["server"], files=[file])
    config = meetcore.BotConfig(out_dir=tmp_path / "bots")
    options = ServeOptions(database=f"sqlite:///{tmp_path}/server.db", port=0)
    async with (
        meetcore.open_fleet(config, plugins=plugins, recover_first=False) as fleet,
        open_server(fleet, options) as server,
        http(server) as client,
    ):
        greeted = await client.get("/minutes/greet/ada?loud")
        assert greeted.json() == {"hello": "ada", "loud": True}
        assert (await client.get("/minutes/bots")).json() == {"bots": []}
        missing = await client.get("/minutes/nowhere")
        assert (missing.status_code, "error" in missing.json()) == (404, True)


async def test_a_mistake_in_the_hook_is_one_error_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(BROKEN)
    plugins = meetcore.Plugins(only=["server"], files=[file])
    config = meetcore.BotConfig(out_dir=tmp_path / "bots")
    options = ServeOptions(database=f"sqlite:///{tmp_path}/server.db", port=0)
    with pytest.raises(
        meetcore.PluginError,
        match=r"'half' failed in meetcore_register_routes: .*refuse.*half.py:8",
    ):
        async with (
            meetcore.open_fleet(config, plugins=plugins, recover_first=False) as fleet,
            open_server(fleet, options),
        ):
            """Never here."""
