"""One subscriber over streams in memory, on a clock that jumps; and whatever it may send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    TextMessage,
)

from meetcore.model.commands import Command
from meetcore_websocket.access import Role
from meetcore_websocket.command_queue import CommandQueue, answer_text, read_command
from meetcore_websocket.frames import text_frame
from meetcore_websocket.limits import Limits
from meetcore_websocket.request import Refusal, Request
from meetcore_websocket.subscriber import Subscriber
from tests.json_values import JSON
from tests.plugins.websocket.stage import request


class FakeService:
    """A handler with a queue for commands behind it."""

    def __init__(self, nursery: trio.Nursery, refusal: Refusal | None = None) -> None:
        self.performed: list[Command] = []
        self.messages: list[str | bytes] = []
        self._nursery = nursery
        self._refusal = refusal
        self._queue: CommandQueue | None = None

    async def perform(self, command: Command) -> None:
        self.performed.append(command)

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        self._queue = CommandQueue(subscriber, Role.FULL, self.perform, self._nursery)
        return self._refusal

    async def attend(self, subscriber: Subscriber) -> None:
        await trio.lowlevel.checkpoint()

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        assert self._queue is not None
        self.messages.append(message)
        self._queue.take(message)


class Peer:
    """The other end, by wsproto."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.protocol = Connection(ConnectionType.CLIENT)
        self.head = b""
        self.opened = False
        self.events: list[Event] = []
        self.ended_at: float | None = None

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.protocol.send(event))

    async def read(self, *, answer_pings: bool = True) -> None:
        """Read to the end."""
        data = b""
        while not self.opened:
            more = await self.stream.receive_some(4_096)
            if not more:
                self.ended_at = trio.current_time()
                return
            self.head += bytes(more)
            if b"\r\n\r\n" in self.head:
                self.opened = True
                self.head, _, data = self.head.partition(b"\r\n\r\n")
        while True:
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                self.events.append(event)
                if isinstance(event, Ping) and answer_pings:
                    await self.send(event.response())
                elif isinstance(event, CloseConnection):
                    self.ended_at = trio.current_time()
                    return
            data = bytes(await self.stream.receive_some(4_096))
            if not data:
                self.ended_at = trio.current_time()
                return

    @property
    def code(self) -> int | None:
        codes = [int(e.code) for e in self.events if isinstance(e, CloseConnection)]
        return codes[0] if codes else None

    @property
    def texts(self) -> list[str]:
        return [event.data for event in self.events if isinstance(event, TextMessage)]


@asynccontextmanager
async def connected(
    received: bytes = b"", refusal: Refusal | None = None, **limits: Any
) -> AsyncIterator[tuple[Subscriber, Peer, FakeService]]:
    ours, theirs = trio.testing.memory_stream_pair()
    subscriber = Subscriber(ours, Limits(**limits))
    async with trio.open_nursery() as nursery:
        handler = FakeService(nursery, refusal)
        nursery.start_soon(subscriber.run, received, handler)
        yield subscriber, Peer(theirs), handler
        nursery.cancel_scope.cancel()


async def test_a_stream_that_is_no_socket_is_served_from_the_bytes_already_read() -> None:
    begun = request()
    async with connected(begun[:40]) as (subscriber, peer, _):
        await peer.stream.send_all(begun[40:])
        with trio.move_on_after(0.2):
            await peer.read()
        subscriber.push(text_frame("hello"))
        with trio.move_on_after(0.2):
            await peer.read()
    assert peer.head.startswith(b"HTTP/1.1 101 ")
    assert "hello" in peer.texts


async def test_frames_in_the_same_packet_as_the_request_are_not_lost() -> None:
    first = Connection(ConnectionType.CLIENT).send(TextMessage(data='{"type":"stop"}'))
    async with connected(request() + first) as (_, peer, handler):
        with trio.move_on_after(0.2):
            await peer.read()
    assert [command.type for command in handler.performed] == ["stop"]


