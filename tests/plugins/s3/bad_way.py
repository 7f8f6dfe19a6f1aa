"""A way to a server that can be bad: it cuts, hangs, drips, or answers itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

_PIECE = 64 * 1024
_HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")


class BadWay:
    """Passes on to a server what it is sent, unless it is told to be bad.

    Attributes:
        url: Its endpoint.
        mode: `pass`; `reset`, which cuts each connection at once; `cut`, which cuts one in an
            answer and passes on then; `hang`, which answers nothing; `drip`, which gives a byte of
            the answer each 50 ms; or `answer`, which gives `answer` to each request.
        answer: A whole HTTP response.
        seen: Method and path of the requests that began on a new connection.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.url = ""
        self.mode = "pass"
        self.answer = b""
        self.seen: list[tuple[str, str]] = []

    async def handle(self, stream: trio.SocketStream) -> None:
        try:
            first = await stream.receive_some(_PIECE)
            if match := _HEAD.match(first):
                self.seen.append((match[1].decode(), match[2].decode()))
            if self.mode == "hang":
                await trio.sleep_forever()
            elif self.mode == "answer":
                await stream.send_all(self.answer)
                await _drain(stream)
            elif self.mode != "reset":
                await self._pass(stream, first)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _pass(self, stream: trio.SocketStream, first: bytes) -> None:
        assert self._target.hostname
        assert self._target.port
        other = await trio.open_tcp_stream(self._target.hostname, self._target.port)
        async with other, trio.open_nursery() as nursery:
            await other.send_all(first)

            async def there() -> None:
                while data := await stream.receive_some(_PIECE):
                    if self.mode in ("reset", "hang"):
                        nursery.cancel_scope.cancel()
                        return
                    await other.send_all(data)
                nursery.cancel_scope.cancel()

            nursery.start_soon(there)
            while data := await other.receive_some(_PIECE):
                if self.mode == "cut":
                    self.mode = "pass"
                    await stream.send_all(data[: max(1, len(data) // 2)])
                    break
                if self.mode == "drip":
                    for n in range(len(data)):
                        await stream.send_all(data[n : n + 1])
                        await trio.sleep(0.05)
                    continue
                await stream.send_all(data)
            nursery.cancel_scope.cancel()


async def _drain(stream: trio.SocketStream) -> None:
    with trio.move_on_after(0.2):
        while await stream.receive_some(_PIECE):
            pass


def says(status: int, code: str, message: str = "", *, more: str = "", header: str = "") -> bytes:
    """Return an answer of S3 that says no."""
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>{message}</Message>{more}<RequestId>1</RequestId></Error>"
    ).encode()
    return (
        f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\n{header}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


@asynccontextmanager
async def bad_way(target: str) -> AsyncIterator[BadWay]:
    """Run one while the block runs."""
    way = BadWay(target)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        way.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.start_soon(trio.serve_listeners, way.handle, listeners)
        try:
            yield way
        finally:
            nursery.cancel_scope.cancel()
