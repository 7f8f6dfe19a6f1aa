"""How far a target has received a bot's events, in a file beside the journal.

There is no queue: what comes after the cursor is owed, and the journal holds it. After a power cut
the cursor may be older, and some events are sent again.
"""

from __future__ import annotations

from pathlib import Path

from meetcore import SlotFile

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
        self._file = SlotFile(folder / CURSOR_NAME, _SLOT_BYTES)
        value = self._file.value or ""
        self.seq = int(value) if value.isdecimal() else 0

    def save(self, seq: int) -> None:
        """Write the cursor.

        Raises:
            OSError: It cannot be written; the one before is untouched.
        """
        self._file.save(str(seq))
        self.seq = seq
