"""One connection of the streaming socket after another: what is sent over it, and what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import trio
from trio_websocket import WebSocketConnection

from meetcore.errors import MeetcoreError
from meetcore.mailbox import Wake
from meetcore_spoke.stream_options import StreamOptions

__all__ = ["StreamLink", "TargetUnreachable"]

_WAITING_BYTES = 256 * 1024


class TargetUnreachable(MeetcoreError):
    """Sound that could not be sent before the time for the rest was up."""


class StreamLink:
    """Hands messages to whatever connection there is, and takes what comes back.

    Sound waits while there is none: it belongs in the core's mailbox then, whose losses are
    declared. Texts are about now, so they do not wait.

    Args:
        options: Deadlines.
        greeting: Returns what every new connection is sent first.
        heard: Told of binary messages, by their length.
    """

    def __init__(
        self,
        options: StreamOptions,
        greeting: Callable[[], Sequence[str]],
        heard: Callable[[int], None],
    ) -> None:
        self._options = options
        self._greeting = greeting
        self._heard = heard
        self._connected = False
        self._waiting: deque[str | bytes] = deque()
        self._waiting_bytes = 0
        self._news = Wake()
        self._progress = trio.lowlevel.ParkingLot()
        self._finished = trio.Event()
        self._giving: trio.CancelScope | None = None
        self._give_up_at = float("inf")

    def hurry(self, give_up_at: float) -> None:
        """Wait for a connection no longer than until then, on Trio's clock."""
        self._give_up_at = min(give_up_at, self._give_up_at)
        if self._giving is not None:
            self._giving.deadline = self._give_up_at

    def finish(self) -> None:
        """End the session, with a goodbye."""
        self._finished.set()

    def tell(self, text: str) -> None:
        """Send a text, if there is a connection."""
        if self._connected:
            self._put(text)

    async def put(self, piece: bytes) -> None:
        """Hand over sound; waits for a connection, without end while the meeting lasts.

        Raises:
            TargetUnreachable: The meeting is over, and so is the time for the rest.
        """
        with trio.CancelScope(deadline=self._give_up_at) as self._giving:
            await trio.lowlevel.checkpoint()
            while not self._connected or self._waiting_bytes > _WAITING_BYTES:
                await self._progress.park()
            self._put(piece)
            return
        raise TargetUnreachable("The streaming socket took no more sound in time.")

    async def drained(self) -> None:
        """Return when everything was sent; the caller's deadline."""
        while self._waiting:
            await self._progress.park()

    async def session(self, connection: WebSocketConnection) -> None:
        """Greet, then send until `finish`; the connection's errors come out."""
        for text in self._greeting():
            await self._send_one(connection, text)
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

    def _put(self, message: str | bytes) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        self._news.set()

    async def _send(self, connection: WebSocketConnection) -> None:
        while True:
            while not self._waiting:
                await self._news.wait()
            await self._send_one(connection, self._waiting[0])
            self._waiting_bytes -= len(self._waiting.popleft())
            self._progress.unpark_all()

    async def _send_one(self, connection: WebSocketConnection, message: str | bytes) -> None:
        with trio.fail_after(self._options.send_timeout_s):
            await connection.send_message(message)

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            message = await connection.get_message()
            if isinstance(message, bytes) and message:
                self._heard(len(message))

    async def _keep_alive(self, connection: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._options.ping_s)
            with trio.fail_after(self._options.pong_timeout_s):
                await connection.ping()
