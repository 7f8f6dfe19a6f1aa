"""A bot's live audio for whoever listens now: a sink that keeps nothing.

What a listener does not take in time is dropped for it, newest first, and declared: the sound of
now is worth more than that of ten seconds ago, and a recording has all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar

import trio

from meetcore.audio.chunk import Chunk
from meetcore.contracts import Sink, SinkContext
from meetcore.events import AudioLost

__all__ = ["Ears"]

_WAITING_CHUNKS = 200


class Ears(Sink):
    """Hands chunks to listeners."""

    name: ClassVar[str] = "listeners"
    transient: ClassVar[bool] = True
    wants_events: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._channels: list[trio.MemorySendChannel[Chunk]] = []
        self._context: SinkContext | None = None
        self._over = False

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Live as long as the bot; then every listener comes to an end."""
        self._context = context
        yield
        self._over = True
        for channel in self._channels:
            channel.close()

    @contextmanager
    def listening(self) -> Iterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with what is heard from now on."""
        send, receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        if self._over:
            send.close()
        self._channels.append(send)
        try:
            with send, receive:
                yield receive
        finally:
            self._channels.remove(send)

    async def hear(self, chunk: Chunk) -> None:
        """Hand a chunk to every listener."""
        lost = False
        for channel in self._channels:
            try:
                channel.send_nowait(chunk)
            except trio.WouldBlock:
                lost = True
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                continue
        if lost and self._context is not None:
            self._context.report(
                AudioLost(
                    track_id=chunk.track_id,
                    consumer=self._context.name,
                    start_sample=chunk.start_sample,
                    samples=chunk.samples,
                    cause="listener_behind",
                )
            )
        await trio.lowlevel.checkpoint()
