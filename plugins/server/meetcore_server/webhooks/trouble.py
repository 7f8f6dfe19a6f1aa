"""A stranger's error as it may be logged: type and place, not its words, which may be secret."""

from __future__ import annotations

import traceback

__all__ = ["kind_and_place"]


def kind_and_place(error: BaseException) -> str:
    """Return for instance `TypeError in formats.py:12`."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
