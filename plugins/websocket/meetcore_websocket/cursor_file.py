"""How far a target has received a bot's events, in a file beside the journal.

There is no queue: what comes after the cursor is owed, and the journal holds it. The file has two
slots written in turn, each one line with a counter and a checksum, so that a kill in the middle of
a write leaves the other. It is not forced to the disk: after a power cut it may be older, and some
events are sent again.
"""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

__all__ = ["CURSOR_NAME", "CursorFile"]

CURSOR_NAME = "cursor.txt"
_SLOT_BYTES = 64


class CursorFile:
    """The cursor on disk.

    Args:
        folder: Where the file lies; it exists.

    Attributes:
        seq: The last event the target has; 0 where nothing can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / CURSOR_NAME
        try:
            data = self._path.read_bytes()[: 2 * _SLOT_BYTES]
        except OSError:
            data = b""
        slots = (_read(data[:_SLOT_BYTES]), _read(data[_SLOT_BYTES:]))
        self._count, self.seq = max(slots)

    def save(self, seq: int) -> None:
        """Write the cursor over the older slot.

        Raises:
            OSError: It cannot be written; the newer slot is untouched.
        """
        count = self._count + 1
        body = f"{count} {seq}"
        line = f"{body} {zlib.crc32(body.encode()):08x}".ljust(_SLOT_BYTES - 1) + "\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(fd, line.encode(), count % 2 * _SLOT_BYTES) != _SLOT_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)
        self._count, self.seq = count, seq


def _read(slot: bytes) -> tuple[int, int]:
    body, _, checksum = slot.strip().rpartition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body):
            return 0, 0
        count, seq = (int(part) for part in body.split())
    except ValueError:
        return 0, 0
    return (count, seq) if count > 0 and seq >= 0 else (0, 0)
