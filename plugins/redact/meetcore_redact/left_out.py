"""What is to be left out of a text: where it is, and what it is."""

from __future__ import annotations

from attrs import frozen

__all__ = ["LeftOut"]


@frozen(order=True)
class LeftOut:
    """Something that is to be left out: from a character up to another, and what it is."""

    start: int
    end: int
    what: str
