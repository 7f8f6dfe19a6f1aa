"""One request whose answer is read piece by piece, and may be let go of in the middle, at any time.

httpx2's answers are generators within generators: to stop in the middle of them leaves some to the
garbage collector, where they cannot await. Speech is stopped in the middle whenever somebody
begins to speak, so it is read here, by h11, from the socket itself.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import h11
import trio

__all__ = ["SpeechAnswer", "asked"]

_RECEIVE_BYTES = 32 * 1024


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class SpeechAnswer:
    """An answer whose head is there.

    Args:
        stream: The connection.
        http: Its state.
        head: The answer's head.
        timeout_s: How long the next bytes may take.

    Attributes:
        status: The HTTP status.
        headers: The headers, their names in small letters.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        http: h11.Connection,
        head: h11.Response,
        timeout_s: float,
    ) -> None:
        self.status = head.status_code
        self.headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}
        self._stream = stream
        self._http = http
        self._timeout_s = timeout_s

    async def receive(self) -> bytes:
        """Return what comes next of the body, nothing at its end.

        Raises:
            OSError, h11.RemoteProtocolError, trio.BrokenResourceError, trio.TooSlowError: It broke
                off, or came too slowly.
        """
        while True:
            event = await _next(self._stream, self._http, self._timeout_s)
            if isinstance(event, h11.Data):
                if event.data:
                    return bytes(event.data)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return b""


async def _next(stream: trio.abc.Stream, http: h11.Connection, timeout_s: float) -> Any:
    while (event := http.next_event()) is h11.NEED_DATA:
        with trio.fail_after(timeout_s):
            http.receive_data(bytes(await stream.receive_some(_RECEIVE_BYTES)))
    return event


@asynccontextmanager
async def asked(
    url: str,
    body: Mapping[str, Any],
    key: str | None,
    *,
    connect_timeout_s: float,
    timeout_s: float,
) -> AsyncGenerator[SpeechAnswer]:
    """Hold the answer to a POST of JSON. No scope is open while it is held.

    Args:
        url: The address.
        body: What becomes the JSON.
        key: A bearer token, None for none.
        connect_timeout_s: How long the connection may take.
        timeout_s: How long each step after that may take.

    Raises:
        OSError, h11.RemoteProtocolError, trio.BrokenResourceError, trio.TooSlowError: It could not
            be asked.
    """
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    stream: trio.abc.Stream
    with trio.fail_after(connect_timeout_s):
        stream = await trio.open_tcp_stream(host, port)
    try:
        if tls:
            secure = trio.SSLStream(stream, _tls(), server_hostname=host, https_compatible=True)
            stream = secure
            with trio.fail_after(connect_timeout_s):
                await secure.do_handshake()
        http = h11.Connection(h11.CLIENT)
        sent = json.dumps(body).encode()
        headers = [
            ("host", parts.netloc),
            ("content-type", "application/json"),
            ("content-length", str(len(sent))),
            ("accept-encoding", "identity"),
            ("connection", "close"),
        ]
        if key is not None:
            headers.append(("authorization", f"Bearer {key}"))
        request = h11.Request(method="POST", target=parts.path or "/", headers=headers)
        out = http.send(request) or b""
        out += http.send(h11.Data(data=sent)) or b""
        out += http.send(h11.EndOfMessage()) or b""
        with trio.fail_after(timeout_s):
            await stream.send_all(out)
        head = await _next(stream, http, timeout_s)
        while isinstance(head, h11.InformationalResponse):
            head = await _next(stream, http, timeout_s)
        if not isinstance(head, h11.Response):
            raise h11.RemoteProtocolError("it closed the connection before it answered")
        yield SpeechAnswer(stream, http, head, timeout_s)
    finally:
        await trio.aclose_forcefully(stream)
