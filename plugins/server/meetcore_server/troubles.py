"""What can be wrong with a bot's supervision, and whether it goes away by itself."""

from __future__ import annotations

import trio
from attrs import frozen

from meetcore import BusUnavailable, JournalFull, StorageUnavailable
from meetcore.model import found_in

__all__ = ["Trouble", "is_of", "may_pass"]


@frozen
class Trouble:
    """What is wrong with a bot's supervision now.

    Attributes:
        detail: In a line.
        concerns_all: Whether others would meet it too, or an end waits to be written: then the
            server is not ready.
    """

    detail: str
    concerns_all: bool


def is_of(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether it is an error of one of these kinds, or a group that has one."""
    return any(found_in(error, kind) is not None for kind in kinds)


def may_pass(error: BaseException) -> bool:
    """Whether it is of a kind that goes away when there is room, or an answer, again."""
    kinds = (OSError, StorageUnavailable, BusUnavailable, JournalFull, trio.TooSlowError)
    return is_of(error, *kinds)
