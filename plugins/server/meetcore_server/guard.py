"""Keeps web pages of other people from using the server through somebody's browser.

A browser sends requests to this machine for any page it shows. Where a key is needed that does no
harm, since such a page has none. Where the server is open, on loopback and without any key, it is
the only thing to fear: then a request must name this machine as its host (a name that somebody
pointed here does not), and one that a page of another origin made is refused.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import trio

from meetcore.doors import Reply, Request
from meetcore_server.service import BotService

__all__ = ["Guard"]

_LOOK_EVERY_S = 1.0


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Decides about where requests come from.

    Args:
        service: Where it is known whether there is a key.
    """

    def __init__(self, service: BotService) -> None:
        self._service = service
        self._is_keyed = False
        self._looked_at = float("-inf")

    async def socket(self, request: Request) -> Reply | None:
        """Return why a WebSocket is refused, None where it is not."""
        if not await self._is_open():
            return None
        return _decide(request.header("host") or "", request.header("origin"))

    async def http(self, scope: Any) -> Reply | None:
        """Return why a request is refused, None where it is not."""
        if not await self._is_open():
            return None
        headers = {n: v.decode("latin-1") for n, v in scope["headers"] if n in (b"host", b"origin")}
        return _decide(headers.get(b"host", ""), headers.get(b"origin"))

    async def _is_open(self) -> bool:
        if not self._service.open_door:
            return False
        if trio.current_time() - self._looked_at > _LOOK_EVERY_S:
            self._is_keyed = await self._service.has_keys()
            self._looked_at = trio.current_time()
        return not self._is_keyed


def _decide(host: str, origin: str | None) -> Reply | None:
    if not _names_this_machine(host):
        detail = "Without an API key this server answers to localhost only."
    elif origin is not None and urlsplit(origin).netloc != host:
        detail = "Pages of another origin may not use this server without an API key."
    else:
        return None
    return Reply(status=403, json={"code": "forbidden", "status": 403, "detail": detail})
