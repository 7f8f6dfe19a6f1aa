"""A part of a file on this machine, as the body of a request; never all of it in memory."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from pathlib import Path
from typing import Any

__all__ = ["FileSlice", "md5_of"]

_PIECE_BYTES = 1 << 20


class FileSlice(io.RawIOBase):
    """Bytes of a file from one place to another. Blocks.

    A request that nobody waits for any more still runs in its thread; when it is given up its body
    breaks off, so that it cannot become an object later.

    Args:
        path: The file.
        first: Number of the first byte.
        length: How many.
    """

    def __init__(self, path: Path, first: int, length: int) -> None:
        super().__init__()
        self._path = path
        self._file: io.FileIO | None = None
        self._first = first
        self._length = length
        self._at = 0
        self._given_up = False

    def give_up(self) -> None:
        """Have whoever reads it fail from now on; from any thread."""
        self._given_up = True

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: a request that is sent again begins anew."""
        return True

    def __len__(self) -> int:
        return self._length

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes.

        Raises:
            OSError: The file cannot be read, has become shorter, or the request was given up.
        """
        if self._given_up:
            raise OSError("nobody waits for this request any more")
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._length - self._at)
        if wanted <= 0:
            return 0
        if self._file is None:
            self._file = io.FileIO(self._path, "rb")
        read = os.preadv(self._file.fileno(), [view[:wanted]], self._first + self._at)
        if not read:
            raise OSError("the file became shorter while it was read")
        self._at += read
        return read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place within the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the place within the part."""
        return self._at

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        super().close()


def md5_of(path: Path, first: int, length: int) -> str:
    """Return the MD5 of a part of a file, as `Content-MD5` has it; blocks.

    It says whether a part is as it was, and lets the server refuse one that was damaged on the way.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with FileSlice(path, first, length) as part:
        piece = bytearray(min(_PIECE_BYTES, length) or 1)
        while read := part.readinto(piece):
            digest.update(memoryview(piece)[:read])
    return base64.b64encode(digest.digest()).decode()
