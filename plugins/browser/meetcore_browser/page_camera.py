"""A web page as the bot's camera or screen: rendered in a browser of its own, shown as it changes.

It is a second Chromium, and no second page of the bot's: one window more would lie on the screen
that a recorded meeting is filmed from, pages of one browser share processes that a page can bring
down, and a browser of its own can be given a way to the network that leads to listed hosts only
(`page_proxy`). It costs what an idle Chromium costs, while a page is shown.

Pictures come from `Page.startScreencast`, where the page has changed. Each is acknowledged once the
bot's camera or screen has it and its part of a second is over, so there are never more than two on
the way, and a page that stands still costs nothing.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from attrs import define, field

from meetcore import CommandFailed, CommandRefused, MeetcoreError
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.driver import Driver
from meetcore_browser.errors import BrowserError
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.page_devices import PICTURE_SIZE, SCREEN_SIZE
from meetcore_browser.page_hosts import PageHosts
from meetcore_browser.page_proxy import PageProxy, open_page_proxy

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

    from meetcore_browser.bot_page import BotPage

__all__ = ["MOST_PICTURES_PER_S", "PageCamera", "open_page_camera"]

MOST_PICTURES_PER_S = 8
LOAD_TIMEOUT_S = 15.0
FIRST_PICTURE_TIMEOUT_S = 8.0
CALL_TIMEOUT_S = 5.0
_QUALITY = 70
_SWITCHES = (
    "--proxy-bypass-list=<-loopback>",
    # Names are looked up by the proxy alone, and nothing goes around it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--mute-audio",
)


@define
class _Pictures:
    """What came of a screencast and was not shown yet: the newest of it only."""

    newest: bytes | None = None
    owed: list[int] = field(factory=list)
    came: trio.Event = field(factory=trio.Event)

    def take(self, event: dict[str, Any]) -> None:
        self.newest = base64.b64decode(event["data"])
        self.owed.append(int(event["sessionId"]))
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look again: there is a picture, or no browser any more."""
        self.came.set()


@define(eq=False)
class _HeldPage:
    """A page in a browser of its own: shown, or on the way to be."""

    scope: trio.CancelScope = field(factory=trio.CancelScope)
    over: trio.Event = field(factory=trio.Event)

    async def end(self) -> None:
        """End it; its browser is gone on return."""
        self.scope.cancel()
        await self.over.wait()


