"""A bot's live audio for whoever listens now: a sink that keeps nothing.

What a listener does not take in time is dropped for it, oldest first, and declared: the sound of
now is worth more than that of ten seconds ago, and a recording has all of it. Each listener has an
account of its own: whatever it was not given is in an `audio.lost` with its name, one for each
stretch, told when the stretch is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import ClassVar

import trio
from attrs import define, field

from meetcore.audio.chunk import Chunk
from meetcore.log.mailbox import Lost
from meetcore.model.events import AudioLost, Event
from meetcore.plugin.sink import Sink, SinkContext

__all__ = ["LiveAudio"]

_WAITING_CHUNKS = 200
_CAUSE = "listener_behind"


@define(eq=False)
class _Listener:
    """One listener.

    Attributes:
        name: Who it is in the journal.
        lost: The stretch of each track that it is losing now.
    """

    name: str
    send: trio.MemorySendChannel[Chunk]
    receive: trio.MemoryReceiveChannel[Chunk]
    lost: dict[str, Lost] = field(factory=dict)

    def give(self, chunk: Chunk, report: Callable[[Event], Event]) -> None:
        """Give it a chunk; where it takes none, the oldest that waits is lost to it."""
        try:
            try:
                self.send.send_nowait(chunk)
            except trio.WouldBlock:
                self._lose(self.receive.receive_nowait(), report)
                self.send.send_nowait(chunk)
            else:
                self.tell(report)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # it has gone

    def _lose(self, chunk: Chunk, report: Callable[[Event], Event]) -> None:
        last = self.lost.pop(chunk.track_id, None)
        start, samples = chunk.start_sample, chunk.samples
        if last is not None and last.end_sample == start:
            start, samples = last.start_sample, last.samples + samples
        elif last is not None:
            self._say(last, report)
        self.lost[chunk.track_id] = Lost(chunk.track_id, start, samples, _CAUSE)

    def tell(self, report: Callable[[Event], Event]) -> None:
        """Tell what it lost until now."""
        while self.lost:
            self._say(self.lost.pop(next(iter(self.lost))), report)

    def _say(self, lost: Lost, report: Callable[[Event], Event]) -> None:
        report(
            AudioLost(
                track_id=lost.track_id,
                consumer=self.name,
                start_sample=lost.start_sample,
                samples=lost.samples,
                cause=lost.cause,
            )
        )


class LiveAudio(Sink):
    """Hands chunks to listeners."""

    name: ClassVar[str] = "listeners"
    transient: ClassVar[bool] = True
    wants_events: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._listeners: list[_Listener] = []
        self._numbers = count(1)
        self._context: SinkContext | None = None
        self._over = False

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Live as long as the bot; then every listener comes to an end."""
        self._context = context
        yield
        self._over = True
        for listener in self._listeners:
            listener.tell(context.report)
            listener.send.close()

    @contextmanager
    def listening(self) -> Iterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with what is heard from now on."""
        send, receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        if self._over:
            send.close()
        listener = _Listener(f"{self.name}:{next(self._numbers)}", send, receive)
        self._listeners.append(listener)
        try:
            with send, receive:
                yield receive
        finally:
            self._listeners.remove(listener)
            if self._context is not None and not self._over:
                listener.tell(self._context.report)

    async def on_audio(self, chunk: Chunk) -> None:
        """Hand a chunk to every listener."""
        if self._context is not None:
            for listener in list(self._listeners):
                listener.give(chunk, self._context.report)
        await trio.lowlevel.checkpoint()
