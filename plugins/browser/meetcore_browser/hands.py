"""Mouse and keyboard of a page, which has one of each: they are used by one at a time.

A click is a move, a press and a release, each a message to the browser of its own: two clicks at
the same time press in the place that the other moved to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

__all__ = ["Hands"]


class Hands:
    """Uses mouse and keyboard of a page in turn.

    Args:
        call: How the page is called.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        self._call = call
        self._in_use = trio.Lock()

    async def act(
        self, what: Callable[..., Awaitable[Any]], *args: Any, timeout_s: float, **named: Any
    ) -> Any:
        """Do something with them once nobody else does: raises and returns what the call does.

        Args:
            what: Playwright's method, which clicks, fills or types.
            args: Its arguments.
            timeout_s: How long it may take, without the wait.
            named: Its named arguments.
        """
        async with self._in_use:
            return await self._call(what, *args, timeout_s=timeout_s, **named)
