"""What of a text can be seen, and a text as one line. Pure."""

from __future__ import annotations

import unicodedata

__all__ = ["is_blank", "one_line"]

_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: spaces, controls, joiners, lone marks, fillers."""
    return not any(
        unicodedata.category(character)[0] not in "ZCM" or unicodedata.category(character) == "Co"
        for character in text
        if character not in _FILLERS
    )


def one_line(text: str) -> str:
    """Return `text` with line breaks, runs of space and control characters as single spaces.

    Joiners and marks of direction stay: Persian words and joined emoji are spelt with them. What
    turns the direction of all that follows goes, without a space.
    """
    if text.isprintable():  # nearly every text: no control, mark of direction or odd space in it
        return " ".join(text.split())
    kept = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") else character
        for character in text.translate(_DIRECTIONS)
    )
    return " ".join(kept.split())
