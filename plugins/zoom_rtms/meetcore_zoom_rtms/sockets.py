"""WebSockets to Zoom's servers: only to those, closed quickly, and never waited for without end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from meetcore_zoom_rtms.ends import refusal
from meetcore_zoom_rtms.stream_address import StreamAddress
from meetcore_zoom_rtms.wire import MsgType, keep_alive_answer, read_message

__all__ = [
    "AWAY",
    "Refused",
    "answer",
    "connected",
    "is_allowed",
    "messages",
    "send",
    "strange_server",
]

HANDSHAKE_WITHIN_S = 10.0
SILENT_FOR_S = 65.0
_LONGEST_MESSAGE = 4 * 1024 * 1024
AWAY = (
    ConnectionClosed,
    ConnectionRejected,
    ConnectionTimeout,
    DisconnectionTimeout,
    HandshakeError,
    OSError,
    trio.TooSlowError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)
"""How a connection is lost."""


class Refused(Exception):
    """A handshake was answered with a status."""

    def __init__(self, message: Mapping[str, Any], where: str) -> None:
        super().__init__(where)
        self.status = message.get("status_code", message.get("status"))
        self.reason, self.evidence = refusal(self.status, message.get("reason"), where)


def is_allowed(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether a server may get a handshake: one of Zoom's, encrypted; or named, on this machine."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    named = any(host == each or host.endswith(f".{each}") for each in hosts)
    loopback = host in ("127.0.0.1", "::1", "localhost")
    return named and (parts.scheme == "wss" or (parts.scheme == "ws" and loopback))


def strange_server(address: StreamAddress, hosts: tuple[str, ...]) -> str:
    """Say that a stream's server gets no handshake."""
    host = urlsplit(address.server_url).hostname
    return f"The stream's server {host} is none of {', '.join(hosts)}, over wss."


async def _dialled(url: str) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    """Return a stream to a server, encrypted where the URL says so."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "wss"
    stream = await trio.open_tcp_stream(host, parts.port or (443 if tls else 80))
    if not tls:
        return stream
    context = ssl.create_default_context()
    return trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[WebSocketConnection]:
    """Hold a connection; it is closed quickly, whatever the other side does."""
    parts = urlsplit(url)
    resource = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    trouble: Exception | None = None
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        stream = await _dialled(url)
    try:
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(HANDSHAKE_WITHIN_S):
                    socket = await wrap_client_stream(
                        nursery,
                        stream,
                        parts.netloc.rpartition("@")[2],
                        resource,
                        max_message_size=_LONGEST_MESSAGE,
                    )
                try:
                    yield socket
                finally:
                    with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                        await socket.aclose()
            except (*AWAY, Refused) as error:
                trouble = error  # raised again outside of the nursery, which puts it in a group
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)
    if trouble is not None:
        raise trouble


async def send(socket: WebSocketConnection, text: str) -> None:
    """Send a message, within ten seconds."""
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        await socket.send_message(text)


async def answer(socket: WebSocketConnection, hello: str, kind: MsgType) -> Mapping[str, Any]:
    """Send a handshake; return its answer, within ten seconds."""
    with trio.fail_after(HANDSHAKE_WITHIN_S):
        await send(socket, hello)
        async with aclosing(messages(socket)) as received:
            async for message in received:
                if message["msg_type"] == kind:
                    return message
    raise trio.TooSlowError


async def messages(socket: WebSocketConnection) -> AsyncGenerator[dict[str, Any], None]:
    """Yield what comes; questions whether we live are answered, what is no message passed over.

    Raises:
        trio.TooSlowError: Nothing came for 65 s, in which Zoom asks several times.
    """
    while True:
        with trio.fail_after(SILENT_FOR_S):
            raw = await socket.get_message()
        message = read_message(raw)
        if message is None:
            continue
        if message["msg_type"] == MsgType.KEEP_ALIVE:
            await send(socket, keep_alive_answer(message))
        else:
            yield message
