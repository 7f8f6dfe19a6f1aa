"""One WebSocket to a provider: opened with a deadline, its every failure a `TranscriberError`."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from meetcore import TranscriberError
from meetcore_speech_api.faults import ProviderFaults

__all__ = ["ProviderSocket", "open_socket"]

SEND_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0
CANCELLED_CLOSE_S = 0.2
_LONGEST_MESSAGE = 4 * 1024 * 1024
_QUEUE = 32
_BROKEN = (
    ConnectionClosed,
    HandshakeError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class ProviderSocket:
    """An open connection.

    Args:
        connection: The WebSocket.
        faults: What its closes mean.
    """

    def __init__(self, connection: WebSocketConnection, faults: ProviderFaults) -> None:
        self._connection = connection
        self._faults = faults
        self._sending = trio.Lock()
        self.opened_at = trio.current_time()
        self.sent_at = self.opened_at
        self.closing = False

    async def send(self, message: bytes | Mapping[str, Any]) -> None:
        """Send audio, or a message as JSON; within ten seconds.

        Raises:
            TranscriberError: The connection is broken, or takes nothing any more.
        """
        data = message if isinstance(message, bytes) else json.dumps(message)
        try:
            with trio.fail_after(SEND_WITHIN_S):
                async with self._sending:
                    await self._connection.send_message(data)
        except trio.TooSlowError as error:
            raise self._faults.trouble(
                "network", f"it took nothing for {SEND_WITHIN_S:g} s", retryable=True
            ) from error
        except _BROKEN as error:
            raise self._trouble(error) from error
        self.sent_at = trio.current_time()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message, None once the connection is closed and we asked for it.

        What is no JSON object is passed over. No deadline of its own.

        Raises:
            TranscriberError: The connection is broken, or was closed though nobody asked.
        """
        while True:
            try:
                raw = await self._connection.get_message()
            except _BROKEN as error:
                if self.closing:
                    return None
                raise self._trouble(error) from error
            try:
                message = json.loads(raw)
            except ValueError:
                continue
            if isinstance(message, dict):
                return message

    def _trouble(self, error: BaseException) -> TranscriberError:
        if isinstance(error, ConnectionClosed):
            reason = error.reason
            return self._faults.of_close(
                reason.code if reason is not None else 1006,
                (reason.reason if reason is not None else None) or "",
            )
        return self._faults.unreachable(error)


async def _dialled(
    url: str, context: ssl.SSLContext | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    stream = await trio.open_tcp_stream(host, parts.port or (443 if tls else 80))
    if not tls:
        return stream
    return trio.SSLStream(
        stream,
        context or ssl.create_default_context(),
        server_hostname=host,
        https_compatible=True,
    )


@asynccontextmanager
async def open_socket(
    url: str,
    headers: Mapping[str, str],
    faults: ProviderFaults,
    *,
    connect_timeout_s: float,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[ProviderSocket]:
    """Hold a connection. However this ends, nothing of it remains, within two seconds.

    Args:
        url: `https://host/path?query` (or `http` on this machine) of the WebSocket.
        headers: Headers of the handshake, the key among them; they are in no error.
        faults: What refusals and closes mean.
        connect_timeout_s: How long the connection and the handshake may take, each.
        context: For TLS; by default the system's certificates are trusted.

    Raises:
        TranscriberError: It could not be opened. What the body raises is raised as it is.
    """
    parts = urlsplit(url)
    resource = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    extra = [(name.encode("ascii"), value.encode("utf-8")) for name, value in headers.items()]
    raised: Exception | None = None
    try:
        with trio.fail_after(connect_timeout_s):
            stream = await _dialled(url, context)
    except (OSError, trio.TooSlowError) as error:
        raise _not_opened(error, faults, connect_timeout_s) from error
    try:
        async with trio.open_nursery() as nursery:
            try:
                try:
                    with trio.fail_after(connect_timeout_s):
                        connection = await wrap_client_stream(
                            nursery,
                            stream,
                            parts.netloc.rpartition("@")[2],
                            resource,
                            extra_headers=extra,
                            message_queue_size=_QUEUE,
                            max_message_size=_LONGEST_MESSAGE,
                        )
                except (*_BROKEN, trio.TooSlowError) as error:
                    raise _not_opened(error, faults, connect_timeout_s) from error
                # Who is cancelled has no task left that would take the answer to a close.
                limit_s = CANCELLED_CLOSE_S
                try:
                    yield ProviderSocket(connection, faults)
                    limit_s = CLOSE_WITHIN_S
                finally:
                    with trio.CancelScope(shield=True), trio.move_on_after(limit_s):
                        await connection.aclose()
            except Exception as error:  # noqa: BLE001  a nursery would put it into a group
                raised = error
            nursery.cancel_scope.cancel()
    except* _BROKEN as group:  # of the WebSocket's own task: a refused handshake comes this way
        raised = raised or _not_opened(_first(group), faults, connect_timeout_s)
    finally:
        await trio.aclose_forcefully(stream)
    if raised is not None:
        raise raised


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _not_opened(
    error: BaseException, faults: ProviderFaults, connect_timeout_s: float
) -> TranscriberError:
    if isinstance(error, ConnectionRejected):
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in error.headers or ()
        }
        return faults.of_status(error.status_code, headers, error.body)
    if isinstance(error, trio.TooSlowError):
        words = f"it did not answer the handshake within {connect_timeout_s:g} s"
        return faults.trouble("network", words, retryable=True)
    if isinstance(error, ConnectionClosed) and error.reason is not None:
        return faults.of_close(error.reason.code, error.reason.reason or "")
    return faults.unreachable(error)
