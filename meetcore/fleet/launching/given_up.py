"""Why a bot was ended from outside: a note in its folder, for whoever ends its journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from meetcore.log.folders import make_private_folder, private_file
from meetcore.model.lifecycle import EndReason, Evidence

__all__ = ["GivenUp", "given_up", "note_given_up"]

NOTE_NAME = "given-up.json"


@frozen
class GivenUp:
    """Why a bot's process was ended.

    Attributes:
        reason: What the bot ends for.
        silent_s: For how long it had not answered; 0.0 where that was not the reason.
        seen: What was seen of it, where that was not silence.
    """

    reason: EndReason
    silent_s: float = 0.0
    seen: Evidence | None = None

    @property
    def evidence(self) -> Evidence:
        """What the end is justified by."""
        if self.seen is not None:
            return self.seen
        words = f"its process answered nothing for {self.silent_s:.0f} s"
        return Evidence("unresponsive", words)


def note_given_up(folder: Path, why: GivenUp) -> None:
    """Leave in a bot's folder why it was given up, for whoever recovers it.

    Args:
        folder: Its workplace; made where it is missing.
        why: What it ends for.

    Raises:
        OSError: It cannot be written.
    """
    note: dict[str, Any] = {"reason": why.reason.value, "silent_s": round(why.silent_s, 1)}
    if why.seen is not None:
        note["seen"] = attrs.asdict(why.seen)
    make_private_folder(folder)
    private_file(folder / NOTE_NAME).write_text(json.dumps(note))


def given_up(folder: Path) -> GivenUp | None:
    """Return why the bot in a folder was given up, None if it was not."""
    try:
        note: Any = json.loads((folder / NOTE_NAME).read_text())
        seen = note.get("seen")
        return GivenUp(
            EndReason(note["reason"]),
            float(note["silent_s"]),
            Evidence(**seen) if seen else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
