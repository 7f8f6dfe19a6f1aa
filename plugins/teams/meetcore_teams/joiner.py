"""A bot as a guest of Microsoft Teams' web client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import trio
from attrs import evolve
from playwright.async_api import Error as PlaywrightError

from meetcore import (
    Capability,
    CommandFailed,
    MeetingLink,
    NameSource,
    TrackAppeared,
)
from meetcore_browser.capture import RemoteTrack
from meetcore_browser.errors import SelectorMissed
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.page_script import PAGE_FOLDER
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_teams.address import client_address, thread_of, without_light
from meetcore_teams.mix import MixChoice
from meetcore_teams.names import bare_name
from meetcore_teams.options import TeamsOptions
from meetcore_teams.panels import PanelTurns
from meetcore_teams.speakers import SpeakerChoice, Witness

__all__ = ["PACK", "TeamsJoiner"]

HERE = Path(__file__).parent
PACK = HERE / "selectors.toml"

LOBBY_HINT = (
    "Somebody in the meeting has to admit the bot in the People panel. Teams holds external bots"
    " until an organiser approves them under 'Suspected threats', which only the organisers see."
)
DISABLED_IS_WAITING_S = 5.0
PANEL_TIMEOUT_S = 5.0
ENDED_AS = {
    5854: PageState.DENIED,
    5000: PageState.REMOVED,
    5300: PageState.REMOVED,
    5723: PageState.SIGN_IN,
}
"""What the service's `subCode` at the end of a call means; others say nothing that is known."""
_SAY_LITTLE = frozenset(
    {PageState.UNKNOWN, PageState.ENDED, PageState.CONNECTION_LOST, PageState.PRE_JOIN}
)
GONE_LOOKS = 3
"""In how many looks in a row the call has to be missing before a code alone is its end."""
END_SHOWS_S = 5.0
"""How long a page may show a call that the service has ended; later the code was another's."""
PRESS_AGAIN_S = 4.0
BEFORE_THE_LIMIT_S = 60.0
"""How long before the core's limit of the waiting room the bot says why it waited."""
MEDIA_QUESTION_LOOKS = 5
"""How often 'without audio or video' may stand in the way; later it is a part of the page."""


