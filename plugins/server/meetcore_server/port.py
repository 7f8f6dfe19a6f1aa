"""One port for everything: HTTP by hypercorn, WebSockets by the fan-out's own subscribers.

The head of a connection's first request is read here. A WebSocket is served by a subscriber, whose
cost per message is a fraction of what it would be through an ASGI stack; anything else goes, with
what was read of it, to hypercorn, which speaks HTTP with keep-alive for as long as it likes.

hypercorn 0.18 sends under a shielded cancel scope, so a client that stops reading holds up the
shutdown for ever; `_Connection` sends with a deadline instead and drops such a client. It stands on
modules that hypercorn does not call public, hence the narrow range of versions.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, LifespanState
from hypercorn.utils import wrap_app

from meetcore.doors import Reply, Request, SocketSession
from meetcore_server.mounts import request_from
from meetcore_server.served_socket import ServedSocket
from meetcore_websocket.handshake import BadHandshake, read_request, refused
from meetcore_websocket.limits import Limits

__all__ = ["Port"]

_LOG = logging.getLogger("meetcore.server")
_HEAD_BYTES = 64 * 1024
_READ_BYTES = 16 * 1024
HEAD_WITHIN_S = 15.0
SEND_WITHIN_S = 30.0
GRACE_S = 3.0
MOST_CONNECTIONS = 10_000

Admit = Callable[[Request], Awaitable[SocketSession | Reply]]


class _Rejoined(trio.abc.HalfCloseableStream):
    """A connection of which something was read already."""

    def __init__(self, stream: trio.SocketStream, read: bytes) -> None:
        self._stream = stream
        self._read = read
        self.socket = stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what was read already, then what comes."""
        if self._read:
            data, self._read = self._read, b""
            return data
        return bytes(await self._stream.receive_some(max_bytes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Return when sending may work."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Send nothing more."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()


class _Connection(TCPServer):
    """hypercorn's connection, whose sending can be cancelled and has a deadline."""

    async def protocol_send(self, event: Event) -> None:
        """Send bytes, or pass anything else on."""
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with trio.fail_after(SEND_WITHIN_S):
                    await self.stream.send_all(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self.protocol.handle(Closed())
            except trio.TooSlowError:
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(self.stream)
                raise


class Port:
    """What is served on one port.

    Args:
        app: The ASGI application.
        admit: Decides about WebSockets.
        limits: What a WebSocket may cost.
    """

    def __init__(self, app: Any, admit: Admit, limits: Limits) -> None:
        self._config = Config()
        self._config.include_server_header = False
        self._config.accesslog = None
        self._config.errorlog = logging.getLogger("meetcore.server.http")
        self._config.h11_max_incomplete_size = _HEAD_BYTES
        self._config.keep_alive_timeout = 30.0
        self._app = wrap_app(app, self._config.wsgi_max_body_size, "asgi")
        self._state: LifespanState = {}
        self._lifespan = Lifespan(self._app, self._config, self._state)
        self._context = WorkerContext(None)
        self._admit = admit
        self._limits = limits
        self._sockets: set[ServedSocket] = set()
        self._slots = trio.CapacityLimiter(MOST_CONNECTIONS)

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sockets)

    async def run(
        self,
        listeners: list[trio.SocketListener],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; then everybody gets a few seconds to go."""
        async with trio.open_nursery() as lifespan:
            await lifespan.start(self._lifespan.handle_lifespan)
            await self._lifespan.wait_for_startup()
            async with trio.open_nursery() as connections:
                try:
                    async with trio.open_nursery() as accepting:
                        await accepting.start(
                            partial(
                                trio.serve_listeners,
                                self._serve,
                                listeners,
                                handler_nursery=connections,
                            )
                        )
                        task_status.started()
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_S):
                        await self._wind_up(connections)
                    connections.cancel_scope.cancel()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_S):
                await self._lifespan.wait_for_shutdown()
            lifespan.cancel_scope.cancel()

    async def _wind_up(self, connections: trio.Nursery) -> None:
        await self._context.terminated.set()
        for each in list(self._sockets):
            each.close(1001, "the server is going")
        while connections.child_tasks:  # noqa: ASYNC110  a nursery has no event for it
            await trio.sleep(0.02)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            self._slots.acquire_nowait()
        except trio.WouldBlock:
            await trio.aclose_forcefully(stream)
            return
        try:
            await self._converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away
        except Exception:  # noqa: BLE001  one connection is not the others
            _LOG.exception("A connection broke off")
        finally:
            self._slots.release()
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.SocketStream) -> None:
        head = await _read_head(stream)
        if not head:
            return
        if head.find(b"\r\n\r\n", 0, _HEAD_BYTES) < 0 and len(head) >= _HEAD_BYTES:
            await stream.send_all(_refusal(Reply(status=431, json={"code": "head_too_long"})))
            return
        if _wants_socket(head):
            await self._serve_socket(stream, head)
            return
        state = ConnectionState(self._state.copy())
        rejoined: Any = _Rejoined(stream, head)
        await _Connection(self._app, self._config, self._context, state, rejoined)

    async def _serve_socket(self, stream: trio.SocketStream, received: bytes) -> None:
        end = received.index(b"\r\n\r\n") + 4
        try:
            asked = read_request(received[:end])
        except BadHandshake as bad:
            await stream.send_all(refused(bad.refusal))
            return
        peer = stream.socket.getpeername()
        request = request_from("GET", asked.path, asked.query, asked.headers, str(peer[0]), "")
        decision = await self._admit(request)
        if isinstance(decision, Reply):
            await stream.send_all(_refusal(decision))
            return
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served = ServedSocket(stream, decision, self._limits)
        self._sockets.add(served)
        try:
            await served.run(received)
        finally:
            self._sockets.discard(served)


async def _read_head(stream: trio.SocketStream) -> bytes:
    """Return what was read, with the head of the first request whole; empty to hang up."""
    read = b""
    with trio.move_on_after(HEAD_WITHIN_S):
        while b"\r\n\r\n" not in read and len(read) < _HEAD_BYTES:
            more = await stream.receive_some(_READ_BYTES)
            if not more:
                return read
            read += more
        return read
    return b""


def _wants_socket(head: bytes) -> bool:
    lines = head.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return lines[0].startswith(b"get ") and any(
        line.startswith(b"upgrade:") and b"websocket" in line for line in lines[1:]
    )


def _refusal(reply: Reply) -> bytes:
    body = json.dumps(reply.json).encode() if reply.json is not ... else reply.body
    kind = "application/json" if reply.json is not ... else reply.media_type
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
