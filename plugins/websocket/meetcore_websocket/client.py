"""A connection to the target, checked before it is dialled, and made again when it drops."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol, TypeAlias

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from meetcore import MeetcoreError, PrivateTargets
from meetcore.model import backoff_s
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.target import Target

__all__ = ["Link", "Talker", "TargetRefused", "connected", "dial"]

Session: TypeAlias = Callable[[WebSocketConnection], Awaitable[None]]
Stream: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"

CLOSE_TIMEOUT_S = 2.0
_GOODBYE_S = 3.0
_STEADY_S = 10.0


class Talker(Protocol):
    """What goes on over one connection after another."""

    async def session(self, connection: WebSocketConnection) -> None:
        """Talk over a connection until `finish`; the connection's errors come out."""

    def finish(self) -> None:
        """End the session."""


class TargetRefused(MeetcoreError):
    """The target has an address that is not public, and it came over an API."""


_TROUBLE = (
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    ConnectionClosed,
    HandshakeError,
    ProtocolError,
    TargetRefused,
    UnicodeError,
)


async def _addresses(host: str, port: int, private: PrivateTargets) -> list[str]:
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not all(private.admit(host, address) for address in addresses):
        raise TargetRefused("The target is not a public address.")
    return addresses


async def dial(
    host: str, port: int, private: PrivateTargets, *, context: ssl.SSLContext | None = None
) -> Stream:
    """Look the host up once, check every address, and connect to one of those; no deadline.

    Raises:
        TargetRefused: An address is not public.
        OSError: The name has no address, nobody answers, or the certificate is not right.
    """
    trouble: OSError | None = None
    for address in await _addresses(host, port, private):
        try:
            plain = await trio.open_tcp_stream(address, port)
        except OSError as error:
            trouble = error
            continue
        if context is None:
            return plain
        stream = trio.SSLStream(plain, context, server_hostname=host, https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(plain)
            raise
        return stream
    raise trouble or OSError("the name has no address")


@asynccontextmanager
async def connected(
    target: Target, options: DialOptions, private: PrivateTargets
) -> AsyncIterator[WebSocketConnection]:
    """Open a WebSocket within `connect_timeout_s`; at the end say goodbye for a moment at most.

    When the block is left by an exception, a message may be cut: there is no goodbye then.

    Raises:
        ExceptionGroup: Of what `Link` counts as trouble.
    """
    context = ssl.create_default_context(cafile=options.ca_file) if target.tls else None
    headers = []
    if target.token is not None:
        headers.append((b"Authorization", b"Bearer " + target.token.reveal().encode()))
    stream: Stream | None = None
    async with trio.open_nursery() as nursery:
        try:
            with trio.fail_after(options.connect_timeout_s):
                stream = await dial(target.host, target.port, private, context=context)
                connection = await wrap_client_stream(
                    nursery,
                    stream,
                    target.authority,
                    target.resource,
                    extra_headers=headers,
                    max_message_size=options.longest_message_bytes,
                )
            yield connection
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                await connection.aclose()
        finally:
            if stream is not None:
                await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


def _describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_describe(inner) for inner in error.exceptions))
    if isinstance(error, trio.TooSlowError):
        return "it did not answer in time"
    if isinstance(error, ConnectionRejected):
        return f"it answered {error.status_code}"
    if isinstance(error, ConnectionClosed):
        return f"it closed the connection with {error.reason.code if error.reason else 1006}"
    if isinstance(error, trio.BrokenResourceError) and error.__cause__ is not None:
        return _describe(error.__cause__)
    return f"{type(error).__name__}: {error}"


class Link:
    """Keeps a session with the target going, from one connection to the next.

    Args:
        target: Whom it connects to.
        options: The deadlines.
        private: Which targets are fine that are not public.
        notice: Told `connected` and `disconnected`, with words for the reason; once for each
            change, not for each attempt.
        random: Source of chance for the pauses.
    """

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        private: PrivateTargets,
        *,
        notice: Callable[[str, str], None],
        random: Random | None = None,
    ) -> None:
        self._target = target
        self._options = options
        self._private = private
        self._notice = notice
        self._random = random or Random()
        self._stopped = trio.Event()
        self._up: bool | None = None
        self._since = 0.0

    @asynccontextmanager
    async def keeping(self, talker: Talker, due: trio.Event | None = None) -> AsyncIterator[None]:
        """Keep a session going while the block runs; then end it, politely if that is quick.

        Args:
            talker: Who talks over the connections.
            due: What the first attempt waits for, None for nothing.
        """
        ended = trio.Event()

        async def run() -> None:
            if due is not None:
                await due.wait()
            await self.run(talker.session)
            ended.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield
            self._stopped.set()
            talker.finish()
            with trio.move_on_after(_GOODBYE_S if due is None or due.is_set() else 0):
                await ended.wait()
            nursery.cancel_scope.cancel()

    async def run(self, session: Session) -> None:
        """Connect and run the session, again whenever it fails; return when it does.

        Raises nothing but what `session` raises that is no trouble of a connection.
        """
        failures = 0
        while not self._stopped.is_set():
            self._since = float("inf")
            trouble = await self._attempt(session)
            if trouble is None:
                return
            failures = 1 if trio.current_time() - self._since > _STEADY_S else failures + 1
            if self._up is not False:
                self._up = False
                self._notice("disconnected", trouble)
            options = self._options
            pause = backoff_s(
                failures, options.first_retry_s, options.longest_retry_s, self._random, jitter=0.5
            )
            with trio.move_on_after(pause):
                await self._stopped.wait()

    async def _attempt(self, session: Session) -> str | None:
        try:
            async with connected(self._target, self._options, self._private) as connection:
                self._since = trio.current_time()
                if self._up is not True:
                    self._up = True
                    self._notice("connected", "")
                await session(connection)
        except _TROUBLE as error:
            return _describe(error)
        except BaseExceptionGroup as group:
            trouble, rest = group.split(_TROUBLE)
            if rest is not None or trouble is None:
                raise
            return _describe(trouble)
        return None
