"""Pushes a bot's sound over one connection after another.

A frame is kept until a pong answers a ping that was sent after it; a new connection begins with the
frames that were not answered for. While there is no connection, or too much is unanswered, `put`
waits, so that sound stays in the core's bounded mailbox, whose losses are declared.
"""

from __future__ import annotations

import struct
from collections import deque

import trio
from trio_websocket import WebSocketConnection

from meetcore.audio.chunk import Chunk
from meetcore.errors import MeetcoreError
from meetcore.mailbox import Wake
from meetcore.wire import to_json
from meetcore_websocket.push_options import PushOptions

__all__ = ["AudioPusher", "TargetUnreachable", "audio_frame"]

_UNANSWERED_BYTES = 1024 * 1024
_CONFIRM_EVERY_S = 0.5


class TargetUnreachable(MeetcoreError):
    """Sound that could not be pushed before the time for the rest was up."""


def audio_frame(chunk: Chunk, participant_id: str | None) -> bytes:
    """Return a chunk as a binary message: header's length, header, samples.

    The length is 4 bytes, little-endian; the header is JSON; the samples are int16, mono,
    little-endian.
    """
    header: dict[str, str | int] = {
        "track_id": chunk.track_id,
        "start_sample": chunk.start_sample,
        "sample_rate_hz": chunk.sample_rate_hz,
    }
    if participant_id is not None:
        header["participant_id"] = participant_id
    encoded = to_json(header).encode("utf-8", "replace")
    return struct.pack("<I", len(encoded)) + encoded + chunk.pcm.astype("<i2").tobytes()


class AudioPusher:
    """Hands frames to whatever connection there is.

    Args:
        options: Deadlines.
    """

    def __init__(self, options: PushOptions) -> None:
        self._options = options
        self._connected = False
        self._unanswered: deque[bytes] = deque()
        self._unanswered_bytes = 0
        self._sent = 0
        self._news = Wake()
        self._to_confirm = Wake()
        self._progress = trio.lowlevel.ParkingLot()
        self._finished = trio.Event()
        self._giving: trio.CancelScope | None = None
        self._give_up_at = float("inf")

    @property
    def unanswered_bytes(self) -> int:
        """How much was handed over that the target is not known to have."""
        return self._unanswered_bytes

    def hurry(self, give_up_at: float) -> None:
        """Wait for a connection no longer than until then, on Trio's clock."""
        self._give_up_at = min(give_up_at, self._give_up_at)
        if self._giving is not None:
            self._giving.deadline = self._give_up_at

    def finish(self) -> None:
        """End the session, with a goodbye."""
        self._finished.set()

    async def put(self, frame: bytes) -> None:
        """Hand over a frame; waits for a connection, without end while the meeting lasts.

        Raises:
            TargetUnreachable: The meeting is over, and so is the time for the rest.
        """
        with trio.CancelScope(deadline=self._give_up_at) as self._giving:
            await trio.lowlevel.checkpoint()
            while not self._connected or self._unanswered_bytes > _UNANSWERED_BYTES:
                await self._progress.park()
            self._unanswered.append(frame)
            self._unanswered_bytes += len(frame)
            self._news.set()
            return
        raise TargetUnreachable(f"{self._options.target} took no more sound in time.")

    async def drained(self) -> None:
        """Return when everything handed over was answered for; the caller's deadline."""
        while self._unanswered:
            await self._progress.park()

    async def session(self, connection: WebSocketConnection) -> None:
        """Push until `finish`; the connection's errors come out."""
        self._sent = 0
        self._connected = True
        self._progress.unpark_all()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, connection)
                nursery.start_soon(self._confirm, connection)
                nursery.start_soon(self._listen, connection)
                await self._finished.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._connected = False

    async def _send(self, connection: WebSocketConnection) -> None:
        """Send what was not sent on this connection; `_confirm` takes away from the other end."""
        while True:
            while self._sent == len(self._unanswered):
                await self._news.wait()
            with trio.fail_after(self._options.send_timeout_s):
                await connection.send_message(self._unanswered[self._sent])
            self._sent += 1
            self._to_confirm.set()

    async def _confirm(self, connection: WebSocketConnection) -> None:
        while True:
            with trio.move_on_after(self._options.ping_s):
                while not self._sent:
                    await self._to_confirm.wait()
            count = self._sent
            with trio.fail_after(self._options.pong_timeout_s):
                await connection.ping()
            for _ in range(count):
                self._unanswered_bytes -= len(self._unanswered.popleft())
            self._sent -= count
            self._progress.unpark_all()
            with trio.move_on_after(_CONFIRM_EVERY_S):
                await self._finished.wait()

    async def _listen(self, connection: WebSocketConnection) -> None:
        while True:
            await connection.get_message()
