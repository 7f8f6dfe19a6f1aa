"""Looking in and taking over, on the page of the bots and on the page of a link."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from meetcore import KeyInput, MouseInput
from meetcore.testing import SimPage
from meetcore_server.assembly import Server

from .conftest import House, Serve, Visitor

pytestmark = pytest.mark.browser

STAY = "https://meet.google.com/stay-abc"
SHORT = "https://meet.google.com/short-abc"
WALL = "https://meet.google.com/wall-abc"


def page_of(server: Server, bot_id: str) -> SimPage:
    live = server.service.live.get(bot_id)
    assert live is not None
    page: Any = live.running.bot.call.page  # type: ignore[union-attr]
    assert isinstance(page, SimPage)
    return page


async def pictures(visitor: Visitor, more: int = 3) -> None:
    """Wait until so many more pictures were drawn."""
    had = await visitor.run("() => Number(document.querySelector('canvas').dataset.pictures ?? 0)")
    await visitor.until(
        "(wanted) => Number(document.querySelector('canvas').dataset.pictures ?? 0) >= wanted",
        had + more,
    )


async def test_the_page_of_a_bot_is_seen_live_taken_over_and_given_back(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY, name="Scribe")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Recording")
    await visitor.click(".look-in >> text=Look in")
    await visitor.see(".look-in[data-state='looking'] canvas")
    await pictures(visitor)
    assert "you only see" in await visitor.text(".look-state")
    page = page_of(server, bot)
    box = await visitor.run(
        "() => { const { x, y, width, height } = document.querySelector('canvas')"
        ".getBoundingClientRect(); return [x, y, width, height]; }"
    )
    middle = (box[0] + box[2] / 2, box[1] + box[3] / 2)
    mouse = visitor.page.mouse
    await visitor.browser.call(mouse.click, *middle)
    assert page.inputs == [], "whoever only sees touches nothing"
    await visitor.click(".look-in >> text=Take over")
    await visitor.see(".look-in[data-state='hands']")
    assert page.acting
    await visitor.browser.call(mouse.click, *middle)
    await visitor.press("a", "Tab")
    with trio.fail_after(10):
        while not [i for i in page.inputs if isinstance(i, KeyInput) and i.key == "Tab"]:  # noqa: ASYNC110
            await trio.sleep(0.02)
    clicks = [i for i in page.inputs if isinstance(i, MouseInput) and i.action == "down"]
    assert clicks[0].x == pytest.approx(0.5, abs=0.01)
    assert clicks[0].y == pytest.approx(0.5, abs=0.01)
    assert [(i.key, i.down) for i in page.inputs if isinstance(i, KeyInput)][:2] == [
        ("a", True),
        ("a", False),
    ]
    await visitor.press("Shift+Escape")
    await visitor.see(".look-in[data-state='looking']")
    with trio.fail_after(5):
        while page.acting or page.held:  # noqa: ASYNC110
            await trio.sleep(0.02)
    await visitor.click(".look-in >> text=Stop looking")
    await visitor.see(".look-in[data-state='closed']")
    with trio.fail_after(5):
        while page.views:  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert visitor.troubles == []


async def test_a_person_who_is_asked_for_is_offered_the_page(house: House, server: Server) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(WALL, name="Scribe")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".person >> text=A person is needed at the browser: captcha.")
    await visitor.click(".person >> text=Take the page over")
    await visitor.see(".look-in[data-state='hands']")
    await pictures(visitor)
    assert page_of(server, bot).acting
    await visitor.click(".person >> text=It is done")
    await visitor.see(".badge >> text=/Recording|In the call/")
    await visitor.click(".actions >> text=Stop")
    await visitor.see(".badge >> text=Completed")
    await visitor.until("() => document.querySelector('.look-in').hidden")
    assert visitor.troubles == []


async def test_whoever_has_a_link_needs_no_key_and_sees_until_it_expires(
    house: House, serve: Serve
) -> None:
    async with serve(api_key="root-key") as server:
        owner = await house.visit(server)
        await owner.do("fill", "#key", "root-key")
        await owner.press("Enter")
        await owner.see("form.order")
        made = await owner.run(
            """async (url) => {
              const json = {"content-type": "application/json"};
              const headers = {authorization: "Bearer root-key", ...json};
              const post = async (path, body) => (await fetch(path, {method: "POST", headers,
                body: JSON.stringify(body)})).json();
              const bot = await post("/v1/bots", {meeting_url: url});
              for (;;) {
                const now = await (await fetch(`/v1/bots/${bot.id}`, {headers})).json();
                if (now.state === "recording") break;
                await new Promise((resolve) => setTimeout(resolve, 50));
              }
              return post(`/v1/bots/${bot.id}/look-in`, {expires_s: 4});
            }""",
            STAY,
        )
        guest = await house.visit(server, None)
        await guest.open(made["page_url"].removeprefix(server.url))
        await guest.see(".look-in[data-state='looking'] canvas")
        await pictures(guest)
        assert not await guest.run("() => document.querySelector('.look-in').innerText"
                                   ".includes('Take over')")  # fmt: skip
        await guest.see(".look-in[data-state='closed']")
        assert "expired" in await guest.text(".look-state")
        await guest.click("text=Look in")
        await guest.see(".look-in[data-state='closed']")
        assert await guest.fits()
        assert guest.troubles == []
        nobody = await house.visit(server, "/look-in")
        await nobody.see("text=This link is not whole")
        forged = await house.visit(server, "/look-in#forged")
        await forged.see("text=The link does not work")


async def test_a_look_ends_with_its_bot_and_where_nobody_looks(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY, name="Scribe")
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".badge >> text=Recording")
    await visitor.click(".look-in >> text=Look in")
    await pictures(visitor)
    page = page_of(server, bot)
    await visitor.open("/#/send")
    with trio.fail_after(10):
        while page.views:  # noqa: ASYNC110
            await trio.sleep(0.02)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.click(".look-in >> text=Look in")
    await pictures(visitor)
    await visitor.click(".actions >> text=Stop")
    await visitor.see(".badge >> text=Completed")
    with trio.fail_after(10):
        while page.views:  # noqa: ASYNC110
            await trio.sleep(0.02)
    assert await visitor.run("() => document.querySelector('.look-in').hidden")
