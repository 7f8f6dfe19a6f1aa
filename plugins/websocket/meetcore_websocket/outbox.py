"""What waits for one subscriber's socket: bounded in bytes, the newest of a key wins. Pure.

Frames with a key are mutable: a newer one takes the place of an older one that still waits, and
above the soft limit it is dropped. Frames without a key are never dropped: above the hard limit
the box refuses, and its owner has to part with the subscriber, who resumes by cursor.
A frame of which a part is on the wire already can be neither replaced nor dropped.
"""

from __future__ import annotations

__all__ = ["Outbox"]

_MOST_FRAMES = 64
_BATCH_BYTES = 64 * 1024


class Outbox:
    """Frames in order, and the rest of one that was cut.

    Args:
        soft_bytes: Above this, mutable frames are dropped.
        hard_bytes: Above this, frames are refused.

    Attributes:
        size_bytes: How much waits.
        superseded: How many mutable frames a newer one replaced.
        dropped: How many found the box above its soft limit.
    """

    __slots__ = ("_cut", "_frames", "_hard", "_number", "_soft", "dropped", "size_bytes",
                 "superseded")  # fmt: skip

    def __init__(self, soft_bytes: int, hard_bytes: int) -> None:
        self._soft = soft_bytes
        self._hard = hard_bytes
        self._frames: dict[str | int, bytes] = {}
        self._cut = b""
        self._number = 0
        self.size_bytes = 0
        self.superseded = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return self.size_bytes > 0

    def put(self, frame: bytes, key: str | None = None) -> bool:
        """Take a frame; return False, and take nothing, if it must not be dropped and has no room.

        An empty box takes a frame of any size: it could never be delivered otherwise.
        """
        if key is not None:
            self.forget(key)
            if self.size_bytes + len(frame) > self._soft:
                self.dropped += 1
                return True
            self._frames[key] = frame
        else:
            if self.size_bytes and self.size_bytes + len(frame) > self._hard:
                return False
            self._number += 1
            self._frames[self._number] = frame
        self.size_bytes += len(frame)
        return True

    def put_last(self, frame: bytes) -> None:
        """Take the frame that ends the connection, whatever waits before it."""
        self._number += 1
        self._frames[self._number] = frame
        self.size_bytes += len(frame)

    def put_cut(self, rest: bytes) -> None:
        """Take the rest of a frame whose beginning is on the wire; the box is empty."""
        self._cut = rest
        self.size_bytes += len(rest)

    def forget(self, key: str) -> None:
        """Drop the waiting frame of a key: it has been overtaken."""
        old = self._frames.pop(key, None)
        if old is not None:
            self.size_bytes -= len(old)
            self.superseded += 1

    def clear(self) -> None:
        """Drop everything but the rest of a cut frame."""
        self._frames.clear()
        self.size_bytes = len(self._cut)

    def batch(self) -> list[bytes]:
        """Return what to write next, in order; it stays in the box until `wrote`."""
        found = [self._cut] if self._cut else []
        size = len(self._cut)
        for frame in self._frames.values():
            if found and (size + len(frame) > _BATCH_BYTES or len(found) == _MOST_FRAMES):
                break
            found.append(frame)
            size += len(frame)
        return found

    def wrote(self, count: int) -> None:
        """Note that so many bytes of the batch are out."""
        self.size_bytes -= count
        if self._cut:
            out = min(count, len(self._cut))
            self._cut = self._cut[out:]
            count -= out
        while count:
            frame = self._frames.pop(next(iter(self._frames)))
            if count < len(frame):
                self._cut = frame[count:]
                return
            count -= len(frame)
