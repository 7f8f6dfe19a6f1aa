"""The protocol's streamable HTTP as a route of the server, for assistants that come over a network.

Each question is an exchange of its own, answered as JSON: there is no session to be kept, so any of
several servers answers any of them, and a key that is void is void with the next question. What the
SDK makes of HTTP is an ASGI application of anyio's, which runs under Trio as it is; no asyncio.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import trio

from meetcore import MeetcoreError
from meetcore.gateway import (
    ApiKey,
    App,
    Authenticator,
    Mount,
    Reply,
    Request,
    Route,
    Scope,
    Service,
)

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from meetcore_mcp.bots import AssistantBots

__all__ = ["add_to"]

_KEYS = (ApiKey("authorization", "Bearer"), ApiKey("x-api-key"))
_STATUSES = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_long": 413,
    "bad_body": 400,
    "too_many_requests": 429,
    "storage_unavailable": 503,
    "internal": 500,
}
_INVALID_REQUEST = -32600
_INTERNAL_ERROR = -32603
"""Codes of JSON-RPC 2.0, section 5.1."""

_asking: ContextVar[AssistantBots] = ContextVar("meetcore_mcp_asking")


def add_to(app: App) -> None:
    """Mount it at `/mcp`."""
    routes = _McpRoutes(app.service)
    app.mount(
        Mount(
            name="mcp",
            title="Model Context Protocol",
            routes=[Route("POST", "/", routes.answer)],
            refuse=_refuse,
            keys=_KEYS,
            docs="Streamable HTTP for assistants: POST here, with Authorization: Bearer KEY.",
        )
    )


class _McpRoutes:
    """Answers assistants, each with the bots of the user whose key they show."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._authenticator = Authenticator(service, _KEYS)

    async def answer(self, request: Request) -> Reply:
        """Answer one question.

        Raises:
            KeyMissing, KeyInvalid: There is no key, or none that is valid.
            ScopeMissing: It may not even read.
        """
        client = await self._authenticator.client(request, Scope.READ)
        # To import the SDK takes a second: not while the server starts, and in no task's way.
        bots = await trio.to_thread.run_sync(import_module, "meetcore_mcp.bots")
        await trio.to_thread.run_sync(import_module, "meetcore_mcp.tools")
        _asking.set(bots.ServiceBots(self._service, client))
        return await _exchange(request)


@cache
def _server() -> MCPServer[Any]:
    from meetcore_mcp.tools import make_server

    return make_server(_asking.get)


async def _exchange(request: Request) -> Reply:
    """Have the SDK answer one request."""
    from mcp.server.transport_security import TransportSecuritySettings

    server = _server()
    # Hosts and origins are the server's to check, which it has done.
    server.streamable_http_app(
        stateless_http=True,
        json_response=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    manager = server.session_manager  # that of this call: it can be used once
    answer = _Exchanged(request.body)
    async with manager.run():
        await manager.handle_request(_scope(request), answer.receive, answer.send)
    return answer.reply()


class _Exchanged:
    """The two sides of one ASGI exchange whose request is there, whole."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 500
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        """Give the body once; nobody goes away: the exchange is cancelled where somebody does."""
        if self._body is None:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take the answer's next part."""
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            self._headers = {
                name.decode("latin-1").lower(): value.decode("latin-1")
                for name, value in message.get("headers", ())
            }
        else:
            self._parts.append(bytes(message.get("body", b"")))

    def reply(self) -> Reply:
        """Return the answer."""
        headers = dict(self._headers)
        headers.pop("content-length", None)
        media_type = headers.pop("content-type", "application/json")
        return Reply(
            status=self._status,
            body=b"".join(self._parts),
            media_type=media_type,
            headers=headers,
        )


def _scope(request: Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.origin_url.partition(":")[0],
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": request.query.encode("latin-1"),
        "headers": [(n.encode("latin-1"), v.encode("latin-1")) for n, v in request.headers],
        "client": (request.client_host, 0),
        "server": None,
    }


def _refuse(request: Request, error: MeetcoreError) -> Reply:
    """Return an error as JSON-RPC has it, with the status that HTTP has for it."""
    del request
    status = next((_STATUSES[code] for code in error.codes() if code in _STATUSES), 400)
    code = _INTERNAL_ERROR if status >= 500 else _INVALID_REQUEST
    words = f"{error.message} {error.remedy}".strip()
    headers = {401: {"www-authenticate": "Bearer"}, 405: {"allow": "POST"}}.get(status, {})
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}}
    return Reply(status=status, json=body, headers=headers)
