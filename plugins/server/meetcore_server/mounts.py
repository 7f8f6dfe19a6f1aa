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

from meetcore import MeetcoreError, StorageUnavailable
from meetcore.gateway import (
    Client,
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
from meetcore_server.responses import (
    AsgiReceive,
    AsgiScope,
    AsgiSend,
    ClientGone,
    begun,
    read_body,
    send_reply,
)
from meetcore_server.seen import Seen

__all__ = ["Mounts", "ResolvedRoute", "request_from"]

_LOG = logging.getLogger("meetcore.server")
BODY_BYTES = 1024 * 1024
ANSWER_WITHIN_S = 120.0
_RETRY_AFTER = "retry-after"


@frozen
class ResolvedRoute:
    """Where a path leads: a mount, and the path below it."""

    mount: Mount
    path: str
    prefix: str

    def below(self, asked: Request) -> Request:
        """Return a request as the mount sees it, from one as it came to the server's root."""
        return evolve(asked, path=self.path, base_url=asked.origin_url + self.prefix)


def request_from(
    method: str,
    path: str,
    query: str,
    headers: tuple[tuple[str, str], ...],
    client_host: str,
    seen: Seen,
) -> Request:
    """Return a request as it came to the server's root."""
    origin = seen.origin(dict(reversed(headers)))
    return Request(
        method=method,
        path=path,
        query=query,
        headers=headers,
        base_url=origin,
        origin_url=origin,
        client_host=client_host,
    )


@frozen
class Mounts:
    """Every mount of a server.

    Attributes:
        by_name: The mounts.
        root: Name of the one that lies at the root too, None for none.
    """

    by_name: dict[str, Mount] = field(factory=dict)
    root: str | None = None

    def add(self, mount: Mount) -> None:
        """Take a mount; raise `MeetcoreError` where its name is taken."""
        if mount.name in self.by_name:
            raise MeetcoreError(f"Two plugins mount {mount.name!r}.", "Leave one of them out.")
        self.by_name[mount.name] = mount

    def place(self, path: str) -> ResolvedRoute | None:
        """Return where a path leads, None for nowhere of ours."""
        name, _, rest = path.lstrip("/").partition("/")
        if name in self.by_name:
            return ResolvedRoute(self.by_name[name], f"/{rest}", f"/{name}")
        if self.root in self.by_name:
            return ResolvedRoute(self.by_name[self.root], path, "")
        return None

    async def answer(
        self,
        place: ResolvedRoute,
        asked: Request,
        client: Client | None,
        scope: AsgiScope,
        receive: AsgiReceive,
        send: AsgiSend,
    ) -> None:
        """Answer an HTTP request that leads to a mount.

        Args:
            place: Where it leads.
            asked: It, as it came to the server's root.
            client: Whose key it has, None for none that is good.
            scope: Of the request.
            receive: Gives its body.
            send: Takes the reply.
        """
        request = place.below(asked)
        try:
            reply = await self._reply(place.mount, request, client, receive)
        except ClientGone:
            return
        await send_reply(scope, send, reply, receive)

    def refuse(self, place: ResolvedRoute, asked: Request, error: MeetcoreError) -> Reply:
        """Return what a mount answers where the server itself refuses a request."""
        reply = place.mount.refuse(place.below(asked), error)
        if isinstance(error, TooManyRequests):
            return _later(reply, 429, str(math.ceil(error.retry_after_s)))
        return _for_now(reply)

    async def _reply(
        self, mount: Mount, request: Request, client: Client | None, receive: AsgiReceive
    ) -> Reply:
        try:
            route, params = find_route(mount.routes, request.method, request.path)
            body = b""
            if client is not None or not mount.keys:
                body = await read_body(receive, route.body_bytes or BODY_BYTES)
            with trio.fail_after(ANSWER_WITHIN_S):
                reply = await route.handler(evolve(request, params=params, body=body))
                if reply.stream is not None:
                    reply = evolve(reply, stream=await begun(reply.stream))
                return reply
        except StorageUnavailable as error:
            return _for_now(mount.refuse(request, error))
        except MeetcoreError as error:
            return mount.refuse(request, error)
        except ClientGone:
            raise
        except trio.TooSlowError:
            return mount.refuse(request, ServerFailed("That took too long."))
        except Exception:  # noqa: BLE001  whatever it is, this client gets an answer
            _LOG.exception("%s %s/%s", request.method, mount.name, request.path)
            return mount.refuse(request, ServerFailed("Something went wrong in the server."))

    async def admit(self, place: ResolvedRoute, request: Request) -> SocketSession | Reply:
        """Return the session of a WebSocket that leads to a mount, or what refuses it."""
        request = place.below(request)
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


def _for_now(reply: Reply) -> Reply:
    """Return what a mount answers, as the answer that it is for now: the database is away."""
    chosen = [value for name, value in reply.headers.items() if name.lower() == _RETRY_AFTER]
    return _later(reply, 503, chosen[0] if chosen else "5")


def _later(reply: Reply, status: int, seconds: str) -> Reply:
    """Return an answer with a status, and with one word on when to ask again."""
    others = {name: v for name, v in reply.headers.items() if name.lower() != _RETRY_AFTER}
    return evolve(reply, status=status, headers={**others, _RETRY_AFTER: seconds})


def _socket_route(
    routes: Sequence[SocketRoute], path: str
) -> tuple[SocketRoute, Mapping[str, str]] | None:
    for route in routes:
        params = fit(route.template, unquote(path))
        if params is not None:
            return route, params
    return None
