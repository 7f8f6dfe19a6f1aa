"""Pushes a bot's sound over one connection after another.

A frame is kept until a pong answers a ping that was sent after it; a new connection begins with the
frames that were not answered for.
"""

from __future__ import annotations

import struct
from typing import ClassVar

import trio
from trio_websocket import WebSocketConnection

from meetcore import Chunk, to_json
from meetcore.log import Wake
from meetcore_websocket.dial_options import DialOptions
from meetcore_websocket.outbound import Outbound
from meetcore_websocket.target import Target

__all__ = ["AudioPusher", "audio_frame"]

_CONFIRM_EVERY_S = 0.5


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


class AudioPusher(Outbound):
    """A line on which sound waits until it was answered for.

    Args:
        target: Who is at the other end.
        options: Deadlines.
    """

    most_waiting_bytes: ClassVar[int] = 1024 * 1024

    def __init__(self, target: Target, options: DialOptions) -> None:
        super().__init__(target, options)
        self._sent = 0
        self._to_confirm = Wake()

    @property
    def unanswered_bytes(self) -> int:
        """How much was handed over that the target is not known to have."""
        return self._waiting_bytes

    async def session(self, connection: WebSocketConnection) -> None:
        """Push until `finish`; the connection's errors come out."""
        self._sent = 0
        await super().session(connection)

    async def _send(self, connection: WebSocketConnection) -> None:
        """Send what was not sent on this connection; pongs take away from the other end."""
        while True:
            while self._sent == len(self._waiting):
                await self._news.wait()
            await self._send_one(connection, self._waiting[self._sent].message)
            self._sent += 1
            self._to_confirm.set()

    async def _keep_alive(self, connection: WebSocketConnection) -> None:
        while True:
            with trio.move_on_after(self._options.ping_s):
                while not self._sent:
                    await self._to_confirm.wait()
            count = self._sent
            await self._ping(connection)
            for _ in range(count):
                self._done()
            self._sent -= count
            with trio.move_on_after(_CONFIRM_EVERY_S):
                await self._finished.wait()
