"""A bot calls people on a real EasyRTC server, through its own page."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import define

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    ChatArrived,
    EndReason,
    Knocked,
    RosterSeen,
    StepWorked,
    TrackAppeared,
)
from meetcore_browser.browser import Browser
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_easyrtc.platform import EasyrtcPlatform
from tests.plugins.janus.test_room import MICROPHONE, pitch
from tests.plugins.node_packages import installed

RATE = 16_000
NODE = Path(__file__).parent / "node"


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    """Run a server; yield its port."""
    folder = installed(NODE)
    node = shutil.which("node")
    assert node
    server = subprocess.Popen(
        [node, "server.js", str(port)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.communicate(timeout=10)


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    with serving() as port:
        yield f"http://127.0.0.1:{port}/demos/demo_audio_video.html"


@define
class Calling:
    call: GuestCall
    events: KeepingCallEvents

    def names(self) -> list[str]:
        lists: list[Any] = self.events.of_type(RosterSeen)
        return [person.name for person in lists[-1].participants] if lists else []

    def steps(self) -> list[str]:
        steps: list[Any] = self.events.of_type(StepWorked)
        return [step.name for step in steps]

    async def until(self, kind: type, count: int = 1) -> Any:
        await until(lambda: len(self.events.of_type(kind)) >= count, 20.0)
        return self.events.of_type(kind)[-1]


@asynccontextmanager
async def calling(browser: Browser, url: str, folder: Path) -> AsyncIterator[Calling]:
    link = EasyrtcPlatform().parse(url)
    assert link is not None
    events = KeepingCallEvents()
    request = CallRequest(bot_id="bot", display_name="Notes", folder=folder)
    platform = EasyrtcPlatform(GuestOptions(attempts=1))
    joiner = platform.joiner_for(link, SelectorPack.load(EasyrtcPlatform.pack_file))
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


async def writer(browser: Browser, url: str, room: str, name: str) -> Any:
    """Let somebody join a room for text; return the page."""
    context = await browser.call(browser.raw.new_context)
    page = await browser.call(context.new_page)
    await browser.call(page.goto, url)
    await browser.call(page.fill, "#userNameField", name)
    await browser.call(page.click, "#connectButton")
    await browser.call(page.wait_for_selector, "#main.connected")
    await browser.call(page.fill, "#roomToAdd", room)
    await browser.call(page.click, "button[onclick^='addRoom(']")
    await browser.call(page.wait_for_selector, f"#roomblock_{room}")
    return page


@pytest.mark.browser
async def test_a_room_for_text_is_joined_read_written_and_joined_again_when_the_server_is_back(
    browser: Browser, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(serving())
        url = f"http://127.0.0.1:{port}/demos/demo_instant_messaging_rooms.html"
        ada = await writer(browser, url, "team", "Ada")
        async with calling(browser, f"{url}?room=team", tmp_path) as at:
            await at.until(Admitted)
            await browser.call(ada.wait_for_selector, "#roomOccupant_team >> text=Notes")
            await until(lambda: "Ada" in at.names(), 10.0)
            await browser.call(ada.fill, "#sendMessageText", "good <b>morning</b>")
            await browser.call(ada.click, "#roomblock_team > button")
            read = await at.until(ChatArrived)
            assert (read.sender_name, read.text) == ("Ada", "good <b>morning</b>")
            await at.call.send_chat("hello Ada")
            await browser.call(ada.wait_for_selector, "#conversation >> text=hello Ada")
            stack.close()
            await until(lambda: "page: reconnecting" in at.steps(), 20.0)
            stack.enter_context(serving(port))
            await until(
                lambda: (
                    at.steps()[at.steps().index("page: reconnecting") :].count("page: in_call") == 1
                ),
                30.0,
            )
            await writer(browser, url, "team", "Ben")
            await until(lambda: "Ben" in at.names(), 10.0)
            assert not at.events.of_type(CallEnded)


@pytest.mark.parametrize(
    ("url", "native_id"),
    [
        ("https://r.example/demos/demo_audio_video.html?call=Ada%20L", "Ada L"),
        ("https://r.example/demos/demo_audio_video.html", "anybody"),
        ("https://r.example/demos/demo_instant_messaging_rooms.html?room=team-1", "team-1"),
        ("https://r.example/demos/demo_instant_messaging_rooms.html", "default"),
        ("https://r.example/demos/demo_instant_messaging_rooms.html?room=a%22b", None),
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
