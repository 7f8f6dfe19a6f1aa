"""Records what a bot's page shows and hands it on, on the clock of the meeting's sound.

From the bot's own screen where it has one, else from the tab itself: the same pictures either way,
as pieces of H.264 that each carry one of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from meetcore import CallEvents, PictureHealth, StepWorked
from meetcore_browser.browser import Browser
from meetcore_browser.errors import BrowserError
from meetcore_browser.page_settings import PageSettings
from meetcore_browser.screen.frames import ScreenFrame
from meetcore_browser.screen.screen import (
    BETWEEN_RECORDERS_S,
    MOST_RECORDERS,
    Screen,
    ScreenFailed,
    open_screen,
)

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

__all__ = ["CONTAINER", "VIDEO_TRACK", "PageVideo", "fill_screen", "own_screen"]

VIDEO_TRACK = "screen"
CONTAINER = "video/H264"
"""Access units as a byte stream (ITU-T H.264, Annex B), one a fragment; the name is RFC 6184's."""
SHARE_RATE = 5
"""How many pictures a second a shared screen has at most; page/share_video.js has it, too."""
_FILLINGS = 6
_FILLED_S = 0.1
_SHOWN = """() => ({
  height: innerHeight, bars: outerHeight - innerHeight, top: screenY + outerHeight - innerHeight,
})"""


class PageVideo:
    """One page's picture.

    Args:
        events: Takes the fragments, and whether the picture is well.
        sound_time: Says where a time (since the epoch) lies on the call's sound clock, in seconds;
            None while that does not run.
        size: Width and height in pixels.
        frames_per_s: How many pictures a second.
        screen: The bot's own screen, None to record the tab.
        ask_tab: Has the tab recorded as an argument of page/tab_video.js says; returns why not.
    """

    def __init__(
        self,
        events: CallEvents,
        sound_time: Callable[[float], float | None],
        *,
        size: tuple[int, int],
        frames_per_s: int,
        screen: Screen | None,
        ask_tab: Callable[[dict[str, int] | None], Awaitable[Any]],
    ) -> None:
        self._events = events
        self._sound_time = sound_time
        self._size = size
        self._rate = frames_per_s
        self._screen = screen
        self._ask_tab = ask_tab
        self._wanted = trio.Event()
        self._tab_failed = trio.Event()
        self._unwell = ""

    @property
    def recorder_pid(self) -> int | None:
        """Process id of what records the screen now, None for nobody."""
        return None if self._screen is None else self._screen.recorder_pid

    def begin(self) -> None:
        """Record from now on: the bot is in the call."""
        self._wanted.set()

    async def run(self) -> None:
        """Record once it is wanted; for a nursery of the page's."""
        await self._wanted.wait()
        if self._screen is not None:
            await self._screen.record(self._rate, self._from_screen, self._news)
        else:
            await self._record_tab()

    # --- from the bot's own screen --------------------------------------------------------

    def _from_screen(self, frame: ScreenFrame) -> None:
        at_s = self._sound_time(frame.at)
        if at_s is not None:
            self._hand_on(at_s, frame.data)

    # --- from the tab ---------------------------------------------------------------------

    async def _record_tab(self) -> None:
        width, height = self._size
        for _ in range(MOST_RECORDERS):
            self._tab_failed = trio.Event()
            wanted = {"width": width, "height": height, "rate": self._rate}
            try:
                said = await self._ask_tab(wanted)
            except BrowserError as error:
                said = error.message
            if said is None:
                await self._tab_failed.wait()
            else:
                self._news({"failed": str(said)})
            await trio.sleep(BETWEEN_RECORDERS_S)

    def from_tab(self, data: Any, at_s: float | None) -> None:
        """Take what page/tab_video.js or page/share_video.js told.

        Raises:
            KeyError, TypeError, ValueError: It is malformed.
        """
        if "share" in data:
            self._from_share(data, at_s)
            return
        if "failed" in data:
            self._news({"failed": str(data["failed"])[:300]})
            self._tab_failed.set()
            return
        piece = _bytes_of(data)
        if at_s is not None:
            self._hand_on(at_s, piece)

    def _from_share(self, data: Any, at_s: float | None) -> None:
        """Take what page/share_video.js told: a piece of a shared screen, or that it failed."""
        if "failed" in data:
            self._events.observe(StepWorked("share", str(data["failed"])[:300]))
            return
        piece = _bytes_of(data)
        if at_s is None:
            return
        self._events.media(
            str(data["share"])[:40],
            kind="screen",
            container=CONTAINER,
            data=piece,
            at_s=max(0.0, at_s),
            duration_s=1 / SHARE_RATE,
        )

    # --- both -----------------------------------------------------------------------------

    def _hand_on(self, at_s: float, data: bytes) -> None:
        if self._unwell.startswith("broke off"):
            self._tell("")
        self._events.media(
            VIDEO_TRACK,
            kind="tab",
            container=CONTAINER,
            data=data,
            at_s=max(0.0, at_s),
            duration_s=1 / self._rate,
        )

    def _news(self, news: dict[str, Any]) -> None:
        if "failed" in news:
            self._tell(f"broke off: {news['failed']}")
        elif (state := news.get("picture")) == "moving":
            self._tell("")
        else:
            words = {"black": "has been black", "still": "has not changed"}[str(state)]
            self._tell(f"{words} for {float(news['for_s']):g} s")

    def _tell(self, unwell: str) -> None:
        if unwell == self._unwell:
            return
        self._unwell = unwell
        self._events.observe(
            PictureHealth(healthy=not unwell, detail=f"the picture {unwell}".strip())
        )


def _bytes_of(data: Any) -> bytes:
    try:
        return base64.b64decode(data["data"], validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


@asynccontextmanager
async def own_screen(settings: PageSettings, events: CallEvents) -> AsyncIterator[Screen | None]:
    """Open a screen of the size of a page's window; None where that cannot be, which is told."""
    async with AsyncExitStack() as stack:
        screen = None
        try:
            screen = await stack.enter_async_context(open_screen(settings.width, settings.height))
        except ScreenFailed as error:
            words = f"{error.message} The tab is recorded instead, which costs more. {error.remedy}"
            events.observe(StepWorked("video", words.strip()))
        yield screen


async def fill_screen(
    browser: Browser, context: BrowserContext, page: Page, settings: PageSettings
) -> None:
    """Have a page fill its screen: the window is larger, and its bars lie above the screen.

    Not by full screen, of which Chromium tells how to leave it, over the first seconds.
    """
    session = await browser.call(context.new_cdp_session, page)
    window = await browser.call(session.send, "Browser.getWindowForTarget")
    bars = 0
    for _ in range(_FILLINGS):
        size = {"width": settings.width, "height": settings.height + bars}
        bounds = {"windowId": window["windowId"], "bounds": {"left": 0, "top": -bars, **size}}
        await browser.call(session.send, "Browser.setWindowBounds", bounds)
        shown = await browser.call(page.evaluate, _SHOWN)
        if shown["height"] == settings.height and shown["top"] == 0:
            break
        bars = int(shown["bars"])
        await trio.sleep(_FILLED_S)
    await browser.call(session.detach)
