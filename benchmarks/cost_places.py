"""Where a bot and a plain browser can go to be measured: Janus, a rehearsal, the stand-ins.

Each place is opened with a number of people in it, takes a bot into a browser that is open already,
and has a bare Playwright script that does the same clicks in another one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from attrs import define, frozen

from meetcore import Admitted, CallRequest, Capability, MeetingLink
from meetcore.testing import Script
from meetcore.testing.script_toml import parse_script
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.finder import find_chromium
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.guest_call import open_guest_call
from meetcore_browser.guest.joiner import GuestJoiner
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_janus.joiner import JanusJoiner
from meetcore_janus.platform import JanusPlatform
from meetcore_meet.joiner import MeetJoiner
from meetcore_meet.options import MeetOptions
from meetcore_meet.platform import MeetPlatform
from meetcore_rehearsal import open_rehearsal
from meetcore_rehearsal.cast import MEDIA_FEATURES_OFF, MEDIA_SWITCHES
from meetcore_rehearsal.joiner import open_rehearsal_call
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_teams.joiner import TeamsJoiner
from meetcore_teams.options import TeamsOptions
from meetcore_teams.platform import TeamsPlatform
from meetcore_zoom.joiner import ZoomJoiner
from meetcore_zoom.options import ZoomOptions
from meetcore_zoom.platform import ZoomPlatform
from tests.plugins.janus.janus_server import JanusServer, cannot_serve, serving_janus
from tests.soak.visits import PLATFORMS
from tests.standins.site import serve_standin

__all__ = ["PLACES", "Place", "cannot_open", "open_place"]

PLACES = ("janus", "rehearsal", "meet", "zoom", "teams")
STANDINS = Path(__file__).parents[1] / "tests" / "standins"
IN_CALL_S = 60.0
JANUS_PAGES = 4
"""Up to so many people have a page each, as people do; more are published by one page."""
CAMERA = """
navigator.mediaDevices.getUserMedia = async () => {
  const audio = new AudioContext();
  const tone = new OscillatorNode(audio, { frequency: 440 });
  const out = new MediaStreamAudioDestinationNode(audio);
  tone.connect(out);
  tone.start();
  const [width, height, rate] = SIZE;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const paint = canvas.getContext("2d");
  let turn = 0;
  setInterval(() => {
    turn += 7;
    paint.fillStyle = `hsl(${turn % 360} 80% 50%)`;
    paint.fillRect(turn % width, 0, 90, height);
  }, 1000 / rate);
  return new MediaStream([...out.stream.getTracks(), ...canvas.captureStream(rate).getTracks()]);
};
"""
PUBLISH = """([room, count]) => new Promise((resolve, reject) => {
  let left = count;
  const session = new Janus({
    server: `${location.protocol}//${location.hostname}:8088/janus`,
    iceServers: [],
    error: reject,
    success: async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      for (let number = 0; number < count; number++) {
        let handle;
        session.attach({
          plugin: "janus.plugin.videoroom",
          error: reject,
          success: (it) => {
            handle = it;
            const display = `Person${number}`;
            handle.send({ message: { request: "join", room, ptype: "publisher", display } });
          },
          webrtcState: (up) => up && --left === 0 && resolve(true),
          onmessage: (msg, jsep) => {
            if (msg.videoroom === "joined")
              handle.createOffer({
                tracks: stream.getTracks().map(
                  (track) => ({ type: track.kind, capture: track.clone(), recv: false })),
                success: (offer) => {
                  const message = { request: "publish", audio: true, video: true };
                  handle.send({ message, jsep: offer });
                },
                error: reject,
              });
            if (jsep) handle.handleRemoteJsep({ jsep });
          },
        });
      }
    },
  });
})"""


class Place(Protocol):
    """A meeting that goes on, with people in it.

    Attributes:
        launch: How a bot's browser is started for it.
        plain_launch: How a plain browser is.
    """

    launch: LaunchOptions
    plain_launch: LaunchOptions

    async def bot(self, stack: AsyncExitStack, browser: Browser, folder: Path) -> float:
        """Have a bot come, until `stack` is left; return the seconds from the link to the call."""

    async def plain(self, browser: Browser) -> float:
        """Do what a person does there; return the seconds until the call is there."""


def cannot_open(name: str) -> str:
    """Return why a place cannot be opened on this machine, empty where it can."""
    return cannot_serve() if name == "janus" else ""


@asynccontextmanager
async def open_place(name: str, people: int) -> AsyncIterator[Place]:
    """Open a place with a number of people in it.

    Args:
        name: One of `PLACES`.
        people: How many are there beside the bot.
    """
    opens: dict[str, Callable[..., Any]] = {"janus": _janus, "rehearsal": _rehearsal}
    async with opens.get(name, _standin)(name, people) as place:
        yield place


async def _inside(events: KeepingCallEvents, began: float) -> float:
    await until(lambda: bool(events.of_type(Admitted)), IN_CALL_S)
    return time.monotonic() - began


async def _new_page(browser: Browser, script: str | None = None) -> Any:
    context = await browser.call(browser.raw.new_context, locale="en-US", ignore_https_errors=False)
    page = await browser.call(context.new_page)
    if script is not None:
        await browser.call(page.add_init_script, script=script)
    return page


@frozen
class Clicks:
    """What a person does: an address, fields to fill, buttons to press, what shows the call.

    Attributes:
        fills: Selector and text, typed key by key.
        presses: Selectors of buttons, pressed in order; each is waited for.
        before: Buttons before the name.
        inside: What is there once the person is in the call.
    """

    fills: tuple[str, str]
    presses: tuple[str, ...]
    inside: str
    before: tuple[str, ...] = ()

    async def do(self, browser: Browser, url: str, script: str | None = None) -> Any:
        """Do it in a page of its own; return the page."""
        page = await _new_page(browser, script)
        await browser.call(page.goto, url)
        for button in self.before:
            await browser.call(page.click, button)
        await browser.call(page.locator(self.fills[0]).press_sequentially, self.fills[1])
        for button in self.presses:
            await browser.call(page.click, button)
        await browser.call(page.wait_for_selector, self.inside, state="visible")
        return page


@define
class GuestPlace:
    """A place that the kit for guests joins."""

    launch: LaunchOptions
    plain_launch: LaunchOptions
    joiner: Callable[[], GuestJoiner]
    link: MeetingLink
    can: frozenset[Capability]
    clicks: Clicks
    plain_url: str

    async def bot(self, stack: AsyncExitStack, browser: Browser, folder: Path) -> float:
        """Have a bot come."""
        events = KeepingCallEvents()
        request = CallRequest(bot_id="bot", display_name="Notes", folder=folder)
        began = time.monotonic()
        call = open_guest_call(self.joiner(), self.link, request, events, self.can, browser=browser)
        await stack.enter_async_context(call)
        return await _inside(events, began)

    async def plain(self, browser: Browser) -> float:
        """Do the clicks."""
        began = time.monotonic()
        await self.clicks.do(browser, self.plain_url)
        return time.monotonic() - began


# --- Janus ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _janus(name: str, people: int) -> AsyncIterator[Place]:
    del name
    with (
        tempfile.TemporaryDirectory() as folder,
        serving_janus(Path(folder, "janus"), find_chromium().path) as server,
    ):
        many = people > JANUS_PAGES
        bitrate = 64_000 if many else 500_000
        made = server.request(request="create", publishers=people + 2, secret="s", bitrate=bitrate)
        room = int(made["room"])
        chromium = LaunchOptions(chromium=str(server.chromium))
        async with open_browser(chromium) as crowd:
            await _publish(crowd, server, room, people, in_one_page=many)
            platform = JanusPlatform()
            link = platform.parse(server.link(room))
            assert link is not None
            pack = platform.chosen_pack().pack
            launch = JanusJoiner(GuestOptions(), pack).launch_options()
            yield GuestPlace(
                LaunchOptions(chromium=chromium.chromium, tab_capture=launch.tab_capture),
                chromium,
                lambda: JanusJoiner(GuestOptions(), pack),
                link,
                platform.capabilities,
                _janus_clicks("Plain"),
                f"{server.link(room)}&subscriber-mode=yes",
            )


def _janus_clicks(name: str) -> Clicks:
    return Clicks(("#username", name), ("#register",), "#videos", before=("#start",))


async def _publish(
    crowd: Browser, server: JanusServer, room: int, people: int, *, in_one_page: bool
) -> None:
    """Have people send a tone and video: 640×360, or, by one page, 160×90 at 8 frames a second."""
    size = "[160, 90, 8]" if in_one_page else "[640, 360, 24]"
    script = CAMERA.replace("SIZE", size)
    if in_one_page:
        page = await _new_page(crowd, script)
        await crowd.call(page.goto, server.link(room))
        await crowd.call(page.evaluate, "() => new Promise((done) => Janus.init({callback: done}))")
        await crowd.call(page.evaluate, PUBLISH, [room, people], timeout_s=90.0)
        return
    for number in range(people):
        page = await _janus_clicks(f"Person{number}").do(crowd, server.link(room), script)
        await crowd.call(page.wait_for_selector, "#mute")


# --- the rehearsal -------------------------------------------------------------------------------


LOOPBACK = LaunchOptions(disabled_features=MEDIA_FEATURES_OFF, arguments=MEDIA_SWITCHES)


@define
class RehearsalPlace:
    """A room of the rehearsal site, with a cast that talks and shows its faces."""

    url: str
    launch: LaunchOptions = LOOPBACK
    plain_launch: LaunchOptions = LOOPBACK

    async def bot(self, stack: AsyncExitStack, browser: Browser, folder: Path) -> float:
        """Have a bot come."""
        events = KeepingCallEvents()
        link = RehearsalPlatform().parse(self.url)
        assert link is not None
        request = CallRequest(bot_id="bot", display_name="Notes", folder=folder)
        began = time.monotonic()
        call = open_rehearsal_call(link, request, events, browser=browser)
        await stack.enter_async_context(call)
        return await _inside(events, began)

    async def plain(self, browser: Browser) -> float:
        """Do the clicks."""
        clicks = Clicks(
            ("#join-form #name", "Plain"), ("#join-form button[type=submit]",), "#call #leave"
        )
        began = time.monotonic()
        await clicks.do(browser, self.url)
        return time.monotonic() - began


def _talk(people: int) -> Script:
    """Return a script in which everybody has the floor in turn, for longer than it is measured."""
    lines = ['title = "Cost"', "seed = 3", "[room]", "waiting_room = false"]
    for number in range(people):
        lines += ["[[people]]", f'id = "p{number}"', f'name = "Person{number}"']
        lines += ["host = true"] if number == 0 else []
    for turn in range(60):
        lines += ["[[lines]]", f'who = "p{turn % people}"', f"at_s = {1 + turn * 4}"]
        lines += ['text = "one two three four five six seven eight nine"']
    return parse_script("\n".join([*lines, "[end]", "at_s = 900\n"]))


@asynccontextmanager
async def _rehearsal(name: str, people: int) -> AsyncIterator[Place]:
    del name
    async with open_rehearsal(_talk(people)) as rehearsal:
        yield RehearsalPlace(rehearsal.link)


# --- the stand-ins -------------------------------------------------------------------------------


def _parts(name: str, origin: str) -> tuple[Any, Callable[[], GuestJoiner]]:
    if name == "meet":
        meet = MeetPlatform(MeetOptions(origin=origin))
        return meet, lambda: MeetJoiner(meet.options, meet.chosen_pack().pack)
    if name == "zoom":
        zoom = ZoomPlatform(ZoomOptions(origin=origin))
        return zoom, lambda: ZoomJoiner(zoom.options, zoom.chosen_pack().pack)
    teams = TeamsPlatform(TeamsOptions(origin=origin))
    return teams, lambda: TeamsJoiner(teams.options, teams.chosen_pack().pack)


_OPEN: Mapping[str, Mapping[str, Any]] = {
    "meet": {"lobby": False},
    "zoom": {"waiting_room": False},
    "teams": {"open": True},
}
_CLICKS = {
    "meet": Clicks(
        ("input[jsname=YPqjbf]", "Plain"), ("button:has-text('Join now')",), "[data-in-call=true]"
    ),
    "zoom": Clicks(
        ("#input-for-name", "Plain"),
        (
            "button.preview-join-button",
            "[aria-label='Join Audio' i]",
            ".join-audio-by-voip__join-btn",
        ),
        "text=Person0 >> nth=0",
    ),
    "teams": Clicks(
        ("[data-tid=prejoin-display-name-input]", "Plain"),
        ("[data-tid=prejoin-join-button]",),
        "#hangup-button",
    ),
}


@asynccontextmanager
async def _standin(name: str, people: int) -> AsyncIterator[Place]:
    with serve_standin(STANDINS / name) as served:
        form = PLATFORMS[name]
        room_id = form.room_id(1)
        everybody = [
            {"id": f"p{n}", "name": f"Person{n}", "tone": 300 + 40 * n} for n in range(people)
        ]
        more = {"people": everybody} if name == "meet" else {}
        room = served.room(room_id, **{**form.switches, **_OPEN[name], **more})
        for number in range(people):
            who, called, hz = f"p{number}", f"Person{number}", 300 + 40 * number
            if name == "zoom":
                room.tell("join", who=who, name=called, hz=hz)
                room.tell("speak", who=who, on=True)
            elif name == "teams":
                room.tell("joins", id=who, name=called, hz=hz, source=10 + number)
                room.tell("speaks", id=who, on=True)
            else:
                room.tell("speaks", id=who, on=True)
        platform, joiner = _parts(name, served.origin)
        link = platform.parse(form.link.format(room=room_id))
        url = joiner().address(link)
        yield GuestPlace(
            joiner().launch_options(),
            LaunchOptions(),
            joiner,
            link,
            platform.capabilities,
            _CLICKS[name],
            url,
        )
