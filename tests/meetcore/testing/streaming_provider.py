"""A streaming provider on a real loopback WebSocket, and the transcriber that speaks to it.

The provider is like those that there are: it counts the audio of one connection from 0, knows no
utterances but turns, in the order in which they were asked to be finalized, and can be made to
misbehave. The transcriber keeps its clock with `StreamClock`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from attrs import define, field
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    serve_websocket,
    wrap_client_stream,
)

import meetcore
from meetcore.model.errors import TranscriberError
from meetcore.testing.provider_conformance import Misbehaviour

REFUSED_S = 3.0
LATE_S = 6.0


@define(eq=False)
class StreamingProvider:
    """The server's side: one instance for all connections of a test."""

    how: Misbehaviour | None = None
    connections: int = 0
    turns: int = 0
    opened_at: float = field(factory=trio.current_time)

    async def serve(self, request: WebSocketRequest) -> None:
        if self.how == "rate_limit" and trio.current_time() < self.opened_at + REFUSED_S:
            left = self.opened_at + REFUSED_S - trio.current_time()
            await request.reject(429, extra_headers=[(b"Retry-After", f"{left:g}".encode())])
            return
        self.connections += 1
        connection = await request.accept()
        with suppress(ConnectionClosed):
            await self._answer(connection, self.connections)

    async def _answer(self, connection: WebSocketConnection, number: int) -> None:
        heard_s, turn, began_s = 0.0, 0, 0.0
        while True:
            message = await connection.get_message()
            if self.how == "stall" and number == 1:
                continue
            if isinstance(message, bytes):
                heard_s += len(message) / 2 / 16_000
                if self.how == "disconnect" and number == 1 and self.turns == 1:
                    await connection.aclose(1011, "out of order")
                    return
                await self._partial(connection, turn, heard_s - began_s)
            else:
                await self._final(connection, turn, began_s, heard_s)
                turn, began_s = turn + 1, heard_s
                self.turns += 1

    async def _partial(self, connection: WebSocketConnection, turn: int, length_s: float) -> None:
        if length_s > 0.3:
            revision = round(length_s * 10)
            await _say(connection, type="partial", turn=turn, revision=revision, text="hel")
            if self.how == "older_revision":
                await _say(connection, type="partial", turn=turn, revision=1, text="old")

    async def _final(
        self, connection: WebSocketConnection, turn: int, start_s: float, end_s: float
    ) -> None:
        if self.how == "late_final":
            await trio.sleep(LATE_S)
        if self.how == "unknown_utterance":
            await _say(connection, type="final", turn=turn + 70, start=9000, end=9001, text="who")
        for _ in range(2 if self.how == "final_twice" else 1):
            await _say(connection, type="final", turn=turn, start=start_s, end=end_s, text="hello")


async def _say(connection: WebSocketConnection, **message: Any) -> None:
    await connection.send_message(json.dumps(message))


class LoopbackTranscriber(meetcore.Transcriber):
    """A transcriber as the adapter of such a provider is written."""

    name = "loopback"

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    @asynccontextmanager
    async def stream(
        self, request: meetcore.StreamRequest
    ) -> AsyncIterator[meetcore.TranscriberStream]:
        try:
            async with self._connected() as connection, trio.open_nursery() as nursery:
                stream = LoopbackStream(connection, request)
                nursery.start_soon(stream.receive)
                yield stream
                nursery.cancel_scope.cancel()
        except* ConnectionRejected as group:
            error = group.exceptions[0]
            assert isinstance(error, ConnectionRejected)
            after = dict(error.headers or ()).get(b"retry-after", b"1")
            raise TranscriberError(
                "rate", f"HTTP {error.status_code}", retryable=True, retry_after_s=float(after)
            ) from error
        except* (ConnectionClosed, HandshakeError, OSError) as group:
            raise TranscriberError("network", "the socket broke", retryable=True) from group

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[WebSocketConnection]:
        # The TCP connection is ours: trio-websocket leaves it open where it was refused or broken.
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            async with trio.open_nursery() as nursery:
                connection = await wrap_client_stream(nursery, stream, "127.0.0.1", "/")
                yield connection
                await connection.aclose()
        finally:
            await trio.aclose_forcefully(stream)


class LoopbackStream(meetcore.TranscriberStream):
    """One connection."""

    def __init__(self, connection: WebSocketConnection, request: meetcore.StreamRequest) -> None:
        self._connection = connection
        self._request = request
        self._clock = meetcore.StreamClock()
        self._turns: list[str] = []
        self._finals = 0
        self._news = trio.Event()

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        await trio.lowlevel.checkpoint()
        self._turns.append(utterance_id)

    async def feed(self, chunk: meetcore.Chunk) -> None:
        self._clock.sent(chunk.start_sample, chunk.samples)
        await self._connection.send_message(chunk.pcm.astype("<i2").tobytes())

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        await self._connection.send_message(json.dumps({"type": "finalize"}))

    async def flush(self) -> None:
        while self._finals < len(self._turns):
            await self._news.wait()

    async def receive(self) -> None:
        while True:
            self._take(json.loads(await self._connection.get_message()))

    def _take(self, message: dict[str, Any]) -> None:
        turn = message["turn"]
        known = turn < len(self._turns)
        words: tuple[meetcore.Word, ...] = ()
        final = message["type"] == "final"
        if final:
            start_s = self._clock.call_s(message["start"])
            end_s = self._clock.call_s(message["end"], end=True)
            words = (meetcore.Word(message["text"], start_s, end_s),)
        self._request.emit(
            meetcore.Hypothesis(
                utterance_id=self._turns[turn] if known else f"turn-{turn}",
                revision=message.get("revision", 1000),
                text=message["text"],
                words=words,
                final=final,
            )
        )
        if final and known:
            self._finals = max(self._finals, turn + 1)
            self._news.set()
            self._news = trio.Event()


@asynccontextmanager
async def streaming_provider(how: Misbehaviour | None) -> AsyncIterator[LoopbackTranscriber]:
    provider = StreamingProvider(how)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, provider.serve, "127.0.0.1", 0, None)
        yield LoopbackTranscriber(server.port)
        nursery.cancel_scope.cancel()
