"""What the target has and what it is owed, in a file beside the journal.

There is no queue: everything after `delivered_up_to` is owed, and the journal holds it. Delivery is
strictly in order, so one number and the state of the first owed event are the whole truth.

The file has two slots of one line each, written in turn by one write call, each with a counter and
a checksum: the newest whole one counts. A rename would be as safe but makes some file systems
flush, which holds up the event loop for a fraction of a millisecond per event, or much longer on a
busy disk. Nothing is forced to the disk: after a kill the file is as it was written; after a power
cut it may be older or gone, and events are delivered again, under the same message ids.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from meetcore.model.plain import format_time, parse_time, to_json

__all__ = ["DeadLetters", "DeliveryState", "StateFile"]

STATE_NAME = "cursor.jsonl"
DEAD_LETTERS_NAME = "dead-letters.jsonl"
_SLOT_BYTES = 256


@frozen(kw_only=True)
class DeliveryState:
    """How far a target is served.

    Attributes:
        delivered_up_to: Every event up to this `seq` was delivered, left out, or abandoned.
        attempts: How often the first owed event was tried.
        next_try_at: When it may be tried again, None for at once.
        gone: Whether the target answered 410: it is told nothing more.
    """

    delivered_up_to: int = 0
    attempts: int = 0
    next_try_at: datetime | None = None
    gone: bool = False

    def settled(self, seq: int) -> DeliveryState:
        """Return the state once the event `seq` is owed no longer."""
        return DeliveryState(delivered_up_to=seq, gone=self.gone)

    def failed(self, attempts: int, next_try_at: datetime) -> DeliveryState:
        """Return the state after another attempt in vain."""
        return evolve(self, attempts=attempts, next_try_at=next_try_at)


class StateFile:
    """The state on disk.

    Args:
        folder: Where the file lies; it exists.

    Attributes:
        state: What it says; a fresh state where nothing in it can be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_NAME
        self._count, self.state = _newest(self._path)

    def save(self, state: DeliveryState) -> None:
        """Write the state over the older of the two slots.

        Raises:
            OSError: It cannot be written; the newer slot is untouched.
        """
        self.state = state
        count = self._count + 1
        next_try = format_time(state.next_try_at) if state.next_try_at is not None else None
        body = to_json({"count": count, **asdict(state), "next_try_at": next_try})
        line = f"{body} {zlib.crc32(body.encode()):08x}".ljust(_SLOT_BYTES - 1) + "\n"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(fd, line.encode(), count % 2 * _SLOT_BYTES) != _SLOT_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)
        self._count = count


def _newest(path: Path) -> tuple[int, DeliveryState]:
    try:
        data = path.read_bytes()[: 2 * _SLOT_BYTES]
    except OSError:
        return 0, DeliveryState()
    slots = [_slot(data[:_SLOT_BYTES]), _slot(data[_SLOT_BYTES:])]
    return max((slot for slot in slots if slot is not None), key=_count, default=_FRESH)


def _count(slot: tuple[int, DeliveryState]) -> int:
    return slot[0]


def _slot(line: bytes) -> tuple[int, DeliveryState] | None:
    body, _, crc = line.rstrip().rpartition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(body):
            return None
        fields: dict[str, Any] = json.loads(body)
        next_try = fields.pop("next_try_at")
        count = int(fields.pop("count"))
        at = parse_time(next_try) if next_try is not None else None
        return count, DeliveryState(next_try_at=at, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


_FRESH = (0, DeliveryState())


class DeadLetters:
    """Events that were given up, one JSON line each; written at once, never twice in a row.

    Args:
        folder: Where the file lies.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / DEAD_LETTERS_NAME

    def add(self, message_id: str, attempts: int, error: str, body: str, at: datetime) -> None:
        """Append a letter, on the disk when this returns; blocks.

        Raises:
            OSError: It cannot be written.
        """
        letter = {"id": message_id, "at": format_time(at), "attempts": attempts, "error": error}
        line = to_json(letter)[:-1] + f',"message":{body}}}\n'
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
