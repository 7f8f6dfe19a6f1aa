"""A web page as the bot's camera: what a peer sees of it, and where it cannot lead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import evolve

from meetcore import PrivateTargets
from meetcore.model.errors import CommandFailed, CommandRefused
from meetcore.model.signals import StepWorked
from meetcore_browser.bot_page import open_page
from meetcore_browser.browser import Browser
from meetcore_browser.testing import KeepingCallEvents, PageSite, ServedPage, until

from .conftest import MakeRequest
from .test_devices import BLUE, RED, Seen, picture

pytestmark = pytest.mark.browser

BLACK = (0, 0, 0)
GREEN = (30, 200, 30)
MOVING = """<!doctype html><title>Board</title>
<style>html, body {{ margin: 0; height: 100%; background: rgb{first} }}</style>
<script>
  let turned = false;
  setInterval(() => {{
    turned = !turned;
    document.body.style.background = turned ? "rgb{second}" : "rgb{first}";
  }}, 1500);
</script>
<body></body>"""


@pytest.fixture
def showing(
    browser: Browser, site: PageSite, events: KeepingCallEvents, request_for: MakeRequest
) -> Any:
    @asynccontextmanager
    async def opened(*hosts: str, private: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[Seen]:
        told = KeepingCallEvents()
        request = evolve(
            request_for(),
            plugins={"browser": {"page_hosts": list(hosts)}},
            private_targets=PrivateTargets.listed(private),
        )
        async with (
            open_page(request, told, browser=browser, devices=True) as bot,
            open_page(request_for(video=True), events, browser=browser) as peer,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(bot.watch)
            nursery.start_soon(peer.watch)
            await bot.goto(site.url("/talker"))
            await peer.goto(site.url("/watcher"))
            await bot.evaluate("() => open()")
            answer = await peer.evaluate("sdp => take(sdp)", await bot.evaluate("() => offer()"))
            await bot.evaluate("sdp => accept(sdp)", answer)
            await until(lambda: len(peer.capture.tracks) == 1)
            yield Seen(bot, told, peer, events)
            nursery.cancel_scope.cancel()

    return opened


async def test_a_peer_sees_a_page_move_then_a_picture_then_nothing(
    showing: Any, site: PageSite
) -> None:
    url = site.add("/board", MOVING.format(first=RED, second=BLUE))
    async with showing(f"127.0.0.1:{site.port}") as seen:
        await seen.bot.devices.show_page(url)
        for colour in (RED, BLUE, RED):
            await seen.sees(colour, colour)
        await seen.bot.devices.show_picture(picture("PNG"))
        await seen.sees(RED, BLUE)
        await seen.bot.devices.hide_picture()
        await seen.sees(BLACK, BLACK)
        [step] = [each for each in seen.told.of_type(StepWorked) if each.name == "page as camera"]
        assert step.detail == "a page of 127.0.0.1"


async def test_a_page_leads_to_listed_hosts_only_whatever_it_asks_for(
    showing: Any, site: PageSite
) -> None:
    here = f"127.0.0.1:{site.port}"
    elsewhere = site.url("/talker", "localhost")
    dot = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    site.pages["/dot.svg"] = ServedPage(dot, {}, media_type="image/svg+xml")
    site.add(
        "/curious",
        f"""<!doctype html><body style="background: rgb{RED}; margin: 0"><script>
        const load = (url, loaded, failed) =>
          Object.assign(new Image(), {{ onload: loaded, onerror: failed, src: url }});
        const turn = (colour) => () => (document.body.style.background = colour);
        load("/dot.svg", () => load({site.url("/dot.svg", "localhost")!r},
          turn("rgb(30,200,30)"), turn("rgb{BLUE}")));
        </script>""",
    )
    async with showing(here) as seen:
        await seen.bot.devices.show_page(site.url("/curious"))
        await seen.sees(BLUE, BLUE)
        devices = seen.bot.devices
        for url, why in (
            (elsewhere, "may not be shown"),
            ("https://example.com/", "may not be shown"),
            (f"http://127.0.0.1:{site.port + 1}/", "may not be shown"),
            ("file:///etc/passwd", "no|not"),
            ("javascript:alert(1)", "not"),
            (f"http://ada:secret@{here}/curious", "user and password"),
        ):
            with pytest.raises(CommandRefused, match=why) as refused:
                await devices.show_page(url)
            assert "secret" not in str(refused.value)
        # What is refused changes nothing of what is shown.
        await seen.sees(BLUE, BLUE)
        with pytest.raises(CommandFailed, match="404"):
            await devices.show_page(site.url("/missing"))


async def test_an_address_that_is_not_public_needs_the_operators_word(
    showing: Any, site: PageSite
) -> None:
    site.add("/board", MOVING.format(first=RED, second=RED))
    hosts = (f"127.0.0.1:{site.port}", f"localhost:{site.port}")
    async with showing(*hosts, private=()) as seen:
        with pytest.raises(CommandRefused, match="public internet"):
            await seen.bot.devices.show_page(site.url("/board"))
        with pytest.raises(CommandRefused, match="leads to no address of the public internet"):
            await seen.bot.devices.show_page(site.url("/board", "localhost"))


async def test_what_broke_off_leaves_the_meeting_and_can_be_shown_again(
    showing: Any, site: PageSite
) -> None:
    url = site.add("/board", MOVING.format(first=RED, second=RED))
    async with showing(f"127.0.0.1:{site.port}") as seen:
        await seen.bot.devices.show_page(url)
        await seen.bot.devices.show_page(url)
        await seen.sees(RED, RED)
        await seen.bot.devices.hide_picture()
        await seen.sees(BLACK, BLACK)
        await seen.bot.devices.show_page(url)
        await seen.sees(RED, RED)


async def test_what_is_shown_stays_until_the_next_page_has_loaded(
    showing: Any, site: PageSite
) -> None:
    url = site.add("/board", MOVING.format(first=RED, second=BLUE))
    still = f"<style>html {{ background: rgb{GREEN} }}</style>"  # painted once
    other = site.add("/other", still)
    async with showing(f"127.0.0.1:{site.port}") as seen:
        devices = seen.bot.devices
        await devices.show_page(url)
        with pytest.raises(CommandFailed, match="404"):
            await devices.show_page(site.url("/missing"))
        for colour in (RED, BLUE, RED):
            await seen.sees(colour, colour)
        await devices.show_page(other)
        await seen.sees(GREEN, GREEN)
        await trio.sleep(2)
        await seen.sees(GREEN, GREEN)
        await devices.hide_picture()
        await seen.sees(BLACK, BLACK)
