"""Keeps web pages of other people from using the server through somebody's browser.

A browser sends requests to this machine for any page it shows. Where a key is needed that does no
harm, since such a page has none. Where the server is open, on loopback and without any key, it is
the only thing to fear: then a request must name this machine as its host (a name that somebody
pointed here does not), and one that a page of another origin made is refused: by `Origin` where a
browser sends that, and by `Sec-Fetch-Site` for an image or a link, which have none. Only the
server's own page may be opened by a link from elsewhere.

Origins that the operator lists may use the server, and may read its answers (CORS).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import trio

from meetcore import ConfigError, MeetcoreError
from meetcore.gateway import Reply, Request
from meetcore_server.service import BotService

__all__ = ["Guard"]

_LOOK_EVERY_S = 1.0
_ELSEWHERE = ("cross-site", "same-site")
_PREFLIGHT_S = "600"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_EXPOSED = "Content-Disposition, Date, Retry-After, X-Meetcore-Note"


def _names_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _checked(origin: str) -> str:
    try:
        parts = urlsplit(origin)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        usable = usable and not (parts.path.strip("/") or parts.query) and parts.port != 0
    except ValueError:
        usable = False
    if origin != "*" and not usable:
        raise ConfigError(
            f"allowed_origins cannot have {origin!r}.",
            "An origin is written https://app.example.org, without a path; '*' is any.",
        )
    return origin.lower().rstrip("/")


class Guard:
    """Decides about where requests come from.

    Args:
        service: Where it is known whether there is a key.
        allowed_origins: Origins of web pages that may use the server; `*` for any, which counts
            only where a key is needed.

    Raises:
        ConfigError: One of them is no origin.
    """

    def __init__(self, service: BotService, allowed_origins: Sequence[str] = ()) -> None:
        self._service = service
        self._allowed = frozenset(map(_checked, allowed_origins))
        self._is_keyed: bool | None = None
        self._looked_at = float("-inf")

    async def decide(self, request: Request, *, own_page: bool = False) -> Reply | None:
        """Return why a request is refused, None where it is not.

        Args:
            request: It; of a WebSocket, its handshake.
            own_page: Whether it asks for the server's own page.
        """
        if not await self._is_open():
            return None
        host, origin = request.header("host") or "", request.header("origin")
        if not _names_this_machine(host):
            return _refused("Without an API key this server answers to localhost only.")
        if origin is not None and origin.lower().rstrip("/") in self._allowed:
            return None
        elsewhere = (request.header("sec-fetch-site") or "").lower() in _ELSEWHERE
        if elsewhere and request.header("sec-fetch-mode") == "navigate" and own_page:
            elsewhere = False
        if elsewhere or (origin is not None and _authority(origin) != host):
            return _refused(
                "Pages of another origin may not use this server without an API key. "
                "The operator can list them in allowed_origins."
            )
        return None

    async def _is_open(self) -> bool:
        if not self._service.anonymous_access:
            return False
        if trio.current_time() - self._looked_at > _LOOK_EVERY_S:
            try:
                self._is_keyed = await self._service.has_keys()
            except MeetcoreError:
                return not self._is_keyed  # as it was; where that is not known, carefully
            self._looked_at = trio.current_time()
        return not self._is_keyed

    # --- CORS --------------------------------------------------------------------------------

    def headers(self, request: Request) -> list[tuple[bytes, bytes]]:
        """Return what lets a page of a listed origin read the answer."""
        if not self._allowed:
            return []
        vary = (b"vary", b"Origin")
        origin = request.header("origin")
        if origin is None or not {origin.lower().rstrip("/"), "*"} & self._allowed:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
            (b"access-control-expose-headers", _EXPOSED.encode()),
        ]

    def preflight(self, request: Request) -> Reply | None:
        """Return the answer to a browser that asks before it asks; None where it does not."""
        asked = request.header("access-control-request-method")
        if request.method != "OPTIONS" or asked is None or len(self.headers(request)) < 2:
            return None
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": request.header("access-control-request-headers") or "*",
            "Access-Control-Max-Age": _PREFLIGHT_S,
        }
        return Reply(status=204, headers=headers)


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _refused(detail: str) -> Reply:
    body: dict[str, Any] = {"code": "forbidden", "status": 403, "detail": detail}
    return Reply(status=403, json=body)
