"""Keeps one worker for a bot: started at first use, again after a crash, unless it keeps dying."""

from __future__ import annotations

from collections import deque

import trio

from meetcore import TranscriberError
from meetcore_pocketsphinx.options import PocketsphinxOptions
from meetcore_pocketsphinx.process import WorkerProcess

__all__ = ["WorkerKeeper"]

_DEATHS_LIMIT = 5
_DEATHS_WITHIN_S = 30.0


class WorkerKeeper:
    """Gives out the bot's worker.

    Args:
        options: The plugin's options.
        nursery: Where the worker is served; it lives as long as the bot's `open`.
    """

    def __init__(self, options: PocketsphinxOptions, nursery: trio.Nursery) -> None:
        self._options = options
        self._nursery = nursery
        self._starting = trio.Lock()
        self._deaths: deque[float] = deque(maxlen=_DEATHS_LIMIT)
        self._counted: WorkerProcess | None = None
        self.current: WorkerProcess | None = None

    async def worker(self) -> WorkerProcess:
        """Return a worker that takes requests, starting one if there is none.

        Raises:
            TranscriberError: It cannot be started (`retryable` says whether another try may
                help), or the last five died within thirty seconds.
        """
        async with self._starting:
            if self.current is not None and self.current.alive:
                return self.current
            self._count_death()
            worker = WorkerProcess(
                self._options.worker_settings(),
                self._options.start_timeout_s,
                self._options.answer_timeout_s,
            )
            self.current = worker
            await self._nursery.start(worker.run)
            return worker

    def close(self) -> None:
        """Let the worker end by itself; cancelling the nursery follows."""
        if self.current is not None:
            self.current.close()

    def _count_death(self) -> None:
        dead = self.current
        if dead is None or dead.lost is None:
            return
        if not dead.lost.retryable:
            raise dead.lost
        now = trio.current_time()
        if dead is not self._counted:
            self._counted = dead
            self._deaths.append(now)
        if len(self._deaths) == _DEATHS_LIMIT and now - self._deaths[0] < _DEATHS_WITHIN_S:
            raise TranscriberError(
                "crashed",
                f"The pocketsphinx worker died {_DEATHS_LIMIT} times within "
                f"{_DEATHS_WITHIN_S:g} s. The last time: {dead.lost.message}",
                retryable=False,
                remedy="`meetcore doctor` tries the transcriber out.",
            )
