"""Trouble that stays is said once, not at each try; and that it is over."""

from __future__ import annotations

import logging

import trio

__all__ = ["Complaint"]

_AGAIN_AFTER_S = 60.0


class Complaint:
    """One thing that can go wrong again and again.

    Args:
        logger: Where it is said.
        about: What it is, at the beginning of the line.
    """

    def __init__(self, logger: logging.Logger, about: str) -> None:
        self._logger = logger
        self._about = about
        self._said = ""
        self._said_at = 0.0

    def wrong(self, detail: str, *, level: int = logging.WARNING) -> None:
        """Say what is wrong: when it is new, and once a minute as long as it stays."""
        now = trio.current_time()
        if detail != self._said or now - self._said_at >= _AGAIN_AFTER_S:
            self._said, self._said_at = detail, now
            self._logger.log(level, "%s: %s", self._about, detail)

    def fine(self) -> None:
        """Say that it is over, if anything had been said."""
        if self._said:
            self._said = ""
            self._logger.log(logging.WARNING, "%s: it is well again", self._about)
