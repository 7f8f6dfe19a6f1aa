"""A simulator of Zoom's streaming servers, for tests: both sockets, real ones, on loopback.

    async with open_simulator() as zoom:
        platform = ZoomRtmsPlatform(zoom.options())
        ...                                   # send a bot to zoom.address.link()
        await zoom.streaming()                # it is ready to receive
        zoom.join(1, "Ada")
        zoom.speak(1, pcm)                    # int16 at 16 kHz, stamped with the clock
        zoom.end(StopReason.MEETING_ENDED)

It checks what a client sends as Zoom does, and can misbehave as Zoom's servers may: refuse a
handshake, break a connection, keep what is said meanwhile, send it twice, send what nobody knows,
fail as a whole and go on with another server.
It was made from public documentation; it is not Zoom.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

import trio
from attrs import define, field
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    WebSocketServer,
    serve_websocket,
)

from meetcore import Secret
from meetcore_zoom_rtms.options import RtmsOptions
from meetcore_zoom_rtms.stream_address import StreamAddress
from meetcore_zoom_rtms.wire import (
    EventType,
    MsgType,
    SessionState,
    Status,
    StopReason,
    StreamState,
    signature,
)

__all__ = ["RtmsSimulator", "open_simulator"]

_KEPT = 600
_PACKET_BYTES = 3200
_PACKET_MS = 100


@define(eq=False)
class RtmsSimulator:
    """One stream of one meeting. Make one with `open_simulator`.

    Attributes:
        meeting_uuid: The meeting.
        stream_id: The stream.
        client_id: Of the app.
        client_secret: Of the app.
        signalling_url: Where the client begins.
        refuse_signalling: Statuses with which the next signalling handshakes are answered.
        refuse_media: The same of the media connection.
        answer_nothing: Handshakes are not answered.
        mixed: What the client asked for.
        captions: Whether the client asked for Zoom's transcript.
        handshakes: How many handshakes were accepted, signalling and media.
        closed_by_client: Whether the client asked for the stream to be closed.
    """

    meeting_uuid: str = "4444AAAiAAAAAiAiAiiAii=="
    stream_id: str = "stream-of-the-simulator"
    client_id: str = "client-of-the-simulator"
    client_secret: str = "secret-of-the-simulator"
    signalling_url: str = ""
    refuse_signalling: list[int] = field(factory=list)
    refuse_media: list[int] = field(factory=list)
    answer_nothing: bool = False
    mixed: bool = False
    captions: bool = False
    handshakes: list[str] = field(factory=list)
    closed_by_client: bool = False
    _servers: list[tuple[str, str]] = field(factory=list)
    _media_url: str = ""
    _signalling: WebSocketConnection | None = None
    _media: WebSocketConnection | None = None
    _ready: trio.Event = field(factory=trio.Event)
    _gone: trio.Event = field(factory=trio.Event)
    _kept: deque[dict[str, Any]] = field(factory=lambda: deque(maxlen=_KEPT))
    _outgoing: trio.MemorySendChannel[tuple[str, dict[str, Any]]] = field(init=False)
    _incoming: trio.MemoryReceiveChannel[tuple[str, dict[str, Any]]] = field(init=False)
    _tellings: int = 0
    _epoch_ms: int = 1_790_000_000_000

    def __attrs_post_init__(self) -> None:
        """Make the queue of what is to be sent."""
        self._outgoing, self._incoming = trio.open_memory_channel(100_000)

    # --- what a test needs to know -------------------------------------------------------------

    @property
    def address(self) -> StreamAddress:
        """Where the stream is."""
        return StreamAddress(self.meeting_uuid, self.stream_id, self.signalling_url)

    def options(self, audio: Literal["speakers", "mixed"] = "speakers") -> RtmsOptions:
        """Return the options with which a bot may receive it."""
        return RtmsOptions(
            client_id=self.client_id,
            client_secret=Secret(self.client_secret),
            audio=audio,
            hosts=("127.0.0.1",),
        )

    def webhook(self, event: str = "meeting.rtms_started") -> dict[str, Any]:
        """Return what Zoom would tell the app's webhook; each call is another telling."""
        payload = {
            "meeting_uuid": self.meeting_uuid,
            "operator_id": "operator",
            "rtms_stream_id": self.stream_id,
            "server_urls": self.signalling_url,
        }
        self._tellings += 1
        return {"event": event, "event_ts": self.now_ms() + self._tellings, "payload": payload}

    def now_ms(self) -> int:
        """Return the time that packets are stamped with."""
        return self._epoch_ms + round(trio.current_time() * 1000)

    async def streaming(self) -> None:
        """Return when the client is ready to receive. No deadline of its own."""
        await self._ready.wait()

    async def away(self) -> None:
        """Return when the client's signalling connection has ended. No deadline of its own."""
        await self._gone.wait()

    # --- what happens --------------------------------------------------------------------------

    def join(self, user_id: int, name: str) -> None:
        """Let somebody be in the meeting."""
        self._event(EventType.PARTICIPANT_JOINED, participants=[_person(user_id, name)])

    def leave(self, user_id: int) -> None:
        """Let somebody leave."""
        self._event(EventType.PARTICIPANT_LEFT, participants=[{"user_id": user_id}])

    def active(self, user_id: int, name: str, stamp_ms: int | None = None) -> None:
        """Say who the active speaker is."""
        person = _person(user_id, name)
        self._event(EventType.ACTIVE_SPEAKER, stamp_ms=stamp_ms, **person)

    def speak(
        self, user_id: int, pcm: bytes, *, name: str = "", stamp_ms: int | None = None
    ) -> None:
        """Send sound, cut into packets of 100 ms, all at once; `user_id` 0 is the mix."""
        stamp_ms = self.now_ms() if stamp_ms is None else stamp_ms
        for begin in range(0, len(pcm), _PACKET_BYTES):
            content = {
                **_person(user_id, name),
                "data": base64.b64encode(pcm[begin : begin + _PACKET_BYTES]).decode(),
                "timestamp": stamp_ms + begin // _PACKET_BYTES * _PACKET_MS,
            }
            self._media_message({"msg_type": int(MsgType.AUDIO), "content": content})

    def write(self, user_id: int, name: str, text: str, *, to_everybody: bool = True) -> None:
        """Send a chat message, as Zoom does since July 2026: JSON in `data`."""
        inner = {
            "message_id": f"m-{self.now_ms()}-{user_id}",
            "operation_type": 1,
            "chat_session": {"type": 1 if to_everybody else 2},
            "sender": _person(user_id, name),
            "data": text,
        }
        content = {"timestamp": self.now_ms(), "data": json.dumps(inner)}
        self._media_message({"msg_type": int(MsgType.CHAT), "content": content})

    def caption(self, user_id: int, name: str, text: str) -> None:
        """Send a line of Zoom's own transcript."""
        content = {**_person(user_id, name), "data": text, "timestamp": self.now_ms()}
        self._media_message({"msg_type": int(MsgType.TRANSCRIPT), "content": content})

    def pause(self, *, paused: bool = True, session_id: str = "session-1") -> None:
        """Let a session of the stream be paused in the meeting, or go on."""
        self.session(SessionState.PAUSED if paused else SessionState.RESUMED, session_id)

    def session(self, state: SessionState, session_id: str = "session-1") -> None:
        """Say how a session of the stream stands: there may be one for each user of the app."""
        message = {
            "msg_type": int(MsgType.SESSION_STATE),
            "state": int(state),
            "rtms_session_id": session_id,
            "timestamp": self.now_ms(),
        }
        self._signal(message)

    def end(self, stop_reason: int = StopReason.MEETING_ENDED) -> None:
        """End the stream."""
        message = {
            "msg_type": int(MsgType.STREAM_STATE),
            "rtms_stream_id": self.stream_id,
            "state": int(StreamState.TERMINATED),
            "stop_reason": int(stop_reason),
            "timestamp": self.now_ms(),
        }
        self._signal(message)

    def send_raw(self, where: Literal["signalling", "media"], message: dict[str, Any]) -> None:
        """Send anything."""
        self._outgoing.send_nowait((where, message))

    async def ask_whether_alive(self) -> None:
        """Send both keep-alives."""
        for where in ("signalling", "media"):
            stamp = {"msg_type": int(MsgType.KEEP_ALIVE), "timestamp": self.now_ms()}
            self._outgoing.send_nowait((where, stamp))

    async def break_media(self) -> None:
        """Break the media connection; what is said meanwhile is kept, as Zoom keeps it."""
        self._ready = trio.Event()
        if self._media is not None:
            await self._media.aclose(1011, "broken")

    def interrupt_media(self) -> None:
        """Say that the media connection is dead, and leave it open, as behind a dead router."""
        self._ready = trio.Event()
        self._event(EventType.MEDIA_INTERRUPTED)

    def fail_over(self) -> None:
        """Let the servers die without a word and another pair have the stream: `webhook` says so.

        Connections to the old ones stay open, as behind a dead router, and new ones are taken and
        never answered.
        """
        self._ready = trio.Event()
        self._signalling = self._media = None
        self.signalling_url, self._media_url = self._servers[1]

    async def break_signalling(self) -> None:
        """Break the signalling connection."""
        if self._signalling is not None:
            await self._signalling.aclose(1011, "broken")

    # --- the servers ---------------------------------------------------------------------------

    def _event(self, kind: EventType, *, stamp_ms: int | None = None, **more: Any) -> None:
        stamp_ms = self.now_ms() if stamp_ms is None else stamp_ms
        event = {"event_type": int(kind), "timestamp": stamp_ms, **more}
        self._signal({"msg_type": int(MsgType.EVENT), "event": event})

    def _signal(self, message: dict[str, Any]) -> None:
        self._outgoing.send_nowait(("signalling", message))

    def _media_message(self, message: dict[str, Any]) -> None:
        self._outgoing.send_nowait(("media", message))

    async def _deliver(self) -> None:
        async for where, message in self._incoming:
            if where == "media" and not self._ready.is_set():
                self._kept.append(message)
                continue
            socket = self._media if where == "media" else self._signalling
            if socket is None:
                continue
            try:
                await socket.send_message(json.dumps(message))
            except ConnectionClosed:
                if where == "media":
                    self._kept.append(message)

    def _is_signed(self, message: dict[str, Any]) -> bool:
        wanted = signature(self.client_id, self.client_secret, self.meeting_uuid, self.stream_id)
        return bool(message.get("signature") == wanted)

    async def _serve_signalling(self, which: int, request: WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            hello = json.loads(await socket.get_message())
            if self.answer_nothing or self._servers[which][0] != self.signalling_url:
                await trio.sleep_forever()
            status = self.refuse_signalling.pop(0) if self.refuse_signalling else Status.OK
            if not self._is_signed(hello):
                status = Status.INVALID_SIGNATURE
            answer: dict[str, Any] = {
                "msg_type": int(MsgType.SIGNALLING_ANSWER),
                "protocol_version": 1,
                "status_code": int(status),
                "reason": "" if status == Status.OK else f"status {int(status)}",
            }
            if status == Status.OK:
                answer["media_server"] = {"server_urls": {"all": self._media_url}}
                self.handshakes.append("signalling")
                self._signalling = socket
            await socket.send_message(json.dumps(answer))
            while status == Status.OK:
                message = json.loads(await socket.get_message())
                if socket is self._signalling:
                    await self._signalled(message)
        except ConnectionClosed:
            pass
        finally:
            if self._signalling is socket:
                self._signalling = None
                self._gone.set()

    async def _signalled(self, message: dict[str, Any]) -> None:
        kind = message["msg_type"]
        if kind == MsgType.CLIENT_READY and self._media is not None:
            self._ready.set()
            kept = list(self._kept)
            self._kept.clear()
            for each in kept:
                self._outgoing.send_nowait(("media", each))
        elif kind == MsgType.STREAM_CLOSE:
            self.closed_by_client = True
            answer = {"msg_type": int(MsgType.STREAM_CLOSE_ANSWER), "status_code": 0}
            self._signal(answer)

    async def _serve_media(self, request: WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            hello = json.loads(await socket.get_message())
            status = self.refuse_media.pop(0) if self.refuse_media else Status.OK
            if not self._is_signed(hello):
                status = Status.INVALID_SIGNATURE
            answer = {"msg_type": int(MsgType.MEDIA_ANSWER), "status_code": int(status)}
            if status == Status.OK:
                self.mixed = hello["media_params"]["audio"]["data_opt"] == 1
                self.captions = bool(hello["media_type"] & 8)
                self.handshakes.append("media")
                self._media = socket
            await socket.send_message(json.dumps(answer))
            while status == Status.OK:
                await socket.get_message()
        except ConnectionClosed:
            pass
        finally:
            if self._media is socket:
                self._media = None


def _person(user_id: int, name: str) -> dict[str, Any]:
    return {"user_id": user_id, "user_name": name}


@asynccontextmanager
async def open_simulator() -> AsyncIterator[RtmsSimulator]:
    """Hold a simulator on random ports of loopback."""
    simulator = RtmsSimulator()
    async with trio.open_nursery() as nursery:
        start = partial(serve_websocket, host="127.0.0.1", port=0, ssl_context=None)
        for which in range(2):
            serve = partial(simulator._serve_signalling, which)
            signalling: WebSocketServer = await nursery.start(partial(start, serve))
            media: WebSocketServer = await nursery.start(partial(start, simulator._serve_media))
            host = "ws://127.0.0.1"
            urls = (f"{host}:{signalling.port}/signalling", f"{host}:{media.port}/media")
            simulator._servers.append(urls)
        simulator.signalling_url, simulator._media_url = simulator._servers[0]
        nursery.start_soon(simulator._deliver)
        yield simulator
        nursery.cancel_scope.cancel()
