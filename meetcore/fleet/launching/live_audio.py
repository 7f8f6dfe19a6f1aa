"""A bot's live audio for whoever listens now: a sink that keeps nothing.

What a listener does not take in time is dropped for it, oldest first, and declared: the sound of
now is worth more than that of ten seconds ago, and a recording has all of it. Each listener has an
account of its own: whatever it was not given is in an `audio.lost` with its name, one for each
stretch, told when the stretch is over. It is over when half of what can wait has been taken; of
who is always slow, and so gets some of it, one begins every 10 s of sound.

A bus, with all who listen over it, is one listener (`listeners:bus`): what it did not take is
declared like everything else. What it lets go of itself, because somebody behind it does not read,
is known to nobody here: only that one sees it, by the numbers of the samples.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import ClassVar

import trio
from attrs import define, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.log.mailbox import lost_chunk
from meetcore.model.events import AudioLost, Event
from meetcore.plugin.sink import Sink, SinkContext

__all__ = ["Listener", "LiveAudio"]

_WAITING_CHUNKS = 200
_STRETCH_S = 10.0
_BEHIND = "listener_behind"
_AWAY = "bus_away"


@define
class _LostStretch:
    """What is being lost of a track: how many samples since the first, and where the last ends."""

    start_sample: int
    samples: int
    end_sample: int


@define(eq=False)
class _ListenerLosses:
    """What a listener loses for one cause, in stretches."""

    consumer: str
    cause: str
    report: Callable[[Event], Event]
    _open: dict[str, _LostStretch] = field(factory=dict, init=False)

    def add(self, chunk: Chunk) -> None:
        lost = lost_chunk(chunk, self.cause)
        stretch = self._open.get(lost.track_id)
        if stretch is not None and lost.start_sample != stretch.end_sample:
            length = lost.end_sample - stretch.start_sample
            if not 0 < length <= _STRETCH_S * SAMPLE_RATE_HZ:
                self._tell(lost.track_id)
                stretch = None
        if stretch is None:
            stretch = self._open[lost.track_id] = _LostStretch(lost.start_sample, 0, 0)
        stretch.samples += lost.samples
        stretch.end_sample = lost.end_sample

    def tell(self) -> None:
        """Tell what was lost until now."""
        for track_id in list(self._open):
            self._tell(track_id)

    def _tell(self, track_id: str) -> None:
        stretch = self._open.pop(track_id)
        self.report(
            AudioLost(
                track_id=track_id,
                consumer=self.consumer,
                start_sample=stretch.start_sample,
                samples=stretch.samples,
                cause=self.cause,
            )
        )


class Listener:
    """One listener.

    Args:
        name: Who it is in the journal.
        report: Appends an event to the journal.

    Attributes:
        receive: What it has not taken yet.
    """

    def __init__(self, name: str, report: Callable[[Event], Event]) -> None:
        self._send, self.receive = trio.open_memory_channel[Chunk](_WAITING_CHUNKS)
        self._behind = _ListenerLosses(name, _BEHIND, report)
        self._passing_on = _ListenerLosses(name, _AWAY, report)

    def give(self, chunk: Chunk) -> None:
        """Give it a chunk; where it takes none, the oldest that waits is lost to it."""
        try:
            try:
                self._send.send_nowait(chunk)
            except trio.WouldBlock:
                self._behind.add(self.receive.receive_nowait())
                self._send.send_nowait(chunk)
            else:
                if self.receive.statistics().current_buffer_used <= _WAITING_CHUNKS / 2:
                    self._behind.tell()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # it has gone

    def passed_on(self, chunks: Iterable[Chunk], *, taken: bool) -> None:
        """Note whether somebody took what was passed on to them; what they did not is lost."""
        if taken:
            self._passing_on.tell()
        else:
            for chunk in chunks:
                self._passing_on.add(chunk)

    def tell(self) -> None:
        """Tell what it lost until now."""
        self._behind.tell()
        self._passing_on.tell()

    def close(self) -> None:
        """Say that nothing follows; what waits can still be taken."""
        self._send.close()


class LiveAudio(Sink):
    """Hands chunks to listeners."""

    name: ClassVar[str] = "listeners"
    transient: ClassVar[bool] = True
    wants_events: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._listeners: list[Listener] = []
        self._numbers = count(1)
        self._context: SinkContext | None = None
        self._over = False

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Live as long as the bot; then every listener comes to an end."""
        self._context = context
        yield
        for listener in self._listeners:
            listener.tell()
            listener.close()
        self._over = True

    @contextmanager
    def listening(self) -> Iterator[trio.MemoryReceiveChannel[Chunk]]:
        """Hold a channel with what is heard from now on."""
        with self.listener() as listener:
            yield listener.receive

    @contextmanager
    def listener(self, name: str = "") -> Iterator[Listener]:
        """Hold a listener, which hears from now on; one that passes sound on may have a name."""
        listener = Listener(f"{self.name}:{name or next(self._numbers)}", self._report)
        if self._over:
            listener.close()
        self._listeners.append(listener)
        try:
            with listener.receive:
                yield listener
        finally:
            self._listeners.remove(listener)
            listener.close()
            listener.tell()

    def _report(self, event: Event) -> Event:
        """Append an event, as long as the bot takes any."""
        return event if self._context is None or self._over else self._context.report(event)

    async def on_audio(self, chunk: Chunk) -> None:
        """Hand a chunk to every listener."""
        for listener in list(self._listeners):
            listener.give(chunk)
        await trio.lowlevel.checkpoint()
