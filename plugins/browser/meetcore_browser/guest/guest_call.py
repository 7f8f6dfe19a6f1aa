"""A bot as a guest of a web client: from the link to the end, over one attempt or several.

Where another attempt may help it is made from a fresh context, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve, frozen
from playwright.async_api import Error as PlaywrightError

from meetcore import (
    CallEnded,
    CallEvents,
    CallRequest,
    Capability,
    CommandFailed,
    CommandRefused,
    EndReason,
    Evidence,
    MeetingLink,
    NameSource,
    Participant,
    PersonAnswer,
    SpeechOutput,
    StepWorked,
    TrackAppeared,
)
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.browser import Browser
from meetcore_browser.capture import RemoteTrack, SourceHeard
from meetcore_browser.errors import BrowserError
from meetcore_browser.finder import find_chromium
from meetcore_browser.flags import check_display
from meetcore_browser.guest.attempt import GuestAttempt, GuestAttemptEnded, first_line
from meetcore_browser.guest.follower import PASSING_LIMIT_S, PageFollower
from meetcore_browser.guest.guest_page import GuestPage
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.layers import SoundLayer
from meetcore_browser.guest.observed_call import ObservedCall, OwnMessage
from meetcore_browser.guest.options import BETWEEN_ATTEMPTS_S
from meetcore_browser.guest.page_scripts import reader_scripts
from meetcore_browser.nursery import open_plain_nursery
from meetcore_browser.options import browser_options
from meetcore_browser.page_settings import PageSettings
from meetcore_browser.page_state import PageState
from meetcore_browser.pictures import picture_facts
from meetcore_browser.seen_page import CallWithPage

if TYPE_CHECKING:
    from meetcore_browser.guest.identities import Identity, IdentityStore

__all__ = ["GuestCall", "SignedIn", "open_guest_call"]

SESSION_EXPIRED = "session_expired"
"""The signal of an end at a wall that an account does not get past any more."""
LEAVE_TIMEOUT_S = 8.0
CHAT_TIMEOUT_S = 10.0
GIVE_BACK_TIMEOUT_S = 5.0
SWITCH_TIMEOUT_S = 4.0
SHARE_TIMEOUT_S = 10.0
SHARE_EVERY_S = 0.2


@frozen
class SignedIn:
    """The account that a bot goes with, and where it is kept."""

    store: IdentityStore
    identity: Identity


class GuestCall(CallWithPage):
    """The bot's presence in a meeting, as a guest of its web client."""

    def __init__(
        self,
        joiner: GuestJoiner,
        link: MeetingLink,
        request: CallRequest,
        events: CallEvents,
        capabilities: frozenset[Capability],
        browser: Browser | None = None,
    ) -> None:
        self.platform_name = joiner.name
        self._joiner = joiner
        self._link = link
        self._request = request
        self._events = events
        self._browser = browser
        self._attempt: GuestAttempt | None = None
        self._person_acts = False
        self._over = False
        self._leaving = False
        self._chatting = trio.Lock()
        self._can = capabilities

    @property
    def capabilities(self) -> frozenset[Capability]:  # type: ignore[override]
        """What this call can do: less than its platform where the meeting forbids something."""
        attempt = self._attempt
        return self._can if attempt is None else frozenset(attempt.guest.capabilities)

    async def run(self) -> None:
        """Attend, in as many attempts as help. Returns when there is no call any more."""
        given = (self._joiner.options.identity or "").split(",")
        names = [name.strip() for name in given if name.strip()]
        ended = await (self._run_signed_in(names) if names else self._run())
        if ended is not None:
            self._over = True
            self._events.observe(CallEnded(ended.reason, ended.evidence))

    async def _run_signed_in(self, names: list[str]) -> GuestAttemptEnded | None:
        """Attend with the first account that is free; where it is not let in as one, the next."""
        from meetcore_browser.guest.identities import IdentityStore  # brings cryptography with it

        store, ended = IdentityStore(), None
        while True:
            with ExitStack() as stack:
                try:
                    lent = stack.enter_context(store.lend(names, self._joiner.name))
                except BrowserError as error:
                    evidence = Evidence("identity", error.message, hint=error.remedy)
                    return ended or GuestAttemptEnded(EndReason.SIGN_IN_REQUIRED, evidence)
                name = lent.identity.name
                passed = "".join(f"; {other}: {why}" for other, why in lent.passed_over.items())
                self._events.observe(StepWorked("identity", f"{name} taken{passed}"))
                ended = await self._run(SignedIn(store, lent.identity))
                names = [other for other in names if other != name]
                if ended is None or not ended.other_account or not names:
                    return ended

    async def _run(self, signed_in: SignedIn | None = None) -> GuestAttemptEnded | None:
        """Attend, in as many attempts as help; return how it ended, None where the bot left."""
        most, number = max(1, self._joiner.options.attempts), 0
        while True:
            ended = await self._attend(signed_in)
            number += 1
            if self._leaving:
                return None
            if not ended.again or number == most:
                return ended
            why = f"attempt {number} of {most}: {ended.evidence.signal}: {ended.evidence.detail}"
            self._events.observe(StepWorked("try again", why))
            await trio.sleep(BETWEEN_ATTEMPTS_S * number)

    async def _attend(self, signed_in: SignedIn | None) -> GuestAttemptEnded:
        joiner, request = self._joiner, self._request
        if signed_in is not None and signed_in.identity.shown_as:
            # The account's name is what stands in lists and captions, and over its messages.
            request = evolve(request, display_name=signed_in.identity.shown_as)
        handlers = _Handlers()

        def whose(track: RemoteTrack) -> TrackAppeared | None:
            if track.layer == SoundLayer.TAB:
                return TrackAppeared(track.track_id, None, "mix", NameSource.UNKNOWN)
            return joiner.whose(handlers.guest, track)

        def on_source(heard: SourceHeard) -> None:
            joiner.heard(handlers.guest, heard)

        async with (
            open_page(
                request,
                self._events,
                options=joiner.launch_options(),
                whose=whose,
                scripts=reader_scripts(joiner),
                on_timed=handlers,
                capture=joiner.capture_options(),
                permissions=joiner.permissions,
                browser=self._browser,
                settings=PageSettings(
                    locale=joiner.options.locale,
                    storage_state=None if signed_in is None else signed_in.identity.state,
                ),
                on_source=on_source,
                devices=bool(joiner.devices),
            ) as page,
            open_plain_nursery() as nursery,
        ):
            guest = Guest(
                GuestPage(page, joiner.pack),
                self._link,
                request,
                self._events,
                PageFollower(
                    unknown_limit_s=joiner.options.unknown_limit_s,
                    refused_within_s=joiner.refused_within_s,
                    passing_limit_s=max(PASSING_LIMIT_S, request.join_timeout_s),
                ),
                capabilities=set(self._can),
            )
            observed = ObservedCall(joiner, guest)
            handlers.serve(guest, observed)
            account = None if signed_in is None else signed_in.identity.name
            self._attempt = GuestAttempt(
                joiner, guest, observed, trio.current_time(), account=account
            )
            self._attempt.person_acts(acting=self._person_acts)
            nursery.start_soon(page.watch)
            try:
                ended = await self._attempt.run()
                if self._attempt.reached:
                    with trio.move_on_after(LEAVE_TIMEOUT_S):
                        await page.finish_capture()
            finally:
                if signed_in is not None:
                    await self._give_back(signed_in, self._attempt)
            nursery.cancel_scope.cancel()
        if account is None:
            return ended
        if self._attempt.session_expired:
            hint = f"Sign in again: `meetcore login {joiner.name} --identity {account}`."
            evidence = evolve(ended.evidence, signal=SESSION_EXPIRED, hint=hint)
            ended = evolve(ended, evidence=evidence)
        at_wall = guest.follower.state is PageState.SIGN_IN and not guest.follower.was_inside
        return evolve(ended, other_account=at_wall)

    async def _give_back(self, signed_in: SignedIn, attempt: GuestAttempt) -> None:
        """Keep what the account's session has become, or that it has expired.

        A wall that wants an account, for whatever reason, says nothing of the session, and its
        page may know no session: the one that is kept stays.
        """
        state: dict[str, Any] | None = None
        if not attempt.session_expired:
            if not attempt.reached or attempt.guest.follower.state is PageState.SIGN_IN:
                return
            with trio.move_on_after(GIVE_BACK_TIMEOUT_S) as scope:
                scope.shield = True
                with suppress(BrowserError, PlaywrightError):
                    state = await attempt.guest.page.page.storage_state()
            if state is None:
                return
        said = "expired: sign in again" if state is None else "kept as it is now"
        try:
            signed_in.store.write_back(signed_in.identity, state)
        except (BrowserError, OSError) as error:
            said = f"could not be kept: {first_line(error)}"
        self._events.observe(StepWorked("identity", f"{signed_in.identity.name} {said}"))

    # --- commands -----------------------------------------------------------------------

    async def send_chat(self, text: str) -> None:
        """Type a message into the meeting's chat and see it appear there."""
        await self._write(text, None)

    async def send_direct_chat(self, text: str, to: Participant) -> None:
        """Type a message to one person into the chat and see it appear there as theirs alone."""
        await self._write(text, to)

    async def _write(self, text: str, to: Participant | None) -> None:
        attempt = self._attempt
        if attempt is None or attempt.guest.follower.state is not PageState.IN_CALL:
            raise CommandFailed("A chat message can be sent only while the bot is in the call.")
        if Capability.SEND_CHAT not in attempt.guest.capabilities:
            raise CommandFailed("This meeting lets guests write nothing in its chat.")
        if to is not None and Capability.SEND_DIRECT_CHAT not in attempt.guest.capabilities:
            raise CommandFailed("This meeting lets guests write to everybody only.")
        limit = self._joiner.chat_limit
        if len(text) > limit:
            raise CommandFailed(
                f"A message here may have {limit} characters; this one has {len(text)}.",
                "Send it in parts.",
            )
        async with self._chatting:
            before = set(attempt.observed.own_messages)
            try:
                if to is None:
                    await self._joiner.send_chat(attempt.guest, text)
                else:
                    await self._joiner.send_direct_chat(attempt.guest, text, to)
            except (BrowserError, PlaywrightError) as error:
                raise CommandFailed(f"The chat could not be used: {first_line(error)}") from error
            with trio.move_on_after(CHAT_TIMEOUT_S):
                while (seen := _appeared(attempt.observed, before, text)) is None:
                    await attempt.observed.changed()
                if seen.to != (None if to is None else to.name):
                    whom = "everybody" if seen.to is None else f"{seen.to!r} alone"
                    raise CommandFailed(f"The client shows that the message went to {whom}.")
                return
            raise CommandFailed(f"The message did not appear within {CHAT_TIMEOUT_S:g} s.")

    @asynccontextmanager
    async def open_speech(self, sample_rate_hz: int) -> AsyncIterator[SpeechOutput]:
        """Switch the bot's microphone on and speak into it; it stays on afterwards."""
        attempt = await self._use("microphone")
        async with attempt.guest.page.page.devices.open_speech(sample_rate_hz) as output:
            yield output

    async def show_image(self, image: bytes, media_type: str) -> None:
        """Switch the bot's camera on and show a picture as what it sees."""
        picture_facts(image)  # what cannot be shown switches nothing on
        attempt = await self._use("camera")
        await attempt.guest.page.page.devices.show_picture(image)

    async def show_page(self, url: str) -> None:
        """Switch the bot's camera on and show a web page as what it sees."""
        if self._attempt is not None:
            self._attempt.guest.page.page.devices.check_page(url)
        attempt = await self._use("camera")
        await attempt.guest.page.page.devices.show_page(url)

    async def hide_picture(self) -> None:
        """Switch the bot's camera off, and show nothing any more."""
        attempt = self._inside("camera")
        guest, (on, off) = attempt.guest, self._joiner.devices["camera"]
        guest.used.discard("camera")
        try:
            await guest.page.move_mouse()
            found = await guest.page.wait_for(on, off, timeout_s=SWITCH_TIMEOUT_S)
            if found.control == on:
                guest.note("switch off: camera", await guest.page.press(on))
                await guest.page.wait_for(off, timeout_s=SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            raise CommandFailed(
                f"The camera could not be switched off: {first_line(error)}"
            ) from error
        finally:
            await guest.page.page.devices.hide_picture()

    async def share_image(self, image: bytes, media_type: str) -> None:
        """Share a picture as the bot's screen."""
        picture_facts(image)  # what cannot be shown presses nothing
        attempt = self._inside("screen")
        await attempt.guest.page.page.devices.share_picture(image)
        await self._share(attempt)

    async def share_page(self, url: str) -> None:
        """Share a web page as the bot's screen."""
        attempt = self._inside("screen")
        attempt.guest.page.page.devices.check_page(url)
        await attempt.guest.page.page.devices.share_page(url)
        await self._share(attempt)

    async def _share(self, attempt: GuestAttempt) -> None:
        """Have the client ask for the bot's screen, unless it has it already."""
        guest, devices = attempt.guest, attempt.guest.page.page.devices
        left = list(self._joiner.share_controls)
        trouble: Exception | None = None
        try:
            with trio.move_on_after(SHARE_TIMEOUT_S):
                await guest.page.move_mouse()  # a toolbar may have hidden itself
                while not await devices.shares():
                    look = await guest.page.look()
                    name = next((each for each in reversed(left) if each in look.found), None)
                    if name is not None:
                        del left[: left.index(name) + 1]
                        guest.note("share the screen", await guest.page.press(name))
                    await trio.sleep(SHARE_EVERY_S)
                return
        except (BrowserError, PlaywrightError) as error:
            trouble = error
        await devices.stop_sharing()
        said = first_line(trouble) if trouble else "the client asked for no screen"
        raise CommandFailed(
            f"The screen could not be shared: {said}.", "The host may not allow it."
        ) from trouble

    async def stop_sharing(self) -> None:
        """Share no screen any more: by the client's button, or as the browser's own would."""
        attempt = self._inside("screen")
        guest, devices = attempt.guest, attempt.guest.page.page.devices
        control = self._joiner.sharing_control
        try:
            if await devices.shares():
                await guest.page.move_mouse()
                await guest.page.wait_for(control, timeout_s=SWITCH_TIMEOUT_S)
                guest.note("stop sharing", await guest.page.press(control))
                with trio.move_on_after(SWITCH_TIMEOUT_S):
                    while await devices.shares():  # noqa: ASYNC110  the page tells nobody
                        await trio.sleep(SHARE_EVERY_S)
        except (BrowserError, PlaywrightError) as error:
            self._events.observe(StepWorked("stop sharing", f"by ending it: {first_line(error)}"))
        await devices.stop_sharing()

    def _inside(self, device: str) -> GuestAttempt:
        attempt = self._attempt
        if attempt is None or attempt.guest.follower.state is not PageState.IN_CALL:
            raise CommandFailed(f"The {device} can be used only while the bot is in the call.")
        return attempt

    async def _use(self, device: str) -> GuestAttempt:
        """Have one of the bot's devices on: a client switches it off in its lobby, or mutes it."""
        attempt = self._inside(device)
        guest, (on, off) = attempt.guest, self._joiner.devices[device]
        guest.used.add(device)
        try:
            await guest.page.move_mouse()  # a toolbar may have hidden itself
            found = await guest.page.wait_for(on, off, timeout_s=SWITCH_TIMEOUT_S)
            if found.control == off:
                guest.note(f"switch on: {device}", await guest.page.press(off))
                await guest.page.wait_for(on, timeout_s=SWITCH_TIMEOUT_S)
        except (BrowserError, PlaywrightError) as error:
            said = f"The {device} could not be switched on: {first_line(error)}"
            raise CommandFailed(said, "The host may not allow it.") from error
        return attempt

    async def answer_person(self, answer: PersonAnswer) -> None:
        """Take what a person says about the wall that the page shows."""
        attempt = self._attempt
        if attempt is None or not attempt.answer(answer):
            raise CommandRefused("The page wants nothing of a person any more.")
        await trio.lowlevel.checkpoint()

    def page_now(self) -> BotPage | None:
        """Return the page of the attempt that is under way."""
        return None if self._attempt is None else self._attempt.guest.page.page

    def person_acts(self, *, acting: bool) -> None:
        """Press nothing while a person has taken the page over."""
        self._person_acts = acting
        if self._attempt is not None:
            self._attempt.person_acts(acting=acting)

    async def leave(self) -> None:
        """Leave as a person would: with the button, and its confirmation."""
        attempt = self._attempt
        if self._over or attempt is None:
            return
        self._leaving = True
        with suppress(BrowserError, PlaywrightError, trio.TooSlowError):
            with trio.fail_after(LEAVE_TIMEOUT_S):
                await attempt.guest.page.page.finish_capture()
                await self._joiner.leave(attempt.guest, attempt.guest.follower.state)


class _Handlers(dict[str, Any]):
    """The handlers of a page's topics, which are known only once there is the page."""

    guest: Guest

    def serve(self, guest: Guest, observed: ObservedCall) -> None:
        self.guest = guest
        guest.takes = {
            "people": observed.on_people,
            "speakers": observed.on_speakers,
            "chat": observed.on_chat,
            "captions": observed.on_captions,
            "shares": observed.on_shares,
        }
        self.update(guest.takes)
        self.update(observed.joiner.topics(guest))


def _appeared(observed: ObservedCall, before: set[str], text: str) -> OwnMessage | None:
    wanted = " ".join(text.split())
    new = (said for key, said in observed.own_messages.items() if key not in before)
    return next((said for said in new if " ".join(said.text.split()) == wanted), None)


@asynccontextmanager
async def open_guest_call(
    joiner: GuestJoiner,
    link: MeetingLink,
    request: CallRequest,
    events: CallEvents,
    capabilities: frozenset[Capability],
    *,
    browser: Browser | None = None,
) -> AsyncIterator[GuestCall]:
    """Begin to attend as a guest; on exit nothing of it remains.

    Args:
        joiner: The platform.
        link: The meeting.
        request: What the platform was asked for.
        events: Takes signals and sound.
        capabilities: What the platform can do at best.
        browser: A browser that is open already; by default the bot gets one of its own.

    Raises:
        ChromiumMissing: There is no Chromium on this machine.
        NoDisplay: The browser should be visible, and there is no display.
        PageGone: Page, browser or driver broke off.
    """
    if browser is None:  # what is missing here is said at once, and no end of a call
        options = joiner.launch_options()
        headed = options.headed or browser_options(request.plugins).headed
        check_display(evolve(options, headed=headed))
        find_chromium(options.chromium)
    call = GuestCall(joiner, link, request, events, capabilities, browser)
    async with open_plain_nursery() as nursery:
        nursery.start_soon(call.run)
        yield call
        nursery.cancel_scope.cancel()
