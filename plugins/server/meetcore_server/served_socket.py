"""A client's WebSocket as dialects see it, over a subscriber of the fan-out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import trio

from meetcore.gateway import Client, SocketSession
from meetcore_server.openings import Openings
from meetcore_server.rate_limit import RateLimiter
from meetcore_websocket.frames import binary_frame, text_frame
from meetcore_websocket.limits import Limits
from meetcore_websocket.request import Refusal, Request
from meetcore_websocket.subscriber import Subscriber

__all__ = ["ServedSocket"]

MESSAGES_PER_S = 100.0
MESSAGES_AT_ONCE = 500.0
STRANGERS_MESSAGE_BYTES = 4096
STRANGERS_MESSAGES = 8
OWNED_WITHIN_S = 12.0
_POLICY = 1008
_UNAUTHORIZED = 4401


class ServedSocket:
    """One WebSocket. A `Socket` for the session, and the `ConnectionHandler` of its subscriber.

    Args:
        stream: The connection.
        session: Whoever talks with the client; admitted already.
        limits: What it may cost.
        openings: Ends it with its owner's key.

    Attributes:
        owner: Whose it is; None for a stranger, who may say little and not stay.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        session: SocketSession,
        limits: Limits,
        openings: Openings,
    ) -> None:
        self.subscriber = Subscriber(stream, limits)
        self.subscriber.message_bytes = STRANGERS_MESSAGE_BYTES
        self.owner: Client | None = None
        self._session = session
        self._openings = openings
        self._talk = trio.CancelScope()
        self._strangers_messages = 0
        self._rate = RateLimiter(MESSAGES_PER_S, MESSAGES_AT_ONCE)
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
            callbacks, self._at_close = self._at_close, []
            for each in callbacks:
                each()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Have something called when the connection has ended."""
        self._at_close.append(callback)

    def off_close(self, callback: Callable[[], None]) -> None:
        """Have it not called: what it was for is over before the connection is."""
        with suppress(ValueError):
            self._at_close.remove(callback)

    # --- as a Socket -----------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self.subscriber.closed

    def owned_by(self, client: Client) -> None:
        """Say whose it is from now on: it ends with the client's key."""
        self.owner = client
        self.subscriber.message_bytes = self._session.message_bytes
        self.on_close(self._openings.add(client.key_id, self._part))

    def _part(self) -> None:
        """End at once: nothing more is done for the client, and nothing more sent."""
        self.subscriber.close(_UNAUTHORIZED, "the key is not valid any more", discard=True)
        self._talk.cancel()

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

    # --- as a ConnectionHandler ------------------------------------------------------------

    def admit(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        """Let the client in: the session has admitted it."""
        return None

    async def attend(self, subscriber: Subscriber) -> None:
        """Let the session serve the client."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._part_with_a_stranger)
            with self._talk:
                await self._session.attend(self)

    async def _part_with_a_stranger(self) -> None:
        await trio.sleep(OWNED_WITHIN_S)
        if self.owner is None:
            self.close(_UNAUTHORIZED, "say who you are")

    def receive(self, subscriber: Subscriber, message: str | bytes) -> None:
        """Give the session a message; who says too much too fast is parted with."""
        if self.owner is None:
            self._strangers_messages += 1
        flood = self.owner is None and self._strangers_messages > STRANGERS_MESSAGES
        if flood or self._rate.wait_s("") > 0:
            self.subscriber.close(_POLICY, "too many messages", discard=True)
        else:
            self._session.receive(message)
