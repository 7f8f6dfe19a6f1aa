"""A task that the server runs beside others: its trouble is its own, and it begins again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec

import trio

from meetcore.model import brief

__all__ = ["keep_running"]

P = ParamSpec("P")
_LOG = logging.getLogger("meetcore.server")
_AGAIN_AFTER_S = 5.0


async def keep_running(
    what: str, task: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Run a task until it returns; one that fails is logged, and begins again after 5 s.

    All tasks of a server are in one nursery with its bots: an error that left one of them would
    end every bot. Raises nothing but `Cancelled`.

    Args:
        what: What the task does, for the log.
        task: The task; it must bear to be begun again.
        args: What it is called with.
        kwargs: The same, by name.
    """
    while True:
        try:
            await task(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  it goes on, whatever was wrong this time
            words = "%s failed, and begins again in %g s: %s"
            _LOG.exception(words, what, _AGAIN_AFTER_S, brief(error))
        else:
            return
        await trio.sleep(_AGAIN_AFTER_S)
