"""How many streams of a transcriber are open at once: never more than the provider takes.

Whoever has speech waits for a place in order of asking. A stream that has nothing to do gives its
place up as soon as somebody waits for one.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from meetcore.log.mailbox import Wake

__all__ = ["StreamSlots"]


class StreamSlots:
    """The places for streams of one bot's transcriber.

    Args:
        limit: How many there are, None for any number.
    """

    def __init__(self, limit: int | None) -> None:
        self._places = trio.CapacityLimiter(math.inf if limit is None else limit)
        self._holders: dict[object, Wake] = {}

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a place."""
        return self._places.statistics().tasks_waiting > 0

    @asynccontextmanager
    async def place(self, holder: object, wake: Wake) -> AsyncIterator[None]:
        """Hold a place. No deadline of its own: who waits keeps its speech, in its own bounds.

        Args:
            holder: Who has it.
            wake: Set when somebody else comes to wait, so that an idle holder leaves.
        """
        if not self._places.available_tokens:
            for other in self._holders.values():
                other.set()
        await self._places.acquire_on_behalf_of(holder)
        self._holders[holder] = wake
        try:
            yield
        finally:
            del self._holders[holder]
            self._places.release_on_behalf_of(holder)
