"""Opens an MP4 that breaks off anywhere, also within the head of a fragment. Blocks.

ffmpeg does not open a file that ends within a `moof` box: it takes the half of it for a damaged
index. What stands before that box plays, so the file is shown to it up to there.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["MP4_SUFFIXES", "opened", "whole_bytes"]

MP4_SUFFIXES = frozenset({".mp4", ".m4a", ".m4v", ".mov"})
_HEAD = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")


def whole_bytes(file: BinaryIO) -> int:
    """Return up to where an MP4 file can be read: sound and picture may be torn, heads not."""
    size = file.seek(0, io.SEEK_END)
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(_HEAD.size + _LARGE.size)
        if len(head) < _HEAD.size:
            return at
        length, kind = _HEAD.unpack_from(head)
        if length == 1 and len(head) == _HEAD.size + _LARGE.size:
            (length,) = _LARGE.unpack_from(head, _HEAD.size)
        if kind == b"mdat" and (length == 0 or at + length > size):
            return size
        if length < _HEAD.size or at + length > size:
            return at
        at += length
    return size


class _Beginning(io.RawIOBase):
    """A file up to one of its bytes, as libraries read files."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        self._file.seek(self._at)
        data = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the place."""
        return self._at


@contextmanager
def opened(path: Path, suffix: str | None = None) -> Iterator[Any]:
    """Hold a media file open, of an MP4 what can be read of it.

    Args:
        path: The file.
        suffix: Its format by its ending, None for the one it has.

    Raises:
        av.FFmpegError, OSError: It cannot be opened.
    """
    import av

    if (suffix or path.suffix) not in MP4_SUFFIXES:
        with av.open(str(path)) as container:
            yield container
        return
    with path.open("rb") as file:
        size = whole_bytes(file)
        if size == file.seek(0, io.SEEK_END):
            with av.open(str(path)) as container:
                yield container
        else:
            with av.open(_Beginning(file, size)) as container:
                yield container
