"""A bot's page: opened with the capture in it, driven in steps, watched, closed without remains."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import trio
from attrs import evolve

from meetcore import (
    CallEvents,
    CallRequest,
    DiagnosticsWritten,
    MeetcoreError,
    StepWorked,
    TrackAppeared,
)
from meetcore_browser.browser import CRASH_EVIDENCE_S, Browser, open_browser
from meetcore_browser.capture import (
    CaptureOptions,
    PageCapture,
    RemoteTrack,
    SourceHeard,
    by_track,
)
from meetcore_browser.cdp import PageChannel
from meetcore_browser.diagnostics import Diagnostics
from meetcore_browser.errors import (
    BrowserError,
    PageCrashed,
    PageGone,
    SelectorMissed,
    StepFailed,
    StepTimedOut,
)
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.handover import Handed
from meetcore_browser.hands import Hands
from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.options import VIDEO_SIZES, BrowserOptions, browser_options
from meetcore_browser.page_camera import open_page_camera
from meetcore_browser.page_devices import PageDevices
from meetcore_browser.page_hosts import PageHosts
from meetcore_browser.page_script import page_script
from meetcore_browser.page_settings import PageSettings
from meetcore_browser.screen.page_video import PageVideo, fill_screen, launch_on, own_screen
from meetcore_browser.screen.screen import Screen
from meetcore_browser.selectors import Control, Hit, Presence, Selector
from meetcore_browser.steps import Step, StepLog
from meetcore_browser.thread import DEFAULT_CALL_TIMEOUT_S, BrowserThread
from meetcore_browser.tracing import kept_trace
from meetcore_browser.wire import PageMessage

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Frame, FrameLocator, Locator, Page

__all__ = ["BotPage", "open_page"]

T = TypeVar("T")

POLL_S = 0.2
LOOK_TIMEOUT_S = 10.0
INPUT_TIMEOUT_S = 10.0
WATCH_INTERVAL_S = 1.0
FLUSH_TIMEOUT_S = 2.0
CLOSE_TIMEOUT_S = 5.0
CONSOLE_LINES = 100
DIALOG_CHARS = 300
DEFAULT_CAPTURE = CaptureOptions()

_FLUSH = "() => window[Symbol.for('meetcore')]?.flush?.()"
_TAB_VIDEO = (
    "(wanted) => { const record = window[Symbol.for('meetcore')]?.tabVideo;"
    " return record ? record(wanted) : 'this browser cannot record a tab'; }"
)
_WEB_AUDIO = "(on) => window[Symbol.for('meetcore')]?.webAudio?.(on)"


class BotPage:
    """The page of one bot. Made by `open_page`.

    Attributes:
        raw: Playwright's Page; to be touched through `call` and `sync` only.
        context: Playwright's BrowserContext, likewise.
        browser: The browser it is in.
        capture: What the page is heard with.
        video: What records it, None where it is not recorded.
        devices: What the bot speaks and shows pictures with, where the page was opened with them.
        hands: Its mouse and keyboard.
        gone: Set when it is closed, or lost.
    """

    def __init__(
        self,
        browser: Browser,
        context: BrowserContext,
        raw: Page,
        request: CallRequest,
        events: CallEvents,
        whose: Callable[[RemoteTrack], TrackAppeared | None],
        on_message: Mapping[str, Callable[[Any], None]],
        on_timed: Mapping[str, Callable[[Any, float | None], None]],
        capture: CaptureOptions | None,
        on_source: Callable[[SourceHeard], None] | None = None,
    ) -> None:
        self.devices = PageDevices(self)
        self.hands = Hands(self.call)
        self.browser = browser
        self.context = context
        self.raw = raw
        capture = capture or CaptureOptions()
        self.video: PageVideo | None = None
        self.capture = PageCapture(
            events,
            whose,
            now=trio.current_time,
            options=capture,
            on_source=on_source,
            on_picture=self._picture,
        )
        self._events = events
        self._on_message = dict(on_message)
        self._on_timed = on_timed
        self._trouble: Exception | None = None
        self._in_trouble = trio.Event()
        self._closing = False
        self.gone = trio.Event()
        self._when_gone: list[Callable[[], None]] = []
        self._in_own_browser = False
        self.console: deque[str] = deque(maxlen=CONSOLE_LINES)
        self._log = StepLog(trio.current_time())
        self._diagnostics = Diagnostics(
            browser, raw, request.folder, request.redactor, self._log, self.console
        )
        self._channel = PageChannel(
            browser, self._deliver, self._fail, self.console.append, capture.max_waiting_blocks
        )

    @property
    def aio(self) -> BrowserThread:
        """The browser thread, for handing over from handlers that run there."""
        return self.browser.aio

    # --- calls --------------------------------------------------------------------------

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
            PageGone: Page, browser or driver is lost; the subclass says which.
            playwright.async_api.Error: Anything else, as it is.
        """
        from playwright.async_api import Error

        if isinstance(self._trouble, PageGone):
            raise self._trouble
        try:
            return await self.browser.call(fn, *args, timeout_s=timeout_s, **kwargs)
        except Error as error:
            if isinstance(self._trouble, PageGone):
                raise self._trouble from error
            raise

    async def sync(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a plain function on the browser thread: to register handlers, to read properties."""
        return await self.browser.sync(fn, *args)

    async def goto(self, url: str, timeout_s: float = 30.0) -> int | None:
        """Navigate; return the answer's HTTP status when the document is parsed, if it has one."""
        answer = await self.call(
            self.raw.goto,
            url,
            wait_until="domcontentloaded",
            timeout=timeout_s * 1000,
            timeout_s=timeout_s + 1.0,
        )
        return None if answer is None else await self.sync(lambda: answer.status)

    async def evaluate(
        self, expression: str, argument: Any = None, timeout_s: float = DEFAULT_CALL_TIMEOUT_S
    ) -> Any:
        """Evaluate JavaScript in the page's main frame."""
        return await self.call(self.raw.evaluate, expression, argument, timeout_s=timeout_s)

    # --- finding and touching -----------------------------------------------------------

    async def find(self, control: Control, timeout_s: float = 10.0) -> Hit:
        """Wait for a control.

        Raises:
            SelectorMissed: None of its selectors matched in time.
        """
        return await self.first_of([control], timeout_s)

    async def first_of(self, controls: Sequence[Control], timeout_s: float = 10.0) -> Hit:
        """Wait until one of several controls is there; with several, the first given wins.

        Args:
            controls: In the order in which they count.
            timeout_s: How long to go on asking; 0 to ask once.

        Raises:
            SelectorMissed: No selector of any of them matched in time.
        """
        tried = tuple(f"{each.name}: {how}" for each in controls for how in each.tried)
        self._log.tried = tried
        deadline = trio.current_time() + timeout_s
        while True:
            hit = await self.call(_look, self.raw, controls, timeout_s=LOOK_TIMEOUT_S)
            if hit is not None:
                return hit
            left_s = deadline - trio.current_time()
            if left_s <= 0:
                names = " or ".join(control.name for control in controls)
                raise SelectorMissed(names, tried, timeout_s)
            await trio.sleep(min(POLL_S, left_s))

    async def click(self, hit: Hit, timeout_s: float = INPUT_TIMEOUT_S) -> None:
        """Click, with the trust a real mouse has."""
        await self.hands.act(hit.locator.click, timeout=timeout_s * 1000, timeout_s=timeout_s + 1.0)

    async def fill(self, hit: Hit, text: str, timeout_s: float = INPUT_TIMEOUT_S) -> None:
        """Put text into a field, in place of what stands there."""
        ms = timeout_s * 1000
        await self.hands.act(hit.locator.fill, text, timeout=ms, timeout_s=timeout_s + 1.0)

    # --- steps --------------------------------------------------------------------------

    @asynccontextmanager
    async def step(self, name: str, timeout_s: float = 30.0) -> AsyncIterator[Step]:
        """Do one named step of a join, with a deadline.

        Raises:
            StepTimedOut: It took longer than `timeout_s`.
            StepFailed: Something that is not meetcore's own error was raised inside.
            MeetcoreError: meetcore's own errors pass as they are. In each of these cases a
                diagnostics bundle has been written.
        """
        step = Step(name)
        self._note(f"{name}: begun")
        try:
            with trio.move_on_after(timeout_s) as scope:
                yield step
        except MeetcoreError as error:
            if folder := await self._failed(step, error):
                error.add_note(f"Diagnostics: {folder}")
            raise
        except Exception as error:
            folder = await self._failed(step, error)
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            message = f"The step {name!r} failed: {first_line}"
            raise StepFailed(name, message, folder) from error
        if scope.cancelled_caught:
            message = f"The step {name!r} took longer than {timeout_s:g} s."
            folder = await self._failed(step, TimeoutError(message))
            raise StepTimedOut(name, message, folder)
        self._note(f"{name}: worked {step.detail}".rstrip())
        self._events.observe(StepWorked(name, step.detail))

    async def _failed(self, step: Step, error: Exception) -> str | None:
        self._note(f"{step.name}: {type(error).__name__}")
        return await self.write_diagnostics(step.name, error)

    async def write_diagnostics(self, step: str, error: BaseException | None = None) -> str | None:
        """Write a diagnostics bundle; return its folder relative to the bot's, or None."""
        folder = await self._diagnostics.write(step, error)
        if folder is not None:
            detail = type(error).__name__ if error is not None else ""
            self._events.observe(DiagnosticsWritten(step, folder, detail))
        return folder

    def tell_step(self, name: str, detail: str) -> None:
        """Tell that something worked that is no step with a deadline."""
        self._note(f"{name}: {detail}")
        self._events.observe(StepWorked(name, detail))

    def _note(self, text: str) -> None:
        self._log.note(text, trio.current_time())

    # --- life ---------------------------------------------------------------------------

    async def watch(self) -> None:
        """Watch over page and capture; to be run in the joiner's nursery. Never returns.

        Raises:
            PageGone: Page, browser or driver is lost; the subclass says which.
            Exception: What a message handler or `events` raised.
        """
        while True:
            with trio.move_on_after(WATCH_INTERVAL_S):
                await self._in_trouble.wait()
            if self._trouble is not None:
                raise self._trouble
            if self._in_trouble.is_set():
                raise await self._what_took_the_page()
            self.capture.check()

    async def _what_took_the_page(self) -> BrowserError:
        with trio.move_on_after(CRASH_EVIDENCE_S):
            return await self.browser.wait_lost()
        return PageGone("The page closed itself.", "Join again: that opens a new one.")

    async def storage_state(self) -> dict[str, Any]:
        """Return cookies and local storage, for the `storage_state` of a later page's settings.

        It holds whatever logs the page in: keep it as a secret is kept.
        """
        state: dict[str, Any] = dict(await self.call(self.context.storage_state))
        return state

    async def finish_capture(self) -> None:
        """Fetch what the page still holds of a block; to be called before the page is left."""
        from playwright.async_api import Error

        for frame in self.raw.frames:
            with suppress(Error, BrowserError):
                await self.call(frame.evaluate, _FLUSH, timeout_s=FLUSH_TIMEOUT_S)
        self._channel.drain()

    async def hear_web_audio(self, *, on: bool = True) -> None:
        """Hear what the documents play themselves (`web_audio="ready"`), or no longer."""
        from playwright.async_api import Error

        for frame in self.raw.frames:
            with suppress(Error, BrowserError):
                await self.call(frame.evaluate, _WEB_AUDIO, on, timeout_s=FLUSH_TIMEOUT_S)

    def record_with(self, screen: Screen | None, chosen: BrowserOptions) -> None:
        """Have the page recorded as video, from its own screen or else from its tab."""
        self.video = PageVideo(
            self._events,
            self.capture.sound_time,
            size=VIDEO_SIZES[chosen.video_size],
            frames_per_s=chosen.video_frames_per_s,
            screen=screen,
            ask_tab=self._ask_tab,
        )

    def begin_video(self) -> None:
        """Record from now on, where the page is recorded: the bot is in the call."""
        if self.video is not None:
            self.video.begin()

    async def _ask_tab(self, wanted: dict[str, int] | None) -> Any:
        from playwright.async_api import Error

        try:
            return await self.evaluate(_TAB_VIDEO, wanted, timeout_s=LOOK_TIMEOUT_S)
        except Error as error:
            return str(error).splitlines()[0]

    def _picture(self, document: int, data: Any, at_s: float | None) -> None:
        if self.video is not None:
            self.video.from_tab(document, data, at_s)

    async def _open(self, script: Callable[[str], str]) -> None:
        self.browser.listeners.append(self._closed)
        await self._channel.open(self.context, self.raw)
        await self.sync(self.raw.on, "crash", self._on_crash)
        await self.sync(self.raw.on, "close", self._on_close)
        await self.sync(self.raw.on, "dialog", self._on_dialog)
        await self.call(self.context.add_init_script, script=script(self._channel.binding))

    async def _close(self) -> None:
        """Close what is ours: the context, where the browser is somebody else's."""
        from playwright.async_api import Error

        self._closing = True
        self._is_gone()
        if self._closed in self.browser.listeners:
            self.browser.listeners.remove(self._closed)
        if self._in_own_browser:
            return
        with trio.CancelScope(shield=True), suppress(Error, BrowserError):
            await self.browser.aio.call(self.context.close, timeout_s=CLOSE_TIMEOUT_S)

    def _on_crash(self, _: Page) -> None:  # on the browser thread
        crash = PageCrashed("The page's process crashed.", "Join again: that opens a new page.")
        self.aio.to_trio(self._fail, crash)

    def _on_close(self, _: Page) -> None:  # on the browser thread
        self.aio.to_trio(self._closed)

    async def _on_dialog(self, dialog: Dialog) -> None:  # on the browser thread
        """Answer a dialog, or the page stands still: what only tells is confirmed, the rest not."""
        from playwright.async_api import Error

        told = f"{dialog.type}: {dialog.message[:DIALOG_CHARS]}"
        agreed = dialog.type in ("alert", "beforeunload")
        with suppress(Error):
            await (dialog.accept() if agreed else dialog.dismiss())
        self.aio.to_trio(self._saw_dialog, f"{told} ({'accepted' if agreed else 'dismissed'})")

    def _saw_dialog(self, told: str) -> None:
        self._note(f"dialog {told}")
        self._events.observe(StepWorked("dialog", told))

    def _closed(self) -> None:
        # Whether the page alone is gone or its browser with it is found out where it matters.
        self._is_gone()
        if not self._closing:
            self._in_trouble.set()

    def when_gone(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have something called when it is closed or lost; return what takes that back."""
        self._when_gone.append(callback)
        return lambda: self._when_gone.remove(callback)

    def _is_gone(self) -> None:
        self.gone.set()
        for callback in list(self._when_gone):
            callback()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, PageGone):
            self._is_gone()
        if self._trouble is None:
            self._trouble = error
        self._in_trouble.set()

    def _deliver(self, item: Handed) -> None:
        if self._trouble is not None and not isinstance(self._trouble, PageGone):
            return
        try:
            if not self.capture.take(item):
                self._told(item)
        except Exception as error:  # noqa: BLE001  (it has no caller here; `watch` raises it)
            self._fail(error)

    def _told(self, item: Handed) -> None:
        if not isinstance(item, PageMessage):
            return
        if handler := self._on_message.get(item.topic):
            handler(item.data)
        if timed := self._on_timed.get(item.topic):
            timed(item.data, self.capture.at_s(item))


async def _look(page: Page, controls: Sequence[Control]) -> Hit | None:
    """Ask once for the controls, in order. On the browser thread."""
    for control in controls:
        for rank, selector in enumerate(control.selectors):
            for place in _places(page, control):
                if (found := await _found(selector, place, control.presence)) is not None:
                    return Hit(control, selector, rank, found)
    return None


def _places(page: Page, control: Control) -> Sequence[Page | Frame | FrameLocator]:
    """Return where to look: in the frame that is named, or the page and its own frames."""
    if control.frame is not None:
        return [page.frame_locator(f"css={control.frame}")]
    origin = urlsplit(page.url)[:2]
    inner = (frame for frame in page.frames if frame.parent_frame is not None)
    own = [f for f in inner if urlsplit(f.url)[:2] == origin or f.url.startswith("about:")]
    return [page, *own]


async def _found(
    selector: Selector, place: Page | Frame | FrameLocator, presence: Presence
) -> Locator | None:
    from playwright.async_api import Error, Frame

    found = selector.locate(place)
    if presence == "visible":
        found = found.filter(visible=True)
    try:
        return found.first if await found.count() else None
    except Error:
        if isinstance(place, Frame) and place.is_detached():
            return None  # it went while it was looked into
        raise


@asynccontextmanager
async def open_page(
    request: CallRequest,
    events: CallEvents,
    *,
    options: LaunchOptions | None = None,
    whose: Callable[[RemoteTrack], TrackAppeared | None] = by_track,
    scripts: Sequence[Path | str] = (),
    on_message: Mapping[str, Callable[[Any], None]] | None = None,
    on_timed: Mapping[str, Callable[[Any, float | None], None]] | None = None,
    capture: CaptureOptions | None = DEFAULT_CAPTURE,
    permissions: Sequence[str] = (),
    browser: Browser | None = None,
    settings: PageSettings | None = None,
    on_source: Callable[[SourceHeard], None] | None = None,
    devices: bool = False,
) -> AsyncIterator[BotPage]:
    """Open a page for a bot, with the capture in it; on exit nothing of it remains.

    Args:
        request: What the platform was asked for.
        events: Takes chunks, losses and signals.
        options: How to launch the browser; `headed` in `[plugins.browser]` makes it visible in any
            case.
        whose: Says whom a remote track belongs to; None leaves that track out.
        scripts: Files or texts of JavaScript to run in every document, with `meetcore.tell`.
        on_message: Takes what those told, by topic, on the Trio thread.
        on_timed: The same, with the time of the telling in seconds on the call's sound clock; None
            before that clock runs.
        capture: How to capture audio, None not to.
        permissions: What the page may use without asking, in Playwright's names.
        browser: A browser that is open already; by default the page gets one of its own.
        settings: What the page takes itself to be in: language, time zone, window, a session.
        on_source: Takes which sources are heard on a track, with `contributing_sources` of the
            capture.
        devices: Whether the page gets a microphone and a camera of the bot's own, in place of any
            of this machine.

    Raises:
        ChromiumMissing: There is none on this machine.
        ChromiumFailed: It did not start.
        NoDisplay: It should be visible, but there is no display.
    """
    options, chosen = options or LaunchOptions(), browser_options(request.plugins)
    own = browser is None
    async with AsyncExitStack() as stack:
        settings = settings or PageSettings()
        screen: Screen | None = None
        if request.video:
            width, height = VIDEO_SIZES[chosen.video_size]
            settings = evolve(settings, width=width, height=height)
        if browser is None:
            launch = evolve(options, headed=options.headed or chosen.headed)
            if request.video and not launch.headed:
                screen = await stack.enter_async_context(own_screen(settings, events))
            if request.video:
                launch = launch_on(screen, launch)
            browser = await stack.enter_async_context(open_browser(launch))
        context = await browser.call(
            browser.raw.new_context,
            bypass_csp=True,
            permissions=list(permissions),
            **settings.for_context(fills_screen=screen is not None),
        )
        try:
            raw = await browser.call(context.new_page)
        except BaseException:
            with trio.CancelScope(shield=True), suppress(BrowserError):
                await browser.aio.call(context.close, timeout_s=CLOSE_TIMEOUT_S)
            raise
        page = BotPage(
            browser,
            context,
            raw,
            request,
            events,
            whose,
            on_message or {},
            {} if on_timed is None else on_timed,  # may be filled later
            capture,
            on_source,
        )
        page._in_own_browser = own
        if request.video:
            page.record_with(screen, chosen)
        try:
            script = partial(
                page_script,
                capture=capture,
                incoming_video=chosen.incoming_video or request.video,
                tab_video=request.video and screen is None,
                share=request.video and chosen.share,
                devices=devices,
                scripts=scripts,
            )
            await page._open(script)
            if screen is not None:
                await fill_screen(browser, context, raw, settings)
            async with AsyncExitStack() as before_closing:
                if page.video is not None:
                    recording = await before_closing.enter_async_context(open_plain_nursery())
                    before_closing.callback(recording.cancel_scope.cancel)
                    recording.start_soon(page.video.run)
                if devices:
                    hosts = PageHosts.listed(chosen.page_hosts, request.private_targets)
                    await before_closing.enter_async_context(open_page_camera(page, hosts))
                if chosen.trace:
                    told = partial(page.tell_step, "trace")
                    trace = kept_trace(browser, context, request.folder, told)
                    await before_closing.enter_async_context(trace)
                yield page
        finally:
            await page._close()
