"""Connections on which an answer can only be so long: a server that never ends costs no memory.

The bound sits below httpx2, in what reads from the socket: to stop in the middle of its nested
generators would leave them to the garbage collector, where they cannot await.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

__all__ = ["LONGEST_ANSWER_BYTES", "BoundedTransport"]

LONGEST_ANSWER_BYTES = 8 * 1024 * 1024


class _BoundedConnection(httpcore2.AsyncNetworkStream):
    """A connection that breaks when more comes since the last write than an answer can have."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self._received = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._inner.read(max_bytes, timeout)
        self._received += len(data)
        if self._received > LONGEST_ANSWER_BYTES:
            raise httpcore2.ReadError("the answer is too long")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._received = 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _BoundedConnection(
            await self._inner.start_tls(ssl_context, server_hostname, timeout)
        )

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _BoundedBackend(httpcore2.TrioBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _BoundedConnection(
            await super().connect_tcp(host, port, timeout, local_address, socket_options)
        )


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over such connections, for which it has no option.

    Args:
        max_connections: How many at once.
    """

    def __init__(self, max_connections: int) -> None:
        context = httpx2.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            network_backend=_BoundedBackend(),
            max_connections=max_connections,
            keepalive_expiry=5.0,
        )
