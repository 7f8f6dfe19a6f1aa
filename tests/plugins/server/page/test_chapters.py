"""The chapters beside the player: what happened when, and a click that leads there."""

from __future__ import annotations

import pytest

from meetcore_server.assembly import Server

from .conftest import House
from .test_bots import STAY

pytestmark = pytest.mark.browser

COMMAND = """async ([bot, topic]) => (await fetch(`/v1/bots/${bot}/commands`, {method: "POST",
  headers: {"content-type": "application/json"},
  body: JSON.stringify({type: "mark_topic", data: {topic}})})).status"""


async def test_a_topic_that_was_set_is_listed_and_a_click_plays_from_there(
    house: House, server: Server
) -> None:
    visitor = await house.visit(server)
    bot = await visitor.order(STAY)
    await visitor.open(f"/#/bots/{bot}")
    await visitor.see(".finals .line >> nth=0")
    assert await visitor.run(COMMAND, [bot, "<b>Budget</b>"]) == 200
    assert await visitor.run(COMMAND, [bot, " "]) == 409
    await visitor.see(".finals .line >> nth=1")
    live = await visitor.run("async (url) => await (await fetch(url)).json()", chapters(bot))
    assert "<b>Budget</b>" in [each["title"] for each in live]
    assert live[-1]["end_s"] is None
    await visitor.click(".actions >> text=Stop")
    await visitor.see(".badge >> text=Completed")
    await visitor.see(".chapter >> text=<b>Budget</b>")
    listed = await visitor.run("async (url) => await (await fetch(url)).json()", chapters(bot))
    assert listed[0]["start_s"] == 0.0
    assert listed[0]["title"].startswith("Recording")
    [budget] = [each for each in listed if each["title"] == "<b>Budget</b>"]
    await visitor.until("() => document.querySelector('audio').duration > 1")
    await visitor.click(".chapter >> text=<b>Budget</b>")
    at = budget["start_s"]
    await visitor.until(f"() => document.querySelector('audio').currentTime >= {at - 0.01}")
    await visitor.see(".chapter[aria-current] >> text=<b>Budget</b>")
    assert await visitor.fits()
    # The answer to a topic of spaces is a failed request, which the browser notes.
    assert [each for each in visitor.troubles if "409" not in each] == []


def chapters(bot: str) -> str:
    return f"/v1/bots/{bot}/chapters"
