"""One connection of a dialled socket after another: what waits to be sent, and what comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import trio
from attrs import frozen

from meetcore import Event, MeetcoreError, State, StateChanged
from meetcore.log import Wake
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.target import Target

if TYPE_CHECKING:
    from trio_websocket import WebSocketConnection

__all__ = ["Outbound", "TargetUnreachable", "talk"]


class TargetUnreachable(MeetcoreError):
    """Sound that could not be sent before the time for the rest was up."""


@frozen
class _Waiting:
    """A message that waits. One about now may have a key: the newest of a key is enough."""

    message: str | bytes
    key: str | None = None


def _nothing() -> Sequence[str]:
    return ()


def _ignore(message: str | bytes) -> None:
    del message


async def talk(
    connection: WebSocketConnection,
    finished: trio.Event,
    *tasks: Callable[[WebSocketConnection], Awaitable[None]],
) -> None:
    """Run the tasks of a connection until it is finished, or one of them fails."""
    async with trio.open_nursery() as nursery:
        for task in tasks:
            nursery.start_soon(task, connection)
        await finished.wait()
        nursery.cancel_scope.cancel()


class Outbound:
    """Hands messages to whatever connection there is, and takes what comes back.

    Sound is only taken while there is a connection: it belongs in the core's bounded mailbox
    otherwise, whose losses are declared.

    Args:
        target: Who is at the other end.
        options: Deadlines.
        greeting: Returns what every new connection is sent first.
        heard: Told of each message that comes; returns at once.
    """

    most_waiting_bytes: ClassVar[int] = 512 * 1024

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        greeting: Callable[[], Sequence[str]] = _nothing,
        heard: Callable[[str | bytes], None] = _ignore,
    ) -> None:
        self._target = target
        self._options = options
        self._greeting = greeting
        self._heard = heard
        self._connected = False
        self._connections = 0
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._news = Wake()
        self._progress = trio.lowlevel.ParkingLot()
        self._finished = trio.Event()
        self._giving: trio.CancelScope | None = None
        self._give_up_at = float("inf")

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    @property
    def connection(self) -> int:
        """The number of the connection that is open, 0 for none."""
        return self._connections if self._connected else 0

    def take(self, event: Event) -> None:
        """Learn of an event: once the meeting is over, the rest has to hurry."""
        if isinstance(event, StateChanged) and event.state is State.PROCESSING:
            self.hurry()

    def hurry(self) -> None:
        """Wait for a connection no longer than `flush_timeout_s` from now on."""
        give_up_at = trio.current_time() + self._options.flush_timeout_s
        self._give_up_at = min(give_up_at, self._give_up_at)
        if self._giving is not None:
            self._giving.deadline = self._give_up_at

    def finish(self) -> None:
        """End the session, with a goodbye: the socket is closed with 1000."""
        self._finished.set()

    def tell(self, text: str) -> None:
        """Send a text, as soon as there is a connection; it is never dropped."""
        self._put(_Waiting(text))

    def show(self, text: str, key: str | None = None) -> None:
        """Send a text about now: not at all without a connection, the newest of a key only."""
        if not self._connected:
            return
        for at, message in enumerate(self._waiting):
            if at and key is not None and message.key == key:
                self._waiting[at] = _Waiting(text, key)
                self._waiting_bytes += len(text) - len(message.message)
                return
        self._put(_Waiting(text, key))

    async def put(self, message: str | bytes) -> None:
        """Hand over sound; waits for a connection, without end while the meeting lasts.

        Raises:
            TargetUnreachable: The meeting is over, and so is the time for the rest.
        """
        with trio.CancelScope(deadline=self._give_up_at) as self._giving:
            await trio.lowlevel.checkpoint()
            while not self._connected or self._waiting_bytes > self.most_waiting_bytes:
                await self._progress.park()
            self._put(_Waiting(message))
            return
        raise TargetUnreachable(f"{self._target} took no more sound in time.")

    async def put_on(self, connection: int, message: str | bytes) -> bool:
        """Hand over what makes sense on one connection only; return whether it is still open.

        Waits while much waits to be sent.
        """
        with trio.CancelScope(deadline=self._give_up_at) as self._giving:
            await trio.lowlevel.checkpoint()
            while self.connection == connection and self._waiting_bytes > self.most_waiting_bytes:
                await self._progress.park()
        if self.connection != connection:
            return False
        self._put(_Waiting(message))
        return True

    def forget_sound(self) -> None:
        """Forget what waits to be sent of sound and picture."""
        self._waiting = deque(each for each in self._waiting if isinstance(each.message, str))
        self._waiting_bytes = sum(len(each.message) for each in self._waiting)

    async def drained(self) -> None:
        """Return when nothing waits, within `flush_timeout_s`."""
        with trio.move_on_after(self._options.flush_timeout_s):
            while self._waiting:
                await self._progress.park()

    async def session(self, connection: WebSocketConnection) -> None:
        """Greet, then send until `finish`; the connection's errors come out."""
        for text in self._greeting():
            await self._send_one(connection, text)
        self._connected = True
        self._connections += 1
        self._progress.unpark_all()
        try:
            await talk(connection, self._finished, self._send, self._keep_alive, self._listen)
        finally:
            self._connected = False
            self._progress.unpark_all()

    def _put(self, message: _Waiting) -> None:
        self._waiting.append(message)
        self._waiting_bytes += len(message.message)
        self._news.set()

    def _done(self) -> None:
        """Forget the first of what waits: the target has it."""
        self._waiting_bytes -= len(self._waiting.popleft().message)
        self._progress.unpark_all()

    async def _send(self, connection: WebSocketConnection) -> None:
        while True:
            while not self._waiting:
                await self._news.wait()
            await self._send_one(connection, self._waiting[0].message)
            self._done()

    async def _send_one(self, connection: WebSocketConnection, message: str | bytes) -> None:
        with trio.fail_after(self._options.send_timeout_s):
            await connection.send_message(message)

    async def _keep_alive(self, connection: WebSocketConnection) -> None:
        while True:
            await trio.sleep(self._options.ping_s)
            await self._ping(connection)

    async def _ping(self, connection: WebSocketConnection) -> None:
        with trio.fail_after(self._options.pong_timeout_s):
            await connection.ping()

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            self._heard(await connection.get_message())
