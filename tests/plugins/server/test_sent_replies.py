"""Bodies that are sent in parts: nobody makes them for a client that has gone."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore.gateway.http import Listed, Mount, Reply, Request, Route, json_pieces
from meetcore.model.errors import MeetcoreError
from meetcore_server.mounts import Mounts
from meetcore_server.responses import send_reply
from tests.plugins.server.running import http, serving

GET: dict[str, Any] = {"method": "GET", "headers": [], "query_string": b"", "client": None}


class Source:
    """Gives the same bytes for ever, and notes when it is closed."""

    def __init__(self) -> None:
        self.closed = trio.Event()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                await trio.lowlevel.checkpoint()
                yield b"x" * 1000
        finally:
            self.closed.set()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.parts()


def mounted(source: Source) -> Mount:
    async def answer(request: Request) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(stream=source.parts(), media_type="text/plain")

    def refuse(request: Request, error: MeetcoreError) -> Reply:
        return Reply(status=404, json={"message": str(error)})

    return Mount(name="endless", title="", routes=[Route("GET", "/", answer)], refuse=refuse)


class Client:
    """The other side of one request: goes away after some parts of the answer."""

    def __init__(self, parts: int) -> None:
        self.sent: list[Any] = []
        self._parts = parts
        self._asked = False
        self._gone = trio.Event()

    async def receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b""}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        self.sent.append(message)
        if len(self.sent) > self._parts:
            self._gone.set()


async def test_a_stream_is_closed_when_its_client_goes_away_in_the_middle() -> None:
    source, client, mounts = Source(), Client(3), Mounts()
    mounts.add(mounted(source))
    place = mounts.place("/endless")
    assert place is not None
    with trio.fail_after(90):
        await mounts.answer(place, Request(), None, GET, client.receive, client.send)
    assert source.closed.is_set()
    assert client.sent[-1].get("more_body")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whatever_a_stream_is_made_of_is_closed(method: str) -> None:
    """Not only where the stream is a generator itself."""
    source, client = Source(), Client(3)
    with trio.fail_after(90):
        scope = {**GET, "method": method}
        await send_reply(scope, client.send, Reply(stream=source), client.receive)
    assert source.closed.is_set() is (method == "GET")  # for a HEAD it has not begun
    assert bool(client.sent[-1].get("more_body")) is (method == "GET")


async def test_a_stream_is_closed_when_nothing_can_be_sent() -> None:
    async def send(message: Any) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.body":
            raise trio.BrokenResourceError

    source = Source()
    with pytest.raises(ExceptionGroup):
        await send_reply(GET, send, Reply(stream=source.parts()))
    assert source.closed.is_set()


async def test_a_file_is_not_read_on_for_a_client_that_has_gone(tmp_path: Path) -> None:
    file, client = tmp_path / "big", Client(1)
    file.write_bytes(bytes(4 * 1024 * 1024))
    await send_reply(GET, client.send, Reply(file=file), client.receive)
    assert sum(len(message.get("body", b"")) for message in client.sent) < 1024 * 1024


@pytest.mark.filterwarnings("error::ResourceWarning")
async def test_a_client_that_hangs_up_leaves_nothing_behind(tmp_path: Path) -> None:
    source = Source()
    async with serving(tmp_path) as server, http(server) as client:
        server.mounts.add(mounted(source))
        host, port = server.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"GET /endless/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in await stream.receive_some(100)
        with trio.fail_after(90):
            await source.closed.wait()
        gc.collect()
        assert (await client.get("/health")).status_code == 200


async def test_a_connection_is_used_again_after_a_stream(tmp_path: Path) -> None:
    async def items() -> AsyncGenerator[int, None]:
        for item in (1, 2):
            await trio.lowlevel.checkpoint()
            yield item

    async def answer(request: Request) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(stream=json_pieces([Listed(items())]), media_type="application/json")

    async with serving(tmp_path) as server:
        template = mounted(Source())
        server.mounts.add(
            Mount(
                name="short", title="", routes=[Route("GET", "/", answer)], refuse=template.refuse
            )
        )
        host, port = server.url.removeprefix("http://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            with trio.fail_after(90):
                for _ in range(3):
                    await stream.send_all(b"GET /short/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    received = b""
                    while not received.endswith(b"0\r\n\r\n"):
                        received += await stream.receive_some(4096)
                    assert b"[[1,2]]" in received
