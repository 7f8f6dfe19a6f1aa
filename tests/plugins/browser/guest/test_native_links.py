"""What leads into an installed app stays in the page; what leads to the web goes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from meetcore import CallRequest
from meetcore_browser.bot_page import open_page
from meetcore_browser.browser import Browser
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.testing import KeepingCallEvents, serve_pages

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><title>x</title>
<iframe id="parsed" src="msteams:/l/meetup-join/x"></iframe>
<iframe id="web" src="about:blank"></iframe>
<a id="native" href="zoommtg://zoom.us/join?x=1">app</a> <a id="here" href="#there">web</a>
<script>
  const frame = document.createElement("iframe");
  frame.src = "msteams:x";
  document.body.append(frame);
  const other = document.createElement("iframe");
  other.setAttribute("src", "ms-teams:x");
  document.body.append(other);
  const good = document.createElement("iframe");
  good.src = "about:blank#good";
  document.body.append(good);
  window.opened = window.open("msteams:x");
  window.seen = () => ({
    parsed: document.querySelector("#parsed")?.getAttribute("src") ?? null,
    made: [frame, other, good].map((one) => one.getAttribute("src")),
    opened: window.opened,
  });
  const native = document.querySelector("#native");
  const stopped = (event) => setTimeout(() => (window.stopped = event.defaultPrevented));
  native.addEventListener("click", stopped);
</script>"""


async def test_no_app_is_asked_for_and_the_web_stays_as_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    request = CallRequest(bot_id="b", display_name="B", folder=tmp_path)
    script = PAGE_FOLDER / "native_links.js"
    with serve_pages() as site:
        url = site.add("/x", PAGE)
        async with open_page(
            request, KeepingCallEvents(), scripts=[script], browser=browser
        ) as page:
            assert await page.goto(url) == 200
            seen = await page.evaluate("seen()")
            assert seen == {
                "parsed": None,
                "made": [None, None, "about:blank#good"],
                "opened": None,
            }
            await page.evaluate("document.querySelector('#native').click()")
            await page.evaluate("document.querySelector('#here').click()")
            wait = "new Promise((done) => setTimeout(() => done(window.stopped), 20))"
            assert await page.evaluate(wait) is True
            assert await page.evaluate("location.hash") == "#there"
            assert await page.goto(site.url("/nowhere")) == 404
