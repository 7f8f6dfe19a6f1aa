"""What people see of a bot's page, and do in it: by Chromium's own protocol, beside the bot.

Pictures come from `Page.startScreencast`: Chromium sends one where the page has changed, two at
most, and waits until they are acknowledged. They are acknowledged when the next is asked for. So
whoever looks slowly gets few, a page that stands still costs nothing, and nobody is held up. Each
view has a session of its own with the page, in which nothing but this happens.

Mouse and keyboard are Playwright's, which dispatches trusted input (`Input.dispatchMouseEvent`,
`Input.dispatchKeyEvent`) with the codes that a keyboard would have.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from meetcore import (
    Call,
    CommandFailed,
    CommandRefused,
    KeyInput,
    MouseAction,
    MouseInput,
    PageInput,
    PagePicture,
    PageView,
    PictureFormat,
    TextInput,
)
from meetcore_browser.errors import BrowserError
from meetcore_browser.pictures import picture_facts

if TYPE_CHECKING:
    from playwright.async_api import CDPSession

    from meetcore_browser.bot_page import BotPage

__all__ = ["CallWithPage", "ChromiumView", "open_chromium_view", "take_screenshot"]

T = TypeVar("T")

SCREENSHOT_TIMEOUT_S = 8.0
INPUT_TIMEOUT_S = 4.0
SESSION_TIMEOUT_S = 5.0
MOST_PICTURES_PER_S = 10
JPEG_QUALITY = {"screenshot": 80, "screencast": 60}
LARGEST_SIDE = 1280
"""The longer side of a picture of a view, in pixels; screenshots are as large as the page."""


async def take_screenshot(page: BotPage, picture_format: PictureFormat) -> PagePicture:
    """Return a picture of what a page shows now.

    Raises:
        CommandFailed: The page is gone, or gives none in time.
    """
    wanted: dict[str, Any] = {"format": picture_format.value}
    if picture_format is PictureFormat.JPEG:
        wanted["quality"] = JPEG_QUALITY["screenshot"]
    async with _session(page) as session:
        answer = await _asked(
            page,
            session.send,
            "Page.captureScreenshot",
            wanted,
            timeout_s=SCREENSHOT_TIMEOUT_S,
        )
    return _picture(answer["data"])


def _picture(data: str) -> PagePicture:
    image = base64.b64decode(data)
    facts = picture_facts(image)
    return PagePicture(
        image=image, media_type=facts.media_type, width=facts.width, height=facts.height
    )


async def _asked(page: BotPage, fn: Callable[..., Awaitable[T]], *args: Any, timeout_s: float) -> T:
    """Call Playwright; what goes wrong is told as it is to whoever gave a command."""
    from playwright.async_api import Error

    try:
        return await page.call(fn, *args, timeout_s=timeout_s)
    except BrowserError as error:
        raise CommandFailed(f"The page does not answer: {error.message}") from error
    except Error as error:
        raise CommandFailed(f"The page cannot be seen: {str(error).splitlines()[0]}") from error


@asynccontextmanager
async def _session(page: BotPage) -> AsyncIterator[CDPSession]:
    """Hold a session of one's own with a page.

    Raises:
        CommandFailed: The page is gone.
    """
    from playwright.async_api import Error

    session = await _asked(
        page, page.context.new_cdp_session, page.raw, timeout_s=SESSION_TIMEOUT_S
    )
    try:
        yield session
    finally:
        with trio.CancelScope(shield=True), suppress(Error, BrowserError):
            await page.call(session.detach, timeout_s=SESSION_TIMEOUT_S)


class _NoSuchKey(CommandRefused):
    """A key that no keyboard has."""


class ChromiumView(PageView):
    """One person's sight of a page, and their hands in it. Made by `open_chromium_view`."""

    def __init__(self, page: BotPage, session: CDPSession) -> None:
        self._page = page
        self._session = session
        self._newest: dict[str, Any] | None = None
        self._owed: list[int] = []
        self._woken = trio.Event()
        self._again_at = 0.0
        self._size = (0.0, 0.0)
        self._keys: set[str] = set()
        self._buttons: set[str] = set()

    # --- pictures -----------------------------------------------------------------------

    def frame_came(self, event: dict[str, Any]) -> None:  # on the browser thread
        """Take a frame of the screencast."""
        self._page.aio.to_trio(self._take, event)

    def _take(self, event: dict[str, Any]) -> None:
        self._newest = event
        self._owed.append(int(event["sessionId"]))
        about = event["metadata"]
        self._size = float(about["deviceWidth"]), float(about["deviceHeight"])
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look again: there is a picture, or no page any more."""
        self._woken.set()

    async def next_picture(self) -> PagePicture:
        """Return the newest picture that was not given before; waits until there is one."""
        if self._newest is None:
            await self._acknowledge()
        while self._newest is None:
            if self._page.gone.is_set():
                raise CommandFailed("The page is closed.")
            self._woken = trio.Event()
            await self._woken.wait()
        await trio.sleep_until(self._again_at)
        self._again_at = trio.current_time() + 1 / MOST_PICTURES_PER_S
        newest, self._newest = self._newest, None
        return _picture(newest["data"])

    async def _acknowledge(self) -> None:
        while self._owed:
            await _asked(
                self._page,
                self._session.send,
                "Page.screencastFrameAck",
                {"sessionId": self._owed.pop()},
                timeout_s=SESSION_TIMEOUT_S,
            )

    # --- hands --------------------------------------------------------------------------

    async def act(self, what: PageInput) -> None:
        """Do something in the page."""
        if isinstance(what, MouseInput):
            await self._use_mouse(what)
        elif isinstance(what, KeyInput):
            await self._use_key(what)
        elif isinstance(what, TextInput):
            await self._do(self._page.raw.keyboard.insert_text, what.text)
        else:
            raise CommandRefused(f"A page takes no {type(what).__name__}.")

    async def _use_mouse(self, what: MouseInput) -> None:
        mouse, (width, height) = self._page.raw.mouse, self._size
        if not (width and height):
            raise CommandFailed("There was no picture yet: nobody knows what is where.")
        await self._do(mouse.move, what.x * width, what.y * height)
        if what.action is MouseAction.WHEEL:
            await self._do(mouse.wheel, what.wheel_x, what.wheel_y)
        elif what.action is MouseAction.DOWN:
            self._buttons.add(what.button.value)
            await self._do(mouse.down, button=what.button.value)
        elif what.action is MouseAction.UP:
            await self._do(mouse.up, button=what.button.value)
            self._buttons.discard(what.button.value)

    async def _use_key(self, what: KeyInput) -> None:
        keyboard, key = self._page.raw.keyboard, what.key
        try:
            if what.down:
                await self._do(keyboard.down, key)
                self._keys.add(key)
            else:
                self._keys.discard(key)
                await self._do(keyboard.up, key)
        except _NoSuchKey:
            if len(key) > 1:
                raise
            if what.down:  # a letter that this keyboard lacks
                await self._do(keyboard.insert_text, key)

    async def _do(self, fn: Callable[..., Awaitable[None]], *args: Any, **kwargs: Any) -> None:
        from playwright.async_api import Error

        try:
            await self._page.hands.act(fn, *args, timeout_s=INPUT_TIMEOUT_S, **kwargs)
        except BrowserError as error:
            raise CommandFailed(f"The page takes no input: {error.message}") from error
        except Error as error:
            if "Unknown key" in str(error):
                raise _NoSuchKey("No keyboard has such a key.") from error
            raise CommandFailed("The page takes no input.") from error

    async def let_go(self) -> None:
        """Let go of every key and button that is still held."""
        keys, buttons = sorted(self._keys), sorted(self._buttons)
        self._keys.clear()
        self._buttons.clear()
        raw = self._page.raw
        for button in buttons:
            with suppress(CommandFailed):
                await self._do(raw.mouse.up, button=button)
        for key in keys:
            with suppress(CommandFailed):
                await self._do(raw.keyboard.up, key)


@asynccontextmanager
async def open_chromium_view(page: BotPage) -> AsyncIterator[ChromiumView]:
    """Let a person see a page; on exit nothing more is made for them, and nothing is held.

    Raises:
        CommandFailed: The page is gone.
    """
    from playwright.async_api import Error

    async with _session(page) as session:
        view = ChromiumView(page, session)
        await page.sync(session.on, "Page.screencastFrame", view.frame_came)
        wanted = {
            "format": "jpeg",
            "quality": JPEG_QUALITY["screencast"],
            "maxWidth": LARGEST_SIDE,
            "maxHeight": LARGEST_SIDE,
        }
        stop_waking = page.when_gone(view.wake)
        try:
            await _asked(
                page, session.send, "Page.startScreencast", wanted, timeout_s=SESSION_TIMEOUT_S
            )
            yield view
        finally:
            stop_waking()
            with trio.CancelScope(shield=True):
                await view.let_go()
                with suppress(Error, BrowserError):
                    await page.call(
                        session.send, "Page.stopScreencast", timeout_s=SESSION_TIMEOUT_S
                    )


class CallWithPage(Call):
    """A call that is a page in a browser, which can be photographed and looked at."""

    @abstractmethod
    def page_now(self) -> BotPage | None:
        """Return the page that is open now, None for none."""

    def _page_now(self) -> BotPage:
        page = self.page_now()
        if page is None or page.gone.is_set():
            raise CommandFailed("The bot has no page open just now.", "Try again in a moment.")
        return page

    async def screenshot(self, picture_format: PictureFormat) -> PagePicture:
        """Return a picture of the page as it is now."""
        return await take_screenshot(self._page_now(), picture_format)

    @asynccontextmanager
    async def open_view(self) -> AsyncIterator[PageView]:
        """Let a person see the page."""
        async with open_chromium_view(self._page_now()) as view:
            yield view
