"""HTTP over one connection: what a client may cost, and that nothing of it stays."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from meetcore.gateway.http import Reply, Request
from meetcore_server.http_connection import Bodies, HttpConnection, HttpLimits, refusal
from meetcore_server.openings import Openings
from meetcore_server.port import ConnectionLimit, Port
from meetcore_server.seen import Seen
from meetcore_websocket.limits import Limits
from tests.plugins.server.running import http, serving

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body, or with the method and path where there is none."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    body = body or f"{scope['method']} {scope['path']}".encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answer without reading the body."""
    await send({"type": "http.response.start", "status": 401, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Send for ever."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": bytes(1000), "more_body": True})


async def wait(scope: Any, receive: Any, send: Any) -> None:
    """Answer when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Talk:
    """A client, and the connection that serves it."""

    def __init__(self, app: Any, bodies: Bodies | None = None, **limits: Any) -> None:
        self.stream, theirs = trio.testing.memory_stream_pair()
        self.bodies = bodies or Bodies()
        self.connection = HttpConnection(
            theirs, app, HttpLimits(**limits), self.bodies, ("10.0.0.1", 1)
        )
        self._theirs = theirs
        self.ended = trio.Event()

    async def serve(self) -> None:
        while await self.connection.next_head():
            if not await self.connection.answer():
                break
        await self._theirs.aclose()
        self.ended.set()

    async def say(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def hear(self, until: bytes) -> bytes:
        heard = b""
        while until not in heard:
            part = await self.stream.receive_some(4096)
            if not part:
                break
            heard += part
        return heard


@asynccontextmanager
async def talking(app: Any = echo, **options: Any) -> AsyncIterator[Talk]:
    talk = Talk(app, **options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.serve)
        yield talk
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "asked",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]),
        GET.replace(
            b"\r\n\r\n",
            b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        ),
    ],
    ids=["prior knowledge", "upgrade"],
)
async def test_a_client_that_wants_http_2_is_answered_as_http_1(asked: bytes) -> None:
    async with talking() as talk:
        await talk.say(asked)
        heard = await talk.hear(b"\r\n\r\n")
        assert heard.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
        assert b"101" not in heard


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async with talking() as talk:
        posted = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        await talk.say(GET + posted + GET.replace(b"health", b"last"))
        heard = await talk.hear(b"GET /last")
        assert heard.index(b"GET /health") < heard.index(b"\r\n\r\nabc") < heard.index(b"/last")


async def test_a_client_that_sends_ahead_without_end_is_not_read_on(autojump_clock: Any) -> None:
    one, theirs = trio.testing.lockstep_stream_pair()
    connection = HttpConnection(theirs, wait, HttpLimits(ahead_bytes=20_000), Bodies())
    taken = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.send_all, GET)
        assert await connection.next_head()
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(connection.answer)
        with trio.move_on_after(60):
            while True:
                await one.send_all(bytes(1000))
                taken += 1000
        nursery.cancel_scope.cancel()
    assert 20_000 <= taken < 50_000


async def test_a_client_that_hangs_up_ends_what_waits_for_it() -> None:
    async with talking(wait) as talk:
        await talk.say(GET)
        await trio.testing.wait_all_tasks_blocked()
        await talk.stream.aclose()
        with trio.fail_after(90):
            await talk.ended.wait()


async def test_a_client_that_reads_nothing_is_let_go(autojump_clock: Any) -> None:
    one, theirs = trio.testing.lockstep_stream_pair()
    connection = HttpConnection(theirs, endless, HttpLimits(send_s=30), Bodies())
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ask() -> None:
            await one.send_all(GET)

        assert await connection.next_head()
        began = trio.current_time()
        assert not await connection.answer()
        assert trio.current_time() - began == pytest.approx(30, abs=1)


@pytest.mark.parametrize(
    ("said", "within_s"),
    [
        (b"", 15),
        (b"GET / HTTP/1.1\r\nHost", 15),
        (GET, 30),
        (GET + b"GET / HT", 15),
    ],
    ids=["nothing", "half a head", "nothing more", "half of a second"],
)
async def test_who_says_nothing_is_hung_up_on(
    autojump_clock: Any, said: bytes, within_s: float
) -> None:
    async with talking() as talk:
        if said:
            await talk.say(said)
        began = trio.current_time()
        await talk.ended.wait()
        assert trio.current_time() - began == pytest.approx(within_s, abs=1)


async def test_a_head_that_comes_letter_by_letter_has_one_deadline(autojump_clock: Any) -> None:
    async with talking() as talk:
        with pytest.raises(trio.BrokenResourceError):
            for _ in range(100):
                await talk.say(b"GET / HTTP/1.1\r\n"[:1])
                await trio.sleep(1)
        assert trio.current_time() < 20


async def test_a_body_that_does_not_come_is_answered_with_408(autojump_clock: Any) -> None:
    async with talking() as talk:
        await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        assert (await talk.hear(b"\r\n\r\n")).startswith(b"HTTP/1.1 408 ")
        await talk.ended.wait()
        assert trio.current_time() < 20
        assert talk.bodies.held == 0


async def test_a_body_that_drips_is_answered_with_408(autojump_clock: Any) -> None:
    async with talking() as talk, trio.open_nursery() as nursery:
        await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")

        @nursery.start_soon
        async def drip() -> None:
            with pytest.raises(trio.BrokenResourceError):
                while True:
                    await talk.say(b"x" * 100)
                    await trio.sleep(1)

        assert (await talk.hear(b"\r\n\r\n")).startswith(b"HTTP/1.1 408 ")
        assert trio.current_time() < 20


async def test_a_body_that_comes_slowly_but_surely_is_taken(autojump_clock: Any) -> None:
    async with talking() as talk:
        await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n")
        for _ in range(40):
            await talk.say(b"x" * 10_000)
            await trio.sleep(1)
        heard = await talk.hear(b"x" * 1000)
        assert heard.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("bodies", [Bodies(most=100_000), Bodies(most_of_one=100_000)])
async def test_all_bodies_together_have_a_bound(bodies: Bodies) -> None:
    async with talking(bodies=bodies) as one, talking(bodies=bodies) as other:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"
        await one.say(head + b"x" * 70_000)
        await trio.testing.wait_all_tasks_blocked()
        await other.say(head + b"x" * 70_000)
        heard = await other.hear(b"\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in heard
        await one.say(b"x" * 20_000)
        await trio.testing.wait_all_tasks_blocked()
        await one.stream.aclose()
        await one.ended.wait()
        assert bodies.held == 0


async def test_who_expects_to_be_told_to_go_on_is_told_once_the_body_is_wanted() -> None:
    async with talking() as talk:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        for _ in range(2):
            await talk.say(head)
            assert await talk.hear(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await talk.say(b"abc")
            assert (await talk.hear(b"abc")).startswith(b"HTTP/1.1 200 ")


async def test_who_expects_to_be_told_to_go_on_and_is_refused_is_not_told() -> None:
    async with talking(refuse) as talk:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        await talk.say(head)
        heard = await talk.hear(b"0\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 401 ")
        assert b"connection: close" in heard.lower()


async def test_who_is_refused_hears_it_though_his_body_was_not_read() -> None:
    async with talking(refuse) as talk:
        await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        await talk.say(bytes(500_000))
        assert (await talk.hear(b"0\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        await talk.stream.aclose()
        await talk.ended.wait()


async def test_a_body_that_came_with_its_head_does_not_end_the_connection() -> None:
    async with talking(refuse) as talk:
        for _ in range(3):
            await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
            heard = await talk.hear(b"0\r\n\r\n")
            assert heard.startswith(b"HTTP/1.1 401 ")
            assert b"connection: close" not in heard.lower()


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 10\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nab",
    ],
)
async def test_a_body_that_is_not_whole_is_answered_with_400(body: bytes) -> None:
    async with talking() as talk:
        await talk.say(b"POST / HTTP/1.1\r\nHost: h\r\n" + body)
        await talk.stream.send_eof()
        assert (await talk.hear(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        await talk.ended.wait()


async def test_who_has_said_all_and_only_listens_is_answered() -> None:
    async with talking() as talk:
        await talk.say(GET)
        await talk.stream.send_eof()
        assert b"GET /health" in await talk.hear(b"GET /health")


async def test_an_application_that_fails_is_a_500_and_its_header_is_not_split() -> None:
    async def inject(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-note", b"a\r\nx-evil: 1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async with talking(inject) as talk:
        await talk.say(GET)
        heard = await talk.hear(b"went wrong")
        assert heard.startswith(b"HTTP/1.1 500 ")
        assert b"evil" not in heard


async def test_a_head_alone_is_sent_for_a_head_also_of_an_endless_answer() -> None:
    async with talking(endless) as talk:
        await talk.say(GET.replace(b"GET", b"HEAD"))
        with trio.fail_after(90):
            heard = await talk.hear(b"\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 200 ")
        assert heard.endswith(b"\r\n\r\n")


# --- a whole server ------------------------------------------------------------------------------


def tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


async def settled(count: int) -> None:
    """Return when there are no more tasks than that."""
    with trio.fail_after(90):
        while tasks() > count:  # noqa: ASYNC110  trio has no event for it
            await trio.sleep(0.01)


async def test_clients_that_hang_up_in_the_middle_of_anything_leave_no_task(
    tmp_path: Path,
) -> None:
    h2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0"
    asked = [
        h2,
        GET.replace(b"/health", b"/"),
        GET.replace(b"/health", b"/") * 20,
        b"POST /v1/bots HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\nabc",
        b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\n",
        b"",
    ]
    async with serving(tmp_path) as server, http(server) as client:
        assert (await client.get("/health")).status_code == 200
        before = tasks()
        host, _, port = server.url.removeprefix("http://").partition(":")
        for _ in range(5):
            for each in asked:
                stream = await trio.open_tcp_stream(host, int(port))
                if each:
                    await stream.send_all(each)
                await stream.aclose()
        await settled(before)
        assert (await client.get("/health")).status_code == 200


async def test_a_websocket_may_follow_on_a_connection_that_was_used_before(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(GET)
            heard = b""
            while b'"status"' not in heard:
                heard += await stream.receive_some(4096)
            await stream.send_all(
                b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            with trio.fail_after(90):
                heard = await stream.receive_some(4096)
            assert heard.startswith(b"HTTP/1.1 101 ")


def bare_port(places: ConnectionLimit | None = None) -> Port:
    """A port without a server behind it."""

    async def admit(request: Request) -> Reply:
        await trio.lowlevel.checkpoint()
        return Reply(status=404, json={})

    async def valid(key_ids: Collection[str]) -> Collection[str]:
        await trio.lowlevel.checkpoint()
        return key_ids

    return Port(echo, admit, Limits(), Openings(valid), Seen(), places=places)


async def test_one_address_cannot_take_every_place() -> None:
    port = bare_port(ConnectionLimit(most=4, most_of_one=2))
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = listeners[0].socket.getsockname()

    async def connect(source: str) -> trio.SocketStream:
        made = trio.socket.socket()
        await made.bind((source, 0))
        await made.connect(address)
        return trio.SocketStream(made)

    async with trio.open_nursery() as nursery:
        await nursery.start(port.run, listeners)
        greedy = [await connect("127.0.0.1") for _ in range(2)]
        third = await connect("127.0.0.1")
        with trio.fail_after(90):
            assert await third.receive_some(1) == b""
        other = await connect("127.0.0.2")
        await other.send_all(GET)
        assert b"200" in await other.receive_some(100)
        await greedy[0].aclose()
        await trio.testing.wait_all_tasks_blocked(0.05)
        again = await connect("127.0.0.1")
        await again.send_all(GET)
        assert b"200" in await again.receive_some(100)
        for each in (*greedy, third, other, again):
            await each.aclose()
        nursery.cancel_scope.cancel()


async def test_the_listener_outlives_a_lack_of_descriptors(caplog: Any) -> None:
    class Failing(trio.abc.Listener[trio.SocketStream]):
        lacks = 2

        async def accept(self) -> trio.SocketStream:
            if self.lacks:
                self.lacks -= 1
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return await listener.accept()

        async def aclose(self) -> None:
            await listener.aclose()

    made = trio.socket.socket()
    await made.bind(("127.0.0.1", 0))
    made.listen(5)
    listener = trio.SocketListener(made)
    port = bare_port()
    async with trio.open_nursery() as nursery:
        await nursery.start(port.run, [Failing()])
        host, number = made.getsockname()
        with trio.fail_after(90):
            async with await trio.open_tcp_stream(host, number) as stream:
                await stream.send_all(GET)
                assert b"200" in await stream.receive_some(100)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
def test_a_refusal_says_once_what_it_is(name):
    sent = refusal(Reply(status=503, json={}, headers={name: "application/problem+json"}))
    assert sent.lower().count(b"content-type") == 1
    assert b"application/problem+json" in sent
    assert b"application/json" in refusal(Reply(status=503, json={}))
