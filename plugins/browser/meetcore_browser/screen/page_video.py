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

import numpy as np
import trio
from attrs import evolve

from meetcore import CallEvents, PictureHealth, StepWorked
from meetcore_browser.browser import Browser
from meetcore_browser.capture import PAGE_PICTURE
from meetcore_browser.errors import BrowserError
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.page_settings import PageSettings
from meetcore_browser.screen.frames import ScreenFrame
from meetcore_browser.screen.screen import (
    BETWEEN_RECORDERS_S,
    MOST_RECORDERS,
    PATIENCE_S,
    Screen,
    ScreenFailed,
    open_screen,
)
from meetcore_browser.screen.worker import PictureJudge

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page

__all__ = ["CONTAINER", "VIDEO_TRACK", "PageVideo", "fill_screen", "launch_on", "own_screen"]

VIDEO_TRACK = PAGE_PICTURE
CONTAINER = "video/H264"
"""Access units as a byte stream (ITU-T H.264, Annex B), one a fragment; the name is RFC 6184's."""
SHARE_RATE = 5
"""How many pictures a second a shared screen has at most; page/share_video.js has it, too."""
_BROKE_OFF = "broke off"
_NO_CLOCK = "cannot be placed: the meeting's sound does not run"
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
        self._unwell = ""
        self._unplaced_since_s: float | None = None
        # What belongs to one recording of the tab, made anew for each.
        self._tab_over = trio.Event()
        self._tab_why = ""
        self._tab_document: int | None = None
        self._tab_left = False
        self._patience = trio.CancelScope()
        self._judge = PictureJudge()

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
        # What it shows came at some time since the one before: half of that, on an average.
        at_s = self._sound_time(frame.at - 0.5 / self._rate)
        if at_s is not None:
            self._unplaced_since_s = None
            self._hand_on(at_s, frame.data)
            return
        self._events.declare_media_lost(VIDEO_TRACK, 1, "no_clock")
        now_s = trio.current_time()
        if self._unplaced_since_s is None:
            self._unplaced_since_s = now_s
        if now_s - self._unplaced_since_s >= PATIENCE_S:
            self._tell(_NO_CLOCK)

    # --- from the tab ---------------------------------------------------------------------

    async def _record_tab(self) -> None:
        width, height = self._size
        wanted = {"width": width, "height": height, "rate": self._rate}
        failures = 0
        while failures < MOST_RECORDERS:
            self._tab_over, self._tab_left = trio.Event(), False
            self._tab_document, self._judge = None, PictureJudge()
            why = await self._ask(wanted)
            if why is None:
                why = await self._tab_ended()
            self._news({"failed": why})
            failures += not self._tab_left  # whoever goes to another page has broken nothing
            await trio.sleep(BETWEEN_RECORDERS_S)

    async def _ask(self, wanted: dict[str, int] | None) -> str | None:
        """Have the tab recorded, or no longer; return why that cannot be."""
        try:
            said = await self._ask_tab(wanted)
        except BrowserError as error:
            return error.message
        return None if said is None else str(said)

    async def _tab_ended(self) -> str:
        """Wait while pictures come; return why none does any more."""
        with trio.move_on_after(PATIENCE_S) as self._patience:
            await self._tab_over.wait()
            return self._tab_why
        await self._ask(None)  # or the next would find this one at work
        return "no picture came any more: what records the tab hangs"

    def _end_tab(self, why: str) -> None:
        self._tab_document, self._tab_why = None, why
        self._tab_over.set()

    def from_tab(self, document: int, data: Any, at_s: float | None) -> None:
        """Take what page/tab_video.js or page/share_video.js of a document told.

        Args:
            document: Its number.
            data: What it told; None when it has ended, and its scripts with it.
            at_s: When that was to be seen, in seconds on the call's sound clock.

        Raises:
            KeyError, TypeError, ValueError: It is malformed.
        """
        if data is None:
            if self._tab_document in (None, document):
                self._tab_left = True
                self._end_tab("the page went to another document")
        elif "share" in data:
            self._from_share(data, at_s)
        elif "failed" in data:
            self._end_tab(str(data["failed"])[:300])
        elif "sample" in data:
            luma = np.frombuffer(_bytes_of(data, "sample"), np.uint8)
            if (news := self._judge.judge(trio.current_time(), luma)) is not None:
                self._news(news)
        else:
            piece = _bytes_of(data)
            self._tab_document = document
            self._patience.deadline = trio.current_time() + PATIENCE_S
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
        if self._unwell == _NO_CLOCK or self._unwell.startswith(_BROKE_OFF):
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
            self._tell(f"{_BROKE_OFF}: {news['failed']}")
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


def _bytes_of(data: Any, key: str = "data") -> bytes:
    try:
        return base64.b64decode(data[key], validate=True)
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


def launch_on(screen: Screen | None, options: LaunchOptions) -> LaunchOptions:
    """Return how to launch a browser that is to be recorded, on a screen of its own or not."""
    options = evolve(options, tab_capture=True)
    if screen is None:
        return options
    return evolve(options, display=screen.display, display_authority=str(screen.authority))


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
