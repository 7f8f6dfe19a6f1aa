"""The ASGI application: the native API in Litestar, the page, and the mounts beside them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.plugins.attrs import AttrsSchemaPlugin
from litestar.types import ASGIApp, Scope

from meetcore import MeetcoreError, __version__
from meetcore.gateway import Client, KeyMissing, Reply, Request
from meetcore_server.callers import NATIVE_KEYS, Callers
from meetcore_server.metrics import Metrics
from meetcore_server.mounts import BODY_BYTES, Mounts, request_from
from meetcore_server.native import (
    about,
    accounts,
    bots,
    health,
    media,
    routes_chat,
    routes_clips,
    routes_drain,
    routes_events,
    routes_page,
    routes_participants,
    routes_recordings,
    routes_transcript,
    socket_tokens,
)
from meetcore_server.native.access import (
    HOW_TO_SEND_A_KEY,
    NO_KEY,
    admin,
    operator,
    reader,
    writer,
)
from meetcore_server.native.problems import PROBLEMS, problem, problem_reply
from meetcore_server.native.strict import Description, check_fields
from meetcore_server.origin_guard import Guard
from meetcore_server.responses import send_reply, without_mark
from meetcore_server.seen import Seen
from meetcore_server.service import BotService

__all__ = ["make_app"]

PAGE = Path(__file__).parents[1] / "page"
_OWN = ("v1", "look-in", "health", "ready", "metrics", "docs", "static", "openapi.json")


@frozen
class _Ours:
    """What a server answers from: it is in the scope of each request."""

    service: BotService
    metrics: Metrics
    mounts: Mounts
    seen: Seen


def _ours(scope: Scope) -> _Ours:
    found: _Ours = scope["state"]["meetcore"]
    return found


def _provide_service(scope: Scope) -> BotService:
    return _ours(scope).service


def _provide_gauges(scope: Scope) -> Metrics:
    return _ours(scope).metrics


def _provide_mounts(scope: Scope) -> Mounts:
    return _ours(scope).mounts


def _provide_seen(scope: Scope) -> Seen:
    return _ours(scope).seen


@cache
def _native() -> Litestar:
    """Return the native API of all servers of this process; making it takes a fifth of a second."""
    handlers: list[Any] = [
        *bots.HANDLERS,
        *routes_events.HANDLERS,
        *routes_transcript.HANDLERS,
        *routes_participants.HANDLERS,
        *routes_chat.HANDLERS,
        *routes_recordings.HANDLERS,
        *routes_page.HANDLERS,
        *routes_clips.HANDLERS,
        *routes_drain.HANDLERS,
        *accounts.HANDLERS,
        *media.HANDLERS,
        *socket_tokens.HANDLERS,
        *about.HANDLERS,
    ]
    for handler in handlers:
        handler.responses = {**PROBLEMS, **(handler.responses or {})}
    api = Router(
        path="/v1",
        route_handlers=handlers,
        before_request=check_fields,
        tags=["meetcore"],
        security=[{"key": []}],
    )
    return Litestar(
        route_handlers=[api, *health.HANDLERS],
        dependencies={
            "service": Provide(_provide_service, sync_to_thread=False),
            "metrics": Provide(_provide_gauges, sync_to_thread=False),
            "mounts": Provide(_provide_mounts, sync_to_thread=False),
            "seen": Provide(_provide_seen, sync_to_thread=False),
            "reader": Provide(reader),
            "writer": Provide(writer),
            "admin": Provide(admin),
            "operator": Provide(operator),
        },
        exception_handlers={
            Exception: problem,
            HTTPException: problem,
            MeetcoreError: problem,
        },
        openapi_config=OpenAPIConfig(
            title="meetcore",
            version=__version__,
            path="/openapi",
            render_plugins=[Description()],
            description="Bots that attend meetings. Errors are problem+json with a stable `code`.",
            components=Components(
                security_schemes={
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key.")
                }
            ),
            tags=[Tag(name="meetcore", description="The native API.")],
        ),
        plugins=[AttrsSchemaPlugin()],
        request_max_body_size=BODY_BYTES,
        logging_config=None,
        pdb_on_exception=False,
    )


def make_app(
    service: BotService,
    mounts: Mounts,
    metrics: Metrics,
    guard: Guard,
    callers: Callers,
    seen: Seen,
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the application.

    Args:
        service: The bots.
        mounts: What plugins mounted.
        metrics: What is counted.
        guard: Refuses requests that a web page of somebody else's made a browser send.
        callers: Says whose key a request has, and how often it may come.
        seen: Where clients see the server.
    """
    native: ASGIApp = _native()
    ours = _Ours(service, metrics, mounts, seen)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
        host = str(scope["client"][0]) if scope.get("client") else ""
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        asked = request_from(scope["method"], path, query, headers, host, seen)
        shared = guard.headers(asked)

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                metrics.requests[f"{message['status'] // 100}xx"] += 1
                message["headers"] = [*message.get("headers", ()), *shared]
            await send(message)

        first = path.lstrip("/").partition("/")[0]
        place = None if first in _OWN or path == "/" else mounts.place(path)
        file = _page_file(path) if place is None and not _writes(asked) else None
        reply = guard.preflight(asked) or await guard.decide(asked, own_page=file is not None)
        client: Client | None = None
        if reply is None:
            try:
                if place is not None:
                    client = await callers.who(asked, place.mount.keys)
                elif first == "v1":
                    client = await callers.who(asked, NATIVE_KEYS)
                else:
                    await callers.count(asked)
                if place is None and first == "v1" and client is None and _writes(asked):
                    raise KeyMissing(NO_KEY, HOW_TO_SEND_A_KEY)
            except MeetcoreError as error:
                reply = mounts.refuse(place, asked, error) if place else problem_reply(error)
        if reply is None and file is not None:
            page = {"cache-control": "no-cache", "content-security-policy": _CSP}
            reply = Reply(file=file, headers=page)
        if reply is not None:
            await send_reply(scope, counted, reply)
            return
        with _open_while_valid(service, asked, client):
            if place is not None:
                await mounts.answer(place, asked, client, scope, receive, counted)
            else:
                scope["method"] = "GET" if asked.method == "HEAD" else asked.method
                scope["state"] = {"meetcore": ours}
                await native(scope, without_mark(receive), counted)

    return app


def _writes(asked: Request) -> bool:
    return asked.method not in ("GET", "HEAD", "OPTIONS")


def _open_while_valid(
    service: BotService, asked: Request, client: Client | None
) -> AbstractContextManager[Any]:
    """End a long answer with the key that asked for it; what writes is not broken off half done."""
    if client is None or _writes(asked):
        return nullcontext()
    return service.openings.opened_by(client.key_id)


_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def _page_file(path: str) -> Path | None:
    """Return the file of the page that a path means."""
    name = {"/": "index.html", "/docs": "docs.html", "/look-in": "look_in.html"}.get(path)
    if name is None and path.startswith("/static/"):
        name = path.removeprefix("/static/")
    if name is None or "/" in name or name.startswith("."):
        return None
    file = PAGE / name
    return file if file.is_file() else None
