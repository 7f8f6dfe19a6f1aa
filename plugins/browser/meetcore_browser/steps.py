"""The steps of a join: what was done, when, how it went, and with which selector."""

from __future__ import annotations

from collections import deque

from attrs import define, field, frozen

__all__ = ["Step", "StepLog", "StepRecord"]

KEPT = 50


@frozen
class StepRecord:
    """A line of the log.

    Attributes:
        at_s: Seconds since the page was opened.
        text: What happened.
    """

    at_s: float
    text: str


@define
class StepLog:
    """The last things that happened, for the diagnostics bundle.

    Attributes:
        records: The lines, oldest first.
        tried: The selectors of the last search, in words.
    """

    opened_s: float
    records: deque[StepRecord] = field(factory=lambda: deque(maxlen=KEPT))
    tried: tuple[str, ...] = ()

    def note(self, text: str, now_s: float) -> None:
        """Add a line."""
        self.records.append(StepRecord(round(now_s - self.opened_s, 3), text))


@define
class Step:
    """A step under way.

    Attributes:
        name: Its name.
        detail: What is to be known about how it worked.
    """

    name: str
    detail: str = ""

    def note(self, detail: str) -> None:
        """Say how it worked: the selector that matched, its rank, a choice that was made."""
        self.detail = f"{self.detail}; {detail}" if self.detail else detail
