"""A client's WebSocket as dialects see it, over a subscriber of the fan-out."""

from __future__ import annotations

from collections.abc import Callable

import trio

from meetcore.doors import SocketSession
from meetcore_server.rates import Buckets
from meetcore_websocket.frames import binary_frame, text_frame
from meetcore_websocket.limits import Limits
from meetcore_websocket.request import Refusal, Request
from meetcore_websocket.subscriber import Subscriber

__all__ = ["ServedSocket"]

MESSAGES_PER_S = 100.0
MESSAGES_AT_ONCE = 500.0
_POLICY = 1008


class ServedSocket:
    """One WebSocket. A `Socket` for the session, and the `Door` of its subscriber.

    Args:
        stream: The connection.
        session: Whoever talks with the client; admitted already.
        limits: What it may cost.
    """

    def __init__(self, stream: trio.abc.Stream, session: SocketSession, limits: Limits) -> None:
        self.subscriber = Subscriber(stream, limits)
        self.subscriber.message_bytes = session.message_bytes
        self._session = session
        self._rate = Buckets(MESSAGES_PER_S, MESSAGES_AT_ONCE)
        self._at_close: list[Callable[[], None]] = []

    async def run(self, received: bytes) -> None:
        """Serve the connection until it ends.

        Args:
            received: What was read of it, from the request's first byte on.

        Raises:
            Exception: What the session raises.
        """
        try:
            await self.subscriber.run(received, self)
        finally:
            for each in self._at_close:
                each()
            self._at_close.clear()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Have something called when the connection has ended."""
        self._at_close.append(callback)

    # --- as a Socket -----------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self.subscriber.closed

    def send(self, message: str | bytes, *, key: str | None = None) -> None:
        """Send a message, now or as soon as possible."""
        frame = text_frame(message) if isinstance(message, str) else binary_frame(message)
        self.subscriber.push(frame, key)

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye after what waits."""
        self.subscriber.close(code, reason)

    async def room(self, below_bytes: int = 0) -> None:
        """Return when no more than that waits to be sent."""
        await self.subscriber.room(below_bytes)

    # --- as a Door -------------------------------------------------------------------------

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        """Let the client in: the session has admitted it."""
        return None

    async def attend(self, subscriber: Subscriber) -> None:
        """Let the session serve the client."""
        await self._session.attend(self)

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Give the session a message; who says too much too fast is parted with."""
        if self._rate.wait_s("") > 0:
            self.subscriber.close(_POLICY, "too many messages", discard=True)
        else:
            self._session.receive(message)
