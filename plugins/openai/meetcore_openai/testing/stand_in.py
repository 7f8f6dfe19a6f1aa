"""A stand-in for the transcription endpoint: HTTP on loopback, with faults on command."""

from __future__ import annotations

import io
import json
import math
import wave
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, Literal

import h11
import trio
from attrs import define, field, frozen

__all__ = ["OpenAIStandIn", "ReceivedTranscription", "StandInFault", "open_stand_in"]

StandInFault = Literal[
    "unauthorized",
    "forbidden",
    "payment",
    "rate_limit",
    "out_of_money",
    "not_found",
    "too_large",
    "odd_audio",
    "server_error",
    "unavailable",
    "slow",
    "hang",
    "garbage",
    "no_text",
    "drop",
    "drop_in_answer",
    "endless",
    "redirect",
]
"""What the stand-in does instead of answering.

`rate_limit` is 429 with `Retry-After`, `out_of_money` 429 with `insufficient_quota`; `slow` answers
after `slow_s`; `hang` never; `drop` closes the connection before the answer, `drop_in_answer` in
the middle of it; `endless` answers for ever.
"""

_ERRORS: dict[str, tuple[int, str, str]] = {
    "unauthorized": (401, "invalid_api_key", "Incorrect API key provided: {key}."),
    "forbidden": (403, "forbidden", "Your project has no access to this model."),
    "payment": (402, "payment_required", "Add a payment method."),
    "rate_limit": (429, "rate_limit_exceeded", "Rate limit reached for requests."),
    "out_of_money": (429, "insufficient_quota", "You exceeded your current quota."),
    "not_found": (404, "model_not_found", "The model does not exist."),
    "too_large": (413, "", "Maximum content size limit exceeded."),
    "odd_audio": (400, "invalid_value", "Audio file might be corrupted or unsupported."),
    "server_error": (500, "server_error", "The server had an error."),
    "unavailable": (503, "", "Overloaded."),
}
_RECEIVE_BYTES = 64 * 1024


@frozen(kw_only=True)
class ReceivedTranscription:
    """A request as the stand-in got it.

    Attributes:
        fields: The form's fields, without the file.
        granularities: What it asked times of.
        seconds: How long the WAV file is.
        sample_rate_hz: Its rate.
        authorization: The header, None for none.
    """

    fields: Mapping[str, str]
    granularities: tuple[str, ...]
    seconds: float
    sample_rate_hz: int
    authorization: str | None


