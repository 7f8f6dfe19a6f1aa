"""Who asks the native API: a key in `Authorization: Bearer`, `X-API-Key`, or nothing at all."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.di import NamedDependency

from meetcore.gateway import Client, KeyMissing, Scope, ScopeMissing
from meetcore_server.service import BotService

__all__ = ["HOW_TO_SEND_A_KEY", "NO_KEY", "admin", "key_in", "operator", "reader", "writer"]

NO_KEY = "A valid API key is needed."
HOW_TO_SEND_A_KEY = "Send it as `Authorization: Bearer KEY`; `meetcore keys create` makes one."


def key_in(authorization: str | None, x_api_key: str | None) -> str | None:
    """Return the key that came with a request."""
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() == "bearer" and value.strip():
        return value.strip()
    return x_api_key or None


async def _client(request: Request[Any, Any, Any], service: BotService, scope: Scope) -> Client:
    headers = request.headers
    client = await service.authenticate(
        key_in(headers.get("authorization"), headers.get("x-api-key"))
    )
    if client is None:
        raise KeyMissing(NO_KEY, HOW_TO_SEND_A_KEY)
    if not client.may(scope):
        raise ScopeMissing(scope)
    return client


async def reader(request: Request[Any, Any, Any], service: NamedDependency[BotService]) -> Client:
    """Return a client that may read."""
    return await _client(request, service, Scope.READ)


async def writer(request: Request[Any, Any, Any], service: NamedDependency[BotService]) -> Client:
    """Return a client that may give orders."""
    return await _client(request, service, Scope.WRITE)


async def admin(request: Request[Any, Any, Any], service: NamedDependency[BotService]) -> Client:
    """Return a client that may look after users and keys."""
    return await _client(request, service, Scope.ADMIN)


async def operator(request: Request[Any, Any, Any], service: NamedDependency[BotService]) -> Client:
    """Return a client that may operate the server."""
    return await _client(request, service, Scope.OPERATE)
