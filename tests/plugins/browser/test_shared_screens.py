"""Screens that are shared on a page, recorded each as a stream of its own, for as long as shown."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from meetcore.plugin.platform import CallRequest
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.testing import KeepingCallEvents, PageSite, until

pytestmark = pytest.mark.browser

SHARING = """<!doctype html><video muted autoplay></video><canvas width="320" height="180"></canvas>
<script>
  const brush = document.querySelector("canvas").getContext("2d");
  let turn = 0;
  setInterval(() => {
    brush.fillStyle = turn++ % 2 ? "#b01010" : "#1010b0";
    brush.fillRect(0, 0, 320, 180);
  }, 100);
  document.querySelector("video").srcObject = document.querySelector("canvas").captureStream(10);
  window.shown = ["first"];
</script>"""
READERS = """
meetcore.reader = { look() {}, find() {}, forbidden: () => null };
meetcore.readers = {};
meetcore.sharedTiles = () =>
  (window.shown ?? []).map((key) => ({ key, by: "ada", element: document.body }));
"""
SHARES = "() => window[Symbol.for('meetcore')].readNow('shares').map(({ share }) => share)"


async def share_of(page: BotPage) -> str:
    [share] = await page.evaluate(SHARES)
    return str(share)


async def test_a_share_ends_with_its_tile_and_none_is_called_like_another(
    site: PageSite, events: KeepingCallEvents, tmp_path: Any
) -> None:
    site.add("/sharing", SHARING)
    request = CallRequest(
        bot_id="bot",
        display_name="Notes",
        folder=tmp_path / "bot",
        video=True,
        plugins={"browser": {"share": True}},
    )

    def pieces(share: str) -> int:
        return len([each for each in events.fragments if each["track_id"] == share])

    async def ended(share: str) -> None:
        """Wait until no piece of a share came for two seconds."""
        before = -1
        with trio.fail_after(15):
            while before != (before := pieces(share)):  # noqa: ASYNC110
                await trio.sleep(2)

    scripts = [READERS, PAGE_FOLDER / "observer.js"]
    async with (
        open_page(request, events, scripts=scripts) as page,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(page.watch)
        await page.goto(site.url("/sharing"))
        await page.evaluate("() => window[Symbol.for('meetcore')].observe(true)")
        first = await share_of(page)
        await until(lambda: pieces(first) > 3, 20)
        # Who shares next is shown by the same track.
        await page.evaluate("() => { window.shown = ['second']; }")
        second = await share_of(page)
        await until(lambda: pieces(second) > 3, 20)
        await ended(first)
        await page.evaluate("() => { window.shown = []; }")
        await ended(second)
        # What is counted anew in another document has another name.
        await page.goto(site.url("/sharing"))
        third = await share_of(page)
        nursery.cancel_scope.cancel()
    assert len({first, second, third}) == 3
