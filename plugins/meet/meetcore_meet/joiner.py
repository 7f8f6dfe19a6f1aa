"""A bot as a guest of Google Meet's web client: what is particular to that client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlencode, urlsplit

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
from meetcore_browser.capture import CaptureOptions, RemoteTrack, SourceHeard
from meetcore_browser.errors import BrowserError, SelectorMissed
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.look import PageLook, StateSeen
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_meet.meeting_space import flagged_as_bot
from meetcore_meet.names import clean_name
from meetcore_meet.options import MeetOptions
from meetcore_meet.visit import MeetVisit

if TYPE_CHECKING:
    from playwright.async_api import Response

__all__ = ["ORIGIN", "MeetJoiner"]

HERE = Path(__file__).parent
ORIGIN = "https://meet.google.com"
PRESS_AGAIN_S = 6.0
"""The button to join may be pressed again when nothing came of it for that long."""
PANEL_S = 5.0
ELSEWHERE_S = 6.0
"""How long a page that offers to move an account's call may take to offer another way in."""
ELSEWHERE_HINT = (
    "The bot's account is in this meeting already, on another device or by a bot that was not let"
    " go yet. It takes nobody's place: have the other leave, or name another account."
)
CREDENTIALS_HINT = (
    "Google Meet says that the account's sign-in may have changed, which it says of others that it"
    " turns away, too: where it stays so, sign in again with `meetcore login meet`."
)
DIALOGS = 8
"""How many looks the button to join waits for, while there are dialogs before it."""
LEFT_S = 3.0
PANEL_STAYS_S = 2.5
"""How long a panel stays at least, so that all of it is read."""
CHAT_EVERY_S = 20.0
WIRE_WAIT_S = 4.0
"""How long the service's own word on who is there is waited for, before the panel is opened."""
RESPONSE_CHARS = 4_000_000
_KEPT = ("authuser", "hl")
_SYNC = "MeetingSpaceService/SyncMeetingSpaceCollections"
_DEVICE = "MeetingDeviceService/CreateMeetingDevice"
_HOME = "the page went home"


