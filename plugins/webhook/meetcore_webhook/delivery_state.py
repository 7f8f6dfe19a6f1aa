"""What the target has and what it is owed, in a file beside the journal.

There is no queue: everything after `delivered_up_to` is owed, and the journal holds it. Delivery is
strictly in order, so one number and the state of the first owed event are the whole truth.

After a kill the file is as it was written; after a power cut it may be older or gone, and events
are delivered again, under the same message ids.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from meetcore import SlotFile, format_time, parse_time, to_json
from meetcore.log import private_file

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
        self._file = SlotFile(folder / STATE_NAME, _SLOT_BYTES)
        self.state = _read(self._file.value)

    def save(self, state: DeliveryState) -> None:
        """Write the state.

        Raises:
            OSError: It cannot be written; the one before is untouched.
        """
        self.state = state
        next_try = format_time(state.next_try_at) if state.next_try_at is not None else None
        self._file.save(to_json({**asdict(state), "next_try_at": next_try}))


def _read(value: str | None) -> DeliveryState:
    try:
        fields: dict[str, Any] = json.loads(value or "")
        next_try = fields.pop("next_try_at")
        at = parse_time(next_try) if next_try is not None else None
        return DeliveryState(next_try_at=at, **fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return DeliveryState()


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
        with private_file(self._path).open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
