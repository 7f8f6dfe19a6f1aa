"""A stand-in for the realtime WebSocket on loopback, with faults on command."""

from __future__ import annotations

import json
from base64 import b64decode
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
    serve_websocket,
)

__all__ = ["RealtimeFault", "RealtimeStandIn", "open_realtime_stand_in"]

RealtimeFault = Literal[
    "late",
    "silent",
    "drop",
    "drop_in_text",
    "failed",
    "server_error",
    "rate_limit",
    "out_of_money",
    "expired",
    "garbage",
    "unknown_item",
    "twice",
    "reversed",
]
"""What the stand-in does with an utterance instead of answering it in order.

`late` answers after `late_s`, `silent` never; `drop` closes the connection, `drop_in_text` after
the first delta; `reversed` answers it together with the next one, the later first.
"""

_ERRORS = {
    "failed": ("server_error", "audio_unintelligible", "The audio could not be transcribed."),
    "server_error": ("server_error", "", "The server had an error."),
    "rate_limit": ("rate_limit_exceeded", "rate_limit_exceeded", "Slow down."),
    "out_of_money": ("insufficient_quota", "insufficient_quota", "You exceeded your quota."),
    "expired": ("invalid_request_error", "session_expired", "Your session hit its limit."),
}


@define(eq=False, kw_only=True)
class RealtimeStandIn:
    """What the stand-in says, and how it misbehaves; change it while it runs.

    Attributes:
        text: What it hears in every utterance; nothing in silence.
        key: The key that it takes, None for any or none.
        refuse: A status that handshakes are answered with, None to take them.
        retry_after: The header that goes with it, in seconds.
        late_s: How late it is when it is late.
        sessions: The settings of each connection, in order.
        seconds: How much sound each committed utterance had.
        url: What to set as `realtime_url`.
    """

    text: str = "hello from the stand-in"
    key: str | None = None
    refuse: int | None = None
    retry_after: str = "3"
    late_s: float = 5.0
    sessions: list[dict[str, Any]] = field(factory=list)
    seconds: list[float] = field(factory=list)
    url: str = ""
    _faults: deque[RealtimeFault | None] = field(factory=deque)
    _count: int = 0

    def fail(self, *faults: RealtimeFault | None) -> None:
        """Misbehave at the next utterances, in order; None stands for one that is answered."""
        self._faults.extend(faults)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            serve = partial(serve_websocket, self._serve, "127.0.0.1", 0, ssl_context=None)
            server = await nursery.start(serve)
            self.url = f"ws://127.0.0.1:{server.port}/v1/realtime"
            task_status.started()

    async def _serve(self, request: WebSocketRequest) -> None:
        headers = {name.lower(): value for name, value in request.headers}
        given = headers.get(b"authorization", b"").decode()
        refuse = self.refuse
        if self.key is not None and given != f"Bearer {self.key}":
            refuse = 401
        if refuse is not None:
            body = json.dumps({"error": {"message": f"no {given}", "code": "invalid_api_key"}})
            await request.reject(
                refuse,
                extra_headers=[(b"retry-after", self.retry_after.encode())],
                body=body.encode(),
            )
            return
        socket = await request.accept()
        try:
            await self._attend(socket)
        except ConnectionClosed:
            return

    async def _attend(self, socket: WebSocketConnection) -> None:
        await _say(socket, "session.created", session={"type": "transcription"})
        sound, held = bytearray(), list[tuple[str, str]]()
        while True:
            message = json.loads(await socket.get_message())
            if message["type"] == "session.update":
                self.sessions.append(message["session"])
                await _say(socket, "session.updated", session=message["session"])
            elif message["type"] == "input_audio_buffer.append":
                sound += b64decode(message["audio"])
            elif message["type"] == "input_audio_buffer.commit":
                self.seconds.append(len(sound) / 2 / 24_000)
                text = self.text if any(sound) else ""
                sound.clear()
                if self.seconds[-1] < 0.1:
                    await _error(socket, "invalid_request_error", "input_audio_buffer_commit_empty")
                    continue
                if not await self._answer(socket, text, held):
                    return

    async def _answer(
        self, socket: WebSocketConnection, text: str, held: list[tuple[str, str]]
    ) -> bool:
        """Answer an utterance, or misbehave; return whether the connection goes on."""
        fault = self._faults.popleft() if self._faults else None
        self._count += 1
        item = f"item_{self._count}"
        if fault == "drop":
            await socket.aclose(1011)
            return False
        if fault == "silent":
            return True
        if fault == "garbage":
            await socket.send_message("\x00 not what you think")
            return True
        if fault == "unknown_item":
            await _transcript(socket, "item_of_nobody", "words that nobody said")
        if fault == "late":
            await trio.sleep(self.late_s)
        await _say(socket, "input_audio_buffer.committed", item_id=item, previous_item_id=None)
        if fault == "failed":
            kind, code, words = _ERRORS[fault]
            await _say(
                socket,
                "conversation.item.input_audio_transcription.failed",
                item_id=item,
                error={"type": kind, "code": code, "message": words},
            )
            return True
        if fault in _ERRORS:
            kind, code, words = _ERRORS[fault]
            await _error(socket, kind, code, words)
            return True
        if fault == "reversed":
            held.append((item, text))
            return True
        for token in text.split(" "):
            delta = "conversation.item.input_audio_transcription.delta"
            await _say(socket, delta, item_id=item, content_index=0, delta=f"{token} ")
            if fault == "drop_in_text":
                await socket.aclose(1001)
                return False
        await _transcript(socket, item, text)
        if fault == "twice":
            await _transcript(socket, item, text)
        while held:
            await _transcript(socket, *held.pop())
        return True


async def _say(socket: WebSocketConnection, kind: str, **body: Any) -> None:
    await socket.send_message(json.dumps({"type": kind, "event_id": "event_1", **body}))


async def _error(socket: WebSocketConnection, kind: str, code: str, words: str = "...") -> None:
    await _say(socket, "error", error={"type": kind, "code": code, "message": words, "param": None})


async def _transcript(socket: WebSocketConnection, item: str, text: str) -> None:
    await _say(
        socket,
        "conversation.item.input_audio_transcription.completed",
        item_id=item,
        content_index=0,
        transcript=text,
        usage={"type": "tokens", "total_tokens": 48, "input_tokens": 38, "output_tokens": 10},
    )


@asynccontextmanager
async def open_realtime_stand_in(
    stand_in: RealtimeStandIn | None = None,
) -> AsyncIterator[RealtimeStandIn]:
    """Serve a stand-in on a port of loopback while the block runs."""
    stand_in = stand_in or RealtimeStandIn()
    async with trio.open_nursery() as nursery:
        await nursery.start(stand_in._run)
        yield stand_in
        nursery.cancel_scope.cancel()
