"""A stand-in for the speech endpoint: HTTP on loopback; it says texts as tones, or misbehaves."""

from __future__ import annotations

import json
import math
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import h11
import numpy as np
import trio
from attrs import define, field

__all__ = ["SpeechFault", "SpeechStandIn", "open_speech_stand_in"]

SpeechFault = Literal[
    "unauthorized", "rate_limit", "out_of_money", "odd_voice", "server_error", "redirect", "hang",
    "hang_in_answer", "drop", "drop_in_answer", "page", "nothing", "endless", "half_a_sample",
]  # fmt: skip
"""What it does instead of answering; see `StandInFault`. `page` is HTML with status 200; with
`half_a_sample` an answer ends in the middle of one."""

_ERRORS: dict[str, tuple[int, dict[str, str]]] = {
    "unauthorized": (401, {"code": "invalid_api_key", "message": "Incorrect API key: {key}."}),
    "rate_limit": (429, {"code": "rate_limit_exceeded", "message": "Rate limit reached."}),
    "out_of_money": (429, {"code": "insufficient_quota", "message": "You exceeded your quota."}),
    "odd_voice": (400, {"code": "invalid_value", "message": "There is no such voice."}),
    "server_error": (500, {"message": "The server had an error."}),
}


@define(eq=False, kw_only=True)
class SpeechStandIn:
    """What it says, and how it misbehaves; change it while it runs.

    Attributes:
        key: The key that it takes, None for any or none.
        seconds_per_letter: How long it speaks.
        rate_hz: The rate of its sound.
        piece_bytes: How much it sends at once; an odd number parts a sample.
        retry_after: What it says with a rate limit.
        requests: The bodies that it got, in order.
        url: What to set as `speech_url`.
    """

    key: str | None = None
    seconds_per_letter: float = 0.05
    rate_hz: int = 24_000
    piece_bytes: int = 4001
    retry_after: str = "3"
    requests: list[dict[str, Any]] = field(factory=list)
    url: str = ""
    _faults: deque[SpeechFault] = field(factory=deque)

    def fail(self, *faults: SpeechFault) -> None:
        """Misbehave at the next requests, in order."""
        self._faults.extend(faults)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one connection: it has one request."""
        try:
            await self._answer(stream)
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return  # whoever asked went away
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        key, body = "", b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await stream.receive_some(65_536)
                if not data:
                    return
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                key = dict(event.headers).get(b"authorization", b"").decode()
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break
        self.requests.append(json.loads(body))
        fault = self._faults.popleft() if self._faults else None
        if self.key is not None and key != f"Bearer {self.key}":
            fault = "unauthorized"
        if fault in _ERRORS:
            status, error = _ERRORS[fault]
            said = {name: text.format(key=key) for name, text in error.items()}
            headers = [("retry-after", self.retry_after)] if fault == "rate_limit" else []
            await self._send(
                stream, connection, status, json.dumps({"error": said}).encode(), headers
            )
        elif fault == "redirect":
            await self._send(stream, connection, 307, b"", [("location", "http://127.0.0.1:1/")])
        elif fault == "page":
            html = [("content-type", "text/html; charset=utf-8")]
            await self._send(stream, connection, 200, b"<h1>Sign in</h1>", html)
        elif fault == "hang":
            await trio.sleep_forever()
        elif fault != "drop":
            await self._say(stream, connection, fault)

    async def _send(
        self,
        stream: trio.SocketStream,
        connection: h11.Connection,
        status: int,
        body: bytes,
        headers: list[tuple[str, str]],
    ) -> None:
        given = [*headers, ("content-length", str(len(body))), ("connection", "close")]
        out = connection.send(h11.Response(status_code=status, headers=given)) or b""
        out += connection.send(h11.Data(data=body)) or b""
        out += connection.send(h11.EndOfMessage()) or b""
        await stream.send_all(out)

    async def _say(
        self, stream: trio.SocketStream, connection: h11.Connection, fault: SpeechFault | None
    ) -> None:
        asked = self.requests[-1]
        sound = b"" if fault == "nothing" else self.sound(asked["input"])
        if asked.get("response_format") == "wav":
            form = struct.pack(
                "<4sIHHIIHH", b"fmt ", 16, 1, 1, self.rate_hz, 2 * self.rate_hz, 2, 16
            )
            sound = b"RIFF\xff\xff\xff\xffWAVE" + form + b"data\xff\xff\xff\xff" + sound
        headers = [("content-type", "audio/pcm"), ("transfer-encoding", "chunked")]
        await stream.send_all(
            connection.send(h11.Response(status_code=200, headers=headers)) or b""
        )
        sound += b"\1" if fault == "half_a_sample" else b""
        sent = 0
        while sent < len(sound) or fault == "endless":
            piece = sound[sent : sent + self.piece_bytes] or bytes(65_536)
            await stream.send_all(connection.send(h11.Data(data=piece)) or b"")
            sent += len(piece)
            if fault in ("drop_in_answer", "hang_in_answer") and 2 * sent > len(sound):
                if fault == "hang_in_answer":
                    await trio.sleep_forever()
                return
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")

    def sound(self, text: str) -> bytes:
        """Return how a text sounds here: int16 mono."""
        at = np.arange(round(len(text) * self.seconds_per_letter * self.rate_hz)) / self.rate_hz
        tone: bytes = (8000 * np.sin(2 * math.pi * 300 * at)).astype("<i2").tobytes()
        return tone


@asynccontextmanager
async def open_speech_stand_in(**settings: Any) -> AsyncIterator[SpeechStandIn]:
    """Serve a stand-in on loopback while the block runs; takes its attributes."""
    stand_in = SpeechStandIn(**settings)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        stand_in.url = f"http://127.0.0.1:{port}/v1"
        nursery.start_soon(trio.serve_listeners, stand_in.serve, listeners)
        yield stand_in
        nursery.cancel_scope.cancel()
