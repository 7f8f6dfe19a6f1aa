"""A page that is read by a selector pack, and touched only where the pack lets it be touched."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio
from attrs import define, field

from meetcore_browser.bot_page import BotPage
from meetcore_browser.errors import BrowserError, ClickForbidden, SelectorMissed
from meetcore_browser.guest.look import Found, PageLook, look_of, merge_looks
from meetcore_browser.selectors import SelectorPack

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Frame

__all__ = ["GuestPage"]

LOOK_TIMEOUT_S = 8.0
INPUT_TIMEOUT_S = 8.0
POLL_S = 0.25

_LOOK = "() => window[Symbol.for('meetcore')]?.look?.() ?? null"
_FIND = "(name) => window[Symbol.for('meetcore')]?.find?.(name) ?? null"
_FORBIDDEN = "(element) => window[Symbol.for('meetcore')].forbidden(element)"
_PRESS = "(element) => window[Symbol.for('meetcore')].press(element)"
_COMMAND = (
    "([name, value]) => { const all = window[Symbol.for('meetcore')];"
    " return Promise.all(all?.[name] ? [all[name](value)] : []); }"
)
_CHECKED = "(e) => e.checked === true || e.getAttribute('aria-checked') === 'true'"
_OBSERVE = "(on) => window[Symbol.for('meetcore')]?.observe?.(on)"
_READ_NOW = "(topic) => window[Symbol.for('meetcore')]?.readNow?.(topic) ?? null"


@define
class GuestPage:
    """A bot's page with the reader in it. Made by `open_guest_page`.

    Attributes:
        page: The page itself.
        pack: What is looked for.
        ranks: The worst rank at which each control was found so far, for the record of decay.
    """

    page: BotPage
    pack: SelectorPack
    ranks: dict[str, int] = field(factory=dict)

    # --- looking ------------------------------------------------------------------------

    async def look(self) -> PageLook:
        """Look at the page and its own frames once.

        Raises:
            PageGone: Page, browser or driver is lost.
            CallTimedOut: The page does not answer.
        """
        looks = []
        for frame in await self._frames():
            raw = await self._in_frame(frame, _LOOK)
            if raw is not None:
                looks.append(look_of(raw))
        look = merge_looks(looks)
        for found in look.found.values():
            self.ranks[found.control] = max(found.rank, self.ranks.get(found.control, 0))
        return look

    async def read_now(self, topic: str) -> Any:
        """Return what one of the platform's readers sees now, of `people`, `chat`, `captions`."""
        for frame in await self._frames():
            if (seen := await self._in_frame(frame, _READ_NOW, topic)) is not None:
                return seen
        return None

    async def command(self, name: str, argument: Any = None, timeout_s: float = 10.0) -> Any:
        """Call what a script of ours offers, in each of the page's frames that has it.

        Return what the first of them returns that returns something; a sentence that says so
        where none has it.
        """
        from playwright.async_api import Error

        answers: list[Any] = []
        for frame in await self._frames():
            with suppress(Error):
                said = await self.page.call(
                    frame.evaluate, _COMMAND, [name, argument], timeout_s=timeout_s
                )
                answers += said
        said_something = [answer for answer in answers if answer is not None]
        if answers:
            return said_something[0] if said_something else None
        return f"no script of this page offers {name}"

    async def observe(self, *, on: bool) -> None:
        """Have the readers tell whenever what they see changes, or no longer."""
        for frame in await self._frames():
            await self._in_frame(frame, _OBSERVE, on)

    async def _frames(self) -> list[Frame]:
        """Return the page's frame and those of its own origin: no other page speaks for it."""

        def own() -> list[Frame]:
            main = self.page.raw.main_frame
            origin = urlsplit(main.url)[:2]
            inner = [f for f in self.page.raw.frames if f is not main]
            return [
                main,
                *(f for f in inner if urlsplit(f.url)[:2] == origin or f.url.startswith("about:")),
            ]

        return await self.page.sync(own)

    async def _in_frame(self, frame: Frame, script: str, argument: Any = None) -> Any:
        """Evaluate in a frame; None where it navigates or is gone just now."""
        from playwright.async_api import Error

        try:
            return await self.page.call(frame.evaluate, script, argument, timeout_s=LOOK_TIMEOUT_S)
        except Error as error:
            if _passing(error):
                return None
            raise

    async def wait_for(self, *names: str, timeout_s: float = 10.0) -> Found:
        """Wait until one of several controls is there; of several, the first named counts.

        Raises:
            SelectorMissed: None was there in time.
        """
        deadline = trio.current_time() + timeout_s
        while True:
            look = await self.look()
            for name in names:
                if name in look.found:
                    return look.found[name]
            left_s = deadline - trio.current_time()
            if left_s <= 0:
                tried = [f"{name}: {how}" for name in names for how in self.pack[name].tried]
                raise SelectorMissed(" or ".join(names), tuple(tried), timeout_s)
            await trio.sleep(min(POLL_S, left_s))

    async def until_gone(self, name: str, timeout_s: float = 3.0) -> bool:
        """Wait until a control is there no more; return whether it is gone, in time.

        After a button that leaves: what the client still has to say to its service is said before
        the page is closed.
        """
        with trio.move_on_after(timeout_s):
            while name in (await self.look()).found:  # noqa: ASYNC110  a page tells nobody
                await trio.sleep(POLL_S)
            return True
        return False

    # --- touching -----------------------------------------------------------------------

    async def click(self, name: str, timeout_s: float = INPUT_TIMEOUT_S) -> Found:
        """Click a control with the trust that a real mouse has.

        Raises:
            SelectorMissed: It is not there.
            ClickForbidden: It is on the pack's list of what is never clicked.
        """
        element, found = await self._element(name)
        said = await self.page.call(element.evaluate, _FORBIDDEN, timeout_s=LOOK_TIMEOUT_S)
        if said is not None:
            raise ClickForbidden(name, str(said))
        await self.page.hands.act(
            element.click, timeout=timeout_s * 1000, timeout_s=timeout_s + 1.0
        )
        return found

    async def press(self, name: str) -> Found:
        """Click a control that is covered or hides itself, from within the page.

        Raises:
            SelectorMissed: It is not there.
            ClickForbidden: It is on the pack's list of what is never clicked.
        """
        element, found = await self._element(name)
        said = await self.page.call(element.evaluate, _PRESS, timeout_s=LOOK_TIMEOUT_S)
        if said is not None:
            raise ClickForbidden(name, str(said))
        return found

    async def fill(self, name: str, text: str) -> Found:
        """Put text into a field, in place of what stands there."""
        element, found = await self._element(name)
        ms = INPUT_TIMEOUT_S * 1000
        await self.page.hands.act(element.fill, text, timeout=ms, timeout_s=INPUT_TIMEOUT_S + 1.0)
        return found

    async def type(self, name: str, text: str) -> Found:
        """Type text key by key, for fields that listen to keys."""
        element, found = await self._element(name)
        ms = INPUT_TIMEOUT_S * 1000
        await self.page.hands.act(element.fill, "", timeout=ms, timeout_s=INPUT_TIMEOUT_S + 1.0)
        await self.page.hands.act(element.type, text, timeout=ms, timeout_s=INPUT_TIMEOUT_S + 1.0)
        return found

    async def key(self, name: str, key: str) -> Found:
        """Press a key in a control: `Enter`."""
        element, found = await self._element(name)
        ms = INPUT_TIMEOUT_S * 1000
        await self.page.hands.act(element.press, key, timeout=ms, timeout_s=INPUT_TIMEOUT_S + 1.0)
        return found

    async def attribute(self, name: str, attribute: str) -> str | None:
        """Return an attribute of a control, None where it or the control is missing."""
        with suppress(SelectorMissed):
            element, _ = await self._element(name)
            value: str | None = await self.page.call(
                element.get_attribute, attribute, timeout_s=LOOK_TIMEOUT_S
            )
            return value
        return None

    async def value(self, name: str) -> str | None:
        """Return what stands in a field, None where it is missing."""
        with suppress(SelectorMissed):
            element, _ = await self._element(name)
            return await self.page.call(element.input_value, timeout_s=LOOK_TIMEOUT_S)
        return None

    async def checked(self, name: str) -> bool:
        """Whether a switch or a choice is on."""
        with suppress(SelectorMissed):
            element, _ = await self._element(name)
            on = await self.page.call(element.evaluate, _CHECKED, timeout_s=LOOK_TIMEOUT_S)
            return on is True
        return False

    async def move_mouse(self) -> None:
        """Move the mouse over the page, so that a toolbar that hides itself comes back."""
        for at in ((400, 300), (420, 320)):
            with suppress(BrowserError):
                await self.page.hands.act(self.page.raw.mouse.move, *at, timeout_s=LOOK_TIMEOUT_S)

    async def _element(self, name: str) -> tuple[ElementHandle, Found]:
        from playwright.async_api import Error

        for frame in await self._frames():
            try:
                handle = await self.page.call(
                    frame.evaluate_handle, _FIND, name, timeout_s=LOOK_TIMEOUT_S
                )
            except Error as error:
                if _passing(error):
                    continue
                raise
            element = handle.as_element()
            if element is not None:
                raw = await self._in_frame(frame, _LOOK)
                found = look_of(raw).found.get(name) or Found(name, 0)
                return element, found
        raise SelectorMissed(name, self.pack[name].tried, 0)


def _passing(error: Exception) -> bool:
    """Whether an error only says that the document changed under the question."""
    text = str(error)
    return any(
        said in text
        for said in (
            "Execution context was destroyed",
            "Frame was detached",
            "frame was detached",
            "Cannot find context",
            "because of a navigation",
        )
    )
