"""The log of a bot, encrypted: lines in frames, appended by one process and read by many. Blocks.

A frame has the lines that came together, each with its number. What was appended is read once and
where it lies is remembered, so that whoever follows a log decrypts each frame once.
"""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct

from attrs import frozen

from meetcore.log.encrypted_frames import (
    HEADER_BYTES,
    MOST_FRAME_BYTES,
    FrameCipher,
    frames,
    new_file,
    opened_file,
)
from meetcore.log.encryption_keys import MasterKeys

__all__ = ["EncryptedLog"]

_LOG = logging.getLogger("meetcore.log")
_LINE = Struct(">QI")
_FRAME_BYTES = MOST_FRAME_BYTES // 8
_RECENT = 128
NumberedLine = tuple[int, bytes]


@frozen
class _Place:
    """Where a frame lies.

    Attributes:
        at: Its first byte in the file.
        end: The one after its last.
        number: Its number.
        first: Number of its first line.
        last: Number of its last.
    """

    at: int
    end: int
    number: int
    first: int
    last: int


def _packed(lines: Sequence[NumberedLine]) -> bytes:
    return b"".join(_LINE.pack(number, len(line)) + line for number, line in lines)


def _unpacked(content: bytes) -> Iterator[NumberedLine]:
    at = 0
    while at < len(content):
        number, length = _LINE.unpack_from(content, at)
        at += _LINE.size + length
        yield number, content[at - length : at]


