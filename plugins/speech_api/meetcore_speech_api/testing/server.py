"""A stand-in server on loopback: WebSockets and requests on one port, in the test's own Trio loop.

It is no speech service and knows no speech. What it says follows public documentation of the
service that it stands in for, and what nobody documents it does not do.
"""

from __future__ import annotations

import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import h11
import trio
from attrs import define, field, frozen
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_server_stream,
)

from meetcore import Pcm
from meetcore_speech_api.testing.faults import FaultKind, StandInFault
from meetcore_speech_api.testing.known_sound import KnownSound, ScriptedWord, SoundEar

__all__ = ["HttpAnswer", "HttpQuestion", "StandInServer", "StandInSession"]

_LONGEST_BODY = 64 * 1024 * 1024
_GONE = (
    ConnectionClosed,
    HandshakeError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@frozen(kw_only=True)
class HttpQuestion:
    """A request that is no WebSocket's."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


@frozen(kw_only=True)
class HttpAnswer:
    """What it is answered."""

    status: int = 200
    body: Any = field(factory=dict)
    headers: tuple[tuple[str, str], ...] = ()


class _ReadAgain(trio.abc.HalfCloseableStream):
    """A stream of which the beginning was read already."""

    def __init__(self, stream: trio.SocketStream, read: bytes) -> None:
        self._stream = stream
        self._read = read

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._read:
            await trio.lowlevel.checkpoint()
            some, self._read = self._read, b""
            return some
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


@define(eq=False)
class StandInSession:
    """One WebSocket, from the stand-in's side, and all that came over it.

    Attributes:
        number: Which it is, from 1.
        query: What was wished for in the URL.
        headers: The handshake's, by name in small letters.
        ear: What was heard.
        received: The JSON messages that came.
        frames_ms: The lengths of the frames of audio that came.
        closed: With what it was closed by the stand-in, None while it was not.
    """

    number: int
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    ear: SoundEar
    received: list[dict[str, Any]] = field(factory=list)
    frames_ms: list[float] = field(factory=list)
    closed: tuple[int, str] | None = None
    opened_at: float = field(factory=trio.current_time)
    _connection: WebSocketConnection | None = None
    _stream: trio.SocketStream | None = None
    _faults: Sequence[StandInFault] = ()
    _over: trio.CancelScope = field(factory=trio.CancelScope)
    _queue: trio.MemorySendChannel[tuple[float, Any]] = field(init=False)
    _due: trio.MemoryReceiveChannel[tuple[float, Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the queue of what is to be said."""
        self._queue, self._due = trio.open_memory_channel(100_000)

    def wish(self, name: str, default: str = "") -> str:
        """Return one thing that was wished for."""
        return next((value for key, value in self.query if key == name), default)

    def wishes(self, name: str) -> list[str]:
        """Return all of a name that were wished for."""
        return [value for key, value in self.query if key == name]

    def fault(self, kind: FaultKind) -> StandInFault | None:
        """Return a fault of a kind that is due by now on this connection, None for none."""
        for fault in self._faults:
            due = fault.kind == kind and self.ear.audio_s >= fault.after_s
            if due and fault.on(self.number):
                return fault
        return None

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message, unless it is stalled; later, if it is late."""
        if self.fault("stall"):
            return
        late = self.fault("late")
        due_at = trio.current_time() + (late.seconds if late else 0.0)
        self._queue.send_nowait((due_at, dict(message)))

    def close(self, code: int, reason: str) -> None:
        """Close it after what was said."""
        self._queue.send_nowait((trio.current_time(), (code, reason)))

    async def receive(self) -> bytes | dict[str, Any]:
        """Return the next frame of audio or message; faults that are due happen here.

        Raises:
            ConnectionClosed: It is closed, by whomever.
        """
        assert self._connection is not None
        message = await self._connection.get_message()
        if isinstance(message, str):
            told = json.loads(message)
            self.received.append(told)
            return dict(told)
        self.frames_ms.append(len(message) / 32)
        self.ear.hear(message)
        await self._misbehave()
        return message

    async def _misbehave(self) -> None:
        close = self.fault("close")
        if close is not None:
            self.close(close.code, close.reason)
            await trio.sleep_forever()
        for kind, reset in (("drop", False), ("drop_on_send", True)):
            if self.fault("drop" if kind == "drop" else "drop_on_send"):
                assert self._stream is not None
                _hang_up(self._stream, reset=reset)
                self._over.cancel()
                await trio.lowlevel.checkpoint()

    async def _speak(self) -> None:
        assert self._connection is not None
        async for due_at, what in self._due:
            await trio.sleep_until(due_at)
            if isinstance(what, tuple):
                self.closed = what
                await self._connection.aclose(*what)
                self._over.cancel()
                return
            await self._connection.send_message(json.dumps(what))


def _hang_up(stream: trio.SocketStream, *, reset: bool) -> None:
    if reset:
        linger = struct.pack("ii", 1, 0)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    stream.socket.close()


@define(eq=False)
class StandInServer(ABC):
    """A stand-in for a speech service: subclass it with what the service says.

    Attributes:
        key: The key that is taken.
        faults: What goes wrong.
        sessions: The WebSockets there were.
        questions: The other requests there were.
        tries: How many connections were tried.
        url: Where it is, once it runs.
    """

    key: str
    faults: Sequence[StandInFault]
    known: KnownSound
    sessions: list[StandInSession] = field(factory=list)
    questions: list[HttpQuestion] = field(factory=list)
    tries: int = 0
    url: str = ""
    _away_since: float | None = None

    @classmethod
    def of(
        cls,
        words: Sequence[ScriptedWord] = (ScriptedWord("hello", 0.0, 0.3),),
        sound: Pcm | None = None,
        faults: Sequence[StandInFault] = (),
        key: str = "key-of-a-stand-in",
    ) -> Self:
        """Return a stand-in that hears these words.

        Args:
            words: What is said in the sound, or, where that is not known, the words in turn.
            sound: The recording they are said in; see `known_sound`.
            faults: What goes wrong.
            key: The key that is taken.
        """
        return cls(key=key, faults=tuple(faults), known=KnownSound(sound, words))

    # --- of each service ----------------------------------------------------------------------

    @abstractmethod
    def refusal(self, headers: Mapping[str, str]) -> HttpAnswer | None:
        """Return the answer to who has no good key, None for who has; over HTTP."""

    @abstractmethod
    async def converse(self, session: StandInSession) -> None:
        """Serve a WebSocket until it is closed."""

    @abstractmethod
    async def answer(self, question: HttpQuestion) -> HttpAnswer:
        """Answer a request."""

    # --- the server ---------------------------------------------------------------------------

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Run it on a random port of loopback while this is held; gives the URL."""
        raised: Exception | None = None
        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listeners[0].socket.getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            nursery.start_soon(trio.serve_listeners, self._serve, listeners)
            try:
                yield self.url
            except Exception as error:  # noqa: BLE001  a nursery would put it into a group
                raised = error
            nursery.cancel_scope.cancel()
        if raised is not None:
            raise raised

    def _refused(self) -> HttpAnswer | None:
        for fault in self.faults:
            if fault.kind == "refuse" and fault.on(self.tries):
                body = json.loads(fault.body) if fault.body.startswith("{") else fault.body
                return HttpAnswer(status=fault.status, body=body, headers=fault.headers)
        return None

    def _is_away(self) -> bool:
        for fault in self.faults:
            if fault.kind == "away":
                now = trio.current_time()
                self._away_since = now if self._away_since is None else self._away_since
                if now < self._away_since + fault.seconds:
                    return True
        return False

    async def _serve(self, stream: trio.SocketStream) -> None:
        self.tries += 1
        try:
            if self._is_away():
                _hang_up(stream, reset=True)
            else:
                await self._serve_any(stream)
        except* _GONE:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_any(self, stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            some = await stream.receive_some()
            if not some:
                return
            head += some
        if b"upgrade: websocket" in head.lower():
            await self._serve_socket(stream, head)
        else:
            await self._serve_request(stream, head)

    async def _serve_socket(self, stream: trio.SocketStream, head: bytes) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(
                nursery, _ReadAgain(stream, head), message_queue_size=16
            )
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in request.headers
            }
            refused = self._refused() or self.refusal(headers)
            if refused is not None:
                extra = [(n.encode(), v.encode()) for n, v in refused.headers]
                body = refused.body if isinstance(refused.body, str) else json.dumps(refused.body)
                await request.reject(refused.status, extra_headers=extra, body=body.encode())
                nursery.cancel_scope.cancel()
                return
            connection = await request.accept()
            session = StandInSession(
                number=len(self.sessions) + 1,
                query=tuple(parse_qsl(urlsplit(request.path).query, keep_blank_values=True)),
                headers=headers,
                ear=SoundEar(self.known),
                connection=connection,
                stream=stream,
                faults=self.faults,
            )
            self.sessions.append(session)
            try:
                with session._over:
                    async with trio.open_nursery() as inner:
                        inner.start_soon(session._speak)
                        await self.converse(session)
            except* _GONE:
                pass
            nursery.cancel_scope.cancel()

    async def _serve_request(self, stream: trio.SocketStream, head: bytes) -> None:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head)
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=100, headers=[])
                    await stream.send_all(connection.send(go_on) or b"")
                connection.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _LONGEST_BODY:
                    return
            else:
                break
        if request is None:
            return
        headers = {n.decode().lower(): v.decode("latin-1") for n, v in request.headers}
        parts = urlsplit(request.target.decode("ascii"))
        question = HttpQuestion(
            method=request.method.decode("ascii"),
            path=parts.path,
            query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            headers=headers,
            body=bytes(body),
        )
        self.questions.append(question)
        answer = self._refused() or self.refusal(headers) or await self.answer(question)
        told = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        data = told.encode("utf-8")
        response = h11.Response(
            status_code=answer.status,
            headers=[
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(data))),
                ("Connection", "close"),
                *answer.headers,
            ],
        )
        sent = [h11.Data(data=data), h11.EndOfMessage()]
        out = [connection.send(response), *(connection.send(each) for each in sent)]
        await stream.send_all(b"".join(piece or b"" for piece in out))
