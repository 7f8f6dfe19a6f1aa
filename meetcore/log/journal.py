"""The event log of one bot: append-only, durable before visible, gap-free.

The file is JSON, one event a line, and every line ends with a checksum of itself:

    {"type":"state.changed","seq":1,…,"data":{…},"crc":"8d3c0f12"}

Why this and not a database or a binary log:

* It is the truth about a meeting for years, so a person must be able to read it with what every
  machine has: `less`, `grep`, `jq`.
* Appending is one `write` of one whole line to a file opened for appending. That takes about ten
  microseconds, needs no thread, and from then on a killed process loses nothing: the kernel has
  it. Only then is the event shown to anyone. A task brings it to the disk within 50 ms, many
  lines in one `fdatasync`; `synced` waits for that where an answer promises durability. A
  power cut can therefore cost the last 50 ms that nobody was promised.
* A torn tail is recognised without trust in file sizes: the last line has no newline, or its
  checksum is wrong. It is cut off on opening and kept beside the journal. A wrong checksum in the
  middle is damage that no crash of ours can make; it is reported, never skipped, and
  `salvage` reads what is left.
* SQLite (one file, same durability) was weighed: it costs a thread hop or a millisecond per event,
  its file cannot be read while its log is unmerged on a dead machine without SQLite, and a cursor
  over an append-only list needs nothing that SQL has.

When the disk is full, a reserve of 64 KiB is given up once, so that the bot can still write
down how it ended.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import weakref
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from meetcore.log.mailbox import Wake
from meetcore.model.errors import (
    JournalBusy,
    JournalDamaged,
    JournalError,
    JournalFull,
    StorageUnavailable,
)
from meetcore.model.events import Event
from meetcore.model.wire import event_from_wire

__all__ = [
    "JOURNAL_NAME",
    "Cursor",
    "Journal",
    "decode_line",
    "encode_line",
    "is_whole",
    "pieces",
    "read_journal",
]

JOURNAL_NAME = "journal.jsonl"
GROUP_COMMIT_S = 0.05
_RESERVE_BYTES = 64 * 1024
_RECENT = 512
_BEGINS = b'{"type":"'
_REPLACED = "\ufffd".encode()
_READ_BYTES = 256 * 1024


def encode_line(event: Event) -> bytes:
    """Return an event as its line in the file, checksum and newline included."""
    body = event.to_json()[:-1].encode()
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def _body(line: bytes) -> bytes | None:
    """Return a line up to its checksum, or None if it is not whole or not as written."""
    body, mark, crc = line.rpartition(b',"crc":"')
    if not mark or len(crc) != 11 or not crc.endswith(b'"}\n'):
        return None
    try:
        return body if int(crc[:8], 16) == zlib.crc32(body) else None
    except ValueError:
        return None


def is_whole(line: bytes) -> bool:
    """Return whether a line is as it was written; it is not decoded for that."""
    return _body(line) is not None


def decode_line(line: bytes) -> Event | None:
    """Return the event a line holds, or None if the line is not whole or not as written."""
    body = _body(line)
    if body is None:
        return None
    message: Any = json.loads(body + b"}")
    return event_from_wire(message)


def pieces(line: bytes) -> Iterator[tuple[int, bytes, Event]]:
    """Yield the whole events within a damaged line: where each begins, its bytes, and itself."""
    begin = line.find(_BEGINS)
    while begin >= 0:
        following = line.find(_BEGINS, begin + 1)
        end = following if following >= 0 else len(line)
        # Where the newline between two events is damaged, one byte in its place is left over.
        for until in (end, end - 1):
            piece = line[begin:until]
            whole = piece if piece.endswith(b"\n") else piece + b"\n"
            event = decode_line(whole)
            if event is not None:
                yield begin, whole, event
                break
        begin = following


def _scan(path: Path) -> tuple[array[int], int, int, Event | None]:
    """Return offsets of the good lines, where they end, the file's size, and the last event.

    Raises:
        JournalDamaged: A line that is not the last is wrong, or numbers do not follow.
    """
    offsets: array[int] = array("Q")
    good_end, position, last = 0, 0, None
    bad_line: int | None = None
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            event = decode_line(line)
            if event is not None and bad_line is not None:
                raise JournalDamaged(
                    f"Line {bad_line} of {path} is damaged and good lines follow it.",
                    "`meetcore recover` mends it and keeps the damaged file.",
                )
            if event is None:
                bad_line = bad_line or number
            elif event.seq != number:
                raise JournalDamaged(
                    f"Line {number} of {path} has seq {event.seq}.",
                    "The file was edited or mixed with another; restore it from a copy.",
                )
            else:
                offsets.append(position)
                last = event
                good_end = position + len(line)
            position += len(line)
    return offsets, good_end, position, last


def read_journal(path: Path | str, after: int = 0) -> Iterator[Event]:
    """Yield the events of a journal file that may be somebody else's; a torn tail is left out.

    Raises:
        JournalDamaged: The middle of the file is damaged.
        FileNotFoundError: There is no such file.
    """
    expected = 1
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            event = decode_line(line)
            if event is None:
                if file.read(1):
                    raise JournalDamaged(
                        f"Line {number} of {path} is damaged.",
                        "`meetcore recover` mends it and keeps the damaged file.",
                    )
                return
            if event.seq != expected:
                raise JournalDamaged(f"Line {number} of {path} has seq {event.seq}.")
            expected += 1
            if event.seq > after:
                yield event


def _write_private(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


class Journal:
    """One bot's journal, open for appending. At most one process holds it.

    Args:
        path: The file; its folder must exist.
        bot_id: Written into every event.
        wall_clock: Gives the wall time, aware, in UTC.
        fsync: Whether to bring events to the disk at all; False suits simulations.

    Raises:
        JournalBusy: Another process writes it.
        JournalDamaged: Its middle is damaged.
        StorageUnavailable: The folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        bot_id: str,
        *,
        wall_clock: Callable[[], datetime] | None = None,
        fsync: bool = True,
    ) -> None:
        self._path = path
        self.bot_id = bot_id
        self.wall_clock = wall_clock or (lambda: datetime.now(UTC))
        self._fsync = fsync
        self._closed = False
        self.meeting_clock: Callable[[], float | None] = lambda: None
        self.disk_full = False
        self.torn_bytes = 0
        self._fd = self._open_file()
        try:
            self._offsets, self._end, size, self._last = _scan(path)
            self._repair(size)
            self._reserve()
        except BaseException:
            os.close(self._fd)
            raise
        self._recent: deque[Event] = deque(maxlen=_RECENT)
        self._watchers: list[weakref.ref[Wake]] = []
        self._listeners: list[Callable[[Event], None]] = []
        self._synced_seq = self.last_seq
        self._dirty = trio.Event()
        self._synced_lot = trio.lowlevel.ParkingLot()

    def _open_file(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise StorageUnavailable(
                f"The journal {self._path} cannot be opened: {error.strerror}.",
                "Choose a folder that can be written, for instance with --out.",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise JournalBusy(
                f"The journal {self._path} is being written by another process.",
                "Wait for that bot to end, or stop it.",
            ) from error
        return fd

    def _repair(self, size: int) -> None:
        self.torn_bytes = size - self._end
        if self.torn_bytes:
            torn = os.pread(self._fd, self.torn_bytes, self._end)
            if any(piece != torn + b"\n" for _, piece, _ in pieces(torn)):
                raise JournalDamaged(
                    f"More than the last line of {self._path} is damaged.",
                    "`meetcore recover` mends it and keeps the damaged file.",
                )
            _write_private(self._path.with_suffix(".torn"), torn)
            os.ftruncate(self._fd, self._end)
            os.fsync(self._fd)

    @property
    def _reserve_path(self) -> Path:
        return self._path.with_suffix(".reserve")

    def _reserve(self) -> None:
        try:
            _write_private(self._reserve_path, bytes(_RESERVE_BYTES))
        except OSError:
            self.disk_full = True

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def last_seq(self) -> int:
        """Number of the newest event, 0 for none."""
        return len(self._offsets)

    @property
    def last_event(self) -> Event | None:
        """The newest event."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._closed

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have a quick function called with each event, after it is written."""
        self._listeners.append(listener)

    def append(self, event: Event) -> Event:
        """Write an event; return it with its number and times. It is in the kernel on return.

        Raises:
            JournalFull: The disk is full and the reserve is used up.
            StorageUnavailable: The write failed in another way.
        """
        return self.append_as_told(
            evolve(
                event,
                bot_id=self.bot_id,
                seq=self.last_seq + 1,
                at=self.wall_clock(),
                meeting_s=self.meeting_clock() if event.meeting_s is None else event.meeting_s,
            )
        )

    def append_as_told(self, event: Event) -> Event:
        """Write the next event with the number and the times that it has already; return it.

        Raises:
            JournalError: It is not the next one.
            JournalFull, StorageUnavailable: As `append`.
        """
        if self._closed:
            raise StorageUnavailable(f"The journal {self._path} is closed.")
        if event.seq != self.last_seq + 1:
            raise JournalError(f"Event {event.seq} cannot follow {self.last_seq} in {self._path}.")
        line = encode_line(event)
        if _REPLACED in line:
            event = decode_line(line) or event  # whoever sees it sees what was written
        self._write(line)
        self._offsets.append(self._end)
        self._end += len(line)
        self._last = event
        self._recent.append(event)
        for listener in self._listeners:
            listener(event)
        self._wake_watchers()
        self._dirty.set()
        return event

    def _write(self, line: bytes) -> None:
        for reserve_left in (True, False):
            try:
                written = os.write(self._fd, line)
                if written == len(line):
                    return
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                os.ftruncate(self._fd, self._end)
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise StorageUnavailable(
                        f"Writing the journal {self._path} failed: {error.strerror}."
                    ) from error
                self.disk_full = True
                if not (reserve_left and self._reserve_path.exists()):
                    raise JournalFull(
                        f"The disk that holds {self._path} is full.", "Make room and try again."
                    ) from error
                self._reserve_path.unlink()

    def read(self, after: int = 0) -> Iterator[Event]:
        """Yield the events there are now with `seq` greater than `after`."""
        last = self.last_seq
        at = after
        while at < last:
            first_recent = self._recent[0].seq if self._recent else last + 1
            if at + 1 >= first_recent:
                event = self._recent[at + 1 - first_recent]
                at = event.seq
                yield event
                continue
            for event in self._read_file(at, min(last, first_recent - 1)):
                at = event.seq
                yield event

    def _read_file(self, after: int, upto: int) -> Iterator[Event]:
        start = self._offsets[after]
        until = self._offsets[upto] if upto < self.last_seq else self._end
        with self._path.open("rb") as file:
            file.seek(start)
            data = file.read(min(until - start, _READ_BYTES))
            if b"\n" not in data:
                data += file.read(until - start - len(data))
        for line in io.BytesIO(data[: data.rfind(b"\n") + 1]):  # split no further than is asked for
            event = decode_line(line)
            if event is None:
                raise JournalDamaged(f"{self._path} does not read back as it was written.")
            yield event

    def amend(self, change: Callable[[Event], Event | None]) -> None:
        """Have recent events, which are not read from the file, read as they were changed there."""
        for place, event in enumerate(self._recent):
            self._recent[place] = change(event) or event

    def cursor(self, after: int = 0) -> Cursor:
        """Yield events from `after` on, then live ones, until the journal is closed.

        Every event is a checkpoint; nothing is skipped however slow the reader is, because
        what it has not seen is read from the file.
        """
        return Cursor(self, after)

    def watch(self, wake: Wake) -> None:
        """Set a wake at each new event and at the close, for as long as somebody holds it."""
        self._watchers.append(weakref.ref(wake, self._watchers.remove))

    def _wake_watchers(self) -> None:
        for reference in self._watchers:
            wake = reference()
            if wake is not None:
                wake.set()

    async def keep_synced(self) -> None:
        """Bring events to the disk by group commit, for ever. Run it in the bot's nursery."""
        while True:
            await self._dirty.wait()
            await trio.sleep(GROUP_COMMIT_S)
            await self._sync_now()

    async def _sync_now(self) -> None:
        self._dirty = trio.Event()
        seq = self.last_seq
        if self._fsync:
            await trio.to_thread.run_sync(os.fdatasync, self._fd)
        self._synced_seq = max(seq, self._synced_seq)
        self._synced_lot.unpark_all()

    async def synced(self, seq: int) -> None:
        """Return when the event numbered `seq` is on the disk. Bounded by the group commit."""
        while self._synced_seq < seq and self._fsync and not self._closed:
            await self._synced_lot.park()

    def close(self) -> None:
        """Bring everything to the disk, wake every cursor for the last time, let the file go."""
        if self._closed:
            return
        self._closed = True
        if self._fsync:
            os.fdatasync(self._fd)
        os.close(self._fd)
        self._reserve_path.unlink(missing_ok=True)
        self._wake_watchers()
        self._synced_lot.unpark_all()


class Cursor:
    """A place in a journal, moving on: an asynchronous iterator that may be dropped at any time."""

    def __init__(self, journal: Journal, after: int) -> None:
        self._journal = journal
        self._at = after
        self._batch: Iterator[Event] = iter(())
        self._wake = Wake()
        journal.watch(self._wake)

    @property
    def at(self) -> int:
        """The `seq` of the last event given."""
        return self._at

    def __aiter__(self) -> Cursor:
        return self

    async def __anext__(self) -> Event:
        while True:
            event = self.next_now()
            if event is not None:
                await trio.lowlevel.checkpoint()
                return event
            if self._journal.closed:
                raise StopAsyncIteration
            await self.wait()

    def next_now(self) -> Event | None:
        """Return the next event there is, None if there is none yet."""
        event = next(self._batch, None)
        if event is None and self._at < self._journal.last_seq:
            self._batch = self._journal.read(self._at)
            event = next(self._batch, None)
        if event is not None:
            self._at = event.seq
        return event

    @property
    def wake(self) -> Wake:
        """Set at each new event; others may set it too."""
        return self._wake

    async def wait(self) -> None:
        """Return when there may be something new. No deadline of its own."""
        await self._wake.wait()
