"""A port of its own: listens, serves each connection, and leaves nothing when it goes.

Not needed by who has a port already: `Subscriber(stream).run(bytes_read, handler)` is all it takes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from meetcore import ConfigError
from meetcore_websocket.bot_connections import BotConnections
from meetcore_websocket.limits import Limits
from meetcore_websocket.options import USUAL_PORT
from meetcore_websocket.subscriber import Subscriber

__all__ = ["AddressUnavailable", "listen", "serving"]

_BACKLOG = 1024
_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class AddressUnavailable(ConfigError):
    """The address to listen on is taken, or not this machine's."""


async def listen(host: str, port: int | None) -> list[trio.SocketListener]:
    """Open the listening sockets. A lookup of a name, no longer than the resolver takes.

    Args:
        host: The address.
        port: The port, 0 for any that is free; None for the usual one, or any where it is taken.

    Raises:
        AddressUnavailable: It names the option to change.
    """
    if port is None:
        try:
            return await listen(host, USUAL_PORT)
        except AddressUnavailable:
            return await listen(host, 0)
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise AddressUnavailable(
            f"[plugins.websocket] cannot listen on port {port} of {host}: "
            f"{cause.strerror or cause}.",
            "Choose another `port` (0 for any that is free) or `host`.",
        ) from error


def url_of(listener: trio.SocketListener, path: str) -> str:
    """Return where a listener can be reached."""
    host, port, *_ = listener.socket.getsockname()
    shown = f"[{host}]" if ":" in host else host
    return f"ws://{shown}:{port}{path}"


def is_loopback(listener: trio.SocketListener) -> bool:
    """Return whether a listener can be reached from this machine only."""
    address: str = listener.socket.getsockname()[0]
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


async def _refuse(stream: trio.SocketStream, within_s: float) -> None:
    with trio.move_on_after(within_s), suppress(trio.BrokenResourceError):
        await stream.send_all(_NO_ROOM)
    await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(
    listeners: list[trio.SocketListener],
    handler: BotConnections,
    limits: Limits,
    *,
    max_connections: int,
    failed: Callable[[Exception], None],
    wind_up: Callable[[], float],
) -> AsyncIterator[None]:
    """Serve every connection while the block runs.

    Args:
        listeners: Listening sockets; they are closed at the end of the block.
        handler: Decides about subscribers, and serves them.
        limits: What each may cost.
        max_connections: How many may be open at once; one more is answered with 503.
        failed: Told of the error that ended one subscriber; the others go on.
        wind_up: Called after the block; says goodbye to everybody, and returns how many seconds
            they may take to go before they are cut off.
    """
    open_now = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal open_now
        if open_now >= max_connections:
            await _refuse(stream, limits.handshake_s)
            return
        subscriber = Subscriber(stream, limits)
        open_now += 1
        try:
            await subscriber.run(b"", handler)
        except Exception as error:  # noqa: BLE001  one subscriber's trouble is not the others'
            failed(error)
        finally:
            open_now -= 1
            handler.leave(subscriber)

    async with trio.open_nursery() as supervisor:
        ended = trio.Event()

        async def serve_all(task_status: trio.TaskStatus[trio.Nursery]) -> None:
            async with trio.open_nursery() as connections:
                task_status.started(connections)
                await accepting_ended.wait()
            ended.set()

        accepting_ended = trio.Event()
        connections: trio.Nursery = await supervisor.start(serve_all)
        async with trio.open_nursery() as accepting:
            await accepting.start(
                partial(trio.serve_listeners, serve, listeners, handler_nursery=connections)
            )
            yield
            accepting.cancel_scope.cancel()
        patience_s = wind_up()
        accepting_ended.set()
        with trio.move_on_after(patience_s):
            await ended.wait()
        supervisor.cancel_scope.cancel()
