"""From the link to the end, through a stand-in for the web client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from meetcore import ChatArrived, RosterSeen
from meetcore_browser.browser import Browser
from tests.plugins.meet.visits import PEOPLE, device, standin, visit
from tests.standins.site import StandinSite

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site() -> Iterator[StandinSite]:
    with standin() as served:
        yield served


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
async def test_from_the_link_into_the_call(
    browser: Browser, site: StandinSite, tmp_path: Path, language: str
) -> None:
    dialogs = ["devices", "trouble", "got_it", "got_it"]
    async with visit(
        browser, site, tmp_path, language=language, switches={"dialogs": dialogs}
    ) as at:
        try:
            knocked = await at.knocked()
            print(knocked, at.steps(), at.clicked())
            at.room.tell("admit")
            await at.inside()
            await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
            at.room.tell("says", id="ada", text="hello bot")
            await at.until(ChatArrived)
            await at.call.send_chat("hi")
            print(at.all(RosterSeen)[-1])
        finally:
            print(at.steps(), at.clicked(), at.room.reports)
            print([s for s in at.events.signals][-20:])
