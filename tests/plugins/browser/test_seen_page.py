"""A page in a real Chromium, photographed, looked at, and taken in hand."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
import trio

from meetcore import (
    CommandFailed,
    CommandRefused,
    KeyInput,
    MouseInput,
    PagePicture,
    PictureFormat,
    TextInput,
)
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.seen_page import (
    MOST_PICTURES_PER_S,
    ChromiumView,
    open_chromium_view,
    take_screenshot,
)
from meetcore_browser.testing import KeepingCallEvents, PageSite

from .conftest import MakeRequest

pytestmark = pytest.mark.browser

OpenForm = Callable[[], AbstractAsyncContextManager[BotPage]]
BLUE = (0, 0, 255)


@pytest.fixture
def form(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: MakeRequest
) -> OpenForm:
    @asynccontextmanager
    async def opened() -> AsyncIterator[BotPage]:
        async with open_page(request_for(), events, browser=browser) as page:
            await page.goto(site.url("/form"))
            yield page

    return opened


def pixels(picture: PagePicture) -> Any:
    with av.open(io.BytesIO(picture.image)) as file:
        return next(file.decode(video=0)).to_ndarray(format="rgb24")


async def told(page: BotPage, kind: str) -> list[dict[str, Any]]:
    found = await page.evaluate("() => told")
    return [each for each in found if each["type"] == kind]


async def picture_soon(view: ChromiumView) -> PagePicture:
    with trio.fail_after(10):
        return await view.next_picture()


# --- screenshots -----------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", list(PictureFormat))
async def test_a_screenshot_shows_what_the_page_shows(
    form: OpenForm, wanted: PictureFormat
) -> None:
    async with form() as page:
        picture = await take_screenshot(page, wanted)
        shown = pixels(picture)
        assert picture.media_type == f"image/{wanted.value}"
        assert shown.shape[:2] == (picture.height, picture.width)
        size = await page.evaluate("() => [innerWidth, innerHeight]")
        assert [picture.width, picture.height] == size
        assert np.abs(shown[20, 20].astype(int) - BLUE).max() < 12
        assert shown[250, 250].min() > 243


async def test_a_page_that_is_gone_gives_no_picture(form: OpenForm) -> None:
    async with form() as page:
        await page.call(page.raw.close)
    with pytest.raises(CommandFailed, match="page"):
        await take_screenshot(page, PictureFormat.JPEG)


async def test_a_page_whose_script_hangs_is_a_typed_error_in_time(
    form: OpenForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.seen_page.SCREENSHOT_TIMEOUT_S", 1.0)
    async with form() as page:
        await page.evaluate("() => setTimeout(hang, 50)")
        await trio.sleep(0.3)
        with trio.fail_after(15), pytest.raises(CommandFailed, match="does not answer"):
            await take_screenshot(page, PictureFormat.JPEG)


# --- looking -----------------------------------------------------------------------------------


async def test_whoever_looks_sees_what_moves_no_faster_than_it_may(form: OpenForm) -> None:
    async with form() as page, open_chromium_view(page) as view:
        first = await picture_soon(view)
        assert pixels(first).shape[:2] == (first.height, first.width)
        await page.evaluate("() => move()")
        seen = set()
        with trio.move_on_after(2.0):
            while True:
                seen.add((await view.next_picture()).image)
        assert 3 <= len(seen) <= 2 * MOST_PICTURES_PER_S + 2


async def test_whoever_is_slow_has_few_pictures_made_and_holds_up_nobody(form: OpenForm) -> None:
    async with form() as page, open_chromium_view(page) as slow, open_chromium_view(page) as quick:
        made = 0
        original = slow._take

        def count(event: dict[str, Any]) -> None:
            nonlocal made
            made += 1
            original(event)

        slow._take = count  # type: ignore[method-assign]
        await page.evaluate("() => move()")
        await picture_soon(slow)
        before = made
        seen = 0
        with trio.move_on_after(2.0):
            while True:
                await quick.next_picture()
                seen += 1
        assert seen >= 3
        assert made - before <= 3, "Chromium waits until they are acknowledged"
        await picture_soon(slow)


async def test_a_page_that_stands_still_makes_no_pictures(form: OpenForm) -> None:
    async with form() as page, open_chromium_view(page) as view:
        await picture_soon(view)
        more = 0
        with trio.move_on_after(1.0):
            while True:
                await view.next_picture()
                more += 1
        assert more <= 2


async def test_a_look_ends_with_the_page(form: OpenForm) -> None:
    async with form() as page, open_chromium_view(page) as view, trio.open_nursery() as nursery:
        await picture_soon(view)

        async def close() -> None:
            await trio.sleep(0.3)
            await page.call(page.raw.close)

        nursery.start_soon(close)
        with trio.fail_after(10), pytest.raises(CommandFailed, match=r"clos|answer|seen"):
            while True:
                await view.next_picture()


async def test_a_look_leaves_nothing_in_the_page(form: OpenForm) -> None:
    async with form() as page:
        for _ in range(3):
            async with open_chromium_view(page) as view:
                await picture_soon(view)
        assert page._when_gone == []
        assert await page.evaluate("() => document.title") == "form"


# --- hands ---------------------------------------------------------------------------------------


async def test_mouse_and_keyboard_are_a_persons(form: OpenForm) -> None:
    async with form() as page, open_chromium_view(page) as view:
        with pytest.raises(CommandFailed, match="no picture yet"):
            fresh = ChromiumView(page, view._session)
            await fresh.act(MouseInput(action="down", x=0.5, y=0.5))
        await picture_soon(view)
        width, height = await page.evaluate("() => [innerWidth, innerHeight]")

        async def click(x: int, y: int, **how: Any) -> None:
            for action in ("down", "up"):
                await view.act(MouseInput(action=action, x=x / width, y=y / height, **how))

        async def press(key: str) -> None:
            for down in (True, False):
                await view.act(KeyInput(down=down, key=key))

        await click(200, 120)
        for key in ("H", "i", "ß", " ", "5", "Backspace"):
            await press(key)
        await view.act(TextInput(text="日本語"))
        assert await page.evaluate("() => field.value") == "Hiß 日本語"
        await view.act(KeyInput(down=True, key="Shift"))
        await press("ArrowLeft")
        await view.act(KeyInput(down=False, key="Shift"))
        await press("x")
        assert await page.evaluate("() => field.value") == "Hiß 日本x"
        keys = await told(page, "keydown")
        assert all(each["trusted"] for each in keys)
        assert {"key": "H", "code": "KeyH"}.items() <= keys[0].items()
        await click(700, 350)
        [*_, clicked] = await told(page, "click")
        assert (clicked["target"], clicked["trusted"]) == ("button", True)
        await click(700, 350, button="right")
        assert (await told(page, "contextmenu"))[-1]["target"] == "button"
        await view.act(MouseInput(action="wheel", x=0.5, y=0.5, wheel_y=400))
        with trio.fail_after(5):
            while await page.evaluate("() => scrollY") < 300:  # noqa: ASYNC110
                await trio.sleep(0.05)
        with pytest.raises(CommandRefused, match="No keyboard"):
            await press("NoSuchKeyAtAll")


async def test_what_is_held_is_let_go_when_the_look_ends(form: OpenForm) -> None:
    async with form() as page:
        async with open_chromium_view(page) as view:
            await picture_soon(view)
            await view.act(KeyInput(down=True, key="Shift"))
            await view.act(MouseInput(action="down", x=0.9, y=0.9))
        assert [each["key"] for each in await told(page, "keyup")] == ["Shift"]
        assert len(await told(page, "mouseup")) == 1
        await page.call(page.raw.mouse.click, 700, 350)
        assert (await told(page, "click"))[-1]["shift"] is False
