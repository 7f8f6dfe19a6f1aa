"""Tokens with which a browser may open the WebSocket: short-lived, and read-only unless asked."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from meetcore import ConfigError
from meetcore.gateway import Client, Scope, ScopeMissing
from meetcore_server.native.models import NewSocketToken, SocketToken
from meetcore_server.seen import Seen
from meetcore_server.service import BotService

__all__ = ["HANDLERS", "PURPOSE"]

PURPOSE = "socket"
_LONGEST_S = 24 * 3600.0
_MOST_BOTS = 50


@post("/socket-tokens", summary="Make a socket token", operation_id="create_socket_token")
async def create_socket_token(
    data: JSONBody[NewSocketToken],
    request: Request[Any, Any, Any],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    seen: NamedDependency[Seen],
) -> SocketToken:
    """Make a token for `/v1/ws` that is safe to give to a browser."""
    if not 1 <= data.expires_s <= _LONGEST_S:
        raise ConfigError(f"expires_s must be 1 to {_LONGEST_S:g}, not {data.expires_s!r}.")
    if data.write and not reader.may(Scope.WRITE):
        message = "This key cannot make a token that gives commands."
        raise ScopeMissing(Scope.WRITE, message)
    if data.bot_ids is not None:
        if not 0 < len(data.bot_ids) <= _MOST_BOTS:
            raise ConfigError(f"bot_ids names 1 to {_MOST_BOTS} bots.")
        for bot_id in data.bot_ids:
            await service.bot(reader, bot_id)
    claims = {"u": reader.user_id, "k": reader.key_id, "b": data.bot_ids, "w": data.write}
    token = service.sign(PURPOSE, claims, expires_s=data.expires_s)
    origin = seen.origin(request.headers).replace("http", "ws", 1)
    return SocketToken(token=token, url=f"{origin}/v1/ws", expires_s=data.expires_s)


HANDLERS: list[Any] = [create_socket_token]
