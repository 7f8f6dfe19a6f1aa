"""A receiver of webhooks on the loopback: a real HTTP server that answers as it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import h11
import trio
from attrs import define, field, frozen

Answer: TypeAlias = Callable[[trio.SocketStream], Awaitable[None]]


@frozen
class Got:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def _send(head: str, stream: trio.SocketStream) -> None:
    await stream.send_all(f"HTTP/1.1 {head}\r\n\r\n".encode())


def status(code: int, **headers: str) -> Answer:
    lines = [f"{code} Answer", "content-length: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return partial(_send, "\r\n".join(lines))


async def never(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def flood(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    while True:
        await stream.send_all(bytes(65_536))


async def flood_of_headers(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send_all(b"x: " + b"y" * 8_000 + b"\r\n")


@define(eq=False)
class Receiver:
    """Notes what it gets. `answers[path]` is used up, then `standing[path]`, then 204."""

    port: int = 0
    got: list[Got] = field(factory=list)
    answers: dict[str, list[Answer]] = field(factory=dict)
    standing: dict[str, Answer] = field(factory=dict)
    open_now: int = 0
    most_open: int = 0
    _changed: trio.Event = field(factory=trio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    async def until(self, done: Callable[[], bool], within_s: float = 90.0) -> None:
        """Return when a condition over what was got holds."""
        with trio.fail_after(within_s):
            while not done():
                self._changed = trio.Event()
                await self._changed.wait()

    async def until_got(self, count: int, path: str = "/hook", within_s: float = 90.0) -> None:
        await self.until(lambda: len(self.at(path)) >= count, within_s)

    async def serve(self, stream: trio.SocketStream) -> None:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            while await self._answer_one(stream):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            return
        finally:
            self.open_now -= 1

    async def _answer_one(self, stream: trio.SocketStream) -> bool:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        request: h11.Request | None = None
        body = b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                data = await stream.receive_some(65_536)
                if not data and request is None:
                    return False
                parser.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        path = request.target.decode()
        self.got.append(Got(path, headers, body, trio.current_time()))
        self._changed.set()
        waiting = self.answers.get(path)
        answer = waiting.pop(0) if waiting else self.standing.get(path, status(204))
        await answer(stream)
        return True


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Hold a receiver on a random port."""
    receiver = Receiver()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, receiver.serve, 0, host="127.0.0.1", backlog=512)
        (listener,) = await nursery.start(serve)
        receiver.port = listener.socket.getsockname()[1]
        yield receiver
        nursery.cancel_scope.cancel()
