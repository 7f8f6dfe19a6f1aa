"""The way of a shown page to the network: a proxy on loopback that leads to listed hosts only.

A page that a bot shows is somebody else's program on the operator's network. What it loads, where
it is redirected to and what it opens sockets to all goes through here, by Chromium's own setting,
so that there is one place that decides: by the host's name, and by the address that it leads to,
which is the one that is dialled. Rules within the page (requests that are intercepted) would not
see redirects, nor where a name leads.

It speaks as much of HTTP as a proxy has to (RFC 9110, 9.3.6 and RFC 9112, 3.2.2): `CONNECT` for
what is encrypted, and requests with a whole address, one to a connection, for the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import trio

from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.page_hosts import PageHosts

__all__ = ["PageProxy", "open_page_proxy"]

_HEAD_BYTES = 64 * 1024
_HEAD_TIMEOUT_S = 10.0
_DIAL_TIMEOUT_S = 10.0
_PIECE_BYTES = 64 * 1024
_MOST_CONNECTIONS = 64
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_UNREACHED = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HOP = (b"proxy-", b"connection:", b"keep-alive:")


class _HostRefused(Exception):
    """Nothing is loaded from there."""


class PageProxy:
    """One page's way out. Made by `open_page_proxy`.

    Attributes:
        hosts: Where it leads to.
        refused: The hosts that were refused, each with why, newest last.
        port: Where it listens on loopback.
    """

    def __init__(self, hosts: PageHosts) -> None:
        self.hosts = hosts
        self.refused: dict[str, str] = {}
        self.port = 0
        self._slots = trio.CapacityLimiter(_MOST_CONNECTIONS)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection of the browser to its end; what breaks, breaks it alone."""
        async with stream, self._slots:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
                await self._serve(stream)

    async def _serve(self, stream: trio.SocketStream) -> None:
        with trio.move_on_after(_HEAD_TIMEOUT_S) as waiting:
            head, rest = await _head(stream)
        if waiting.cancelled_caught or not head:
            return
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        tunnel = method == b"CONNECT"
        try:
            parts = urlsplit(("//" if tunnel else "") + target.decode("ascii"))
            host, port = parts.hostname or "", parts.port or 80
            if not tunnel and parts.scheme != "http":
                raise _HostRefused
            upstream = await self._dial(host, port)
        except (_HostRefused, ValueError):
            await stream.send_all(_REFUSED)
            return
        except OSError:
            await stream.send_all(_UNREACHED)
            return
        async with upstream:
            if tunnel:
                await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target.split(b"/", 3)[3] if target.count(b"/") > 2 else b""
                rest = _to_origin(method, b"/" + path, head) + rest
            if rest:
                await upstream.send_all(rest)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pump, stream, upstream, nursery.cancel_scope)
                await _pump(upstream, stream, nursery.cancel_scope)
                nursery.cancel_scope.cancel()

    async def _dial(self, host: str, port: int) -> trio.SocketStream:
        if not self.hosts.allow(host, port):
            self.refused[host] = "it is not among page_hosts"
            raise _HostRefused
        with trio.move_on_after(_DIAL_TIMEOUT_S):
            found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
            admitted = [each for each in addresses if self.hosts.private.admit(host, each)]
            if not admitted:
                self.refused[host] = "it leads to no address of the public internet"
                raise _HostRefused
            for address in admitted:
                with suppress(OSError):
                    return await trio.open_tcp_stream(address, port)
        raise OSError(f"{host} cannot be reached")


async def _head(stream: trio.SocketStream) -> tuple[bytes, bytes]:
    """Return a request's head without its empty line, and what came after; nothing for none."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = await stream.receive_some(_PIECE_BYTES)
        data += piece
        if not piece or len(data) > _HEAD_BYTES:
            return b"", b""
    head, _, rest = data.partition(b"\r\n\r\n")
    return (head, rest) if head.split(b"\r\n", 1)[0].count(b" ") == 2 else (b"", b"")


def _to_origin(method: bytes, path: bytes, head: bytes) -> bytes:
    """Return a request as the host itself is asked, for one answer only."""
    _, *fields = head.split(b"\r\n")
    kept = [each for each in fields if not each.lower().startswith(_HOP)]
    return b"\r\n".join(
        [method + b" " + path + b" HTTP/1.1", *kept, b"Connection: close", b"", b""]
    )


async def _pump(source: trio.SocketStream, to: trio.SocketStream, over: trio.CancelScope) -> None:
    try:
        async for data in source:
            await to.send_all(data)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await to.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        over.cancel()


@asynccontextmanager
async def open_page_proxy(hosts: PageHosts) -> AsyncIterator[PageProxy]:
    """Lead a page's browser to some hosts while the block lasts."""
    proxy = PageProxy(hosts)
    async with open_plain_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = int(listener.socket.getsockname()[1])
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
