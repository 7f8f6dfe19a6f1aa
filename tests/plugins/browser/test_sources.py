"""Which source is heard on a track, from the page's word to the joiner's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore_browser.browser import Browser
from meetcore_browser.capture import CaptureOptions, PageCapture, RemoteTrack, SourceHeard, by_track
from meetcore_browser.guest.look import look_of, pack_data, read_state
from meetcore_browser.guest.page_scripts import snapshot_script
from meetcore_browser.page_script import page_script
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents
from meetcore_browser.wire import PageMessage


def own(topic: str, **data: Any) -> PageMessage:
    return PageMessage(7, topic, data, own=True)


def capture(heard: list[SourceHeard], whose: Any = by_track) -> PageCapture:
    return PageCapture(KeepingCallEvents(), whose, now=lambda: 0.0, on_source=heard.append)


TRACK = {"label": "x", "streams": [], "peer": 1, "mid": "0", "sampleRate": 16_000}


def test_a_source_comes_with_its_track_and_the_sounds_time() -> None:
    heard: list[SourceHeard] = []
    page = capture(heard)
    page.take(own("clock", wallMs=1000.0, frame=0, sampleRate=16_000))
    page.take(own("source", track=1, source=5, active=True, frame=16_000))  # not announced yet
    page.take(own("track", track=1, **TRACK))
    page.take(own("source", track=1, source=5, active=True, frame=16_000))
    page.take(own("source", track=1, source=None, active=False, frame=24_000))
    assert heard == [
        SourceHeard(track_id="t1", source=5, active=True, at_s=1.0),
        SourceHeard(track_id="t1", source=None, active=False, at_s=1.5),
    ]


def test_a_track_that_is_left_out_has_no_sources() -> None:
    def nobodys(track: RemoteTrack) -> None:
        return None

    heard: list[SourceHeard] = []
    page = capture(heard, nobodys)
    page.take(own("track", track=1, **TRACK))
    page.take(own("source", track=1, source=5, active=True, frame=0))
    assert heard == []


@pytest.mark.parametrize("wanted", [True, False])
def test_the_page_polls_only_where_it_is_asked_to(wanted: bool) -> None:
    options = CaptureOptions(contributing_sources=wanted)
    script = page_script("b", capture=options, incoming_video=False)
    assert f'"contributingSources": {str(wanted).lower()}' in script


PACK = SelectorPack.parse(
    {
        "pack": {"format": 1, "platform": "toy", "version": "2026-11-29"},
        "controls": {
            "tile": {"selectors": [{"kind": "css", "value": ".tile", "without": "Effects_icon"}]},
            "join": {"selectors": [{"kind": "css", "value": "button.main", "only": True}]},
        },
        "states": [
            {"state": "in_call", "any_of": ["tile"]},
            {"state": "pre_join", "any_of": ["join"]},
        ],
        "never_click": {"texts": ["Switch here"]},
    }
)


@pytest.mark.browser
async def test_a_selector_may_exclude_a_text_or_count_only_alone(
    browser: Browser, tmp_path: Path
) -> None:
    del tmp_path
    pages = {
        "<div class=tile>Ada</div>": "in_call",
        "<div class=tile>Ada <i>effects_icon</i></div>": "unknown",
        "<button class=main>Join</button>": "pre_join",
        "<button class=main>Join</button><button class=main>Other</button>": "unknown",
        # What is never clicked is none of several.
        "<button class=main><i>x</i><b>Switch here</b></button><button class=main>J</button>": (
            "pre_join"
        ),
    }
    page = await browser.call(browser.raw.new_page)
    try:
        for markup, state in pages.items():
            await browser.call(page.set_content, markup)
            raw = await browser.call(page.evaluate, snapshot_script(PACK, []))
            assert read_state(PACK, look_of(raw)).state.value == state, markup
    finally:
        await browser.call(page.close)
    data = pack_data(PACK)["controls"]
    assert data["join"]["selectors"][0]["only"] is True
    assert data["tile"]["selectors"][0]["without"] == "Effects_icon"
