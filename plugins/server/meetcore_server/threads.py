"""Work that blocks, in threads, with a deadline: one that hangs takes no place from the others.

A thread cannot be ended from outside. One that does not come back in time (a folder on a network
that went away) is left to itself, and another may run in its place until it comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import trio

__all__ = ["Threads"]

T = TypeVar("T")


class Threads:
    """A few threads for one kind of work.

    Args:
        most: So many at once, beside those that hang.
    """

    def __init__(self, most: int) -> None:
        self._limiter = trio.CapacityLimiter(most)
        self._hanging = 0

    @property
    def hanging(self) -> int:
        """How many threads were left to themselves and are not back yet."""
        return self._hanging

    async def run(self, work: Callable[[], T], *, within_s: float) -> T:
        """Return what `work` gives.

        Raises:
            trio.TooSlowError: It did not within the time; it may still be done.
            Exception: Whatever `work` raises.
        """
        token = trio.lowlevel.current_trio_token()
        began = over = left = False

        def come_back() -> None:
            nonlocal over
            over = True
            if left:
                self._let_one_more(-1)

        def job() -> T:
            nonlocal began
            began = True
            try:
                return work()
            finally:
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(come_back)

        try:
            with trio.fail_after(within_s):
                return await trio.to_thread.run_sync(
                    job, limiter=self._limiter, abandon_on_cancel=True
                )
        except (trio.Cancelled, trio.TooSlowError):
            if began and not over:
                left = True
                self._let_one_more(1)
            raise

    def _let_one_more(self, by: int) -> None:
        self._hanging += by
        self._limiter.total_tokens += by