async def test_a_request_that_does_not_come_is_answered_408(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(handshake_s=10) as (_, peer, _):
        await peer.stream.send_all(b"GET /events HTTP/1.1\r\nHo")
        await peer.read()
        assert trio.current_time() == pytest.approx(10, abs=0.1)
    assert peer.head.startswith(b"HTTP/1.1 408 ")


async def test_a_head_without_end_is_answered_431() -> None:
    async with connected() as (_, peer, _), trio.open_nursery() as nursery:
        nursery.start_soon(peer.read)
        while not peer.head:
            await peer.stream.send_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 100)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert peer.head.startswith(b"HTTP/1.1 431 ")


async def test_a_refusal_ends_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    async with connected(request(), Refusal(403, "No.")) as (subscriber, peer, _):
        await peer.read()
        assert peer.ended_at is not None
    assert peer.head.startswith(b"HTTP/1.1 403 ")
    assert subscriber.closed


async def test_a_peer_that_answers_pings_stays(autojump_clock: trio.testing.MockClock) -> None:
    async with connected(request(), ping_s=20, pong_s=20) as (subscriber, peer, _):
        with trio.move_on_after(3_600):
            await peer.read()
        assert not subscriber.closed
    assert sum(isinstance(event, Ping) for event in peer.events) == pytest.approx(180, abs=2)


async def test_a_peer_that_never_answers_pings_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(request(), ping_s=20, pong_s=20) as (subscriber, peer, _):
        await peer.read(answer_pings=False)
        assert trio.current_time() == pytest.approx(40, abs=0.5)
    assert peer.code == subscriber.close_code == 1011