@define(eq=False, kw_only=True)
class OpenAIStandIn:
    """What the stand-in says, and how it misbehaves; change it while it runs.

    Attributes:
        text: What it hears in every utterance; nothing in silence.
        key: The key that it takes, None for any or none.
        verbose: Whether it has `verbose_json`; it refuses that otherwise.
        words: Whether its verbose answer has words with times.
        no_speech_prob: What its verbose answer says of the segment.
        slow_s: How late it is when it is slow.
        retry_after: What it says with a rate limit.
        requests: What it got, in order.
        url: What to set as `base_url`.
    """

    text: str = "hello from the stand-in"
    key: str | None = None
    verbose: bool = True
    words: bool = True
    no_speech_prob: float = 0.01
    slow_s: float = 5.0
    retry_after: str = "3"
    requests: list[ReceivedTranscription] = field(factory=list)
    url: str = ""
    most_at_once: int = 0
    _now: int = 0
    _faults: deque[StandInFault | None] = field(factory=deque)
    _for_good: StandInFault | None = None
    _until: float = -math.inf
    _serving: trio.CancelScope = field(factory=trio.CancelScope)
    _away_s: float = 0.0

    def fail(self, *faults: StandInFault | None) -> None:
        """Misbehave at the next requests, in order; None stands for one that is answered."""
        self._faults.extend(faults)

    def fail_always(self, fault: StandInFault | None) -> None:
        """Misbehave at every request from now on, or, with None, no longer."""
        self._for_good, self._until = fault, math.inf

    def fail_for(self, fault: StandInFault, seconds: float) -> None:
        """Misbehave at every request for so many seconds of Trio's clock."""
        self._for_good, self._until = fault, trio.current_time() + seconds

    def go_away(self, seconds: float) -> None:
        """Close the port and every connection, and come back at the same port."""
        self._away_s = seconds
        self._serving.cancel()

    # --- serving -----------------------------------------------------------------------------

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        port = 0
        while True:
            listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
            if not port:
                port = listeners[0].socket.getsockname()[1]
                self.url = f"http://127.0.0.1:{port}/v1"
                task_status.started()
            with trio.CancelScope() as self._serving:
                await trio.serve_listeners(self._serve, listeners)
            if not self._away_s:
                return
            seconds, self._away_s = self._away_s, 0.0
            await trio.sleep(seconds)

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while True:
                request, body = await _receive(connection, stream)
                if request is None:
                    return
                self._now += 1
                self.most_at_once = max(self.most_at_once, self._now)
                try:
                    if not await self._answer(connection, stream, request, body):
                        return
                finally:
                    self._now -= 1
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    return
                connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            return
        finally:
            await trio.aclose_forcefully(stream)

    def _next_fault(self) -> StandInFault | None:
        if self._faults:
            return self._faults.popleft()
        return self._for_good if trio.current_time() < self._until else None

    async def _answer(
        self,
        connection: h11.Connection,
        stream: trio.SocketStream,
        request: h11.Request,
        body: bytes,
    ) -> bool:
        """Answer a request, or misbehave; return whether the connection is still good."""
        headers = {name.decode(): value.decode() for name, value in request.headers}
        if not request.target.endswith(b"/audio/transcriptions"):
            await _send(connection, stream, 404, {"detail": "Not Found"})
            return True
        received, sound = _parsed(headers, body)
        self.requests.append(received)
        fault = self._next_fault()
        if self.key is not None and received.authorization != f"Bearer {self.key}":
            fault = "unauthorized"
        if fault == "hang":
            while await stream.receive_some():  # until the other side has gone
                pass
            return False
        if fault == "slow":
            await trio.sleep(self.slow_s)
        if fault == "drop":
            return False
        if fault == "endless":
            data = connection.send(h11.Response(status_code=200, headers=[])) or b""
            while True:
                await stream.send_all(data)
                data = connection.send(h11.Data(data=b" " * _RECEIVE_BYTES)) or b""
        if fault in _ERRORS:
            await self._refuse(connection, stream, fault, received)
            return True
        if fault == "redirect":
            elsewhere = [("location", "http://127.0.0.1:9/v1/audio/transcriptions")]
            await _send(connection, stream, 307, {}, elsewhere)
            return True
        if fault == "garbage":
            await _send(connection, stream, 200, b"<html>not what you think</html>")
            return True
        if fault == "no_text":
            await _send(connection, stream, 200, {"segments": None})
            return True
        if received.fields.get("response_format") == "verbose_json" and not self.verbose:
            message = "response_format 'verbose_json' is not compatible with this model."
            error = {
                "message": message,
                "type": "invalid_request_error",
                "param": "response_format",
            }
            await _send(connection, stream, 400, {"error": error})
            return True
        said = self._said(received, sound)
        if fault == "drop_in_answer":
            data = connection.send(
                h11.Response(status_code=200, headers=[("content-length", "900")])
            )
            await stream.send_all((data or b"") + b'{"text": "hel')
            return False
        await _send(connection, stream, 200, said)
        return True

    async def _refuse(
        self,
        connection: h11.Connection,
        stream: trio.SocketStream,
        fault: str,
        received: ReceivedTranscription,
    ) -> None:
        status, code, message = _ERRORS[fault]
        key = (received.authorization or "").removeprefix("Bearer ")
        error = {"message": message.format(key=key), "type": code, "code": code, "param": None}
        wait = fault in ("rate_limit", "unavailable")
        headers = [("retry-after", self.retry_after)] if wait else []
        await _send(connection, stream, status, {"error": error}, headers)

    def _said(self, received: ReceivedTranscription, sound: bytes) -> dict[str, Any]:
        text = self.text if any(sound) else ""
        if received.fields.get("response_format") != "verbose_json":
            usage = {"type": "duration", "seconds": math.ceil(received.seconds)}
            return {"text": text, "usage": usage}
        tokens = text.split()
        step_s = received.seconds / max(1, len(tokens))
        words = [
            {"word": token.strip(".,!?"), "start": i * step_s, "end": (i + 1) * step_s}
            for i, token in enumerate(tokens)
        ]
        segment = {
            "id": 0,
            "start": 0.0,
            "end": received.seconds,
            "text": text,
            "avg_logprob": -0.2,
            "compression_ratio": 1.1,
            "no_speech_prob": self.no_speech_prob,
        }
        answer: dict[str, Any] = {
            "task": "transcribe",
            "language": "english",
            "duration": received.seconds,
            "text": text,
            "segments": [segment] if text else [],
        }
        if self.words and "word" in received.granularities:
            answer["words"] = words
        return answer


async def _receive(
    connection: h11.Connection, stream: trio.SocketStream
) -> tuple[h11.Request | None, bytes]:
    request, body = None, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(_RECEIVE_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return request, bytes(body)
        else:
            return None, b""


async def _send(
    connection: h11.Connection,
    stream: trio.SocketStream,
    status: int,
    body: Mapping[str, Any] | bytes,
    headers: list[tuple[str, str]] | None = None,
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [("content-type", "application/json"), ("content-length", str(len(data)))]
    response = h11.Response(status_code=status, headers=[*head, *(headers or [])])
    parts = [
        connection.send(response) or b"",
        connection.send(h11.Data(data=data)) or b"",
        connection.send(h11.EndOfMessage()) or b"",
    ]
    await stream.send_all(b"".join(parts))


def _parsed(headers: Mapping[str, str], body: bytes) -> tuple[ReceivedTranscription, bytes]:
    """Return a form, and the samples of its file."""
    head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
    form = message_from_bytes(head + body, policy=HTTP)
    fields: dict[str, str] = {}
    granularities: list[str] = []
    sound, rate, seconds = b"", 0, 0.0
    for part in form.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        if name == "file":
            with wave.open(io.BytesIO(content)) as file:
                rate = file.getframerate()
                sound = file.readframes(file.getnframes())
                seconds = file.getnframes() / rate
        elif name == "timestamp_granularities[]":
            granularities.append(content.decode())
        else:
            fields[name] = content.decode()
    received = ReceivedTranscription(
        fields=fields,
        granularities=tuple(granularities),
        seconds=seconds,
        sample_rate_hz=rate,
        authorization=headers.get("authorization"),
    )
    return received, sound


@asynccontextmanager
async def open_stand_in(stand_in: OpenAIStandIn | None = None) -> AsyncIterator[OpenAIStandIn]:
    """Serve a stand-in on a port of loopback while the block runs.

    async with open_stand_in() as server:
        server.fail("rate_limit")
        transcriber = OpenAITranscriber(OpenAIOptions(base_url=server.url))
    """
    stand_in = stand_in or OpenAIStandIn()
    async with trio.open_nursery() as nursery:
        await nursery.start(stand_in._run)
        yield stand_in
        nursery.cancel_scope.cancel()
