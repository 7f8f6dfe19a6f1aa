"""The host's side of the bot's own microphone, camera and screen in a page (page/devices.js).

A speech goes to the document that asked for a microphone, at 48 kHz, a piece at a time; the page
says how much it has played. A picture goes to the documents that asked for a camera. What is to be
shared is ready in every document before one of them asks for a screen.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
import trio

from meetcore import CommandFailed, SpeechOutput
from meetcore_browser.errors import BrowserError
from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.pictures import PictureFacts, picture_facts

if TYPE_CHECKING:
    from playwright.async_api import Frame

    from meetcore_browser.bot_page import BotPage
    from meetcore_browser.page_camera import PageCamera

__all__ = ["PICTURE_SIZE", "SCREEN_SIZE", "SPEECH_RATE_HZ", "PageDevices", "PageSpeech"]

SPEECH_RATE_HZ = 48_000
"""The rate of the page's microphone: what WebRTC's Opus works at."""
PICTURE_SIZE = (1280, 720)
"""Width and height of the page's camera, in pixels."""
SCREEN_SIZE = (1920, 1080)
"""Width and height of the bot's screen, in pixels: text on it is to be read."""

LEAD_S = 0.4
"""How much may wait in the page: more would be late when it is interrupted, less would run dry."""
CALL_TIMEOUT_S = 5.0
GRACE_S = 1.0
"""How long a document may take longer than the first that did what all were asked for."""

_BEGIN = "() => window[Symbol.for('meetcore')]?.beginSpeech?.() ?? null"
_SPEAK = "(pcm) => window[Symbol.for('meetcore')].speak(pcm)"
_STATE = "() => window[Symbol.for('meetcore')].speechState()"
_STOP = "() => window[Symbol.for('meetcore')].stopSpeech()"
_HIDE = "() => window[Symbol.for('meetcore')]?.hidePicture?.() ?? null"
_SHARE = "(picture) => window[Symbol.for('meetcore')]?.sharePicture?.(picture) ?? null"
_SHARES = "() => window[Symbol.for('meetcore')]?.shares?.() ?? null"
_STOP_SHARING = "() => window[Symbol.for('meetcore')]?.stopSharing?.() ?? null"
_SHOW = "(picture) => window[Symbol.for('meetcore')]?.showPicture?.(picture) ?? null"


class PageSpeech(SpeechOutput):
    """One speech on its way into a page's microphone.

    Args:
        ask: Evaluates an expression with an argument in the document that has the microphone.
        sample_rate_hz: The rate of what is written.
    """

    def __init__(self, ask: Callable[[str, Any], Awaitable[Any]], sample_rate_hz: int) -> None:
        self._ask = ask
        self._resampler = soxr.ResampleStream(
            sample_rate_hz, SPEECH_RATE_HZ, 1, dtype="int16", quality="HQ"
        )
        self._played = 0
        self._waiting = 0
        self._asked_at = trio.current_time()
        self._ended = False

    async def write(self, pcm: bytes) -> None:
        """Take the next piece; wait while much is still to be played."""
        await self._send(self._resampler.resample_chunk(np.frombuffer(pcm, "<i2")))
        await trio.sleep(self._left_s - LEAD_S if self._left_s > LEAD_S else 0)

    async def drain(self) -> None:
        """Return when all was played."""
        await self._finish()
        while self._left_s > 0:
            await trio.sleep(self._left_s)
            await self._learn(_STATE)

    async def _finish(self) -> None:
        if not self._ended:
            self._ended = True
            await self._send(self._resampler.resample_chunk(np.zeros(0, np.int16), last=True))

    async def stop(self) -> None:
        """Be silent at once."""
        self._ended = True
        await self._learn(_STOP)

    @property
    def played_s(self) -> float:
        """How many seconds were played: what the page said last, and the time since."""
        since = round((trio.current_time() - self._asked_at) * SPEECH_RATE_HZ)
        return (self._played + min(self._waiting, max(0, since))) / SPEECH_RATE_HZ

    @property
    def silent(self) -> bool:
        """Whether nothing is to be played any more, as far as is known here."""
        return self._left_s == 0

    @property
    def _left_s(self) -> float:
        gone_s = trio.current_time() - self._asked_at
        return max(0.0, self._waiting / SPEECH_RATE_HZ - gone_s)

    async def _send(self, pcm: Any) -> None:
        if len(pcm):
            await self._learn(_SPEAK, base64.b64encode(pcm.astype("<i2").tobytes()).decode())

    async def _learn(self, expression: str, argument: Any = None) -> None:
        state = await self._ask(expression, argument)
        self._played, self._waiting = int(state["played"]), int(state["waiting"])
        self._asked_at = trio.current_time()


