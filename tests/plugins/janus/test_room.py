"""A bot in a video room of a real Janus server, with real publishers on its stock page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import define
from playwright.async_api import Error as PageError

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    EndReason,
    MeetingLink,
    RosterSeen,
    TrackGone,
    TrackIdentified,
)
from meetcore_browser.browser import Browser
from meetcore_browser.errors import CallTimedOut
from meetcore_browser.finder import find_chromium
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, SharedChromium, until
from meetcore_janus.joiner import JanusJoiner, room_name
from meetcore_janus.platform import JanusPlatform
from tests.plugins.janus.janus_server import JanusServer, cannot_serve, serving_janus

pytestmark = pytest.mark.browser

RATE = 16_000

# A publisher's microphone: a tone, by which it is known who is heard.
MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const hz = Number(new URLSearchParams(location.search).get('hz'));
  const tone = new OscillatorNode(context, { frequency: hz });
  const out = new MediaStreamAudioDestinationNode(context);
  tone.connect(out);
  tone.start();
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  canvas.getContext('2d').fillRect(0, 0, 9, 9);
  return new MediaStream([...out.stream.getTracks(), ...canvas.captureStream(2).getTracks()]);
};
"""


@pytest.fixture(scope="module")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JanusServer]:
    if trouble := cannot_serve():
        pytest.skip(trouble)
    folder = tmp_path_factory.mktemp("janus")
    with serving_janus(folder, find_chromium().path) as server:
        yield server


@pytest.fixture(scope="module")
def chromium_within(janus: JanusServer) -> Iterator[SharedChromium]:
    shared = SharedChromium(LaunchOptions(chromium=str(janus.chromium)))
    yield shared
    shared.close()


@pytest.fixture
async def browser(chromium_within: SharedChromium) -> AsyncIterator[Browser]:
    async with chromium_within.lend() as lent:
        yield lent


@pytest.fixture
def room(janus: JanusServer) -> Iterator[int]:
    number = janus.request(request="create", publishers=6, secret="s")["room"]
    yield number
    janus.request(request="destroy", room=number, secret="s")


@define
class InRoom:
    call: GuestCall
    events: KeepingCallEvents

    async def until(self, kind: type, count: int = 1, timeout_s: float = 20.0) -> Any:
        await until(lambda: len(self.events.of_type(kind)) >= count, timeout_s)
        return self.events.of_type(kind)[-1]

    def names(self) -> list[str]:
        rosters: list[Any] = self.events.of_type(RosterSeen)
        return sorted(p.name for p in rosters[-1].participants) if rosters else []


@asynccontextmanager
async def in_room(
    browser: Browser, janus: JanusServer, number: int, folder: Path
) -> AsyncIterator[InRoom]:
    link = JanusPlatform().parse(janus.link(number))
    assert isinstance(link, MeetingLink)
    pack = SelectorPack.load(JanusPlatform.pack_file)
    request = CallRequest(bot_id="bot", display_name="Notes-Bot 1", folder=folder)
    events = KeepingCallEvents()
    joiner = JanusJoiner(GuestOptions(attempts=1), pack)
    async with open_guest_call(
        joiner, link, request, events, JanusPlatform.capabilities, browser=browser
    ) as call:
        yield InRoom(call, events)


async def publish(browser: Browser, janus: JanusServer, number: int, name: str, hz: int) -> Any:
    """Let somebody join and publish; return the page."""
    context = await browser.call(browser.raw.new_context)
    page = await browser.call(context.new_page)
    await browser.call(page.add_init_script, script=MICROPHONE)
    await browser.call(page.goto, f"{janus.link(number)}&hz={hz}")
    await browser.call(page.click, "#start")
    try:
        await browser.call(page.wait_for_selector, "#username", timeout_s=40.0)
    except (PageError, CallTimedOut) as error:
        shown = await browser.call(page.inner_text, "body")
        raise AssertionError(f"the page asks for no name, it says {shown[-600:]!r}") from error
    await browser.call(page.fill, "#username", name)
    await browser.call(page.click, "#register")
    await browser.call(page.wait_for_selector, "#mute")
    return page


def pitch(pcm: np.ndarray) -> float:
    """Return the loudest frequency of the last second, in Hz."""
    last = pcm[-RATE:].astype(float)
    return float(np.argmax(np.abs(np.fft.rfft(last * np.hanning(len(last))))))


