"""Words of who was excluded since the beginning go from the journal's file, not only from view.

A journal is only ever appended to, and readers hold places in it. So nothing moves: an entry that
has such words is written over by the same entry without them, filled up with spaces to the length
that it had. Numbers, offsets and checksums stay right. The write is one call; a reader in another
process that hits upon it in that very moment reads again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

from meetcore.log.journal import Journal, decode_line, encode_line, read_journal
from meetcore.model.event import Event
from meetcore.model.events import SegmentFinalized
from meetcore.model.exclusion import BlankedEvents

__all__ = ["blank_lines", "excluded_in", "withdraw_excluded"]

_MAY_HAVE_WORDS = (b'{"type":"segment.finalized"', b'{"type":"chat.received"')


def excluded_in(path: Path) -> BlankedEvents:
    """Return what of a journal's file has to go. Blocks.

    Raises:
        JournalDamaged: Its middle is damaged.
        OSError: It cannot be read.
    """
    return BlankedEvents.of(read_journal(path))


def blank_lines(path: Path, change: Callable[[Event], Event | None]) -> int:
    """Write over the entries that a change says of; return how many. Blocks.

    Raises:
        OSError: The file cannot be read or written.
    """
    changed = 0
    with path.open("rb") as file:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            at = 0
            for line in file:
                if line.startswith(_MAY_HAVE_WORDS) and (event := decode_line(line)) is not None:
                    without = change(event)
                    if without is not None:
                        os.pwrite(fd, _as_long_as(line, encode_line(without)), at)
                        changed += 1
                at += len(line)
            if changed:
                os.fsync(fd)
        finally:
            os.close(fd)
    return changed


def _as_long_as(line: bytes, shorter: bytes) -> bytes:
    body = shorter[: shorter.rindex(b',"crc":"')]
    body += b" " * (len(line) - len(shorter))
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def withdraw_excluded(journal: Journal) -> int:
    """Do what a killed bot had no time for: withdraw segments of who is excluded. Blocks.

    Returns:
        How many segments were withdrawn.

    Raises:
        JournalFull, StorageUnavailable, OSError: It cannot be written.
    """
    found = BlankedEvents.of(journal.read())
    if not found.times:
        return 0
    shown = found.shown()
    for segment in shown:
        event = journal.append(SegmentFinalized(segment=segment.without_text()))
        found.take(event)
    change = found.change()
    journal.amend(change)
    blank_lines(journal.path, change)
    return len(shown)