async def test_pongs_that_nobody_asked_for_do_not_count(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with connected(request(), ping_s=20, pong_s=20) as (_, peer, _):

        async def chatter() -> None:
            while True:
                await peer.send(Pong(payload=b"here I am"))
                await trio.sleep(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(chatter)
            await peer.read(answer_pings=False)
            nursery.cancel_scope.cancel()
    assert peer.code == 1011


async def test_a_stream_that_takes_nothing_is_cut_after_the_stall_limit(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    subscriber = Subscriber(ours, Limits(stall_s=10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run, request(), FakeService(nursery))
        await theirs.receive_some(4_096)
        await trio.testing.wait_all_tasks_blocked()
        subscriber.push(text_frame("x" * 10_000))
        began = trio.current_time()
        await theirs.receive_some(100)
        with trio.fail_after(60):
            while not subscriber.closed:  # noqa: ASYNC110  the clock jumps
                await trio.sleep(0.5)
        assert trio.current_time() - began == pytest.approx(10, abs=1)
        await theirs.aclose()


async def test_a_close_of_the_other_side_is_answered_with_its_code() -> None:
    async with connected(request()) as (subscriber, peer, _):
        await peer.stream.receive_some(4_096)
        await peer.send(CloseConnection(code=4_001, reason="enough"))
        peer.opened = True
        await peer.read()
    assert peer.code == 4_001
    assert subscriber.close_code is None


async def test_a_ping_is_answered_also_in_the_middle_of_a_message() -> None:
    async with connected(request()) as (_, peer, handler):
        await peer.send(TextMessage(data='{"type":', message_finished=False))
        await peer.send(Ping(payload=b"now"))
        await peer.send(TextMessage(data='"stop"}'))
        with trio.move_on_after(0.2):
            await peer.read()
    assert [bytes(e.payload) for e in peer.events if isinstance(e, Pong)] == [b"now"]
    assert handler.messages == ['{"type":"stop"}']


@pytest.mark.parametrize("pieces", [1, 50])
async def test_a_message_beyond_the_limit_is_closed_with_1009(pieces: int) -> None:
    part = "x" * (2_000 // pieces)
    async with (
        connected(request(), message_bytes=1_000) as (_, peer, handler),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.read)
        for number in range(pieces):
            if peer.code is None:
                await peer.send(TextMessage(data=part, message_finished=number == pieces - 1))
    assert peer.code == 1009
    assert handler.messages == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\xf1\x80\x00\x00\x00\x00", 1002),  # reserved bits
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # no such kind of frame
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # continues nothing
        (b"\x81\x82\x00\x00\x00\x00\xff\xfe", 1007),  # not UTF-8
        (b"\x88\x81\x00\x00\x00\x00\x03", 1002),  # half a close code
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + b"x" * 126, 1002),  # a ping too long
    ],
)
async def test_a_breach_of_the_protocol_ends_the_connection_by_its_code(
    frame: bytes, code: int
) -> None:
    async with connected(request() + frame) as (_, peer, handler):
        await peer.read()
    assert peer.code == code
    assert handler.messages == []


frames = st.one_of(
    st.builds(TextMessage, data=st.text(st.characters(exclude_categories=["Cs"]), max_size=50)),
    st.builds(
        TextMessage,
        data=st.sampled_from(
            ['{"type":"stop"}', '{"type":"send_chat","data":{"text":"hi"},"id":7}', "[", "null"]
        ),
    ),
    st.builds(BytesMessage, data=st.binary(max_size=50)),
    st.builds(Ping, payload=st.binary(max_size=125)),
    st.builds(Pong, payload=st.binary(max_size=125)),
)


@settings(deadline=None)
@given(
    good=st.lists(frames, max_size=8),
    at=st.floats(0, 1),
    noise=st.binary(max_size=40),
    cut=st.integers(1, 200),
)
def test_whatever_comes_in_is_answered_or_ends_the_connection(
    good: list[Event], at: float, noise: bytes, cut: int
) -> None:
    client = Connection(ConnectionType.CLIENT)
    sent = b"".join(client.send(event) for event in good)
    middle = round(at * len(sent))
    sent = sent[:middle] + noise + sent[middle:]

    async def play() -> None:
        async with connected(request()) as (subscriber, peer, handler):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(peer.read)
                try:
                    for first in range(0, len(sent), cut):
                        await peer.stream.send_all(sent[first : first + cut])
                    await trio.testing.wait_all_tasks_blocked()
                    assert isinstance(peer.stream, trio.StapledStream)
                    await peer.stream.send_eof()
                except trio.BrokenResourceError:
                    pass
            assert subscriber.closed
            answers = [text for text in peer.texts if "command.result" in text]
            assert len(answers) <= len(handler.messages)
            if not noise:
                assert len(handler.messages) == sum(isinstance(e, Message) for e in good)
                assert len(answers) == len(handler.messages)

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


command_like = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["stop", "send_chat", "speak", "show_image", "pause"]) | JSON,
        "data": st.dictionaries(
            st.sampled_from(["text", "pcm", "detail", "reason", "sample_rate_hz"]), JSON
        )
        | JSON,
        "id": JSON,
    },
)


@settings(deadline=None, max_examples=300)
@given(command_like | JSON)
def test_any_json_is_a_command_or_a_refusal_and_can_be_answered(value: object) -> None:
    import json

    command_id, command = read_command(json.dumps(value))
    error = None if isinstance(command, Command) else str(command)
    answered = json.loads(answer_text(command_id, error).encode())
    assert answered["type"] == "command.result"
    assert answered["ok"] is isinstance(command, Command)


@given(st.text() | st.binary())
def test_any_message_is_a_command_or_a_refusal(message: str | bytes) -> None:
    command_id, command = read_command(message)
    answer_text(command_id, str(command)).encode()


@pytest.mark.parametrize(
    "message",
    ["[" * 100_000, '{"id":' * 50_000, "9" * 10_000, '{"type":"stop","data":{"detail":"\\ud800"}}'],
)
def test_json_made_to_hurt_is_refused(message: str) -> None:
    _, command = read_command(message)
    assert not isinstance(command, Command)
