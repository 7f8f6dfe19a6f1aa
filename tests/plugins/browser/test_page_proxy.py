"""The way of a shown page to the network, over real sockets on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, field

from meetcore import PrivateTargets
from meetcore_browser.page_hosts import PageHosts
from meetcore_browser.page_proxy import PageProxy, open_page_proxy


@define
class Origin:
    """A server that keeps what it was sent, and answers each connection once."""

    port: int = 0
    heard: list[bytes] = field(factory=list)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            data = await stream.receive_some()
            self.heard.append(bytes(data))
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def between(*entries: str, private: str = "*") -> AsyncIterator[tuple[Origin, PageProxy]]:
    origin = Origin()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            origin.port = listener.socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, origin.serve, [listener])
            listed = [each.replace("PORT", str(origin.port)) for each in entries]
            targets = PrivateTargets.listed([private] if private else [])
            async with open_page_proxy(PageHosts.listed(listed, targets)) as proxy:
                yield origin, proxy
            nursery.cancel_scope.cancel()


async def ask(proxy: PageProxy, *sent: bytes) -> bytes:
    """Send to the proxy, then read until it closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", proxy.port)
    async with stream:
        told = b""
        for piece in sent:
            await stream.send_all(piece)
        try:
            async for data in stream:
                told += data
        except trio.BrokenResourceError:
            return told
        return told


async def test_a_request_goes_to_a_listed_host_as_the_host_is_asked() -> None:
    async with between("127.0.0.1:PORT") as (origin, proxy):
        head = f"POST http://127.0.0.1:{origin.port}/a/b?c=/d HTTP/1.1\r\nHost: x\r\n".encode()
        answer = await ask(
            proxy, head + b"Proxy-Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody"
        )
        assert answer.endswith(b"ok")
        [asked] = origin.heard
        assert asked == (
            b"POST /a/b?c=/d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            b"Connection: close\r\n\r\nbody"
        )


async def test_a_tunnel_passes_on_both_ways() -> None:
    async with between("127.0.0.1:PORT") as (origin, proxy):
        head = f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        answer = await ask(proxy, head[:20], head[20:] + b"\x16\x03\x01 hello")
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"ok")
        assert origin.heard == [b"\x16\x03\x01 hello"]


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT localhost:PORT HTTP/1.1",
        "CONNECT 127.0.0.1:1 HTTP/1.1",
        "CONNECT 127.0.0.1 HTTP/1.1",
        "CONNECT 127.0.0.1:99999 HTTP/1.1",
        "GET http://localhost:PORT/ HTTP/1.1",
        "GET ftp://127.0.0.1:PORT/ HTTP/1.1",
        "GET / HTTP/1.1",
        "GET http://127.0.0.1:PORT@localhost:PORT/ HTTP/1.1",
    ],
)
async def test_nothing_else_is_reached(line: str) -> None:
    async with between("127.0.0.1:PORT") as (origin, proxy):
        sent = line.replace("PORT", str(origin.port)).encode() + b"\r\nHost: x\r\n\r\n"
        assert (await ask(proxy, sent)).startswith(b"HTTP/1.1 403")
        assert origin.heard == []


async def test_a_name_counts_by_the_address_it_leads_to() -> None:
    async with between("localhost:PORT", private="") as (origin, proxy):
        sent = f"CONNECT localhost:{origin.port} HTTP/1.1\r\n\r\n".encode()
        assert (await ask(proxy, sent)).startswith(b"HTTP/1.1 403")
        assert proxy.refused == {"localhost": "it leads to no address of the public internet"}
        assert origin.heard == []


async def test_what_cannot_be_reached_is_said_and_what_is_no_request_is_dropped() -> None:
    async with between("127.0.0.1:9", "nowhere.invalid") as (_, proxy):
        for line in (b"CONNECT 127.0.0.1:9 HTTP/1.1", b"GET http://nowhere.invalid/ HTTP/1.1"):
            assert (await ask(proxy, line + b"\r\n\r\n")).startswith(b"HTTP/1.1 502")
        assert await ask(proxy, b"hello\r\n\r\n") == b""
        assert await ask(proxy, b"GET " + b"x" * 70_000) == b""
        assert (await ask(proxy, b"GET http://\xff/ HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 403")
