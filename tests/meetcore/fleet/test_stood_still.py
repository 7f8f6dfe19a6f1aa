"""A launcher that stood still itself does not take its bots for silent."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from meetcore.fleet.launching import heartbeat


async def test_the_time_in_which_this_process_was_stopped_does_not_count(mock_clock: MockClock):
    over = trio.Event()

    async def wait() -> None:
        await heartbeat._run_until(trio.current_time() + 15.0)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        for _ in range(5):
            await wait_all_tasks_blocked()
            mock_clock.jump(1.0)
        await wait_all_tasks_blocked()
        mock_clock.jump(60.0)  # as for a process that gets SIGSTOP, and SIGCONT a minute later
        await wait_all_tasks_blocked()
        assert not over.is_set()
        for _ in range(8):
            mock_clock.jump(1.0)
            await wait_all_tasks_blocked()
        assert not over.is_set()
        for _ in range(2):
            mock_clock.jump(1.0)
            await wait_all_tasks_blocked()
        assert over.is_set()
