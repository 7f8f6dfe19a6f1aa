"""What plugins mount, carried out: finds the route, reads the request, sends the reply.

The mounts lie below `/NAME`; one may lie at the root too, for clients that drop a path prefix.
What is the server's own (`/`, `/v1`, `/docs`, …) wins there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import trio
from attrs import evolve, field, frozen

from meetcore.doors import (
    Mount,
    NotFound,
    Reply,
    Request,
    ServerFailed,
    SocketRoute,
    SocketSession,
    TooManyRequests,
    find_route,
    fit,
)
from meetcore.errors import MeetcoreError
from meetcore_server.answering import (
    AsgiReceive,
    AsgiScope,
    AsgiSend,
    ClientGone,
    read_body,
    send_reply,
)

__all__ = ["Mounts", "Place", "request_from"]

_LOG = logging.getLogger("meetcore.server")
BODY_BYTES = 1024 * 1024
ANSWER_WITHIN_S = 60.0


@frozen
class Place:
    """Where a path leads: a mount, and the path below it."""

    mount: Mount
    path: str
    prefix: str


def request_from(
    method: str,
    path: str,
    query: str,
    headers: tuple[tuple[str, str], ...],
    client_host: str,
    prefix: str,
) -> Request:
    """Return a request as handlers see it."""
    first = dict(reversed(headers))
    scheme = first.get("x-forwarded-proto", "http").partition(",")[0].strip() or "http"
    host = first.get("x-forwarded-host", first.get("host", "127.0.0.1")).partition(",")[0].strip()
    origin = f"{scheme if scheme in ('http', 'https') else 'http'}://{host}"
    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        base_url=origin + prefix,
        origin_url=origin,
        client_host=client_host,
    )


@frozen
class Mounts:
    """Every mount of a server.

    Attributes:
        by_name: The mounts.
        root: Name of the one that lies at the root too, None for none.
        public_url: Where the server is seen by clients, None to believe the `Host` header.
    """

    by_name: dict[str, Mount] = field(factory=dict)
    root: str | None = None
    public_url: str | None = None

    def add(self, mount: Mount) -> None:
        """Take a mount; raise `MeetcoreError` where its name is taken."""
        if mount.name in self.by_name:
            raise MeetcoreError(f"Two plugins mount {mount.name!r}.", "Leave one of them out.")
        self.by_name[mount.name] = mount

    def place(self, path: str) -> Place | None:
        """Return where a path leads, None for nowhere of ours."""
        name, _, rest = path.lstrip("/").partition("/")
        if name in self.by_name:
            return Place(self.by_name[name], f"/{rest}", f"/{name}")
        if self.root in self.by_name:
            return Place(self.by_name[self.root], path, "")
        return None

    def _seen(self, request: Request, prefix: str) -> Request:
        if self.public_url is None:
            return request
        origin = self.public_url.rstrip("/")
        return evolve(request, origin_url=origin, base_url=origin + prefix)

    async def answer(
        self, place: Place, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend
    ) -> None:
        """Answer an HTTP request that leads to a mount."""
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
        host = scope["client"][0] if scope.get("client") else ""
        request = request_from(
            scope["method"],
            place.path,
            scope["query_string"].decode("latin-1"),
            headers,
            host,
            place.prefix,
        )
        request = self._seen(request, place.prefix)
        try:
            reply = await self._reply(place.mount, request, receive)
        except ClientGone:
            return
        await send_reply(scope, send, reply, receive)

    def refuse_for_now(self, path: str, retry_after_s: float) -> Reply | None:
        """Return the answer of a mount to a client that asks too often, None for nobody's path."""
        place = self.place(path)
        if place is None:
            return None
        error = TooManyRequests(retry_after_s)
        reply = place.mount.refuse(Request(path=place.path), error)
        headers = {**reply.headers, "retry-after": str(math.ceil(retry_after_s))}
        return evolve(reply, status=429, headers=headers)

    async def _reply(self, mount: Mount, request: Request, receive: AsgiReceive) -> Reply:
        try:
            route, params = find_route(mount.routes, request.method, request.path)
            body = await read_body(receive, route.body_bytes or BODY_BYTES)
            with trio.fail_after(ANSWER_WITHIN_S):
                return await route.handler(evolve(request, params=params, body=body))
        except MeetcoreError as error:
            return mount.refuse(request, error)
        except ClientGone:
            raise
        except trio.TooSlowError:
            return mount.refuse(request, ServerFailed("That took too long."))
        except Exception:  # noqa: BLE001  whatever it is, this client gets an answer
            _LOG.exception("%s %s/%s", request.method, mount.name, request.path)
            return mount.refuse(request, ServerFailed("Something went wrong in the server."))

    async def admit(self, place: Place, request: Request) -> SocketSession | Reply:
        """Return the session of a WebSocket that leads to a mount, or what refuses it."""
        request = self._seen(request, place.prefix)
        found = _socket_route(place.mount.sockets, place.path)
        try:
            if found is None:
                raise NotFound(place.path)
            route, params = found
            with trio.fail_after(ANSWER_WITHIN_S):
                return await route.admit(evolve(request, params=params))
        except MeetcoreError as error:
            return place.mount.refuse(request, error)
        except trio.TooSlowError:
            return place.mount.refuse(request, ServerFailed("That took too long."))
        except Exception:  # noqa: BLE001  whatever it is, this client gets an answer
            _LOG.exception("WebSocket %s%s", place.mount.name, request.path)
            failed = ServerFailed("Something went wrong in the server.")
            return place.mount.refuse(request, failed)


def _socket_route(
    routes: Sequence[SocketRoute], path: str
) -> tuple[SocketRoute, Mapping[str, str]] | None:
    for route in routes:
        params = fit(route.template, unquote(path))
        if params is not None:
            return route, params
    return None
