"""One port for everything: HTTP/1.1, and WebSockets by the fan-out's own subscribers.

The head of each request is read here. A WebSocket, on a new connection or on one that was used
before, is served by a subscriber, whose cost per message is a fraction of what it would be through
an ASGI stack; anything else is an exchange of HTTP.

Descriptors are what a client can make scarce without a key: each connection is one. So there is a
bound on them, below what the process may open, and one for each address.
"""

from __future__ import annotations

import logging
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from meetcore.gateway import Reply, Request, SocketSession
from meetcore_server.http_connection import Bodies, HttpConnection, HttpLimits, refusal
from meetcore_server.mounts import request_from
from meetcore_server.openings import Openings
from meetcore_server.seen import Seen
from meetcore_server.served_socket import ServedSocket
from meetcore_websocket.handshake import BadHandshake, read_request, refused
from meetcore_websocket.limits import Limits

__all__ = ["ConnectionLimit", "Port"]

_LOG = logging.getLogger("meetcore.server")
_END_OF_HEAD = b"\r\n\r\n"
GRACE_S = 3.0
MOST_CONNECTIONS = 10_000
_OWN_DESCRIPTORS = 200

Admit = Callable[[Request], Awaitable[SocketSession | Reply]]


def _most_connections() -> int:
    """Return how many connections leave descriptors for the bots and the database."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, soft - max(_OWN_DESCRIPTORS, soft // 4)))


class ConnectionLimit:
    """Counts connections, in all and by address.

    Args:
        most: In all.
        most_of_one: From one address; None for a quarter of all.
    """

    def __init__(self, most: int | None = None, most_of_one: int | None = None) -> None:
        self._most = _most_connections() if most is None else most
        self._most_of_one = max(4, self._most // 4) if most_of_one is None else most_of_one
        self._taken: Counter[str] = Counter()
        self._all = 0

    def take(self, address: str) -> bool:
        """Take a place; return whether there was one."""
        if self._all >= self._most or self._taken[address] >= self._most_of_one:
            return False
        self._all += 1
        self._taken[address] += 1
        return True

    def give_back(self, address: str) -> None:
        """Give it back."""
        self._all -= 1
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]


class Port:
    """What is served on one port.

    Args:
        app: The ASGI application.
        admit: Decides about WebSockets.
        limits: What a WebSocket may cost.
        openings: Ends WebSockets with their owners' keys.
        seen: Where clients see the server.
        stranger: Told of the address of a WebSocket that ended without an owner.
        http_limits: What anything else may cost.
        places: How many connections there may be.
    """

    def __init__(
        self,
        app: Any,
        admit: Admit,
        limits: Limits,
        openings: Openings,
        seen: Seen,
        stranger: Callable[[str], None] = lambda address: None,
        http_limits: HttpLimits | None = None,
        places: ConnectionLimit | None = None,
    ) -> None:
        self._app = app
        self._admit = admit
        self._limits = limits
        self._openings = openings
        self._seen = seen
        self._stranger = stranger
        self._http_limits = http_limits or HttpLimits()
        self._bodies = Bodies()
        self._places = places or ConnectionLimit()
        self._sockets: set[ServedSocket] = set()
        self._exchanges: set[HttpConnection] = set()
        self._last = False

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

    def send_elsewhere(self, elsewhere: bool) -> None:
        """Have each connection end after its next answer, those to come too, or no longer.

        Their clients make new ones, which whatever is before the servers leads to another. None is
        ended while it is idle: a request may be on its way.
        """
        self._last = elsewhere
        for exchange in self._exchanges:
            exchange.last = elsewhere

    def part_with_sockets(self, code: int, reason: str) -> None:
        """Close every WebSocket, after what waits for its client. Returns at once."""
        for each in list(self._sockets):
            each.close(code, reason)

    async def _wind_up(self, connections: trio.Nursery) -> None:
        for exchange in list(self._exchanges):
            exchange.wind_up()
        self.part_with_sockets(1001, "the server is going")
        while connections.child_tasks:  # noqa: ASYNC110  a nursery has no event for it
            await trio.sleep(0.02)

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            peer = stream.socket.getpeername()
        except OSError:  # it hung up before it was accepted
            await trio.aclose_forcefully(stream)
            return
        address = str(peer[0])
        if not self._places.take(address):
            await trio.aclose_forcefully(stream)
            return
        try:
            await self._converse(stream, address, peer[1])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away
        except Exception:  # noqa: BLE001  one connection is not the others
            _LOG.exception("A connection broke off")
        finally:
            self._places.give_back(address)
            await trio.aclose_forcefully(stream)

    async def _converse(self, stream: trio.SocketStream, address: str, port: int) -> None:
        own = stream.socket.getsockname()
        http = HttpConnection(
            stream, self._app, self._http_limits, self._bodies, (address, port), (own[0], own[1])
        )
        http.last = self._last
        self._exchanges.add(http)
        try:
            while head := await http.next_head():
                if _wants_socket(head):
                    break
                if not await http.answer():
                    return
        finally:
            self._exchanges.discard(http)
        if head:
            await self._serve_socket(stream, address, http.received)

    async def _serve_socket(self, stream: trio.SocketStream, address: str, received: bytes) -> None:
        end = received.index(_END_OF_HEAD) + len(_END_OF_HEAD)
        try:
            asked = read_request(received[:end])
        except BadHandshake as bad:
            await stream.send_all(refused(bad.refusal))
            return
        request = request_from("GET", asked.path, asked.query, asked.headers, address, self._seen)
        decision = await self._admit(request)
        if isinstance(decision, Reply):
            await stream.send_all(refusal(decision))
            return
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served = ServedSocket(stream, decision, self._limits, self._openings)
        self._sockets.add(served)
        try:
            await served.run(received)
        finally:
            self._sockets.discard(served)
            if served.owner is None:
                self._stranger(address)


def _wants_socket(head: bytes) -> bool:
    lines = head.lower().split(b"\r\n")
    return lines[0].startswith(b"get ") and any(
        line.startswith(b"upgrade:") and b"websocket" in line for line in lines[1:]
    )
