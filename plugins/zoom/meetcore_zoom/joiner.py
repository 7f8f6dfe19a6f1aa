"""A guest in Zoom's web client: from the preview through the waiting room into the call, and out.

What is particular here (`docs/explanation/browser.md` has the rest):

* the meeting's toolbar is in the page while "Joining Meeting..." is shown and behind the dialogs of
  a meeting that is locked or full, so it proves nothing; the waiting room stands inside the client;
* one page says of a meeting that its host has not started what it says of one that is not there, so
  it is loaded again for a while;
* what the page plays is decoded in WebAssembly and played by Web Audio: there is no track of it;
* once the bot is let in, its devices are as they were before the preview;
* a toolbar that hides itself, and a button that is covered, are pressed from within the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import trio
from attrs import evolve
from playwright.async_api import Error as PlaywrightError

from meetcore import (
    Capability,
    CommandFailed,
    JoinTokenFailed,
    MeetingLink,
    NameSource,
    Participant,
    RecipientRefused,
    Secret,
    TrackAppeared,
)
from meetcore_browser.capture import CaptureOptions, RemoteTrack
from meetcore_browser.errors import BrowserError
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import Found, PageLook, StateSeen
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_zoom.address import client_address
from meetcore_zoom.names import clean_name
from meetcore_zoom.options import ZoomOptions

__all__ = ["ZoomJoiner"]

HERE = Path(__file__).parent
REGISTRANT = "tk"
"""The one token that the web client is known to take; `zak` and `obf` are the Meeting SDK's."""
JOIN_AGAIN_S = 10.0
"""How long the page may take to answer the press of 'Join' before it is pressed again."""
BEFORE_THE_LIMIT_S = 60.0
"""How much sooner than the waiting room's limit a meeting is believed not to be there: the page
may take that long to be loaded once more."""
PASSCODE_ANSWER_S = 4.0
PANEL_AGAIN_S = 4.0
AUDIO_AGAIN_S = 3.0
CONFIRM_S = 2.5
LEAVE_S = 5.5
CONTROL_S = 3.0
ALLOW_S = 5.0
"""How long the page may take to offer its 'Allow' beside the way to go on without devices."""
ELSEWHERE = frozenset(
    {
        PageState.UNKNOWN,
        PageState.LOADING,
        PageState.PRE_JOIN,
        PageState.PASSCODE_ASKED,
        PageState.WRONG_PASSCODE,
    }
)
CALL_CONTROLS = ("call_stage", "call_toolbar", "people_counted", "leave_button")
SAID = frozenset({PageState.REMOVED, PageState.ENDED, PageState.MOVED})
"""What a page says in words wins over where it is."""
SETTLES_S = 20.0
"""How long a client that was let in may still change its address."""
AWAY_LOOKS = 3
MISSING = frozenset({PageState.NOT_FOUND, PageState.NOT_STARTED})

ELSEWHERE_HINT = (
    "Whoever the bot comes as (its account, or the person who was registered) is in this meeting"
    " already, on another device: have the other leave, or name another account."
)
HINTS: Mapping[PageState, str] = {
    PageState.WAITING: (
        'The host must press "Admit" beside the bot\'s name in the Participants panel.'
    ),
    PageState.WAITING_FOR_HOST: (
        "The host has to start the meeting. Zoom shows the same page for a meeting that does not"
        " exist, so check the link as well; the bot looks again until then."
    ),
    PageState.NOT_FOUND: (
        "Check the link. Zoom shows this page also for a meeting that its host has not started."
    ),
    PageState.BOT_WALL: (
        "This meeting's host or account does not let automated guests in. Zoom's own way for bots"
        " is RTMS: the platform `zoom_rtms`."
    ),
    PageState.OFFICIAL_API: (
        "Zoom wants bots to come by its Realtime Media Streams (RTMS): use the platform"
        " `zoom_rtms`, with an app of yours in Zoom."
    ),
    PageState.SIGN_IN: (
        "Only people who are signed in may join: the host has to allow everybody with the link, or"
        " the bot needs an account of its own (meetcore login zoom). Zoom's own way for bots is"
        " RTMS: the platform `zoom_rtms`."
    ),
    PageState.WRONG_PASSCODE: (
        "Send the bot with the meeting's whole link, which holds the passcode, or with the passcode"
        " as people type it."
    ),
}