async def test_everybody_is_heard_on_a_track_of_their_own_and_named(
    browser: Browser, janus: JanusServer, room: int, tmp_path: Path
) -> None:
    ada = await publish(browser, janus, room, "Ada", 440)
    async with in_room(browser, janus, room, tmp_path) as at:
        await at.until(Admitted)
        await publish(browser, janus, room, "Bob", 880)
        await until(lambda: at.names() == ["Ada", "Bob", "NotesBot1"])
        await at.until(TrackIdentified, 2)
        roster = at.events.of_type(RosterSeen)[-1]
        names = {p.id: p.name for p in roster.participants}  # type: ignore[attr-defined]
        tones = {"Ada": 440, "Bob": 880}
        owners: list[Any] = at.events.of_type(TrackIdentified)
        assert {names[signal.participant_id] for signal in owners} == set(tones)
        for signal in owners:
            await until(lambda track=signal.track_id: len(at.events.pcm(track)) > 2 * RATE)  # type: ignore[misc]
            heard = pitch(at.events.pcm(signal.track_id))
            assert heard == pytest.approx(tones[names[signal.participant_id]], abs=3)
        await browser.call(ada.click, "#start")  # it says "Stop" by now
        await until(lambda: at.names() == ["Bob", "NotesBot1"])
        await at.until(TrackGone)
        assert not at.events.of_type(CallEnded)


async def test_a_room_that_is_destroyed_is_the_meetings_end(
    browser: Browser, janus: JanusServer, room: int, tmp_path: Path
) -> None:
    async with in_room(browser, janus, room, tmp_path) as at:
        await at.until(Admitted)
        janus.request(request="destroy", room=room, secret="s")
        assert (await at.until(CallEnded)).reason is EndReason.MEETING_ENDED


async def test_who_is_kicked_was_removed_though_the_page_does_not_say_so(
    browser: Browser, janus: JanusServer, room: int, tmp_path: Path
) -> None:
    async with in_room(browser, janus, room, tmp_path) as at:
        await at.until(Admitted)
        bot = janus.participant(room, "NotesBot1")
        janus.request(request="kick", room=room, id=bot, secret="s")
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.REMOVED
        assert "kicked" in ended.evidence.detail


async def test_a_room_that_is_not_there_or_wants_a_pin_is_an_end_with_its_reason(
    browser: Browser, janus: JanusServer, room: int, tmp_path: Path
) -> None:
    async with in_room(browser, janus, room + 1, tmp_path) as at:
        assert (await at.until(CallEnded)).reason is EndReason.MEETING_NOT_FOUND
    closed = janus.request(request="create", pin="1234", secret="s")["room"]
    async with in_room(browser, janus, closed, tmp_path) as at:
        assert (await at.until(CallEnded)).reason is EndReason.WRONG_PASSCODE
    janus.request(request="destroy", room=closed, secret="s")


async def test_a_bot_that_leaves_is_gone_from_the_room(
    browser: Browser, janus: JanusServer, room: int, tmp_path: Path
) -> None:
    async with in_room(browser, janus, room, tmp_path) as at:
        await at.until(Admitted)
        assert janus.request(request="listparticipants", room=room)["participants"]
        await at.call.leave()
    await until(lambda: not janus.request(request="listparticipants", room=room)["participants"])


@pytest.mark.parametrize(
    ("url", "room"),
    [
        ("https://j.example/videoroomtest.html?room=77", "77"),
        ("http://j.example:8080/demos/videoroomtest.html", "1234"),
        ("https://j.example/videoroomtest.html?room=77&x=1#a", "77"),
        ("https://j.example/videoroomtest.html?room=abc", None),
        ("https://u@j.example/videoroomtest.html", None),
        ("https://j.example/echotest.html", None),
        ("ftp://j.example/videoroomtest.html", None),
        ("https://[/videoroomtest.html", None),
    ],
)
def test_links(url: str, room: str | None) -> None:
    link = JanusPlatform().parse(url)
    assert (link.native_id if link else None) == room


def test_a_name_is_cut_to_what_the_page_takes() -> None:
    assert [room_name(n) for n in ("Notes-Bot 1", "Ünï", "…")] == ["NotesBot1", "n", "Bot"]