class MeetJoiner(GuestJoiner):
    """Google Meet's web client, as a guest meets it."""

    name: ClassVar[str] = "meet"
    readers: ClassVar[Path] = HERE / "page" / "readers.js"
    chat_limit: ClassVar[int] = 500
    devices: ClassVar[Mapping[str, tuple[str, str]]] = {
        "microphone": ("mic_on", "mic_off"),
        "camera": ("camera_on", "camera_off"),
    }
    share_controls: ClassVar[Sequence[str]] = ("share_screen", "share_choice")
    sharing_control: ClassVar[str] = "sharing"
    view_controls: ClassVar[Mapping[str, Sequence[str]]] = {
        "gallery": ("more_options", "change_layout", "layout_tiled", "layout_close"),
        "speaker": ("more_options", "change_layout", "layout_spotlight", "layout_close"),
    }
    speakers_lag_s: ClassVar[float] = 0.2
    refused_within_s: ClassVar[float | None] = 5.0
    guest_field: ClassVar[str | None] = "name_field"
    hints: ClassVar[Mapping[PageState, str]] = {
        PageState.WAITING: 'Somebody in the call must press "Admit" for the bot, at the request'
        " that pops up or in the panel of people. Nobody answering, Meet gives up after about ten"
        " minutes.",
        PageState.WAITING_FOR_HOST: "The meeting begins for guests only when its host has come.",
        PageState.REFUSED: "Google Meet turned the bot away before anybody in the call was asked,"
        " as an automated guest or by the organiser's settings: the page does not say which."
        " Invite the bot's own account to the meeting and let the bot sign in with it.",
        PageState.SIGN_IN: "This meeting takes only people who are signed in: give the bot an"
        " account of its own, and invite that.",
    }

    options: MeetOptions

    def __init__(self, options: MeetOptions, pack: SelectorPack) -> None:
        super().__init__(options, pack)
        self.layer_limit_s = options.sound_wait_s
        self._current: MeetVisit | None = None

    @property
    def scripts(self) -> Sequence[Path]:  # type: ignore[override]
        """The scripts that run before the page's own."""
        wire = [HERE / "page" / "space_channels.js"] if self.options.read_wire else []
        return [HERE / "page" / "native_path.js", *wire]

    def visit(self, guest: Guest) -> MeetVisit:
        """Return what this attempt has learned so far; each attempt begins with nothing."""
        if self._current is None or self._current.guest is not guest:
            self._current = MeetVisit(guest)
        return self._current

    # --- the way in ---------------------------------------------------------------------

    def address(self, link: MeetingLink) -> str:
        """Return the meeting's address, asked for in the language of the options."""
        query = parse_qs(urlsplit(link.url).query)
        kept = {name: query[name][-1] for name in _KEPT if query.get(name)}
        kept.setdefault("hl", self.options.locale.split("-")[0])
        origin: str = (self.options.origin or ORIGIN).rstrip("/")
        return f"{origin}/{link.native_id}?{urlencode(kept)}"

    async def opened(self, guest: Guest) -> None:
        """Listen to two of the service's answers; nothing is held up or changed."""
        page, visit = guest.page.page, self.visit(guest)
        if not self.options.read_wire:
            return

        async def on_response(response: Response) -> None:  # on the browser thread
            kind = next((name for name in (_SYNC, _DEVICE) if name in response.url), None)
            if kind is None:
                return
            with suppress(PlaywrightError):
                text = await response.text()
                if len(text) <= RESPONSE_CHARS:
                    page.aio.to_trio(self._answered, visit, kind, text)

        await page.sync(page.raw.on, "response", on_response)

    def _answered(self, visit: MeetVisit, kind: str, text: str) -> None:
        if kind == _SYNC:
            visit.take_sync(text)
        elif flagged_as_bot(text) and visit.guest.once("flagged"):
            visit.guest.note("client flagged", "the service took this client for an automated one")

    def conclude(self, guest: Guest, seen: StateSeen, look: PageLook) -> StateSeen:
        """Say what the pages of leaving and of home mean, which come after many things."""
        visit = self.visit(guest)
        visit.now_s = trio.current_time()
        inside, knocked = guest.follower.was_inside, guest.follower.knocked_s is not None
        if seen.state is PageState.ENDED and not inside and any(
            found.control == "left_words" for found in seen.by
        ):  # fmt: skip
            return evolve(seen, state=PageState.DENIED)
        if seen.state is PageState.NOT_FOUND and seen.about == _HOME and (inside or knocked):
            detail = f"{_HOME}, without a word: {seen.detail}"
            state = PageState.ENDED if inside else PageState.DENIED
            return evolve(seen, state=state, detail=detail)
        if seen.state is PageState.IN_CALL:
            # What proves it encloses names and words, which say nothing about it.
            return evolve(seen, detail="")
        if seen.state is PageState.PRE_JOIN and self._only_moves(look):
            return self._elsewhere(visit, seen, look)
        visit.elsewhere_s = None
        if seen.state is PageState.REFUSED:
            seen = self._vaguely(seen, inside=inside, knocked=knocked)
        flagged = "flagged" in guest.done
        if flagged and seen.state in (PageState.REFUSED, PageState.DENIED):
            return evolve(seen, detail=f"{seen.detail} (the client was flagged as automated)")
        return seen

    def _vaguely(self, seen: StateSeen, *, inside: bool, knocked: bool) -> StateSeen:
        """Say what a refusal means in words that are said of several things."""
        said = {found.control for found in seen.by}
        if said == {"refused_vaguely"}:  # of trouble as well: another attempt may help
            return evolve(
                seen, state=PageState.CONNECTION_LOST if inside else seen.state, again=True
            )
        if "credentials_changed" in said and self.options.identity and not inside and not knocked:
            return evolve(seen, state=PageState.SIGN_IN, hint=CREDENTIALS_HINT)
        return seen

    def _only_moves(self, look: PageLook) -> bool:
        """Whether the account is in the call already, and the page shows no way in beside that.

        'Switch here' takes the call away from whoever is in it with this account. 'Join here too'
        does not, and is a button to join; it hides among the other ways to join.
        """
        offered = "switch_here" in look.found and "join_button" not in look.found
        return offered and bool(self.options.identity)

    def _elsewhere(self, visit: MeetVisit, seen: StateSeen, look: PageLook) -> StateSeen:
        """Give the page time to show another way in, and then say that there is none."""
        if visit.elsewhere_s is None:
            visit.elsewhere_s = visit.now_s
        if visit.now_s - visit.elsewhere_s < ELSEWHERE_S:
            return seen
        by = (look.found["switch_here"],)
        detail = "the account is in the call elsewhere, and the page offers only to move it here"
        return StateSeen(PageState.REFUSED, by, detail, hint=ELSEWHERE_HINT)

    async def advance(self, guest: Guest, state: PageState, look: PageLook) -> None:
        """Fill in the name, switch off what would be sent, and ask to join."""
        if state is not PageState.PRE_JOIN:
            return
        visit, page, now = self.visit(guest), guest.page, trio.current_time()
        if visit.pressed_s is not None and now - visit.pressed_s < PRESS_AGAIN_S:
            return
        if self._in_the_way(look) and any(guest.once(f"in the way {n}") for n in range(DIALOGS)):
            return  # it was answered just now: what is behind it is seen with the next look
        if self._only_moves(look):
            if "other_ways" in look.found and guest.once("other ways to join"):
                guest.note("other ways to join", await page.press("other_ways"))
            return
        await self._switch_off(guest, look)
        field = next((n for n in ("name_field", "any_name_field") if n in look.found), None)
        button = "join_button" if "join_button" in look.found else "any_join_button"
        if field is not None:
            found = await page.fill(field, guest.request.display_name)
            if guest.once("name"):
                guest.note("fill in the name", found)
        guest.note("press join", await page.click(button))
        visit.pressed_s = now
        guest.knocked()

    def _in_the_way(self, look: PageLook) -> bool:
        rules = [rule for rule in self.pack.dialogs if rule.click is not None]
        now = [rule for rule in rules if not rule.states or PageState.PRE_JOIN in rule.states]
        return any(rule.seen in look.found for rule in now)

    async def _switch_off(self, guest: Guest, look: PageLook) -> None:
        """Switch microphone and camera off; where that does not work, the bot is silent anyway."""
        for device, (name, _) in self.devices.items():
            if name not in look.found or device in guest.used:
                continue
            for _ in range(3):
                with suppress(BrowserError, PlaywrightError):
                    await guest.page.press(name)
                    guest.note("switch off", name)
                if name not in (await guest.page.look()).found:
                    break

    # --- in the call --------------------------------------------------------------------

    async def entered(self, guest: Guest) -> None:
        """Note when the call began; what is to be opened is opened from there."""
        self.visit(guest).since_s = trio.current_time()

    async def in_call(self, guest: Guest, look: PageLook) -> None:
        """Look after sound, people, chat and captions, one thing at a time."""
        visit, now = self.visit(guest), trio.current_time()
        visit.now_s = now
        visit.tell_people(again=True)
        since_s = now if visit.since_s is None else visit.since_s
        await self._hear_all(guest, now - since_s)
        if "mic_on" in look.found and guest.once(f"mic {int(now // 10)}"):
            await self._switch_off(guest, look)
        self._mind_chat(guest, look)
        if self._wants_captions(guest, look):
            guest.note("turn captions on", await guest.page.press("captions_off"))
        elif not visit.people.told_lately(now) and now - since_s >= WIRE_WAIT_S:
            await self._open_panels(guest, look)

    def _wants_captions(self, guest: Guest, look: PageLook) -> bool:
        """Whether to press the button; where only its icon is known, once: it may turn them off."""
        button = look.found.get("captions_off")
        if not guest.request.captions or button is None or "captions_region" in look.found:
            return False
        if "captions" in button.text.lower() or "untertitel" in button.text.lower():
            return self._may(guest, "captions")
        return not self.visit(guest).wire_captions and guest.once("captions 0")

    def _may(self, guest: Guest, what: str) -> bool:
        """Whether something may be tried once more."""
        return any(guest.once(f"{what} {number}") for number in range(3))

    async def _open_panels(self, guest: Guest, look: PageLook) -> None:
        """Without the service's own word, have the page show what is written, or who is there.

        There is room for one panel. Where everybody has a tile it is the chat's; where not, the
        people's, and now and then the chat's.
        """
        visit, now = self.visit(guest), trio.current_time()
        if "chat_panel" in look.found:
            visit.chat_s = now
        if now - visit.panel_s < PANEL_STAYS_S:
            return
        crowded = visit.people.crowded(now)
        stale = "chat_unread" in look.found or now - visit.chat_s >= CHAT_EVERY_S
        if Capability.READ_CHAT in guest.capabilities and (stale or not crowded):
            wanted, shown, button = "the chat", "chat_panel", "chat_button"
        else:
            wanted, shown, button = "the people", "person_row", "people_chip"
        if shown in look.found or button not in look.found:
            return
        visit.panel_s = now
        found = await guest.page.press(button)
        if guest.once(f"open {wanted}"):
            guest.note(f"open {wanted}", found)

    async def _hear_all(self, guest: Guest, inside_s: float) -> None:
        """Have what the page plays heard as well, once the call's own tracks gave nothing.

        No alarm: silence alone is no trouble, and whether it is one is the kit's to say. But where
        everybody is in one stream, the first words would be lost until it is.
        """
        others = [person for person in guest.people.values() if not person.is_self]
        if guest.page.page.capture.sounded or not others or inside_s < self.layer_limit_s:
            return
        if guest.once("layer"):
            await guest.page.page.hear_web_audio()

    def _mind_chat(self, guest: Guest, look: PageLook) -> None:
        """Take out what the meeting's chat does not allow, and say why."""
        if "chat_companion" in look.found and "chat_field" not in look.found:
            gone = {Capability.SEND_CHAT}
            if not self.visit(guest).people.told_lately(trio.current_time()):
                gone.add(Capability.READ_CHAT)
            why = "this meeting's chat is another product's, in a frame of its own"
        elif "chat_off" in look.found:
            gone, why = {Capability.SEND_CHAT}, "the host has switched the chat off"
        else:
            return
        if gone & guest.capabilities:
            guest.capabilities -= gone
            cannot = " and ".join(sorted(gone))
            guest.note("chat", f"{why}: {cannot} taken out")

    def capture_options(self) -> CaptureOptions:
        """Return how the sound is heard: by tracks and their sources, the rest in reserve."""
        return CaptureOptions(contributing_sources=True, web_audio="ready")

    def whose(self, guest: Guest, track: RemoteTrack) -> TrackAppeared | None:
        """Announce a slot as nobody's yet, and what the page plays itself as a mix."""
        del guest
        if track.peer_connection == 0:
            return TrackAppeared(track.track_id, None, "mix", NameSource.UNKNOWN)
        return TrackAppeared(track.track_id, None, "participant", NameSource.UNKNOWN)

    def heard(self, guest: Guest, heard: SourceHeard) -> None:
        """Take which source is heard on a slot."""
        self.visit(guest).on_source(heard)

    def clean_name(self, name: str) -> str:
        """Return a name without badges."""
        return clean_name(name)

    def topics(self, guest: Guest) -> Mapping[str, Callable[[Any, float | None], None]]:
        """Return what takes the readers' lists, and the datachannels."""
        visit = self.visit(guest)
        return {
            "people": visit.on_people,
            "speakers": visit.on_speakers,
            "chat": visit.on_chat,
            "captions": visit.on_captions,
            "channel": visit.on_channel,
        }

    # --- commands -----------------------------------------------------------------------

    async def send_chat(self, guest: Guest, text: str) -> None:
        """Type a message into the side panel's field."""
        page = guest.page
        look = await page.look()
        if "chat_field" not in look.found:
            await self._open_chat(guest, look)
        look = await page.look()
        self._mind_chat(guest, look)
        if Capability.SEND_CHAT not in guest.capabilities or "chat_field" not in look.found:
            raise CommandFailed(
                "The chat of this meeting has no field that the bot could write in.",
                "The host may have switched the chat off, or it is Workspace's own, in a frame.",
            )
        await page.fill("chat_field", text)
        await page.key("chat_field", "Enter")

    async def _open_chat(self, guest: Guest, look: PageLook) -> None:
        """Open the chat, unless it is open or about to be: its button closes it, too."""
        visit = self.visit(guest)
        if "chat_panel" not in look.found:
            if trio.current_time() - visit.panel_s < PANEL_S:
                await self._wait_for_chat(guest)
                look = await guest.page.look()
            if "chat_panel" not in look.found:
                visit.panel_s = trio.current_time()
                await guest.page.press("chat_button")
        await self._wait_for_chat(guest)

    async def _wait_for_chat(self, guest: Guest) -> None:
        with suppress(SelectorMissed):
            await guest.page.wait_for("chat_field", "chat_off", "chat_companion", timeout_s=PANEL_S)

    async def leave(self, guest: Guest, state: PageState) -> None:
        """Press the button that leaves, in the lobby as well, and see the call's page go."""
        page = guest.page
        try:
            await page.press("leave_button")
            with trio.move_on_after(LEFT_S):
                found = await page.wait_for(
                    "left_words", "leave_confirm", "join_button", timeout_s=LEFT_S
                )
                if found.control == "leave_confirm":
                    await page.press("leave_confirm")
                    await page.wait_for("left_words", timeout_s=LEFT_S)
        except SelectorMissed:
            await page.page.goto("about:blank", timeout_s=LEFT_S)