class PageDevices:
    """Speaks, shows pictures and shares a screen in one page.

    Attributes:
        page_camera: Shows web pages as the camera; None where the page has no devices of the bot's.
        page_screen: Shows web pages on the screen, likewise.
    """

    def __init__(self, page: BotPage) -> None:
        self._page = page
        self.page_camera: PageCamera | None = None
        self.page_screen: PageCamera | None = None

    @asynccontextmanager
    async def open_speech(self, sample_rate_hz: int) -> AsyncIterator[PageSpeech]:
        """Open the microphone for one speech; on exit nothing more of it is played.

        Raises:
            CommandFailed: The page has asked for no microphone, or does not answer.
        """
        frame = await self._with_microphone()

        async def ask(expression: str, argument: Any) -> Any:
            return await self._evaluate(frame, expression, argument)

        output = PageSpeech(ask, sample_rate_hz)
        try:
            yield output
        finally:
            if not output.silent:
                with trio.CancelScope(shield=True), suppress(CommandFailed):
                    await output.stop()

    async def show_picture(self, image: bytes) -> PictureFacts:
        """Show a picture as the page's camera; return what it is.

        Raises:
            CommandRefused: It is no picture, or too large.
            CommandFailed: The page has asked for no camera, or cannot decode it.
        """
        facts = picture_facts(image)
        if self.page_camera is not None:
            await self.page_camera.stop()
        await self.draw(image)
        return facts

    def check_page(self, url: str) -> None:
        """See whether a web page may be shown, before anything is switched on for it.

        Raises:
            CommandRefused: It may not.
        """
        _there(self.page_camera).hosts.check(url)

    async def show_page(self, url: str) -> None:
        """Show a web page as the page's camera, from its first picture on, until it is hidden.

        Raises:
            CommandRefused: It may not be shown.
            CommandFailed: It does not load, or the page has asked for no camera.
        """
        await _there(self.page_camera).show(url)

    async def hide_picture(self) -> None:
        """Show nothing any more: neither a picture nor a web page.

        Raises:
            CommandFailed: The page has asked for no camera.
        """
        if self.page_camera is not None:
            await self.page_camera.stop()
        if not await self._everywhere(_HIDE):
            raise CommandFailed("The page has not opened the bot's camera.")

    async def draw(self, image: bytes) -> None:
        """Have the page's camera see a picture, whatever else is shown.

        Raises:
            CommandRefused, CommandFailed: As for `show_picture`.
        """
        if not await self._give(_SHOW, image):
            raise CommandFailed("The page has not opened the bot's camera.")

    # --- the screen ---------------------------------------------------------------------------

    async def share_picture(self, image: bytes) -> PictureFacts:
        """Have a picture on the screen, which the page may ask for from now on.

        Raises:
            CommandRefused: It is no picture, or too large.
            CommandFailed: The page cannot decode it, or has no devices of the bot's own.
        """
        facts = picture_facts(image)
        if self.page_screen is not None:
            await self.page_screen.stop()
        await self.draw_screen(image)
        return facts

    async def share_page(self, url: str) -> None:
        """Have a web page on the screen, from its first picture on.

        Raises:
            CommandRefused: It may not be shown.
            CommandFailed: It does not load, or the page has no devices of the bot's own.
        """
        await _there(self.page_screen).show(url)

    async def draw_screen(self, image: bytes) -> None:
        """Have a picture on the screen, whatever else is shared.

        Raises:
            CommandRefused, CommandFailed: As for `share_picture`.
        """
        if not await self._give(_SHARE, image):
            raise CommandFailed("This page was opened without devices of the bot's own.")

    async def shares(self) -> bool:
        """Return whether the page has the bot's screen now.

        Raises:
            CommandFailed: It does not answer.
        """
        return await self._everywhere(_SHARES)

    async def stop_sharing(self) -> None:
        """Have nothing on the screen, and end what the page still has of it.

        Raises:
            CommandFailed: The page does not answer.
        """
        if self.page_screen is not None:
            await self.page_screen.stop()
        await self._everywhere(_STOP_SHARING)

    async def _give(self, expression: str, image: bytes) -> bool:
        """Give every document a picture; return whether one took it.

        Raises:
            CommandFailed: None took it, and one that might have cannot.
        """
        facts = picture_facts(image)
        given = [base64.b64encode(image).decode(), facts.media_type]
        return await self._everywhere(expression, given)

    async def _everywhere(self, expression: str, argument: Any = None) -> bool:
        """Evaluate in all documents at once; return whether one of them did it.

        Frames come and go, and one that hangs holds up nobody: where one did it, the others have
        `GRACE_S` to do it, too.

        Raises:
            CommandFailed: None did it, and one of them does not answer, or could not.
        """
        troubles: list[CommandFailed] = []
        done = False

        async def evaluate(frame: Frame) -> None:
            nonlocal done
            try:
                answer = await self._evaluate(frame, expression, argument)
            except CommandFailed as error:
                if not frame.is_detached():
                    troubles.append(error)
                return
            if answer and not done:
                done = True
                nursery.cancel_scope.deadline = trio.current_time() + GRACE_S

        async with open_plain_nursery() as nursery:
            for frame in self._page.raw.frames:
                nursery.start_soon(evaluate, frame)
        if troubles and not done:
            raise troubles[0]
        return done

    async def _with_microphone(self) -> Frame:
        trouble: CommandFailed | None = None
        for frame in self._page.raw.frames:
            try:
                if await self._evaluate(frame, _BEGIN) is not None:
                    return frame
            except CommandFailed as error:
                if not frame.is_detached():
                    trouble = trouble or error
        raise trouble or CommandFailed("The page has not opened the bot's microphone.")

    async def _evaluate(self, frame: Frame, expression: str, argument: Any = None) -> Any:
        from playwright.async_api import Error

        try:
            return await self._page.call(
                frame.evaluate, expression, argument, timeout_s=CALL_TIMEOUT_S
            )
        except BrowserError as error:
            raise CommandFailed(f"The page does not answer: {error.message}") from error
        except Error as error:
            words = str(error).splitlines()[0].removeprefix("Frame.evaluate: ")
            raise CommandFailed(f"The page could not do it: {words}") from error


def _there(shown: PageCamera | None) -> PageCamera:
    if shown is None:
        raise CommandFailed("This page was opened without devices of the bot's own.")
    return shown
