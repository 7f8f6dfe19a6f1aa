"""A bot as a guest of the rehearsal site, through the site's own page in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trio
from playwright.async_api import Error as PlaywrightError

from meetcore import (
    CallEvents,
    CallRequest,
    CommandFailed,
    EndReason,
    MeetingLink,
    Participant,
    RecipientRefused,
    SpeechOutput,
    TrackAppeared,
)
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.capture import RemoteTrack
from meetcore_browser.errors import BrowserError, SelectorMissed, StepFailed
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.options import browser_options
from meetcore_browser.pictures import picture_facts
from meetcore_browser.seen_page import CallWithPage
from meetcore_browser.selectors import SelectorPack
from meetcore_rehearsal.cast import MEDIA_FEATURES_OFF, MEDIA_SWITCHES
from meetcore_rehearsal.observed import RoomObserver

__all__ = ["RehearsalCall", "open_rehearsal_call"]

HERE = Path(__file__).parent
CONTROLS = SelectorPack.load(HERE / "controls.toml")
CHAT_TIMEOUT_S = 8.0
LEAVE_TIMEOUT_S = 5.0
STEP_TIMEOUT_S = 20.0
SWITCH_TIMEOUT_S = 5.0
VIEW_TRIES = 5
VIEW_AGAIN_S = 2.0
_REFUSED = "net::ERR_CONNECTION_REFUSED"
_CHOOSE = """(select, id) => {
  select.value = id;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  return select.value === id;
}"""


class RehearsalCall(CallWithPage):
    """The bot's presence in a rehearsal room."""

    platform_name = "rehearsal"

    def __init__(self, page: BotPage, observer: RoomObserver) -> None:
        self._page = page
        self._observer = observer
        self._chatting = trio.Lock()

    def page_now(self) -> BotPage:
        """Return the page."""
        return self._page

    async def send_chat(self, text: str) -> None:
        """Type a message into the chat panel and see it appear there."""
        await self._write(text, None)

    async def send_direct_chat(self, text: str, to: Participant) -> None:
        """Choose whom it is for, type a message and see it appear."""
        await self._write(text, to)

    async def _write(self, text: str, to: Participant | None) -> None:
        wanted = (" ".join(text.split()), None if to is None else to.id)
        if not self._observer.inside:
            raise CommandFailed("A chat message can be sent only while the bot is in the call.")
        async with self._chatting:
            before = self._observer.own_texts.count(wanted)
            try:
                await self._type(*wanted)
            except RecipientRefused:
                raise
            except (BrowserError, PlaywrightError) as error:
                raise CommandFailed(f"The chat could not be used: {error}") from error
            with trio.move_on_after(CHAT_TIMEOUT_S):
                while self._observer.own_texts.count(wanted) == before:
                    await self._observer.changed()
                return
            raise CommandFailed(f"The message did not appear within {CHAT_TIMEOUT_S:g} s.")

    async def _type(self, text: str, to_id: str | None) -> None:
        page = self._page
        try:
            field = await page.find(CONTROLS["chat_field"], timeout_s=0)
        except SelectorMissed:
            await page.click(await page.find(CONTROLS["chat_button"]))
            field = await page.find(CONTROLS["chat_field"])
        receiver = await page.find(CONTROLS["chat_receiver"])
        chosen = await page.call(receiver.locator.evaluate, _CHOOSE, to_id or "")
        if not chosen:
            raise RecipientRefused("They have left: the page offers nobody of that id any more.")
        await page.fill(field, text)
        await page.click(await page.find(CONTROLS["send_button"]))

    @asynccontextmanager
    async def open_speech(self, sample_rate_hz: int) -> AsyncIterator[SpeechOutput]:
        """Unmute the bot, and speak into its page's microphone; it stays unmuted afterwards."""
        await self._switch_on("microphone")
        async with self._page.devices.open_speech(sample_rate_hz) as output:
            yield output

    async def show_image(self, image: bytes, media_type: str) -> None:
        """Show a picture as the bot's camera, and switch that on."""
        picture_facts(image)  # what cannot be shown switches nothing on
        await self._switch_on("camera")
        await self._page.devices.show_picture(image)

    async def show_page(self, url: str) -> None:
        """Show a web page as the bot's camera, and switch that on."""
        self._page.devices.check_page(url)
        await self._switch_on("camera")
        await self._page.devices.show_page(url)

    async def hide_picture(self) -> None:
        """Switch the bot's camera off, and show nothing any more."""
        self._check_inside("camera")
        page = self._page
        try:
            hit = await page.first_of([CONTROLS["camera_on"], CONTROLS["camera_off"]])
            if hit.control.name == "camera_on":
                await page.click(hit)
                await page.find(CONTROLS["camera_off"], SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            raise CommandFailed(f"The camera could not be switched off: {error}") from error
        finally:
            await page.devices.hide_picture()

    async def share_image(self, image: bytes, media_type: str) -> None:
        """Share a picture as the bot's screen."""
        picture_facts(image)  # what cannot be shown switches nothing on
        self._check_inside("screen")
        await self._page.devices.share_picture(image)
        await self._share()

    async def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen."""
        self._page.devices.check_page(url)
        self._check_inside("screen")
        await self._page.devices.share_page(url)
        await self._share()

    async def _share(self) -> None:
        """Have the room take the bot's screen, unless it has it already."""
        devices = self._page.devices
        try:
            if not await devices.shares():
                await self._page.click(await self._page.find(CONTROLS["share_off"]))
                await self._page.find(CONTROLS["share_on"], SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            await devices.stop_sharing()
            raise CommandFailed(f"The screen could not be shared: {error}") from error

    async def stop_sharing(self) -> None:
        """Share no screen any more."""
        self._check_inside("screen")
        devices = self._page.devices
        try:
            if await devices.shares():
                await self._page.click(await self._page.find(CONTROLS["share_on"]))
                await self._page.find(CONTROLS["share_off"], SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            raise CommandFailed(f"The room did not end the share: {error}") from error
        finally:
            await devices.stop_sharing()

    def _check_inside(self, device: str) -> None:
        if not self._observer.inside:
            raise CommandFailed(f"The {device} can be used only while the bot is in the call.")

    async def _switch_on(self, device: str) -> None:
        self._check_inside(device)
        page = self._page
        try:
            hit = await page.first_of([CONTROLS[f"{device}_on"], CONTROLS[f"{device}_off"]])
            if hit.control.name == f"{device}_off":
                await page.click(hit)
                await page.find(CONTROLS[f"{device}_on"], SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            raise CommandFailed(f"The {device} could not be switched on: {error}") from error

    async def leave(self) -> None:
        """Press the button a person would press, and see the page say good-bye."""
        page, observer = self._page, self._observer
        if observer.over is not None:  # the last block that the page holds belongs to the meeting
            with trio.move_on_after(LEAVE_TIMEOUT_S):
                await page.finish_capture()
            return
        observer.leaving = True
        with suppress(BrowserError, PlaywrightError):
            if observer.inside:
                await page.finish_capture()
                await page.click(await page.find(CONTROLS["leave_button"], LEAVE_TIMEOUT_S))
            elif observer.state.name == "waiting":
                await page.click(await page.find(CONTROLS["stop_waiting_button"], LEAVE_TIMEOUT_S))
            else:
                return
            await page.find(CONTROLS["left_page"], LEAVE_TIMEOUT_S)


@asynccontextmanager
async def open_rehearsal_call(
    link: MeetingLink,
    request: CallRequest,
    events: CallEvents,
    *,
    browser: Browser | None = None,
) -> AsyncIterator[RehearsalCall]:
    """Begin to join as a guest; knocking, admission and the end come as signals.

    Args:
        link: The room.
        request: What the platform was asked for.
        events: Takes signals and sound.
        browser: A browser that is open already; by default the bot gets one of its own.

    Raises:
        ChromiumMissing: There is no Chromium on this machine.
        PageGone: Page, browser or driver broke off.
    """
    observer = RoomObserver(events.observe, lambda: page.begin_video())

    def whose(track: RemoteTrack) -> TrackAppeared:
        return observer.track_of(track.track_id, track.stream_ids)

    options = LaunchOptions(disabled_features=MEDIA_FEATURES_OFF, arguments=MEDIA_SWITCHES)
    async with (
        open_page(
            request,
            events,
            options=options,
            browser=browser,
            whose=whose,
            devices=True,
            scripts=[HERE / "page" / "observer.js"],
            on_message={
                "state": observer.on_state,
                "roster": observer.on_roster,
                "chat": observer.on_chat,
                "shares": observer.on_shares,
            },
        ) as page,
        open_plain_nursery() as nursery,
    ):
        nursery.start_soon(page.watch)
        nursery.start_soon(_join, page, observer, link, request)
        view = browser_options(request.plugins).video_view
        if request.video and view is not None:
            nursery.start_soon(_choose_view, page, observer, view)
        yield RehearsalCall(page, observer)
        nursery.cancel_scope.cancel()


async def _join(
    page: BotPage, observer: RoomObserver, link: MeetingLink, request: CallRequest
) -> None:
    """Go from the link to the lobby; the observer sees what comes of it."""
    try:
        with trio.fail_after(request.join_timeout_s):
            await _knock(page, observer, link, request)
    except StepFailed as error:
        detail = _nobody_there(link.url) if _REFUSED in str(error) else str(error)
        observer.end(EndReason.CLIENT_NEVER_LOADED, "step_failed", detail)
    except SelectorMissed as error:
        observer.end(EndReason.CLIENT_NEVER_LOADED, "control_missing", str(error))
    except trio.TooSlowError:
        await page.write_diagnostics("join")
        detail = f"the page was not through within {request.join_timeout_s:g} s"
        observer.end(EndReason.CLIENT_NEVER_LOADED, "join_timeout", detail)


def _nobody_there(url: str) -> str:
    parts = urlsplit(url)
    place = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return f"nobody answers at {place}: is `meetcore rehearse` running?"


async def _choose_view(page: BotPage, observer: RoomObserver, view: str) -> None:
    """Have the room show whom a recording is to show, once the bot is in it."""
    while not observer.inside:
        await observer.changed()
    views = [CONTROLS["gallery_view"], CONTROLS["speaker_view"]]
    try:
        for _ in range(VIEW_TRIES):
            hit = await page.first_of(views, timeout_s=SWITCH_TIMEOUT_S)
            if hit.control.name == f"{view}_view":
                page.tell_step(f"{view} view", hit.describe())
                return
            await page.click(hit)
            with suppress(SelectorMissed):  # a click in the page's first moment may be lost
                await page.find(CONTROLS[f"{view}_view"], VIEW_AGAIN_S)
    except (BrowserError, PlaywrightError) as error:
        page.tell_step(f"{view} view", f"cannot be chosen: {error}")
    else:
        page.tell_step(f"{view} view", "cannot be chosen: the button does nothing")


async def _knock(
    page: BotPage, observer: RoomObserver, link: MeetingLink, request: CallRequest
) -> None:
    async with page.step("open the meeting", timeout_s=request.join_timeout_s):
        marks = "bot=1&video=1" if request.video else "bot=1"  # the room marks bots
        await page.goto(f"{link.url}#{marks}", timeout_s=STEP_TIMEOUT_S)
    async with page.step("find the green room", timeout_s=STEP_TIMEOUT_S) as step:
        controls = [CONTROLS[name] for name in ("missing_page", "over_page", "name_field")]
        hit = await page.first_of(controls, timeout_s=STEP_TIMEOUT_S)
        step.note(hit.describe())
    if hit.control.name != "name_field":
        return  # the observer has told what this page says
    async with page.step("fill in the name", timeout_s=STEP_TIMEOUT_S):
        await page.fill(hit, request.display_name)
    if not await _give_passcode(page, observer, link):
        return
    async with page.step("switch microphone and camera off", timeout_s=STEP_TIMEOUT_S):
        for device in ("microphone", "camera"):
            await page.click(await page.find(CONTROLS[f"preview_{device}_on"], STEP_TIMEOUT_S))
    async with page.step("press join", timeout_s=STEP_TIMEOUT_S) as step:
        button = await page.find(CONTROLS["join_button"])
        await page.click(button)
        step.note(button.describe())
    async with page.step("reach the lobby", timeout_s=STEP_TIMEOUT_S) as step:
        while observer.state.name == "before":
            await observer.changed()
        step.note(observer.state.name)


async def _give_passcode(page: BotPage, observer: RoomObserver, link: MeetingLink) -> bool:
    try:
        field = await page.find(CONTROLS["passcode_field"], timeout_s=0)
    except SelectorMissed:
        return True
    if link.passcode is None:
        observer.end(
            EndReason.WRONG_PASSCODE, "passcode_asked", "the room asks for a passcode; none given"
        )
        return False
    async with page.step("fill in the passcode", timeout_s=STEP_TIMEOUT_S):
        await page.fill(field, link.passcode)
    return True