class ZoomJoiner(GuestJoiner):
    """Joins one Zoom meeting."""

    name: ClassVar[str] = "zoom"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"
    scripts: ClassVar[Sequence[Path]] = (
        PAGE_FOLDER / "native_links.js",
        HERE / "page" / "signalling.js",
        HERE / "page" / "receivers.js",
    )
    hints: ClassVar[Mapping[PageState, str]] = HINTS
    name_source: ClassVar[NameSource] = NameSource.ACTIVE_SPEAKER
    speakers_lag_s: ClassVar[float] = 0.3
    chat_limit: ClassVar[int] = 1024
    devices: ClassVar[Mapping[str, tuple[str, str]]] = {
        "microphone": ("microphone_live", "microphone_muted"),
        "camera": ("camera_live", "camera_stopped"),
    }
    share_controls: ClassVar[Sequence[str]] = ("share_screen", "share_choice")
    sharing_control: ClassVar[str] = "sharing"
    view_controls: ClassVar[Mapping[str, Sequence[str]]] = {
        "gallery": ("view_button", "view_gallery"),
        "speaker": ("view_button", "view_speaker"),
    }
    options: ZoomOptions

    def __init__(self, options: ZoomOptions, pack: SelectorPack) -> None:
        super().__init__(options, pack)
        self._token: Secret | None = None
        self._missing_since_s: float | None = None
        self._away_looks = 0
        self._when: dict[str, float] = {}

    def address(self, link: MeetingLink) -> str:
        """Return the address of the web client for a link."""
        token = self._token.reveal() if self._token else None
        return client_address(link, self.options.origin, token)

    async def opened(self, guest: Guest) -> None:
        """Fetch the registrant's token, where a plugin has one."""
        self._token = None
        self._when.clear()  # what was done on an earlier attempt's page was not done on this one
        self._away_looks = 0
        token = await guest.request.join_token()
        if token is None:
            return
        if token.kind != REGISTRANT:
            raise JoinTokenFailed("zoom", f"cannot use a {token.kind!r} token as a guest")
        self._token = token.value
        guest.note("token", f"a registrant's ({token.kind})")

    def capture_options(self) -> CaptureOptions:
        """Hear what the page plays: that is where the meeting's sound is."""
        return CaptureOptions(web_audio="on")

    def whose(self, guest: Guest, track: RemoteTrack) -> TrackAppeared:
        """Everybody speaks on every track here, whichever way it comes."""
        del guest
        return TrackAppeared(track.track_id, None, "mix", NameSource.UNKNOWN)

    def clean_name(self, name: str) -> str:
        """Return a person's name without '(Host, me)'."""
        return clean_name(name)

    # --- states -------------------------------------------------------------------------

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Give a meeting time to begin, and a passcode one try."""
        if guest.follower.was_inside:
            return self._perhaps_over(guest, seen, look)
        if seen.state in ELSEWHERE and (host := self._elsewhere(guest, look)):
            detail = f"the page went to {host}, which is none of Zoom's"
            return StateSeen(PageState.SIGN_IN, detail=detail)
        if seen.state is PageState.ENDED and not seen.by:
            return StateSeen(PageState.UNKNOWN)  # an address that means so only after a call
        if seen.state is PageState.MOVED:
            # Nobody moved what was not here: whoever the bot comes as is in the meeting already.
            return StateSeen(PageState.REFUSED, seen.by, seen.detail, hint=ELSEWHERE_HINT)
        if seen.state is PageState.WAITING:
            self._missing_since_s = None
        if seen.state in MISSING or seen.state is PageState.WAITING_FOR_HOST:
            return self._perhaps_not_yet(guest, seen)
        if seen.state is PageState.WRONG_PASSCODE:
            return self._perhaps_by_hand(guest, seen)
        asked = look.found.get("passcode_field") if seen.state is PageState.PRE_JOIN else None
        if seen.state is PageState.PASSCODE_ASKED or asked is not None:
            return seen if guest.link.passcode else _no_passcode(seen, asked)
        return seen

    def _perhaps_over(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """After a call, a page that went to where no meetings are means that it is over."""
        host = self._elsewhere(guest, look)
        if any(control in look.found for control in CALL_CONTROLS) or seen.state in SAID:
            host = None
        signs_in = seen.state is PageState.SIGN_IN and not seen.by
        if host is None and not signs_in:
            self._away_looks = 0
            return seen
        self._away_looks += 1
        began_s = self._when.setdefault("inside", trio.current_time())
        early = trio.current_time() - began_s < SETTLES_S
        if early or (not signs_in and self._away_looks < AWAY_LOOKS):
            return StateSeen(PageState.UNKNOWN)
        detail = seen.detail if signs_in else f"the page went to {host}, which is none of Zoom's"
        return StateSeen(PageState.ENDED, detail=detail, about="the page that comes after a call")

    def _elsewhere(self, guest: Guest, look: PageLook) -> str | None:
        """Return the host that the page went to, if it is not one where meetings are."""
        parts = urlsplit(look.url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
        home = urlsplit(self.address(guest.link)).hostname
        if host is None or host == home or host.endswith((".zoom.us", ".zoomgov.com")):
            return None
        return None if host in ("zoom.us", "zoomgov.com") else host

    def _perhaps_not_yet(self, guest: Guest, seen: StateSeen) -> StateSeen:
        """Wait for the host, as long as may be, and then believe what the page says."""
        now, by_itself = trio.current_time(), seen.state is PageState.WAITING_FOR_HOST
        if self._missing_since_s is None:
            self._missing_since_s = now
        wait_s = inf if by_itself else self.options.host_wait_s
        if (limit_s := guest.request.waiting_room_s) is not None:
            # The core only knows that nobody let the bot in.
            wait_s = min(wait_s, limit_s - min(BEFORE_THE_LIMIT_S, limit_s / 4))
        if now - self._missing_since_s < wait_s:
            return evolve(seen, state=PageState.WAITING_FOR_HOST)
        state = PageState.NOT_STARTED if by_itself else seen.state
        return evolve(seen, state=state, detail=f"{wait_s:g} s long the page said: {seen.detail}")

    def _perhaps_by_hand(self, guest: Guest, seen: StateSeen) -> StateSeen:
        """What stood in the link may be the passcode that people type: that is tried once."""
        if not guest.link.passcode:
            return seen
        typed_s = self._when.get("passcode")
        if typed_s is None or trio.current_time() - typed_s < PASSCODE_ANSWER_S:
            return evolve(seen, state=PageState.PASSCODE_ASKED)
        return seen

    def _again(self, what: str, after_s: float) -> bool:
        """Whether something was not done yet, or long enough ago to be done again."""
        now, last = trio.current_time(), self._when.get(what)
        if last is not None and now - last < after_s:
            return False
        self._when[what] = now
        return True

    # --- the way in ---------------------------------------------------------------------

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Do the next thing on the way into the call."""
        if state is PageState.LAUNCHER:
            await self._stay_in_the_browser(guest, look)
        elif state is PageState.WAITING_FOR_HOST:
            await self._look_again(guest, look)
        elif state is PageState.PASSCODE_ASKED:
            await self._give_passcode(guest, look)
        elif state is PageState.PRE_JOIN and "allow_media" not in look.found:
            if "without_media" in look.found:
                await self._without_devices(guest)
            else:
                await self._through_the_preview(guest, look)

    async def _stay_in_the_browser(self, guest: Guest, look: PageLook) -> None:
        for control in ("join_from_browser", "launch_button"):
            if control in look.found:
                if self._again(control, JOIN_AGAIN_S):
                    guest.note(f"press {control}", await guest.page.press(control))
                return

    async def _look_again(self, guest: Guest, look: PageLook) -> None:
        if not {"invalid_link", "no_such_meeting", "not_started"} & set(look.found):
            return  # a page that goes on by itself once the host is there
        if "looked" not in self._when:
            self._when["looked"] = trio.current_time()
        elif self._again("looked", self.options.look_again_s):
            guest.note("look again", look.title)
            await guest.page.page.goto(self.address(guest.link))

    async def _without_devices(self, guest: Guest) -> None:
        """Go on without devices where the page offers nothing else: sound may be missing then."""
        since = self._when.setdefault("without_media", trio.current_time())
        if trio.current_time() - since >= ALLOW_S:
            guest.note("go on without devices", await guest.page.press("without_media"))
            self._when.pop("without_media")

    async def _give_passcode(self, guest: Guest, look: PageLook) -> None:
        if "passcode" in self._when or "passcode_field" not in look.found:
            return
        await guest.page.type("passcode_field", guest.link.passcode or "")
        guest.note("type the passcode", await guest.page.press("passcode_button"))
        self._when["passcode"] = trio.current_time()

    async def _through_the_preview(self, guest: Guest, look: PageLook) -> None:
        if "name_field" in look.found:
            name = guest.request.display_name
            if await guest.page.value("name_field") != name:
                await guest.page.type("name_field", name)
                guest.note("type the name", look.found["name_field"])
                return
        code = guest.link.passcode if "passcode_field" in look.found else None
        if code and not await guest.page.value("passcode_field"):
            await guest.page.type("passcode_field", code)
            self._when["passcode"] = trio.current_time()
            return
        for device in ("preview_audio", "preview_video"):
            if f"{device}_live" in look.found and self._again(device, CONTROL_S):
                guest.note(f"{device} off", await guest.page.press(f"{device}_live"))
                return
        if "join_button" not in look.found or "join_disabled" in look.found:
            return
        if self._again("join", JOIN_AGAIN_S):
            guest.note("press join", await guest.page.press("join_button"))

    # --- in the call --------------------------------------------------------------------

    async def entered(self, guest: Guest) -> None:
        """Bring the toolbar up and open the lists; called again whenever the bot is let in."""
        for once in ("people", "chat", "join_audio", "microphone", "camera"):
            self._when.pop(once, None)
        self._when["inside"] = trio.current_time()
        await guest.page.move_mouse()
        if self.options.panels:
            await self._keep_open(guest, await guest.page.look())
        if guest.request.captions and guest.once("captions"):
            await self._show_captions(guest)

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """Keep devices off, the sound joined and the lists open."""
        found = look.found
        for device, (control, _) in self.devices.items():
            unwanted = control in found and device not in guest.used
            if unwanted and self._again(device, CONTROL_S):
                guest.note(f"{device} off", await guest.page.press(control))
        for control in ("audio_by_computer", "join_audio"):
            if control in found:
                if self._again(control, AUDIO_AGAIN_S):
                    guest.note(f"press {control}", await guest.page.press(control))
                break
        if "chat_disabled" in found:
            guest.capabilities -= {Capability.SEND_CHAT, Capability.SEND_DIRECT_CHAT}
        elif "chat_field" in found:
            guest.capabilities.add(Capability.SEND_CHAT)
            offered = "chat_receiver" in found
            change = guest.capabilities.add if offered else guest.capabilities.discard
            change(Capability.SEND_DIRECT_CHAT)
        if self.options.panels:
            await self._keep_open(guest, look)

    async def _keep_open(self, guest: Guest, look: PageLook) -> None:
        for panel in ("people", "chat"):
            closed, opened = f"{panel}_closed", f"{panel}_open"
            missing = closed in look.found and opened not in look.found
            if missing and self._again(panel, PANEL_AGAIN_S):
                guest.note(f"open {panel}", await guest.page.press(closed))

    async def _show_captions(self, guest: Guest) -> None:
        for control in ("more_button", "captions_item", "captions_show"):
            found = await guest.page.wait_for(control, timeout_s=CONTROL_S)
            await guest.page.press(control)
            guest.note(f"press {control}", found)

    async def send_chat(self, guest: Guest, text: str) -> None:
        """Write into the chat and press Enter."""
        await self._write(guest, text, None)

    async def send_direct_chat(self, guest: Guest, text: str, to: Participant) -> None:
        """Choose whom it is for, write and press Enter; then everybody is chosen again."""
        same = [who for who in guest.people.values() if who.name == to.name]
        if len(same) > 1:
            raise RecipientRefused(
                f"{len(same)} people in the meeting are called {to.name!r}.",
                "Zoom's client tells whom to write to by name alone.",
            )
        try:
            await self._write(guest, text, to)
        finally:
            await guest.page.command("chooseReceiver", None)

    async def _write(self, guest: Guest, text: str, to: Participant | None) -> None:
        open_already = ("chat_disabled", "chat_field")
        found = await guest.page.wait_for(*open_already, "chat_closed", timeout_s=CONTROL_S)
        if found.control == "chat_closed":
            # The button is a switch: who keeps the lists open may have pressed it a moment ago.
            if self._again("chat", PANEL_AGAIN_S):
                await guest.page.press("chat_closed")
            found = await guest.page.wait_for(*open_already, timeout_s=CONTROL_S)
        if found.control == "chat_disabled":
            guest.capabilities.discard(Capability.SEND_CHAT)
            raise CommandFailed("The host has switched the chat off for guests.")
        said = await guest.page.command("chooseReceiver", None if to is None else to.name)
        if said:
            whom = "everybody" if to is None else f"{to.name!r} alone"
            raise CommandFailed(f"The message was not sent to {whom}: {said}.")
        await guest.page.fill("chat_field", text)
        await guest.page.key("chat_field", "Enter")

    # --- the way out --------------------------------------------------------------------

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Leave with the button and its confirmation, where Enter would cancel."""
        try:
            with trio.fail_after(LEAVE_S):
                await self._press_out(guest, state)
        except (BrowserError, PlaywrightError, trio.TooSlowError):
            await guest.page.page.goto("about:blank")
            raise

    async def _press_out(self, guest: Guest, state: PageState) -> None:
        page = guest.page
        if state in (PageState.WAITING, PageState.WAITING_FOR_HOST):
            await page.press("leave_waiting")
            return
        await page.move_mouse()
        await page.press("leave_button")
        await page.wait_for("leave_confirm", timeout_s=CONFIRM_S)
        await page.press("leave_confirm")
        await page.until_gone("leave_button", CONFIRM_S)


def _no_passcode(seen: StateSeen, asked: Found | None) -> StateSeen:
    """Return what a page means that asks for a passcode where the link has none."""
    said = seen.detail if asked is None else asked.text
    detail = f"the page asks for a passcode, and the link has none: {said}"
    by = seen.by if asked is None else (asked,)
    return evolve(seen, state=PageState.WRONG_PASSCODE, by=by, detail=detail.rstrip(": "))
