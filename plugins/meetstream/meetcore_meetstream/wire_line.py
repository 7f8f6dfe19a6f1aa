"""One connection of a dialled socket after another: what waits to be sent, and what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from attrs import frozen
from trio_websocket import WebSocketConnection

from meetcore.errors import MeetcoreError
from meetcore.mailbox import Wake
from meetcore_meetstream.dial_options import DialOptions

__all__ = ["TargetUnreachable", "WireLine"]

_WAITING_BYTES = 512 * 1024


class TargetUnreachable(MeetcoreError):
    """Sound that could not be sent before the time for the rest was up."""


@frozen
class _Parcel:
    """A message that waits. A draft has a key: the newest of a key is enough."""

    message: str | bytes
    key: str | None = None


class WireLine:
    """Hands messages to whatever connection there is, and takes what comes back.

    Args:
        options: Deadlines.
        greeting: What every new connection is sent first, None for nothing.
        heard: Told of each message that comes; returns at once.
    """

    def __init__(
        self, options: DialOptions, greeting: str | None, heard: Callable[[str | bytes], None]
    ) -> None:
        self._options = options
        self._greeting = greeting
        self._heard = heard
        self._connected = False
        self._waiting: deque[_Parcel] = deque()
        self._waiting_bytes = 0
        self._news = Wake()
        self._progress = trio.lowlevel.ParkingLot()
        self._finished = trio.Event()
        self._giving: trio.CancelScope | None = None
        self._give_up_at = float("inf")

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._waiting)

    def hurry(self, give_up_at: float) -> None:
        """Wait for a connection no longer than until then, on Trio's clock."""
        self._give_up_at = min(give_up_at, self._give_up_at)
        if self._giving is not None:
            self._giving.deadline = self._give_up_at

    def finish(self) -> None:
        """End the session, with a goodbye: the socket is closed with 1000."""
        self._finished.set()

    def tell(self, text: str) -> None:
        """Send a text, as soon as there is a connection; it is never dropped."""
        self._put(_Parcel(text))

    def show(self, key: str, text: str) -> None:
        """Send a text about now: not at all without a connection, the newest of a key only."""
        if not self._connected:
            return
        for at, parcel in enumerate(self._waiting):
            if at and parcel.key == key:
                self._waiting[at] = _Parcel(text, key)
                self._waiting_bytes += len(text) - len(parcel.message)
                return
        self._put(_Parcel(text, key))

    async def put(self, message: str | bytes) -> None:
        """Hand over sound; waits for a connection, without end while the meeting lasts.

        Raises:
            TargetUnreachable: The meeting is over, and so is the time for the rest.
        """
        with trio.CancelScope(deadline=self._give_up_at) as self._giving:
            await trio.lowlevel.checkpoint()
            while not self._connected or self._waiting_bytes > _WAITING_BYTES:
                await self._progress.park()
            self._put(_Parcel(message))
            return
        raise TargetUnreachable("The live audio socket took no more sound in time.")

    async def drained(self) -> None:
        """Return when everything was sent; the caller's deadline."""
        while self._waiting:
            await self._progress.park()

    async def session(self, connection: WebSocketConnection) -> None:
        """Greet, then send until `finish`; the connection's errors come out."""
        if self._greeting is not None:
            await self._send_one(connection, self._greeting)
        self._connected = True
        self._progress.unpark_all()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, connection)
                nursery.start_soon(self._listen, connection)
                nursery.start_soon(self._keep_alive, connection)
                await self._finished.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._connected = False

    def _put(self, parcel: _Parcel) -> None:
        self._waiting.append(parcel)
        self._waiting_bytes += len(parcel.message)
        self._news.set()

    async def _send(self, connection: WebSocketConnection) -> None:
        while True:
            while not self._waiting:
                await self._news.wait()
            await self._send_one(connection, self._waiting[0].message)
            self._waiting_bytes -= len(self._waiting.popleft().message)
            self._progress.unpark_all()

    async def _send_one(self, connection: WebSocketConnection, message: str | bytes) -> None:
        with trio.fail_after(self._options.send_timeout_s):
            await connection.send_message(message)

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            self._heard(await connection.get_message())

    async def _keep_alive(self, connection: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._options.ping_s)
            with trio.fail_after(self._options.pong_timeout_s):
                await connection.ping()