class PageCamera:
    """Shows one web page at a time; what is shown stays until the next one has loaded.

    Args:
        nursery: Holds what is shown, beside the bot's page.
        driver: What launches the page's browser.
        hosts: Which pages may be shown.
        size: Width and height of the pictures, in pixels.
        show: Shows a picture as the bot's camera, or on its screen.
        tell: Is told in words that a page is shown, and why it is not any more.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        driver: Driver,
        hosts: PageHosts,
        size: tuple[int, int],
        show: Callable[[bytes], Awaitable[object]],
        tell: Callable[[str], None],
    ) -> None:
        self.hosts = hosts
        self._driver = driver
        self._size = size
        self._show = show
        self._tell = tell
        self._nursery = nursery
        self._held: list[_HeldPage] = []
        self._shown: _HeldPage | None = None

    async def show(self, url: str) -> None:
        """Show a page, in place of another; returns when its first picture is shown.

        Raises:
            CommandRefused: It may not be shown.
            CommandFailed: It does not load. What was shown before stays.
        """
        host = self.hosts.check(url)
        for held in [each for each in self._held if each is not self._shown]:
            await held.end()
        await self._nursery.start(self._hold, url, host)

    async def stop(self) -> None:
        """Show the page no longer, if there is one; its browser is gone on return."""
        for held in list(self._held):
            await held.end()

    async def _hold(self, url: str, host: str, *, task_status: trio.TaskStatus[None]) -> None:
        held, started = _HeldPage(), False
        self._held.append(held)
        try:
            with held.scope:
                async with self._opened() as (browser, page, proxy):
                    await self._load(browser, page, proxy, url, host)
                    async with self._screencast(browser, page) as (session, pictures):
                        with trio.move_on_after(FIRST_PICTURE_TIMEOUT_S) as waited:
                            image = await _picture(browser, pictures)
                        if waited.cancelled_caught:
                            raise CommandFailed(f"The page of {host} gave no picture in time.")
                        await self._show_next(browser, session, pictures)
                        before, self._shown = self._shown, held
                        if before is not None:
                            await before.end()
                            await self._show(pictures.newest or image)  # over its last
                        started = True
                        self._tell(f"a page of {host}")
                        task_status.started()
                        while True:
                            await self._show_next(browser, session, pictures)
        except (MeetcoreError, OSError) as error:
            if not started:
                raise
            # The meeting goes on without it: the last picture stays.
            self._tell(f"the page of {host} is shown no longer: {error}")
        else:
            if not started:
                raise CommandFailed("Something else was to be shown before the page had loaded.")
        finally:
            self._held.remove(held)
            if self._shown is held:
                self._shown = None
            held.over.set()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[Browser, Page, PageProxy]]:
        """Open a browser that knows nothing of the bot's, with one page."""
        width, height = self._size
        async with open_page_proxy(self.hosts) as proxy:
            options = LaunchOptions(
                proxy_server=f"http://127.0.0.1:{proxy.port}", arguments=_SWITCHES
            )
            async with open_browser(options, driver=self._driver) as browser:
                context = await browser.call(
                    browser.raw.new_context,
                    viewport={"width": width, "height": height},
                    accept_downloads=False,
                    service_workers="block",
                )
                yield browser, await browser.call(context.new_page), proxy

    async def _load(
        self, browser: Browser, page: Page, proxy: PageProxy, url: str, host: str
    ) -> None:
        from playwright.async_api import Error

        await browser.sync(page.on, "dialog", _dismiss)
        try:
            answer = await browser.call(
                page.goto,
                url,
                wait_until="domcontentloaded",
                timeout=LOAD_TIMEOUT_S * 1000,
                timeout_s=LOAD_TIMEOUT_S + 1.0,
            )
            status = 0 if answer is None else await browser.sync(lambda: answer.status)
        except (Error, BrowserError) as error:
            words = str(error).splitlines()[0].partition(" at http")[0].removeprefix("Page.goto: ")
            raise _why_not(proxy, host, f"does not load: {words}") from error
        if status >= 400:
            raise _why_not(proxy, host, f"answers with the status {status}")

    @asynccontextmanager
    async def _screencast(
        self, browser: Browser, page: Page
    ) -> AsyncIterator[tuple[CDPSession, _Pictures]]:
        width, height = self._size
        pictures = _Pictures()
        session = await _asked(browser, page.context.new_cdp_session, page)

        def came(event: dict[str, Any]) -> None:  # on the browser thread
            browser.aio.to_trio(pictures.take, event)

        await browser.sync(session.on, "Page.screencastFrame", came)
        wanted = {"format": "jpeg", "quality": _QUALITY, "maxWidth": width, "maxHeight": height}
        await _asked(browser, session.send, "Page.startScreencast", wanted)
        browser.listeners.append(pictures.wake)
        yield session, pictures

    async def _show_next(self, browser: Browser, session: CDPSession, pictures: _Pictures) -> None:
        """Show the next picture, as soon as there is one."""
        image = await _picture(browser, pictures)
        pictures.newest = None
        again_at = trio.current_time() + 1 / MOST_PICTURES_PER_S
        await self._show(image)
        await trio.sleep_until(again_at)
        owed, pictures.owed = pictures.owed, []
        for each in owed:
            await _asked(browser, session.send, "Page.screencastFrameAck", {"sessionId": each})


async def _picture(browser: Browser, pictures: _Pictures) -> bytes:
    """Return the newest picture, as soon as there is one."""
    while pictures.newest is None:
        if browser.gone.is_set():
            raise CommandFailed("its browser has ended")
        pictures.came = trio.Event()
        await pictures.came.wait()
    return pictures.newest


def _why_not(proxy: PageProxy, host: str, said: str) -> MeetcoreError:
    """Return why a page could not be loaded."""
    if why := proxy.refused.get(host):
        return CommandRefused(
            f"The page of {host} may not be shown: {why}.",
            "List its host as page_hosts in [plugins.browser], and as one of private_targets"
            " where it is private.",
        )
    hint = f"Not among page_hosts: {', '.join(list(proxy.refused)[-3:])}." if proxy.refused else ""
    return CommandFailed(f"The page of {host} {said}.", hint)


@asynccontextmanager
async def open_page_camera(page: BotPage, hosts: PageHosts) -> AsyncIterator[None]:
    """Let a bot's page show web pages while the block lasts: as its camera, and on its screen."""
    devices, driver = page.devices, page.browser.driver
    async with open_plain_nursery() as nursery:
        devices.page_camera = PageCamera(
            nursery,
            driver,
            hosts,
            PICTURE_SIZE,
            devices.draw,
            partial(page.tell_step, "page as camera"),
        )
        devices.page_screen = PageCamera(
            nursery,
            driver,
            hosts,
            SCREEN_SIZE,
            devices.draw_screen,
            partial(page.tell_step, "page as screen"),
        )
        yield
        nursery.cancel_scope.cancel()


async def _dismiss(dialog: Any) -> None:  # on the browser thread
    from playwright.async_api import Error

    with suppress(Error):
        await dialog.dismiss()


async def _asked(browser: Browser, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    from playwright.async_api import Error

    try:
        return await browser.call(fn, *args, timeout_s=CALL_TIMEOUT_S)
    except Error as error:
        raise CommandFailed(f"The page cannot be shown: {str(error).splitlines()[0]}") from error