class TeamsJoiner(GuestJoiner):
    """Joins Teams meetings. One for each call: it keeps what it learned of the page."""

    name: ClassVar[str] = "teams"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"
    scripts: ClassVar[Sequence[Path]] = (
        PAGE_FOLDER / "native_links.js",
        HERE / "page" / "call_wire.js",
    )
    hints: ClassVar[Mapping[PageState, str]] = {
        PageState.WAITING: LOBBY_HINT,
        PageState.WAITING_FOR_HOST: f"Nobody has begun the meeting yet. {LOBBY_HINT}",
        PageState.NOT_FOUND: (
            "Teams says the same of an unknown id, a wrong or missing passcode and a meeting that"
            " is over: check the whole link, with its passcode."
        ),
        PageState.NOT_STARTED: (
            "This event lets nobody from outside in before it begins: send the bot again then."
        ),
        PageState.SIGN_IN: (
            "The organiser's company lets only people with an account join: allow anonymous guests"
            " in the meeting's options, or give the bot an account of its own (`meetcore login`)."
        ),
        PageState.CAPTCHA: (
            "A person has to answer Teams' question, or the organiser's company has to ask none of"
            " its anonymous guests."
        ),
    }
    chat_limit: ClassVar[int] = 4000
    guest_field: ClassVar[str | None] = "guest_name_field"
    account_as_guest: ClassVar[bool] = True
    devices: ClassVar[Mapping[str, tuple[str, str]]] = {
        "microphone": ("mic_on", "mic_off"),
        "camera": ("camera_on", "camera_off"),
    }

    share_controls: ClassVar[Sequence[str]] = ("share_screen", "share_choice")
    sharing_control: ClassVar[str] = "sharing"
    view_controls: ClassVar[Mapping[str, Sequence[str]]] = {
        "gallery": ("view_button", "view_gallery"),
        "speaker": ("view_button", "view_speaker"),
    }

    def __init__(self, options: TeamsOptions, pack: SelectorPack) -> None:
        super().__init__(options, pack)
        self._chosen = options
        self._begin(None)

    def _begin(self, guest: Guest | None) -> None:
        """Forget an earlier attempt's page."""
        self._guest = guest
        self._mix = MixChoice(self._chosen.mix_grace_s, self._chosen.mix_silent_s)
        self._speakers = SpeakerChoice()
        self._panels = PanelTurns(self._chosen.roster_every_s)
        self._loading_since_s: float | None = None
        self._disabled_since_s: float | None = None
        self._joined_s: float | None = None
        self._asked_about_media = 0
        self._ended_by: int | None = None
        self._ended_s = 0.0
        self._gone_looks = 0
        self._early_since_s: float | None = None
        self._looked_s = 0.0

    def _of(self, guest: Guest) -> None:
        if self._guest is not guest:
            self._begin(guest)

    # --- the way in -----------------------------------------------------------------------

    def address(self, link: MeetingLink) -> str:
        """Return the client's own address for a meeting."""
        anonymous = not self.options.identity
        return client_address(link, self.options.origin, anonymous=anonymous)

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Say what no wording says: what a disabled button and an unknown last page mean."""
        self._of(guest)
        now = trio.current_time()
        if [found.control for found in seen.by] == ["join_disabled"]:
            # Before the knock it may wait for devices, and right after it for the server.
            if guest.follower.knocked_s is None:
                return evolve(seen, state=PageState.PRE_JOIN)
            self._disabled_since_s = self._disabled_since_s or now
            waits = now - self._disabled_since_s >= DISABLED_IS_WAITING_S
            return seen if waits else evolve(seen, state=PageState.CONNECTING)
        self._disabled_since_s = None
        if seen.state in (PageState.PASSCODE_ASKED, PageState.NOT_FOUND):
            return self._passcode(guest, seen, look)
        if seen.state is PageState.NOT_STARTED:
            return self._perhaps_later(guest, seen)
        self._mind_the_end(seen, look, now)
        told = self._as_told(guest, seen)
        if told is None and seen.state is PageState.UNKNOWN and "retry_screen" in look.found:
            return _unknown_last_page(guest, look)
        return told or seen

    def _perhaps_later(self, guest: Guest, seen: StateSeen) -> StateSeen:
        """Wait for an event to begin, as long as may be, and then believe what the page says."""
        now, wait_s = trio.current_time(), self._chosen.host_wait_s
        if self._early_since_s is None:
            self._early_since_s = self._looked_s = now
        if (limit_s := guest.request.waiting_room_s) is not None:
            # The core only knows that nobody let the bot in.
            wait_s = min(wait_s, limit_s - min(BEFORE_THE_LIMIT_S, limit_s / 4))
        if now - self._early_since_s < wait_s:
            return evolve(seen, state=PageState.WAITING_FOR_HOST)
        return evolve(seen, detail=f"{wait_s:g} s long the page said: {seen.detail}")

    def _mind_the_end(self, seen: StateSeen, look: PageLook, now: float) -> None:
        """Count the looks that miss the call, and forget a code after which it goes on."""
        if seen.state is PageState.IN_CALL and now - self._ended_s >= END_SHOWS_S:
            self._ended_by = None
        gone = seen.state is PageState.UNKNOWN and "hangup_button" not in look.found
        self._gone_looks = self._gone_looks + 1 if gone else 0
        if "retry_screen" in look.found:
            self._gone_looks = GONE_LOOKS  # the client gave up

    def _as_told(self, guest: Guest, seen: StateSeen) -> StateSeen | None:
        """Return why the service ended the call, where the page says no more than that it did."""
        state = ENDED_AS.get(self._ended_by or 0)
        if state is None or seen.state not in _SAY_LITTLE or guest.follower.knocked_s is None:
            return None
        if seen.state is PageState.UNKNOWN and self._gone_looks < GONE_LOOKS:
            return None
        told = f"the service ended the call with subCode {self._ended_by}"
        detail = f"{told}: {seen.detail}" if seen.detail else told
        return StateSeen(state, seen.by, detail)

    def _passcode(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        field, lost = look.found.get("passcode_field"), seen.state is PageState.NOT_FOUND
        if field is None:
            return seen
        passcode = guest.link.passcode
        if passcode is not None and "passcode given" not in guest.done:
            # The client is known to lose the passcode of a link, and then to find nothing.
            dropped = passcode not in field.text
            return StateSeen(PageState.PASSCODE_ASKED, (field,)) if dropped or not lost else seen
        if lost:
            return seen
        if "meeting_code_field" in look.found:
            by = (look.found["meeting_code_field"],)
            return StateSeen(PageState.NOT_FOUND, by, "the page asks for another id and passcode")
        if guest.link.passcode is None:
            detail = "the page asks for a passcode; the link has none"
            return StateSeen(PageState.WRONG_PASSCODE, (field,), detail)
        if "passcode given twice" in guest.done and "passcode_button" in look.found:
            return StateSeen(PageState.WRONG_PASSCODE, (field,), "the passcode was not taken")
        return seen

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Do the next thing before the call."""
        self._of(guest)
        if state is not PageState.LOADING or "loading_screen" not in look.found:
            self._loading_since_s = None
        if "media_question" in look.found and guest.once("ask for devices"):
            guest.note("ask for devices", str(await guest.page.command("warmUp")))
        if state is PageState.LAUNCHER:
            guest.note("stay in the browser", await guest.page.press("join_on_web"))
        elif state is PageState.LOADING and "loading_screen" in look.found:
            await self._loading(guest)
        elif state is PageState.WAITING_FOR_HOST and "not_started" in look.found:
            await self._look_again(guest)
        elif state is PageState.PASSCODE_ASKED and "passcode_field" in look.found:
            await self._give_passcode(guest, look)
        elif state is PageState.PRE_JOIN:
            await self._pre_join(guest, look)

    async def _loading(self, guest: Guest) -> None:
        now = trio.current_time()
        if self._loading_since_s is None:
            self._loading_since_s = now
        if now - self._loading_since_s < self._chosen.loading_limit_s:
            return
        if not guest.once("load again"):
            raise trio.TooSlowError(
                f"the loading screen stayed for {self._chosen.loading_limit_s:g} s,"
                " and again after the page was loaded anew"
            )
        page = guest.page.page
        url = str(await page.evaluate("() => location.href"))
        self._loading_since_s = None
        light = "/light-meetings/" in url
        guest.note("load again", "without the light client" if light else "the same address")
        if light:
            await page.goto(without_light(url))
        else:
            await page.call(page.raw.reload, wait_until="domcontentloaded", timeout_s=31.0)

    async def _look_again(self, guest: Guest) -> None:
        """Load the page again: it does not by itself, once the event has begun."""
        now = trio.current_time()
        if now - self._looked_s < self._chosen.look_again_s:
            return
        self._looked_s, self._joined_s, self._ended_by = now, None, None
        self._asked_about_media = 0
        guest.clicked.pop("without_media", None)
        guest.done -= {"passcode given", "passcode given twice", "load again"}
        guest.note("look again", "the event may have begun")
        page = guest.page.page
        await page.call(page.raw.reload, wait_until="domcontentloaded", timeout_s=31.0)

    async def _give_passcode(self, guest: Guest, look: PageLook) -> None:
        if guest.link.passcode is None:
            return
        if not guest.once("passcode given") and not guest.once("passcode given twice"):
            return
        await guest.page.fill("passcode_field", guest.link.passcode)
        await guest.page.wait_for("passcode_button", timeout_s=2.0)
        guest.note("give the passcode", await guest.page.press("passcode_button"))

    async def _pre_join(self, guest: Guest, look: PageLook) -> None:
        page = guest.page
        if "name_field" in look.found:
            await self._fill_name(guest)
        passcode = guest.link.passcode if "passcode_field" in look.found else None
        if passcode is not None and not await page.value("passcode_field"):
            await page.fill("passcode_field", passcode)
        for device in ("mic_on", "camera_on"):
            if device in look.found:
                guest.note(f"switch off: {device}", await page.press(device))
        if "no_audio" in look.found and await page.checked("no_audio"):
            guest.note("hear by the computer", await page.press("computer_audio"))
        now = trio.current_time()
        self._asked_about_media += 1 if "without_media" in look.found else 0
        waits = "without_media" in look.found and self._asked_about_media <= MEDIA_QUESTION_LOOKS
        if "join_enabled" not in look.found or waits:
            return
        if self._joined_s is None or now - self._joined_s >= PRESS_AGAIN_S:
            self._joined_s, self._ended_by = now, None
            await self._press_join(guest)

    async def _press_join(self, guest: Guest) -> None:
        try:
            found = await guest.page.click("join_enabled", timeout_s=2.0)
        except PlaywrightError as error:  # something lies over it
            guest.note("press join", f"not with the mouse: {str(error).splitlines()[0]}")
            found = await guest.page.press("join_enabled")
        guest.note("press join", found)
        guest.knocked()

    async def _fill_name(self, guest: Guest) -> None:
        """Fill in the name and see that it stands there: the field takes it only by its events."""
        wanted = guest.request.display_name
        await guest.page.command("iam", wanted)
        if await guest.page.value("name_field") == wanted:
            return
        await guest.page.fill("name_field", wanted)
        if await guest.page.value("name_field") != wanted:
            await guest.page.type("name_field", wanted)
        if await guest.page.value("name_field") != wanted:
            raise trio.TooSlowError("the name does not stay in its field")

    # --- in the call ----------------------------------------------------------------------

    async def entered(self, guest: Guest) -> None:
        """Say who we are to the readers, open the list of people, turn captions on."""
        self._of(guest)
        meeting = {"thread": thread_of(guest.link), "account": bool(self.options.identity)}
        await guest.page.command("joins", meeting)
        await guest.page.command("iam", guest.request.display_name)
        await self._turn_panels(guest, await guest.page.look())

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """See to the tracks, the panels and the captions."""
        now = trio.current_time()
        capture = guest.page.page.capture
        if self._mix.look(capture.levels, now):
            capture.reconsider()
            if self._mix.reason:
                guest.note("tracks", self._mix.reason)
        guest.speaking = self._speakers.speaking(now)
        if "chat_disabled" in look.found and Capability.SEND_CHAT in guest.capabilities:
            guest.capabilities.discard(Capability.SEND_CHAT)
            guest.note("chat", "this meeting lets guests write nothing")
        await self._turn_panels(guest, look)
        if not guest.request.captions:
            return
        if "captions_list" not in look.found:
            await self._turn_captions_on(guest, now)
        elif guest.once("watch captions"):
            await guest.page.command("watchCaptions", True)

    async def _turn_panels(self, guest: Guest, look: PageLook) -> None:
        now = trio.current_time()
        button = self._panels.press(
            now, people="roster_list" in look.found, chat="chat_list" in look.found
        )
        if button is not None and button in look.found:
            await guest.page.press(button)

    async def _turn_captions_on(self, guest: Guest, now_s: float) -> None:
        if not self._panels.captions_due(now_s):
            return
        await guest.page.press("more_button")
        found = await guest.page.wait_for(
            "captions_button", "captions_menu", timeout_s=PANEL_TIMEOUT_S
        )
        if found.control == "captions_menu":
            await guest.page.press("captions_menu")
            await guest.page.wait_for("captions_button", timeout_s=PANEL_TIMEOUT_S)
        guest.note("turn captions on", await guest.page.press("captions_button"))

    def whose(self, guest: Guest, track: RemoteTrack) -> TrackAppeared | None:
        """Take the mix; everybody is in it."""
        self._of(guest)
        if track.layer == "peer connections":
            live = guest.page.page.capture.tracks
            twice = any(t.label == track.label and t.track_id != track.track_id for t in live)
            if twice or not self._mix.takes(track.label):
                return None
        return TrackAppeared(track.track_id, None, "mix", NameSource.UNKNOWN)

    def clean_name(self, name: str) -> str:
        """Return a name without Teams' badges."""
        return bare_name(name)

    def topics(self, guest: Guest) -> Mapping[str, Callable[[Any, float | None], None]]:
        """Take what the page's witnesses say about who speaks."""

        def taker(witness: Witness) -> Callable[[Any, float | None], None]:
            return lambda data, at_s: self._heard(guest, witness, data, at_s)

        return {
            "dominant": taker(Witness.DOMINANT),
            "sources": taker(Witness.SOURCES),
            "speakers": taker(Witness.RING),
            "captioned": taker(Witness.CAPTIONS),
            "ended": lambda code, _: self._ended(guest, code),
        }

    def _ended(self, guest: Guest, code: Any) -> None:
        """Take why the service ended a call; what the page shows then decides.

        An account hears of the ends of its other calls, too, and before it is in one of them
        nothing says which is meant.
        """
        self._of(guest)
        if isinstance(code, int) and (guest.follower.was_inside or not self.options.identity):
            self._ended_by, self._ended_s = code, trio.current_time()

    def _heard(self, guest: Guest, witness: Witness, data: Any, at_s: float | None) -> None:
        self._of(guest)
        if not isinstance(data, list) or not guest.follower.was_inside:
            return
        own = {person.id for person in guest.people.values() if person.is_self}
        ids = {str(one) for one in data} - own
        for signal in self._speakers.take(witness, ids, trio.current_time(), at_s):
            guest.events.observe(signal)

    # --- chat and the end -----------------------------------------------------------------

    async def send_chat(self, guest: Guest, text: str) -> None:
        """Open the chat if need be, write and send."""
        page = guest.page
        look = await page.look()
        if "chat_field" not in look.found and "chat_disabled" not in look.found:
            await page.press("chat_button")
        found = await page.wait_for("chat_disabled", "chat_field", timeout_s=PANEL_TIMEOUT_S)
        self._panels.keep_chat(trio.current_time())
        if found.control == "chat_disabled":
            guest.capabilities.discard(Capability.SEND_CHAT)
            raise CommandFailed("This meeting lets guests write nothing in its chat.")
        await page.fill("chat_field", text)
        await page.key("chat_field", "Enter")

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Hang up, or stop waiting."""
        inside = guest.follower.was_inside
        buttons = ("hangup_button", "cancel_button")
        for button in buttons if inside else reversed(buttons):
            try:
                await guest.page.press(button)
            except SelectorMissed:
                continue
            await guest.page.until_gone(button)
            return


def _unknown_last_page(guest: Guest, look: PageLook) -> StateSeen:
    """Conclude by what led to it what the client's last page says in words that are not known."""
    by = (look.found["retry_screen"],)
    said = by[0].text
    if "meeting_code_field" in look.found:
        return StateSeen(PageState.NOT_FOUND, by, f"the page asks for another id: {said}")
    if guest.follower.state is PageState.WAITING:
        return StateSeen(PageState.DENIED, by, f"the page turned from the lobby to: {said}")
    return StateSeen(PageState.UNKNOWN, by, said)
