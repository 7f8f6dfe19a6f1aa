"""Bounded queues with a stated policy, drained in one go.

A Trio memory channel costs a checkpoint per item on either side and cannot replace or inspect
what is queued. Here `put` is a plain call that never waits, and the one reader takes all there is
at each wake: audio at 10 chunks a second and track costs next to nothing, and what does not
fit is named instead of vanishing.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import trio
from attrs import frozen

if TYPE_CHECKING:
    from meetcore.audio.chunk import Chunk

__all__ = ["WITHHELD", "AudioMailbox", "DraftBox", "Lost", "Wake", "lost_chunk"]

T = TypeVar("T")
WITHHELD = frozenset({"paused", "excluded"})
"""Causes for which sound is kept back on purpose, and not lost."""


class Wake:
    """A flag for one waiting task: set it as often as you like, wait clears it."""

    __slots__ = ("__weakref__", "_event", "_set")

    def __init__(self) -> None:
        self._set = False
        self._event: trio.Event | None = None

    def set(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._set = True
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Return when it was set since the last return; always a checkpoint."""
        if self._set:
            await trio.lowlevel.checkpoint()
        while not self._set:
            self._event = trio.Event()
            await self._event.wait()
        self._set = False


@frozen
class Lost:
    """Samples of a track that are not coming, in order with its chunks."""

    track_id: str
    start_sample: int
    samples: int
    cause: str

    @property
    def end_sample(self) -> int:
        """Index of the first sample after it."""
        return self.start_sample + self.samples

    @property
    def withheld(self) -> bool:
        """Whether they were kept back on purpose."""
        return self.cause in WITHHELD


def lost_chunk(chunk: Chunk, cause: str) -> Lost:
    """Return the news that a chunk is not coming, in samples at 16 kHz, whatever its rate."""
    return Lost(chunk.track_id, chunk.core_start, chunk.core_samples, cause)


class AudioMailbox:
    """Audio for one consumer: bounded in samples, the oldest goes first, every loss stays named.

    Args:
        limit_samples: How much audio may wait, at 16 kHz.
        cause: The cause named when something did not fit.
    """

    def __init__(self, limit_samples: int, cause: str) -> None:
        self._limit = limit_samples
        self._cause = cause
        self._items: deque[Chunk | Lost] = deque()
        self._waiting = 0
        self._wake = Wake()
        self._closed = False

    @property
    def waiting_samples(self) -> int:
        """How much audio waits."""
        return self._waiting

    def put(self, item: Chunk | Lost) -> None:
        """Add audio, or the news that some is missing. Never waits."""
        self._items.append(item)
        if not isinstance(item, Lost):
            self._waiting += item.core_samples
            if self._waiting > self._limit:
                self._shed()
        self._wake.set()

    def _shed(self) -> None:
        lost: list[Lost] = []
        while self._waiting > self._limit and len(self._items) > 1:
            item = self._items.popleft()
            if isinstance(item, Lost):
                self._append(lost, item)
            else:
                gone = lost_chunk(item, self._cause)
                self._waiting -= gone.samples
                self._append(lost, gone)
        self._items.extendleft(reversed(lost))

    @staticmethod
    def _append(lost: list[Lost], item: Lost) -> None:
        for at in range(len(lost) - 1, -1, -1):
            last = lost[at]
            if last.track_id == item.track_id:
                if (
                    last.cause == item.cause
                    and last.start_sample + last.samples == item.start_sample
                ):
                    lost[at] = Lost(
                        item.track_id, last.start_sample, last.samples + item.samples, item.cause
                    )
                    return
                break
        lost.append(item)

    def close(self) -> None:
        """Say that nothing follows; what waits can still be taken."""
        self._closed = True
        self._wake.set()

    async def take(self) -> list[Chunk | Lost]:
        """Return everything that waits, at least one item; empty once closed and drained."""
        while not self._items:
            if self._closed:
                await trio.lowlevel.checkpoint()
                return []
            await self._wake.wait()
        items = list(self._items)
        self._items.clear()
        self._waiting = 0
        await trio.lowlevel.checkpoint()
        return items

    @property
    def done(self) -> bool:
        """Whether it is closed, and nothing waits."""
        return self._closed and not self._items

    async def ready(self) -> None:
        """Return when something waits or nothing will; takes nothing, so it may be cancelled."""
        while not self._items and not self._closed:
            await self._wake.wait()

    def drain(self) -> list[Chunk | Lost]:
        """Return everything that waits, without waiting."""
        items = list(self._items)
        self._items.clear()
        self._waiting = 0
        return items


class DraftBox(Generic[T]):
    """Drafts for one subscriber: the newest of each key, in order of the keys' first arrival."""

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._items: dict[str, T] = {}
        self.superseded = 0

    def put(self, key: str, item: T) -> None:
        """Keep a draft, in place of an older one with the same key."""
        if key in self._items:
            self.superseded += 1
        elif len(self._items) >= self._limit:
            self._items.pop(next(iter(self._items)))
            self.superseded += 1
        self._items[key] = item

    def drain(self) -> list[T]:
        """Return the drafts there are and forget them."""
        items = list(self._items.values())
        self._items.clear()
        return items

    def pop(self) -> T:
        """Return the draft whose key came first, and forget it."""
        return self._items.pop(next(iter(self._items)))

    def forget(self, key: str) -> None:
        """Forget the draft of a key: it has been overtaken."""
        self._items.pop(key, None)

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def __bool__(self) -> bool:
        return bool(self._items)
