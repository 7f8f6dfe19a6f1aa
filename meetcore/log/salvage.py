"""What can still be read of a journal whose middle is damaged, and making it whole again.

A bit that fell over on the disk costs the event whose line it is in, or two where it was the
newline between them, and no other. What is lost is said in its place, by `event.lost` with the
number that is missing: whoever reads on sees that something was there, and the numbers still have
no gap. The damaged file is kept beside the mended one, byte for byte.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from meetcore.log.journal import decode_line, encode_line, pieces
from meetcore.model.errors import JournalBusy
from meetcore.model.events import Event, EventLost

__all__ = ["lost", "mend", "salvage"]

_DAMAGED = "Its line in the journal is damaged."


def lost(seq: int, near: Event | None) -> EventLost:
    """Return what stands for an event that cannot be read.

    Args:
        seq: Its number.
        near: The nearest event that can be read: for whose bot, and about when.
    """
    event = EventLost(detail=_DAMAGED, seq=seq)
    if near is None:
        return event
    return EventLost(detail=_DAMAGED, seq=seq, bot_id=near.bot_id, at=near.at)


def salvage(path: Path) -> Iterator[Event]:
    """Yield every event of a journal that can be read, in order, and `event.lost` for the others.

    A last line without a newline is torn, or being written: it is left out.
    """
    last: Event | None = None
    expected, damaged_end = 1, False
    with path.open("rb") as file:
        for line in file:
            event = decode_line(line)
            found = [event] if event is not None else [each for *_, each in pieces(line)]
            for each in found:
                if each.seq < expected:
                    continue  # twice the same
                for seq in range(expected, each.seq):
                    yield lost(seq, last or each)
                last, expected = each, each.seq + 1
                yield each
            damaged_end = not found and line.endswith(b"\n")
    if damaged_end:
        yield lost(expected, last)


def mend(path: Path) -> Path:
    """Make a damaged journal whole again; return where the damaged one is kept.

    Raises:
        JournalBusy: Another process writes it.
        OSError: It cannot be written.
    """
    old = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kept = _free_name(path)
        mended = path.with_suffix(".mending")
        new = os.open(mended, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for event in salvage(path):
                _write_all(new, encode_line(event))
            os.fsync(new)
        finally:
            os.close(new)
        os.link(path, kept)
        os.replace(mended, path)
    except BlockingIOError as error:
        raise JournalBusy(f"The journal {path} is being written by another process.") from error
    finally:
        os.close(old)
    return kept


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _free_name(path: Path) -> Path:
    number = 1
    while (kept := path.with_suffix(f".damaged-{number}")).exists():
        number += 1
    return kept
