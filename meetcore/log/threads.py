"""Work that blocks, in threads, with a deadline: one that hangs takes no place from the others.

A thread cannot be ended from outside. One that does not come back in time (a folder on a network
that went away) is left to itself, and another may run in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
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
        self._places = trio.CapacityLimiter(most)

    async def run(self, work: Callable[[], T], *, within_s: float = inf) -> T:
        """Return what `work` gives. To wait for a place counts for no deadline.

        Whoever is cancelled, by a deadline of its own too, does not wait for the thread.

        Raises:
            trio.TooSlowError: It did not come back within the time; it may still be done.
            Exception: Whatever `work` raises.
        """
        async with self._places:
            with trio.fail_after(within_s):
                return await trio.to_thread.run_sync(
                    work, limiter=trio.CapacityLimiter(1), abandon_on_cancel=True
                )