class EncryptedLog:
    """The lines of one bot. May be used by several threads.

    Args:
        path: The file; it need not be there.
        bot_id: The bot.
        keys: The keys there are.
        fsync: Whether what is appended is brought to the disk.
    """

    def __init__(self, path: Path, bot_id: str, keys: MasterKeys, *, fsync: bool) -> None:
        self._path = path
        self._what = f"The log of the bot {bot_id}"
        self._about = b"log\0" + bot_id.encode()
        self._keys = keys
        self._fsync = fsync
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._inode = 0
        self._cipher: FrameCipher | None = None
        self._seen = 0
        self._end = 0
        self._places: list[_Place] = []
        self._recent: deque[NumberedLine] = deque(maxlen=_RECENT)

    @property
    def _last(self) -> int:
        return self._places[-1].last if self._places else 0

    def lines(self, after: int, limit: int) -> list[NumberedLine]:
        """Return the next lines after a number, in order; what was lost is there, and empty.

        Raises:
            EncryptionKeyMissing: It needs another key.
            FileDamaged: Its header is damaged.
            OSError: It cannot be read.
        """
        with self._lock:
            self._look()
            if after >= self._last:
                return []
            if self._recent and after >= self._recent[0][0] - 1:
                return [line for line in self._recent if line[0] > after][:limit]
            return self._read(after, limit)

    def _read(self, after: int, limit: int) -> list[NumberedLine]:
        found: list[NumberedLine] = []
        begin = bisect_right(self._places, after, key=lambda place: place.last)
        with self._path.open("rb") as file:
            for place in self._places[begin:]:
                before = found[-1][0] if found else after
                found += [(lost, b"") for lost in range(before + 1, place.first)]
                file.seek(place.at)
                data = file.read(place.end - place.at)
                frame = self._cipher.read(data) if self._cipher is not None else None
                if frame is None or frame.number != place.number:
                    numbers = range(max(before + 1, place.first), place.last + 1)
                    found += [(lost, b"") for lost in numbers]  # damaged since it was looked at
                else:
                    found += [line for line in _unpacked(frame.content) if line[0] > after]
                if len(found) >= limit:
                    break
        return found[:limit]

    def _look(self) -> None:
        """Take in what was appended."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._forget()
            return
        with file:
            about = os.fstat(file.fileno())
            if about.st_ino != self._inode or about.st_size < self._end:
                self._forget()
                self._inode = about.st_ino
            if about.st_size == self._seen:
                return
            if self._cipher is None:
                header = file.read(HEADER_BYTES)
                if len(header) < HEADER_BYTES:
                    return  # it is being written, or torn
                self._cipher = opened_file(self._keys, header, self._about, self._what)
                self._end = HEADER_BYTES
            file.seek(self._end)
            data = file.read()
            base = self._end
            for frame in frames(self._cipher, data, self._next_number):
                self._add(base, frame.at, frame.end, frame.number, list(_unpacked(frame.content)))
            self._seen = about.st_size

    @property
    def _next_number(self) -> int:
        return self._places[-1].number + 1 if self._places else 0

    def _add(
        self, base: int, at: int, end: int, number: int, lines: Sequence[NumberedLine]
    ) -> None:
        self._end = base + end
        if self._recent and lines and lines[0][0] != self._recent[-1][0] + 1:
            self._recent.clear()  # something between was lost
        self._recent.extend(lines)
        first, last = (lines[0][0], lines[-1][0]) if lines else (self._last + 1, self._last)
        self._places.append(_Place(base + at, base + end, number, first, last))

    def append(self, lines: Sequence[NumberedLine]) -> None:
        """Append lines that are not there yet, all or none; a torn end is cut off before.

        The caller is the one who may write.

        Raises:
            EncryptionKeyMissing, FileDamaged: As for `lines`.
            OSError: They cannot be written.
        """
        with self._lock:
            self._look()
            new = [line for line in lines if line[0] > self._last]
            if not new:
                return
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(self._path, flags, 0o600)
            try:
                self._append(fd, new)
            finally:
                os.close(fd)

    def renew(self, lines: Sequence[NumberedLine]) -> bool:
        """Write the log anew if one of its lines is another by now; return whether it was.

        Words of who was excluded are written over in a bot's journal; here they go with the file,
        and so does a damaged frame whose lines are there once more.
        The caller is the one who may write.

        Args:
            lines: All lines of the bot, as they are now.

        Raises:
            EncryptionKeyMissing, FileDamaged: As for `lines`.
            OSError: It cannot be written; the log is as it was.
        """
        with self._lock:
            self._look()
            now = dict(lines)
            there = self._read(0, self._last) if self._places else []
            if all(now.get(number, line) == line for number, line in there):
                return False
            spare = self._path.with_name(f".{self._path.name}.new")
            spare.unlink(missing_ok=True)
            made = EncryptedLog(spare, "", self._keys, fsync=self._fsync)
            made._about, made._what = self._about, self._what
            try:
                made.append([(number, now.get(number, line)) for number, line in there])
                spare.replace(self._path)
            finally:
                spare.unlink(missing_ok=True)
            self._forget()
            return True

    def _append(self, fd: int, lines: Sequence[NumberedLine]) -> None:
        about = os.fstat(fd)
        if about.st_size > self._end:
            _LOG.warning(
                "%s: %d bytes of a torn end are cut off", self._what, about.st_size - self._end
            )
            os.ftruncate(fd, self._end)
        base, data, cipher = self._end, b"", self._cipher
        if cipher is None:
            data, cipher = new_file(self._keys, self._about)
        number, made = self._next_number, list[tuple[int, int, int, list[NumberedLine]]]()
        for part in _parts(lines):
            frame = cipher.frame(number, _packed(part))
            made.append((len(data), len(data) + len(frame), number, part))
            data += frame
            number += 1
        try:
            if os.write(fd, data) != len(data):
                raise OSError(28, os.strerror(28))
        except OSError:
            os.ftruncate(fd, base)
            raise
        if self._fsync:
            os.fdatasync(fd)
        self._inode, self._cipher = about.st_ino, cipher
        for at, end, number, part in made:
            self._add(base, at, end, number, part)
        self._seen = self._end


def _parts(lines: Sequence[NumberedLine]) -> Iterator[list[NumberedLine]]:
    """Yield lines in parts that fit a frame."""
    part, size = list[NumberedLine](), 0
    for line in lines:
        if part and size + len(line[1]) > _FRAME_BYTES:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line[1]) + _LINE.size
    if part:
        yield part
