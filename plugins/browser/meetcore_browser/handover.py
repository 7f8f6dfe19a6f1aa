"""The bounded hand-over of what a page sends, from the browser thread to the Trio thread.

`TrioToken.run_sync_soon` alone has a queue without a bound: when Trio is held up, memory would
grow with everything the pages say. Here at most `max_blocks` audio blocks wait. Beyond that, new
blocks are dropped, and what was dropped is kept as exact ranges that are handed over in their
place, so that it can be declared lost to the sample. Messages are not dropped: a page that sends
more than `max_messages` that nobody fetched is out of hand, and that is an error.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from attrs import define, frozen

from meetcore_browser.errors import BrowserError
from meetcore_browser.wire import AudioBlock, FromPage, PageMessage

__all__ = ["Handed", "Handover", "LostFrames", "PageOutOfHand"]

MAX_BLOCKS = 3000
"""15 s of 20 tracks, about 10 MB."""
MAX_MESSAGES = 20_000
BATCH = 200
"""How many are delivered before the other tasks get their turn."""


class PageOutOfHand(BrowserError):
    """A page told more than anybody could take."""


@define
class LostFrames:
    """A stretch of a track that was dropped on the way."""

    document: int
    track: int
    first_frame: int
    frames: int

    @property
    def key(self) -> tuple[int, int]:
        """What tells the track from all others of the page."""
        return self.document, self.track


@frozen
class _Overrun:
    """Marks that messages were refused."""


Handed: TypeAlias = FromPage | LostFrames


class Handover:
    """A queue with one end on each thread.

    Args:
        deliver: Takes each item in order, on the Trio thread. It must not raise.
        wake: Has `drain` called on the Trio thread soon; may be called more often than needed.
        on_overrun: Takes the error when a page told too much, on the Trio thread.
        max_blocks: How many audio blocks may wait.
        max_messages: How many messages may wait.
    """

    def __init__(
        self,
        deliver: Callable[[Handed], None],
        wake: Callable[[Callable[[], None]], None],
        on_overrun: Callable[[PageOutOfHand], None],
        max_blocks: int = MAX_BLOCKS,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self._deliver = deliver
        self._wake = wake
        self._on_overrun = on_overrun
        self._max_blocks = max_blocks
        self._max_messages = max_messages
        self._lock = threading.Lock()
        self._queue: deque[Handed | _Overrun] = deque()
        self._blocks = 0
        self._messages = 0
        self._lost: dict[tuple[int, int], LostFrames] = {}
        self.dropped_blocks = 0

    def put(self, *items: FromPage) -> None:
        """Queue items, or drop them and remember what. On the browser thread."""
        with self._lock:
            for item in items:
                if isinstance(item, AudioBlock):
                    self._put_block(item)
                else:
                    self._put_message(item)
        self._wake(self.drain)

    def _put_block(self, block: AudioBlock) -> None:
        lost = self._lost.get(block.key)
        if self._blocks >= self._max_blocks:
            self.dropped_blocks += 1
            frames = len(block.pcm)
            if lost is not None and lost.first_frame + lost.frames == block.first_frame:
                lost.frames += frames
            else:
                self._queue_lost(block.key)
                self._lost[block.key] = LostFrames(*block.key, block.first_frame, frames)
            return
        self._queue_lost(block.key)
        self._queue.append(block)
        self._blocks += 1

    def _put_message(self, message: PageMessage) -> None:
        if self._messages > self._max_messages:
            return
        for key in list(self._lost):
            self._queue_lost(key)
        self._messages += 1
        over = self._messages > self._max_messages
        self._queue.append(_Overrun() if over else message)

    def _queue_lost(self, key: tuple[int, int]) -> None:
        if (lost := self._lost.pop(key, None)) is not None:
            self._queue.append(lost)

    @property
    def waiting(self) -> bool:
        """Whether there is anything to deliver."""
        with self._lock:
            return bool(self._queue or self._lost)

    def drain(self) -> None:
        """Deliver what waits, a batch at a time. On the Trio thread."""
        for _ in range(BATCH):
            with self._lock:
                if not self._queue:
                    for key in list(self._lost):
                        self._queue_lost(key)
                if not self._queue:
                    return
                item = self._queue.popleft()
                if isinstance(item, AudioBlock):
                    self._blocks -= 1
                elif isinstance(item, PageMessage):
                    self._messages -= 1
            if isinstance(item, _Overrun):
                self._on_overrun(
                    PageOutOfHand(f"A page sent over {self._max_messages} messages at once.")
                )
            else:
                self._deliver(item)
        self._wake(self.drain)
