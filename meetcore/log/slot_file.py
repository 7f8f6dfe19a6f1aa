"""One small value in a file that a kill cannot damage: two slots, written in turn.

Each slot is one line with a counter and a checksum, written by one write call; the newest whole one
counts, so that a kill in the middle of a write leaves the other. A rename would be as safe but
makes some file systems flush, which holds up the event loop for a fraction of a millisecond, or
much longer on a busy disk. Nothing is forced to the disk: after a power cut the value may be older
or gone.
"""

from __future__ import annotations

import errno
import os
import zlib
from pathlib import Path

__all__ = ["SlotFile"]


class SlotFile:
    """A value that is read once and written often, for instance how far a target is served.

    Args:
        path: The file; its folder exists.
        slot_bytes: The size of a slot: the value, about 30 bytes, and room.

    Attributes:
        value: One line of text, None where nothing can be read.
    """

    def __init__(self, path: Path, slot_bytes: int) -> None:
        self._path = path
        self._slot_bytes = slot_bytes
        try:
            data = path.read_bytes()[: 2 * slot_bytes]
        except OSError:
            data = b""
        slots = [_read(data[:slot_bytes]), _read(data[slot_bytes:])]
        whole = [slot for slot in slots if slot is not None]
        self.value: str | None
        self._count, self.value = max(whole) if whole else (0, None)

    def save(self, value: str) -> None:
        """Write a value over the older slot.

        Raises:
            ValueError: It is longer than a slot, or more than a line.
            OSError: It cannot be written; the newer slot is untouched.
        """
        count = self._count + 1
        body = f"{count} {value}".encode()
        line = b"%b %08x" % (body, zlib.crc32(body))
        if len(line) >= self._slot_bytes or b"\n" in line:
            raise ValueError(f"{value!r} does not fit a line of {self._slot_bytes} bytes.")
        slot = line.ljust(self._slot_bytes - 1) + b"\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(fd, slot, count % 2 * self._slot_bytes) != self._slot_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)
        self._count, self.value = count, value


def _read(slot: bytes) -> tuple[int, str] | None:
    body, _, checksum = slot.rstrip().rpartition(b" ")
    count, _, value = body.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body) or int(count) < 1:
            return None
        return int(count), value.decode()
    except ValueError:
        return None
