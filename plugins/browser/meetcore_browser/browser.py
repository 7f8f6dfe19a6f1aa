"""One bot's Chromium: launched, called with deadlines, its loss told as what it is.

One Chromium per bot, not one shared with a context each: contexts share the browser process, its
GPU and network services, and a crash of any of them would end every bot's meeting. Memory
is the price (about 165 MB in a call), isolation is the law.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from meetcore_browser.driver import Driver, kill_group, open_driver, process_alive
from meetcore_browser.errors import (
    BrowserCrashed,
    BrowserError,
    ChromiumFailed,
    DriverCrashed,
)
from meetcore_browser.finder import find_chromium
from meetcore_browser.flags import (
    SANDBOX_ENV_NAME,
    LaunchOptions,
    check_display,
    launch_arguments,
    wants_sandbox,
)
from meetcore_browser.thread import DEFAULT_CALL_TIMEOUT_S, BrowserThread, browser_thread

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser

__all__ = ["Browser", "open_browser"]

T = TypeVar("T")

CLOSE_TIMEOUT_S = 5.0
CRASH_EVIDENCE_S = 1.0
"""How long to look for what took a page away before it is called a crash of the browser."""
DEATH_TIMEOUT_S = 2.0


class Browser:
    """A running Chromium. Its Playwright object is `raw` and is only touched through `call`.

    Attributes:
        aio: The browser thread.
        driver: The driver that launched it.
        raw: Playwright's Browser.
        path: The executable.
        version: Its version.
        pid: Process id of the browser process.
        gone: Set when it has disconnected, wanted or not.
        listeners: Called on the Trio thread when it or its driver is gone.
    """

    def __init__(self, driver: Driver, raw: PlaywrightBrowser, path: Path) -> None:
        self.aio: BrowserThread = driver.aio
        self.driver = driver
        self.raw = raw
        self.path = path
        self.version = raw.version
        self.pid: int | None = None
        self.gone = trio.Event()
        self.listeners: list[Callable[[], None]] = []

    async def call(
        self,
        fn: Callable[..., Awaitable[T]],
        *args: Any,
        timeout_s: float = DEFAULT_CALL_TIMEOUT_S,
        **kwargs: Any,
    ) -> T:
        """Call Playwright with a deadline.

        Raises:
            CallTimedOut: The deadline passed.
            BrowserCrashed: Chromium is gone.
            DriverCrashed: The driver is gone, and Chromium with it.
            playwright.async_api.Error: Anything else Playwright raised, as it is.
        """
        from playwright.async_api import Error

        try:
            return await self.aio.call(fn, *args, timeout_s=timeout_s, **kwargs)
        except Error as error:
            if crash := await self.crash_behind(error):
                raise crash from error
            raise

    async def sync(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a plain function on the browser thread: to register handlers, to read properties."""
        return await self.aio.sync(fn, *args)

    async def crash_behind(self, error: Exception) -> BrowserError | None:
        """Find out whether `error` is what a lost browser or driver looks like from here."""
        text = str(error)
        if not any(sign in text for sign in ("closed", "crashed", "reading from the driver")):
            return None
        with trio.move_on_after(CRASH_EVIDENCE_S):
            return await self.wait_lost()
        return self.crash

    @property
    def crash(self) -> BrowserError | None:
        """The error that tells of the loss, None while all is well."""
        if self.driver.ended.is_set():
            return DriverCrashed(
                f"The browser driver (process {self.driver.pid}) ended unexpectedly.",
                "Join again: a new one is started each time.",
            )
        if self.gone.is_set():
            return BrowserCrashed(
                f"Chromium (process {self.pid}) ended unexpectedly.",
                "Join again: a new one is started each time.",
            )
        return None

    async def wait_lost(self) -> BrowserError:
        """Wait until the browser or its driver is gone; return what tells which."""
        async with trio.open_nursery() as nursery:
            for event in (self.gone, self.driver.ended):
                nursery.start_soon(_first, event, nursery.cancel_scope)
        # A dying driver disconnects its browser first: give its own end time to be noticed.
        with trio.move_on_after(CRASH_EVIDENCE_S / 4):
            await self.driver.ended.wait()
        crash = self.crash
        assert crash is not None
        return crash

    async def _open(self) -> None:
        self.driver.listeners.append(self._changed)
        await self.aio.sync(self.raw.on, "disconnected", self._on_disconnected)
        session = await self.aio.call(self.raw.new_browser_cdp_session)
        answer = await self.aio.call(session.send, "SystemInfo.getProcessInfo")
        await self.aio.call(session.detach)
        self.pid = next(int(p["id"]) for p in answer["processInfo"] if p["type"] == "browser")

    async def _close(self) -> None:
        from playwright.async_api import Error

        if not self.driver.ended.is_set():
            with suppress(Error, BrowserError):
                await self.aio.call(self.raw.close, timeout_s=CLOSE_TIMEOUT_S)
        self.driver.listeners.remove(self._changed)
        if self.pid is None:
            return
        with trio.move_on_after(DEATH_TIMEOUT_S):
            while process_alive(self.pid):  # noqa: ASYNC110  (not our child: it can only be asked for)
                await trio.sleep(0.02)
        if process_alive(self.pid):
            kill_group(self.pid)

    def _on_disconnected(self, _: PlaywrightBrowser) -> None:  # on the browser thread
        self.aio.to_trio(self._disconnected)

    def _disconnected(self) -> None:
        self.gone.set()
        self._changed()

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()


