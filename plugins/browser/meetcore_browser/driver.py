"""Playwright's driver: one Node.js process per bot, on the shared browser thread.

Why one each: a driver is where all traffic of its pages passes, and a bot's crash must not touch
its siblings. A driver that runs out of memory, hangs, or is killed takes down what it drives. A
shared one would take down every bot. One of its own costs a bot about 75 MB and 0.3 s at the
start. It is also the simplest answer to orphans: the driver and its Chromium die with the pipe
to this process, whatever happened to it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from meetcore.log import remove_stale, scratch_folder
from meetcore_browser.errors import BrowserError, CallTimedOut, DriverCrashed
from meetcore_browser.machine import driver_program, missing_libraries, remedy_for
from meetcore_browser.thread import BrowserThread, ChildProcess, child_settings

if TYPE_CHECKING:
    from playwright.async_api import Playwright

__all__ = ["Driver", "kill_group", "open_driver", "process_alive"]

START_TIMEOUT_S = 30.0
NODE_OPTIONS = "NODE_OPTIONS"
SMALL_NURSERY = "--max-semi-space-size=1"
"""In MB. What a driver handles is short-lived and small; with Node's own 16 MB it holds 15 MB
more, for nothing that could be measured in its CPU."""
CRASHES = "BREAKPAD_DUMP_LOCATION"
"""Where Chromium keeps its reports of crashes; else below the user's configuration, for ever."""
STOP_TIMEOUT_S = 10.0
EXIT_GRACE_S = 2.0


class Driver:
    """A running driver.

    Attributes:
        aio: The browser thread it is called through.
        playwright: Playwright's own object, for calls through `aio`.
        folder: Its temporary folder.
        pid: Its process id.
        ended: Set when the process has ended, wanted or not.
        listeners: Called on the Trio thread when it has ended.
        browser_env: Where a browser writes what it would write elsewhere; part of its environment.
    """

    playwright: Playwright

    def __init__(self, aio: BrowserThread, folder: Path) -> None:
        self.aio = aio
        self.folder = folder
        self.ended = trio.Event()
        self.listeners: list[Callable[[], None]] = []
        self.browser_env = {name: str(folder) for name in ("TMPDIR", "TMP", "TEMP", CRASHES)}
        env = dict(self.browser_env)
        # Last of several counts: what the user set for Node himself comes after ours.
        env[NODE_OPTIONS] = f"{SMALL_NURSERY} {os.environ.get(NODE_OPTIONS, '')}".strip()
        self._child = ChildProcess(env=env, on_exit=lambda: aio.to_trio(self._end))

    @property
    def pid(self) -> int | None:
        """Its process id, None when it did not start."""
        return self._child.pids[0] if self._child.pids else None

    def _end(self) -> None:
        self.ended.set()
        for listener in self.listeners:
            listener()

    async def _start(self, start: Callable[[], Awaitable[Playwright]]) -> None:
        token = child_settings.set(self._child)
        try:
            self.playwright = await self.aio.call(start, timeout_s=START_TIMEOUT_S)
        except BrowserError:
            raise
        except Exception as error:
            raise await self._start_failure(error) from error
        finally:
            child_settings.reset(token)

    async def _start_failure(self, error: Exception) -> DriverCrashed:
        """Say why the driver did not start; what its loader said went where nobody reads."""
        lacking = await trio.to_thread.run_sync(lambda: missing_libraries(driver_program()))
        if lacking:
            return DriverCrashed(
                f"Playwright's driver cannot run without {', '.join(lacking)}.", remedy_for(lacking)
            )
        return DriverCrashed(
            f"Playwright's driver did not start: {error}.",
            "Check the installation with `meetcore doctor`.",
        )

    async def _stop(self, stop: Callable[[], Awaitable[None]]) -> None:
        if self.pid is None:
            return
        if not self.ended.is_set():
            with suppress(CallTimedOut):
                await self.aio.call(stop, timeout_s=STOP_TIMEOUT_S)
            with trio.move_on_after(EXIT_GRACE_S):
                await self.ended.wait()
        if not self.ended.is_set():
            kill_group(self.pid)
            with trio.move_on_after(EXIT_GRACE_S):
                await self.ended.wait()


@asynccontextmanager
async def open_driver(aio: BrowserThread) -> AsyncIterator[Driver]:
    """Start a driver; on exit it, and every browser it started, is gone.

    Raises:
        DriverCrashed: It did not start.
        CallTimedOut: It did not answer in time.
    """
    from playwright.async_api import async_playwright

    remove_stale()
    with scratch_folder() as folder:
        driver = Driver(aio, folder)
        manager = async_playwright()
        try:
            await driver._start(manager.start)
            yield driver
        finally:
            with trio.CancelScope(shield=True):
                await driver._stop(manager.__aexit__)


def process_alive(pid: int) -> bool:
    """Whether a process exists and is not merely waiting to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def kill_group(leader_pid: int) -> None:
    """Kill the process group that a process leads, or the process alone where there are none."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            os.kill(leader_pid, signal.SIGTERM)
        elif os.getpgid(leader_pid) == leader_pid:
            os.killpg(leader_pid, signal.SIGKILL)
        else:
            os.kill(leader_pid, signal.SIGKILL)
