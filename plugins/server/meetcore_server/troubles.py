"""What can be wrong with a bot's supervision, and whether it goes away by itself."""

from __future__ import annotations

import trio
from attrs import define, field, frozen

from meetcore import (
    BusUnavailable,
    EncryptionKeyMissing,
    FileDamaged,
    JournalFull,
    StorageUnavailable,
)
from meetcore.model import found_in
from meetcore_server.storage.holding import NotHeld

__all__ = ["News", "StoreAbsence", "Trouble", "is_of", "may_pass"]

_AWAY_AT_MOST_S = 24 * 3600.0
_SAY_AGAIN_S = 60.0


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


@define(eq=False)
class News:
    """What was said last of a bot's trouble: the same is said once a minute."""

    _said: str = field(default="", init=False)
    _said_at: float = field(default=0.0, init=False)

    def take(self, error: BaseException, detail: str) -> bool:
        """Return whether a trouble is to be said now; nothing is of bots that are others'."""
        now = trio.current_time()
        known = detail == self._said and now - self._said_at < _SAY_AGAIN_S
        if known or is_of(error, NotHeld):
            return False
        self._said, self._said_at = detail, now
        return True


def is_of(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether it is an error of one of these kinds, or a group that has one."""
    return any(found_in(error, kind) is not None for kind in kinds)


def may_pass(error: BaseException) -> bool:
    """Whether it is of a kind that goes away when there is room, or an answer, again."""
    kinds = (OSError, StorageUnavailable, BusUnavailable, JournalFull, trio.TooSlowError)
    return is_of(error, *kinds)


@define(eq=False)
class StoreAbsence:
    """A store that does not answer: what is owed to it is waited for, but not for ever."""

    _since: float | None = field(default=None, init=False)

    def takes(self, error: BaseException) -> bool:
        """Whether a trouble is that of a store that is away, for no more than a day.

        A file or a log that is damaged, a key that is missing, and this machine's own disk are not.
        """
        answers = is_of(error, FileDamaged, EncryptionKeyMissing)
        if answers or not is_of(error, StorageUnavailable, trio.TooSlowError):
            return False
        now = trio.current_time()
        self._since = now if self._since is None else self._since
        return now - self._since < _AWAY_AT_MOST_S

    def over(self) -> None:
        """Take it that the store answers."""
        self._since = None
