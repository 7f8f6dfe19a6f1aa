"""What the target has and what it is owed, in a file beside the journal.

There is no queue: everything after `delivered_up_to` is owed, and the journal holds it. Delivery is
strictly in order, so one number and the state of the first owed event are the whole truth.

The file is replaced by a rename and not brought to the disk: after a kill it is as it was written;
after a power cut it may be older or gone, and events are delivered again, under the same message
ids.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from meetcore.wire import format_time, parse_time, to_json

__all__ = ["DeadLetters", "DeliveryState", "load_state", "save_state"]

STATE_NAME = "cursor.json"
DEAD_LETTERS_NAME = "dead-letters.jsonl"


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


def load_state(folder: Path) -> DeliveryState:
    """Return what the file says; a fresh state where there is none that can be read."""
    try:
        body: dict[str, Any] = json.loads((folder / STATE_NAME).read_bytes())
        next_try = body["next_try_at"]
        return DeliveryState(
            delivered_up_to=int(body["delivered_up_to"]),
            attempts=int(body["attempts"]),
            next_try_at=parse_time(next_try) if next_try is not None else None,
            gone=bool(body["gone"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return DeliveryState()


def save_state(folder: Path, state: DeliveryState) -> None:
    """Write the file, atomically.

    Raises:
        OSError: It cannot be written; what was there before is untouched.
    """
    next_try = format_time(state.next_try_at) if state.next_try_at is not None else None
    body = {
        "version": 1,
        "delivered_up_to": state.delivered_up_to,
        "attempts": state.attempts,
        "next_try_at": next_try,
        "gone": state.gone,
    }
    part = folder / f".{STATE_NAME}.part"
    part.write_bytes(to_json(body).encode() + b"\n")
    part.replace(folder / STATE_NAME)


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
