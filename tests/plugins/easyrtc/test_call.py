"""A bot calls people on a real EasyRTC server, through its own page."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import define

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    EndReason,
    Knocked,
    RosterSeen,
    TrackAppeared,
)
from meetcore_browser.browser import Browser
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_easyrtc.joiner import EasyrtcJoiner
from meetcore_easyrtc.platform import EasyrtcPlatform
from tests.plugins.janus.test_room import MICROPHONE, pitch
from tests.plugins.node_packages import installed

RATE = 16_000
NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    folder = installed(NODE)
    node = shutil.which("node")
    assert node
    server = subprocess.Popen(
        [node, "server.js"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/demos/demo_audio_video.html"
    finally:
        server.kill()
        server.communicate(timeout=10)


@define
class Calling:
    call: GuestCall
    events: KeepingCallEvents

    async def until(self, kind: type, count: int = 1) -> Any:
        await until(lambda: len(self.events.of_type(kind)) >= count, 20.0)
        return self.events.of_type(kind)[-1]


@asynccontextmanager
async def calling(browser: Browser, url: str, folder: Path) -> AsyncIterator[Calling]:
    link = EasyrtcPlatform().parse(url)
    assert link is not None
    events = KeepingCallEvents()
    request = CallRequest(bot_id="bot", display_name="Notes", folder=folder)
    joiner = EasyrtcJoiner(GuestOptions(attempts=1), SelectorPack.load(EasyrtcPlatform.pack_file))
    async with open_guest_call(
        joiner, link, request, events, EasyrtcPlatform.capabilities, browser=browser
    ) as call:
        yield Calling(call, events)


async def connect(browser: Browser, url: str, hz: int = 440) -> tuple[Any, str]:
    """Let somebody open the page and connect; return the page and their name."""
    context = await browser.call(browser.raw.new_context)
    page = await browser.call(context.new_page)
    await browser.call(page.add_init_script, script=MICROPHONE)
    await browser.call(page.goto, f"{url}?hz={hz}")
    await browser.call(page.click, "#connectButton")
    await browser.call(page.wait_for_function, "() => /^I am/.test(iam.textContent)")
    said = await browser.call(page.inner_text, "#iam")
    return page, said.removeprefix("I am ")


@pytest.mark.browser
async def test_whoever_accepts_is_heard_by_name_and_ends_it_by_leaving(
    browser: Browser, page_url: str, tmp_path: Path
) -> None:
    await connect(browser, page_url, 990)
    ada, name = await connect(browser, page_url, 440)
    async with calling(browser, f"{page_url}?call={name}", tmp_path) as at:
        assert "press 'Accept'" in (await at.until(Knocked)).hint
        assert not at.events.of_type(Admitted)
        await browser.call(ada.click, "#callAcceptButton")
        await at.until(Admitted)
        track = await at.until(TrackAppeared)
        assert track.participant_id == name
        await until(lambda: len(at.events.pcm(track.track_id)) > 2 * RATE)
        assert pitch(at.events.pcm(track.track_id)) == pytest.approx(440, abs=3)
        roster = await at.until(RosterSeen)
        assert name in {person.id for person in roster.participants}
        assert roster.self_id is not None
        await browser.call(ada.click, "#disconnectButton")
        assert (await at.until(CallEnded)).reason is EndReason.MEETING_ENDED


@pytest.mark.browser
async def test_a_rejection_is_a_denial(browser: Browser, page_url: str, tmp_path: Path) -> None:
    ada, name = await connect(browser, page_url)
    async with calling(browser, f"{page_url}?call={name}", tmp_path) as at:
        await at.until(Knocked)
        await browser.call(ada.click, "#callRejectButton")
        ended = await at.until(CallEnded)
        assert ended.reason in (EndReason.DENIED, EndReason.BOT_BLOCKED)
        assert "was rejected" in ended.evidence.detail


@pytest.mark.browser
async def test_it_waits_for_whom_it_is_to_call_and_leaves_when_told(
    browser: Browser, page_url: str, tmp_path: Path
) -> None:
    async with calling(browser, page_url, tmp_path) as at:
        assert "connected yet" in (await at.until(Knocked)).hint
        ada, _ = await connect(browser, page_url)
        assert "press 'Accept'" in (await at.until(Knocked, 2)).hint
        await browser.call(ada.click, "#callAcceptButton")
        await at.until(Admitted)
        await at.call.leave()
        await browser.call(
            ada.wait_for_function, "() => !document.querySelector('#otherClients button')"
        )
        assert not at.events.of_type(CallEnded)


@pytest.mark.parametrize(
    ("url", "native_id"),
    [
        ("https://r.example/demos/demo_audio_video.html?call=Ada%20L", "Ada L"),
        ("https://r.example/demos/demo_audio_video.html", "anybody"),
        ("https://r.example/demos/demo_multiparty.html", None),
        ("https://u@r.example/demo_audio_video.html", None),
        ("mailto:demo_audio_video.html", None),
        ("https://[/demo_audio_video.html", None),
    ],
)
def test_links(url: str, native_id: str | None) -> None:
    link = EasyrtcPlatform().parse(url)
    assert (link.native_id if link else None) == native_id


def test_a_tone_is_told_from_another() -> None:
    seconds = np.arange(RATE) / RATE
    assert pitch(np.sin(2 * np.pi * 440 * seconds) * 1000) == 440
