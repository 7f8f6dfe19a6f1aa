"""What the screen's worker writes to whoever started it: frames with a head, on its output.

The head is one byte that says what it is, a time in seconds since the epoch, and the length of what
follows, big-endian. Pure.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from attrs import define, field, frozen

from meetcore_browser.errors import BrowserError

__all__ = ["ScreenFrame", "ScreenFrameReader", "packed", "packed_news"]

_HEAD = struct.Struct(">cdI")
_LARGEST = 32 * 2**20

KEY, DELTA, NEWS = b"K", b"D", b"N"


@frozen
class ScreenFrame:
    """A piece of the picture, or news about it.

    Attributes:
        kind: `K` for a picture that stands by itself, `D` for one that does not, `N` for news.
        at: When it was seen, in seconds since the epoch.
        data: H.264 as a stream of bytes (ITU-T H.264, Annex B), or JSON.
    """

    kind: bytes
    at: float
    data: bytes = field(repr=lambda data: f"<{len(data)} bytes>")

    @property
    def news(self) -> dict[str, Any]:
        """What is told."""
        told: dict[str, Any] = json.loads(self.data)
        return told


def packed(kind: bytes, at: float, data: bytes) -> bytes:
    """Return a frame as it is written."""
    return _HEAD.pack(kind, at, len(data)) + data


def packed_news(at: float, **news: Any) -> bytes:
    """Return news as they are written."""
    return packed(NEWS, at, json.dumps(news).encode())


@define
class ScreenFrameReader:
    """Puts frames together from whatever pieces come."""

    _rest: bytearray = field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> list[ScreenFrame]:
        """Return the frames that are whole by now.

        Raises:
            BrowserError: What comes is not what the worker writes.
        """
        self._rest += data
        frames, at = [], 0
        while at + _HEAD.size <= len(self._rest):
            kind, time, length = _HEAD.unpack_from(self._rest, at)
            if kind not in (KEY, DELTA, NEWS) or length > _LARGEST:
                raise BrowserError("The recorder of the screen wrote something unreadable.")
            end = at + _HEAD.size + length
            if end > len(self._rest):
                break
            frames.append(ScreenFrame(kind, time, bytes(self._rest[at + _HEAD.size : end])))
            at = end
        del self._rest[:at]
        return frames
