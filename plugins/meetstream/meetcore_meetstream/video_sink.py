"""The sink `meetstream_video`: picture and sound as fragmented MP4 over a socket the bot dials."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from meetcore_meetstream.dial_options import VideoOptions
from meetcore_meetstream.dialling_sink import DiallingSink

if TYPE_CHECKING:
    from meetcore import Chunk, MediaFragment
    from meetcore_meetstream.live_video import LiveVideo

__all__ = ["MeetstreamVideoSink"]

_PICTURES = "video/H264"
_PING_EVERY_S = 5.0
_PONGS_KEPT = 1000


class MeetstreamVideoSink(DiallingSink[VideoOptions]):
    """Sends one stream a connection: `video_stream_start`, its bytes in order, `video_stream_end`.

    A connection that is made again begins another stream. Pictures that come while there is none
    are not kept; the journal says how many (`pictures_not_sent`). For a target that reads slowly
    `on_media` waits: the core's mailbox drops the oldest then, and declares it.
    """

    name: ClassVar[str] = "meetstream_video"
    greets: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True
    wants_own_voice: ClassVar[bool] = True
    wants_media: ClassVar[bool] = True

    def __init__(self, options: VideoOptions) -> None:
        super().__init__(options)
        self._stream: LiveVideo | None = None
        self._connection = 0
        self._told = False
        self._in_order = trio.Lock()  # picture and sound come in tasks of their own
        self._unsent = 0
        self._sent_at: dict[int, float] = {}
        self._latencies_ms: list[float] = []

    def _greeting(self) -> list[str]:
        """Begin anew: what waits is of another stream."""
        self.line.forget_sound()
        return []

    @asynccontextmanager
    async def while_open(self) -> AsyncIterator[None]:
        """Ask from time to time how long a message takes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ping)
            yield
            nursery.cancel_scope.cancel()

    async def _ping(self) -> None:
        assert self._context is not None
        seq = 0
        while True:
            await trio.sleep(_PING_EVERY_S)
            if not self.line.connection:
                continue
            seq += 1
            self._sent_at[seq] = trio.current_time()
            ping = {
                "type": "video_latency_ping",
                "bot_id": self._context.bot_id,
                "seq": seq,
                "sent_at_ms": round(time.time() * 1000),
            }
            self.line.show(json.dumps(ping), "ping")

    def heard(self, message: str | bytes) -> None:
        """Take the answer to a ping; anything else is ignored."""
        try:
            told: Any = json.loads(message)
        except (ValueError, RecursionError):
            return
        if not isinstance(told, Mapping) or told.get("type") != "video_latency_pong":
            return
        seq = told.get("seq")
        sent_at = self._sent_at.pop(seq, None) if isinstance(seq, int) else None
        if sent_at is not None and len(self._latencies_ms) < _PONGS_KEPT:
            self._latencies_ms.append((trio.current_time() - sent_at) * 1000)

    # --- what the core calls -------------------------------------------------------------------

    async def on_media(self, fragment: MediaFragment) -> None:
        """Send a picture; other media is not sent."""
        if fragment.container != _PICTURES or fragment.header or fragment.kind == "screen":
            return
        async with self._in_order:
            stream = self._stream_now()
            if stream is None:
                self._unsent += 1
            else:
                await self._send(stream, stream.picture(fragment))

    async def on_media_gap(self, track_id: str, first: int, fragments: int, cause: str) -> None:
        """Learn that pictures are missing: the next has to stand alone."""
        del first, fragments, cause
        if self._stream is not None and self._stream.shows(track_id):
            self._stream.gap()
        await trio.lowlevel.checkpoint()

    async def on_audio(self, chunk: Chunk) -> None:
        """Send sound, with the picture."""
        async with self._in_order:
            stream = self._stream_now()
            if stream is not None:
                await self._send(stream, stream.sound(chunk))

    def _stream_now(self) -> LiveVideo | None:
        """Return the stream of the connection that is open, None for none."""
        from meetcore_meetstream.live_video import LiveVideo

        connection = self.line.connection
        if not connection:
            return None
        if connection != self._connection or self._stream is None:
            self._stream, self._connection, self._told = LiveVideo(), connection, False
        return self._stream

    async def _send(self, stream: LiveVideo, data: bytes) -> None:
        assert self._context is not None
        connection = self._connection
        if stream.begun is not None and not self._told:
            self._told = True
            told = json.dumps(stream.begun.told(self._context.bot_id))
            await self.line.put_on(connection, told)
        if data:
            await self.line.put_on(connection, data)

    async def finish(self) -> None:
        """Send the last bytes and the end; say what was not sent."""
        assert self._context is not None
        self.line.hurry()
        stream = self._stream
        if stream is not None and stream.begun is not None:
            await self._send(stream, stream.end())
            end = {
                "type": "video_stream_end",
                "bot_id": self._context.bot_id,
                "duration_seconds": round(stream.duration_s, 3),
            }
            await self.line.put_on(self._connection, json.dumps(end))
        if self._unsent:
            self.say("pictures_not_sent", count=str(self._unsent))
        if self._latencies_ms:
            self.say("video_latency", median_ms=f"{median(self._latencies_ms):.0f}")
        await super().finish()
