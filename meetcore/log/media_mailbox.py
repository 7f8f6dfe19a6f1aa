"""Media for one taker: bounded in bytes, the oldest goes first, every loss stays named.

Only the newest header of a track's container is never given up: without it nothing that follows can
be read.
"""

from __future__ import annotations

from collections import deque

import trio
from attrs import evolve, frozen

from meetcore.audio.media import MediaFragment
from meetcore.log.mailbox import Wake

__all__ = ["LostMedia", "MediaMailbox"]


@frozen
class LostMedia:
    """Fragments of a track that are not coming, in order with those that are."""

    track_id: str
    first: int
    fragments: int
    cause: str

    def then(self, after: LostMedia) -> LostMedia | None:
        """Return both as one, None where there is something between them."""
        if (self.track_id, self.cause) != (after.track_id, after.cause):
            return None
        if self.first + self.fragments != after.first:
            return None
        return evolve(self, fragments=self.fragments + after.fragments)


class MediaMailbox:
    """A queue of fragments and losses.

    Args:
        limit_bytes: How much may wait, besides a header per track. One fragment may in any case.
        cause: The cause named when something did not fit.
    """

    def __init__(self, limit_bytes: int, cause: str) -> None:
        self._limit = limit_bytes
        self._cause = cause
        self._items: deque[MediaFragment | LostMedia] = deque()
        self._waiting = 0
        self._wake = Wake()
        self._closed = False

    def put(self, item: MediaFragment | LostMedia) -> None:
        """Add a fragment, or the news that some are missing. Never waits."""
        if isinstance(item, LostMedia):
            self._append(self._items, item)
        else:
            self._items.append(item)
            self._waiting += len(item.data)
            while self._waiting > self._limit and self._shed():
                pass
        self._wake.set()

    def _shed(self) -> bool:
        """Give up the oldest fragment but the last and the newest headers; say if there was one."""
        found = [(n, item) for n, item in enumerate(self._items) if isinstance(item, MediaFragment)]
        headers = {item.track_id: n for n, item in found if item.header}
        place, fragment = next(
            ((n, item) for n, item in found[:-1] if headers.get(item.track_id) != n), (0, None)
        )
        if fragment is None:
            return False
        self._waiting -= len(fragment.data)
        self._items[place] = LostMedia(fragment.track_id, fragment.number, 1, self._cause)
        merged: deque[MediaFragment | LostMedia] = deque()
        for item in self._items:
            if isinstance(item, LostMedia):
                self._append(merged, item)
            else:
                merged.append(item)
        self._items = merged
        return True

    @staticmethod
    def _append(items: deque[MediaFragment | LostMedia], lost: LostMedia) -> None:
        """Add a loss, to the last one of its track if nothing of the track is between them."""
        for place in range(len(items) - 1, -1, -1):
            item = items[place]
            if item.track_id == lost.track_id:
                both = item.then(lost) if isinstance(item, LostMedia) else None
                if both is not None:
                    items[place] = both
                    return
                break
        items.append(lost)

    def close(self) -> None:
        """Say that nothing follows; what waits can still be taken."""
        self._closed = True
        self._wake.set()

    async def take(self) -> MediaFragment | LostMedia | None:
        """Return what waited longest; None once closed and empty."""
        while not self._items:
            if self._closed:
                await trio.lowlevel.checkpoint()
                return None
            await self._wake.wait()
        await trio.lowlevel.checkpoint()
        return self._popped()

    def _popped(self) -> MediaFragment | LostMedia:
        item = self._items.popleft()
        if isinstance(item, MediaFragment):
            self._waiting -= len(item.data)
        return item

    def drain(self) -> list[MediaFragment | LostMedia]:
        """Return everything that waits, without waiting."""
        return [self._popped() for _ in range(len(self._items))]