async def _first(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


@asynccontextmanager
async def _driver(given: Driver | None) -> AsyncIterator[Driver]:
    if given is not None:
        yield given
        return
    async with browser_thread() as aio, open_driver(aio) as driver:
        yield driver


@asynccontextmanager
async def open_browser(
    options: LaunchOptions | None = None, *, driver: Driver | None = None
) -> AsyncIterator[Browser]:
    """Launch a Chromium of one's own; on exit it, its driver and its folders are gone.

    Args:
        options: How to launch it.
        driver: A driver to launch it with. By default it gets one of its own; browsers that
            belong to one thing, as the cast of a rehearsal does, may share one.

    Raises:
        ChromiumMissing: There is none on this machine.
        ChromiumFailed: It did not start.
        NoDisplay: It should be visible, but there is no display.
        DriverCrashed: Playwright's driver did not start.
    """
    options = options or LaunchOptions()
    found = find_chromium(options.chromium)
    check_display(options)
    async with _driver(driver) as driver:
        raw = await _launch(driver, found.path, options)
        browser = Browser(driver, raw, found.path)
        try:
            await browser._open()
            yield browser
        finally:
            with trio.CancelScope(shield=True):
                await browser._close()


async def _launch(driver: Driver, path: Path, options: LaunchOptions) -> PlaywrightBrowser:
    from playwright.async_api import Error

    arguments, leave_out = launch_arguments(options)
    env: dict[str, str | float | bool] | None = None  # the driver's own
    if options.display is not None:
        env = {**os.environ, **driver.browser_env, "DISPLAY": options.display}
        if options.display_authority is not None:
            env["XAUTHORITY"] = options.display_authority
    try:
        return await driver.aio.call(
            driver.playwright.chromium.launch,
            executable_path=str(path),
            headless=not (options.headed or options.display),
            env=env,
            args=arguments,
            ignore_default_args=leave_out,
            chromium_sandbox=wants_sandbox(options),
            # The host decides what a signal means: it may want to leave a meeting politely first.
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
            timeout=options.launch_timeout_s * 1000,
            timeout_s=options.launch_timeout_s + 5.0,
        )
    except Error as error:
        raise _launch_failure(path, error, driver) from error


def _launch_failure(path: Path, error: Exception, driver: Driver) -> BrowserError:
    if driver.ended.is_set():
        return DriverCrashed("The browser driver ended while it started Chromium.")
    text = str(error)
    if "usable sandbox" in text:
        return ChromiumFailed(
            f"Chromium ({path}) found no usable sandbox on this machine.",
            f"Allow unprivileged user namespaces, or set {SANDBOX_ENV_NAME}=off to do without one.",
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Its last words; before them launchers and libraries may have complained of other things.
    said = next((line for line in reversed(lines) if "[err]" in line), lines[0] if lines else "")
    said = said.partition("[err] ")[2] or said
    return ChromiumFailed(
        f"Chromium ({path}) did not start: {said[:300]}",
        "`meetcore doctor` checks it; another browser can be named with $MEETCORE_CHROMIUM.",
    )
