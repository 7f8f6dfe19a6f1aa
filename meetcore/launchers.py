"""Where a bot runs. The embedded launcher: here, in this process, as a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from meetcore.contracts import Launcher

__all__ = ["InProcessLauncher"]


class InProcessLauncher(Launcher):
    """Runs a bot in the caller's process. A bot's own trouble never leaves its `run`."""

    name = "in_process"

    async def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Run one bot to its end."""
        await start()
