"""A transport that looks a host up once, refuses private addresses, and dials the one it checked.

The check sits in the network backend, below everything that could look the name up a second time,
so a name that changes its address between check and use gains nothing. Host header, SNI and the
certificate keep the name. Proxies of the environment are not used: they would dial for us.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpcore2
import httpx2
import trio

from meetcore import PrivateTargets

__all__ = ["AddressRefused", "PinnedBackend", "PinnedClient", "pinned_client"]

LONGEST_ANSWER_BYTES = 128 * 1024


class AddressRefused(httpcore2.ConnectError):
    """The target resolves to an address that is not public."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the very address that was checked.

    Args:
        private: Which targets are fine that are not public.
        inner: What dials; it is given literal addresses only.
        longest_answer_bytes: How long an answer may be, its head included.
    """

    def __init__(
        self,
        private: PrivateTargets,
        *,
        inner: httpcore2.AsyncNetworkBackend | None = None,
        longest_answer_bytes: int = LONGEST_ANSWER_BYTES,
    ) -> None:
        self._private = private
        self._longest = longest_answer_bytes
        self._inner = inner or httpcore2.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Look up, check, dial; all within `timeout`.

        Raises:
            AddressRefused: An address is not public.
            httpcore2.ConnectError: The name has no address, or nobody answers there.
            httpcore2.ConnectTimeout: It took too long.
        """
        trouble: httpcore2.ConnectError | None = None
        try:
            with trio.fail_after(timeout if timeout is not None else float("inf")):
                for address in await self._addresses(host, port):
                    try:
                        stream = await self._inner.connect_tcp(
                            address, port, timeout, local_address, socket_options
                        )
                        return _BoundedStream(stream, self._longest)
                    except httpcore2.ConnectError as error:
                        trouble = error
        except trio.TooSlowError as error:
            raise httpcore2.ConnectTimeout(f"no connection within {timeout} s") from error
        raise trouble or httpcore2.ConnectError("the name has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a webhook has no business with a local socket.

        Raises:
            AddressRefused: Always.
        """
        del path, timeout, socket_options
        raise AddressRefused("local sockets are not dialled")

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await trio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(f"the name cannot be looked up: {error}") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        if not all(self._private.admit(host, address) for address in addresses):
            raise AddressRefused("the target is not a public address")
        return addresses


class _BoundedStream(httpcore2.AsyncNetworkStream):
    """A connection on which an answer can only be so long.

    The bound sits here and not where the answer is read, because to stop reading in the middle of
    httpx2's nested generators leaves them to the garbage collector, where they cannot await.
    """

    def __init__(self, inner: httpcore2.AsyncNetworkStream, longest: int) -> None:
        self._inner = inner
        self._longest = longest
        self._received = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read some.

        Raises:
            httpcore2.ReadError: More came since the last write than an answer can have.
        """
        data = await self._inner.read(max_bytes, timeout)
        self._received += len(data)
        if self._received > self._longest:
            raise httpcore2.ReadError("the answer is too long")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._received = 0
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Go on encrypted, under the same bound."""
        stream = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _BoundedStream(stream, self._longest)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection says of itself."""
        return self._inner.get_extra_info(info)


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom we trust: read once, it takes as long as a hundred requests."""
    return httpx2.create_ssl_context(trust_env=False)


class _PinnedTransport(httpx2.AsyncHTTPTransport):
    """httpx2's transport over a connection pool with our backend, for which it has no option."""

    def __init__(self, backend: httpcore2.AsyncNetworkBackend, max_connections: int) -> None:
        super().__init__(verify=_trusted(), trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_trusted(),
            network_backend=backend,
            max_connections=max_connections,
            keepalive_expiry=30.0,
        )


class PinnedClient:
    """Posts, and gets, over a pinned backend.

    It follows no redirect, asks no proxy, keeps no cookies and no log.

    It sits on httpx2's transport and not on its client, which writes the whole URL of each request
    into the log; what stands behind the host of a webhook's URL often is its key.
    """

    def __init__(
        self, transport: httpx2.AsyncHTTPTransport, connect_timeout_s: float, step_timeout_s: float
    ) -> None:
        self._transport = transport
        self._timeout = httpx2.Timeout(step_timeout_s, connect=connect_timeout_s).as_dict()

    @asynccontextmanager
    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """Hold the answer to a POST.

        Raises:
            httpx2.InvalidURL: The URL is none.
            httpx2.HTTPError: There is no answer.
        """
        async with self._asked("POST", url, body, headers) as response:
            yield response

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx2.Response]:
        """Hold the answer to a GET.

        Raises:
            httpx2.InvalidURL: The URL is none.
            httpx2.HTTPError: There is no answer.
        """
        async with self._asked("GET", url, None, headers) as response:
            yield response

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        request = httpx2.Request(
            method,
            url,
            content=body,
            headers={"accept": "*/*", **headers},
            extensions={"timeout": self._timeout},
        )
        response = await self._transport.handle_async_request(request)
        response.request = request
        try:
            yield response
        finally:
            await response.aclose()


@asynccontextmanager
async def pinned_client(
    backend: httpcore2.AsyncNetworkBackend,
    connect_timeout_s: float,
    step_timeout_s: float,
    *,
    max_connections: int = 2,
) -> AsyncIterator[PinnedClient]:
    """Hold a client.

    Args:
        backend: What dials.
        connect_timeout_s: How long a connection may take.
        step_timeout_s: How long one step of an exchange may take.
        max_connections: To all targets together, at once.
    """
    async with _PinnedTransport(backend, max_connections) as transport:
        yield PinnedClient(transport, connect_timeout_s, step_timeout_s)
