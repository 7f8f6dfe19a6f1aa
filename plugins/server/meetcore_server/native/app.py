"""The ASGI application: the native API in Litestar, the page, and the mounts beside them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Server, Tag
from litestar.plugins.attrs import AttrsSchemaPlugin
from litestar.types import ASGIApp

from meetcore import __version__
from meetcore.doors import Reply, TooManyRequests
from meetcore.errors import MeetcoreError
from meetcore_server.answering import send_reply
from meetcore_server.gauges import Gauges
from meetcore_server.mounts import BODY_BYTES, Mounts
from meetcore_server.native import about, accounts, bots, health, media, socket_tokens, telling
from meetcore_server.native.access import admin, reader, writer
from meetcore_server.native.problems import PROBLEM_TYPE, PROBLEMS, problem, problem_of
from meetcore_server.native.strict import check_fields, declare
from meetcore_server.rates import Buckets, caller
from meetcore_server.service import BotService

__all__ = ["make_app"]

PAGE = Path(__file__).parents[1] / "page"
_OWN = ("v1", "health", "ready", "metrics", "docs", "static", "openapi.json")


def _native(service: BotService, gauges: Gauges, mounts: Mounts) -> Litestar:
    handlers: list[Any] = [
        *bots.HANDLERS,
        *telling.HANDLERS,
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

    def provide_service() -> BotService:
        return service

    def provide_gauges() -> Gauges:
        return gauges

    def provide_mounts() -> Mounts:
        return mounts

    app = Litestar(
        route_handlers=[api, *health.HANDLERS],
        dependencies={
            "service": Provide(provide_service, sync_to_thread=False),
            "gauges": Provide(provide_gauges, sync_to_thread=False),
            "mounts": Provide(provide_mounts, sync_to_thread=False),
            "reader": Provide(reader),
            "writer": Provide(writer),
            "admin": Provide(admin),
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
            render_plugins=[JsonRenderPlugin()],
            description="Bots that attend meetings. Errors are problem+json with a stable `code`.",
            components=Components(
                security_schemes={
                    "key": SecurityScheme(type="http", scheme="bearer", description="An API key.")
                }
            ),
            tags=[Tag(name="meetcore", description="The native API.")],
            servers=[Server(url="/")],
        ),
        plugins=[AttrsSchemaPlugin()],
        request_max_body_size=BODY_BYTES,
        logging_config=None,
        pdb_on_exception=False,
    )
    declare(app)
    return app


def make_app(
    service: BotService,
    mounts: Mounts,
    gauges: Gauges,
    guard: Callable[[Any], Awaitable[Reply | None]],
    rates: Buckets | None,
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the application.

    Args:
        service: The bots.
        mounts: What plugins mounted.
        gauges: What is counted.
        guard: Refuses requests that a web page of somebody else's made a browser send.
        rates: How often each caller may ask; None for as often as it likes.
    """
    native: ASGIApp = _native(service, gauges, mounts)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        if scope["type"] != "http":
            await native(scope, receive, send)
            return

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                gauges.requests[f"{message['status'] // 100}xx"] += 1
            await send(message)

        refusal = await guard(scope)
        if refusal is not None:
            await send_reply(scope, counted, refusal)
            return
        path = scope["path"]
        if rates is not None:
            wait_s = rates.wait_s(caller(scope["headers"], _host_of(scope)))
            if wait_s > 0:
                await send_reply(scope, counted, _too_many(mounts, path, wait_s))
                return
        first = path.lstrip("/").partition("/")[0]
        place = None if first in _OWN or path == "/" else mounts.place(path)
        if place is not None:
            await mounts.answer(place, scope, receive, counted)
        elif (file := _page_file(path)) is not None:
            headers = {"cache-control": "no-cache", "content-security-policy": _CSP}
            await send_reply(scope, counted, Reply(file=file, headers=headers))
        else:
            await native(scope, receive, counted)

    return app


def _host_of(scope: Any) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _too_many(mounts: Mounts, path: str, wait_s: float) -> Reply:
    reply = mounts.refuse_for_now(path, wait_s) if path.strip("/") not in _OWN else None
    if reply is not None:
        return reply
    status, body = problem_of(TooManyRequests(wait_s))
    headers = {"retry-after": str(math.ceil(wait_s)), "content-type": PROBLEM_TYPE}
    return Reply(status=status, json=body, headers=headers)


_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def _page_file(path: str) -> Path | None:
    """Return the file of the page that a path means."""
    name = {"/": "index.html", "/docs": "docs.html"}.get(path)
    if name is None and path.startswith("/static/"):
        name = path.removeprefix("/static/")
    if name is None or "/" in name or name.startswith("."):
        return None
    file = PAGE / name
    return file if file.is_file() else None
