"""One attempt to attend: one page, from its opening to its end.

One loop, whatever the platform: look at the page, conclude the state, answer what stands in the
way, do the next thing. The first final state is the end, and what is not recognised has a limit of
its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import trio
from attrs import define, evolve, field, frozen
from playwright.async_api import Error as PlaywrightError

from meetcore import (
    Admitted,
    CaptureHealth,
    CommandFailed,
    EndReason,
    Evidence,
    JoinTokenFailed,
    Knocked,
    NoticeSeen,
    PersonAnswer,
    PersonNeeded,
    RecordingPermission,
)
from meetcore_browser.errors import BrowserError, CallTimedOut, PageGone, StepFailed
from meetcore_browser.guest.joiner import Guest, GuestJoiner
from meetcore_browser.guest.layers import LAYER_SWITCHES, LayerChange, LayerWatch
from meetcore_browser.guest.look import PageLook, StateSeen, read_state
from meetcore_browser.guest.observed_call import ObservedCall
from meetcore_browser.options import browser_options
from meetcore_browser.page_state import END_OF, PageState, StateEnd, is_final

__all__ = ["GuestAttempt", "GuestAttemptEnded", "first_line"]

POLL_S = 1.0
FIRST_POLLS_S = 0.3
"""Before the call, where one look follows the other through a handful of pages."""
OPEN_TIMEOUT_S = 45.0
STEP_TRIES = 5
HTTP_GRACE_S = 2.0
VIEW_TIMEOUT_S = 4.0
"""How long a page that came with an error may take to show that it is the client."""
ANSWER_GRACE_S = 2.0
"""How long a page may take to show that a person did what it wanted."""
DUMB_LOOKS = 4
"""How many looks in a row the page may not answer."""
SIGNING_IN_S = 3.0
"""How long a page may show an account what it shows guests, before it knows who comes."""
LOGIN_STANDS_S = 6.0
"""How long a form to sign in stands before an account's session has expired: a session that is
well passes through such pages, too."""
RELOAD_TIMEOUT_S = 31.0
LOGIN_FORM = "sign_in_form"
"""The control of a pack that is a form to sign in; so is whatever an address alone shows."""
GONE_S = 60.0
"""After how long what stood in the way and was gone counts as new when it comes back."""
_LEAVE = {"asked": None, "given": True, "refused": False}

_WAITING = frozenset({PageState.WAITING, PageState.WAITING_FOR_HOST})
_REACHED = _WAITING | {PageState.IN_CALL}


@frozen
class GuestAttemptEnded:
    """How one attempt ended, and whether another may help, or one with another account."""

    reason: EndReason
    evidence: Evidence
    again: bool = False
    other_account: bool = False


@define
class GuestAttempt:
    """One page from its opening to its end."""

    joiner: GuestJoiner
    guest: Guest
    observed: ObservedCall
    began_s: float
    failures: Counter[str] = field(factory=Counter)
    gone_since: dict[str, float] = field(factory=dict)
    account: str | None = None
    as_guest_since: float | None = None
    looked_again: bool = False
    login_since: float | None = None
    login_stood: bool = False
    dumb: int = 0
    waited_for: str | None = None
    waiting_since_s: float = 0.0
    wall: StateSeen | None = None
    answered: PersonAnswer | None = None
    said_done_s: float = 0.0
    woken: trio.Event = field(factory=trio.Event)
    reached: bool = False
    hands_off: bool = False
    hands_off_since_s: float = 0.0
    http_status: int | None = None
    sound: LayerWatch = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sound = LayerWatch(self.joiner.layers, self.joiner.layer_limit_s)

    # --- the loop -----------------------------------------------------------------------

    async def run(self) -> GuestAttemptEnded:
        """Attend until there is no call any more; return why."""
        ended = await self._run()
        if self.waited_for is not None:
            self._tell_person(needed=False)
        return ended

    async def _run(self) -> GuestAttemptEnded:
        try:
            await self._open()
        except StepFailed as error:
            if "net::ERR_" in str(error):
                return self._unreachable(str(error))
            return self._never_loaded("step_failed", str(error), again=True)
        except JoinTokenFailed as error:
            evidence = Evidence("join_token", error.message, hint=error.remedy)
            return GuestAttemptEnded(EndReason.SIGN_IN_REQUIRED, evidence, again=True)
        while True:
            if self.answered is PersonAnswer.GIVE_UP and self.wall is not None:
                said = f"{self.wall.detail}; nobody does what a person was asked for"
                return await self._final(evolve(self.wall, detail=said.lstrip("; ")))
            look = await self._look()
            if look is not None:
                ended = await self._take(look)
                if ended is not None:
                    return ended
            elif self.dumb >= DUMB_LOOKS:
                return self._dumb()
            inside = self.guest.follower.state is PageState.IN_CALL
            with trio.move_on_after(POLL_S if inside or self.reached else FIRST_POLLS_S):
                await self.woken.wait()
                self.woken = trio.Event()

    async def _open(self) -> None:
        page = self.guest.page.page
        await self.joiner.opened(self.guest)
        address = self.joiner.address(self.guest.link)
        async with page.step("open the meeting", timeout_s=OPEN_TIMEOUT_S + 2.0):
            self.http_status = await page.goto(address, timeout_s=OPEN_TIMEOUT_S)

    async def _look(self) -> PageLook | None:
        try:
            look = await self.guest.page.look()
        except CallTimedOut:
            self.dumb += 1
            return None
        self.dumb = 0
        return look

    async def _take(self, look: PageLook) -> GuestAttemptEnded | None:
        now, follower = trio.current_time(), self.guest.follower
        read = read_state(self.joiner.pack, look)
        seen = self.joiner.conclude(self.guest, read, look)
        if self.account is not None:
            seen = self._perhaps_signing_in(read, seen, now)
            seen = await self._perhaps_as_guest(seen, look, now)
        end = END_OF.get(seen.state)
        if end is not None and end.person and await self._person(seen, now):
            follower.forgive(now)
            return None
        if self.waited_for is not None and (end is None or not end.person):
            self._tell_person(needed=False)
        if self.hands_off:
            follower.forgive(now)
            if end is not None and not seen.by:
                seen = StateSeen(PageState.UNKNOWN)  # an address alone: they go where they like
        told = follower.take(seen, now)
        if told is not None:
            await self._entered(told)
        if is_final(follower.state):
            return await self._final(follower.seen)
        if self.http_status is not None and self.http_status >= 400:
            if seen.state is not PageState.UNKNOWN:
                self.http_status = None  # it was a page of the client all the same
            elif follower.unknown_for_s(now) >= HTTP_GRACE_S:
                return await self._http_error(self.http_status)
        if self.hands_off:
            return None  # what is on the page is a person's doing; it is theirs until they let go
        limit = self.guest.request.join_timeout_s
        if not self.reached and self.waited_for is None and now - self.began_s > limit:
            detail = f"the page was not through within {limit:g} s; last seen: {seen.state.value}"
            return await self._lost("join_timeout", detail)
        if follower.lost_its_way(now):
            waited = follower.unknown_for_s(now)
            detail = f"the page showed nothing that is known for {waited:.0f} s"
            return await self._lost("unknown_state", detail)
        if follower.is_stuck(now):
            stuck_s, state = follower.passing_for_s(now), follower.state.value
            detail = f"the page was loading and connecting for {stuck_s:.0f} s; last seen: {state}"
            lost = await self._lost("page_stuck", detail)
            return evolve(lost, again=not follower.was_inside)  # also of who had been let in
        await self._answer_dialogs(look)
        return await self._act(look)

    @property
    def session_expired(self) -> bool:
        """Whether the end is a form to sign in that stood, where an account was to go in."""
        follower = self.guest.follower
        at_wall = follower.state is PageState.SIGN_IN and not follower.was_inside
        return at_wall and self.login_stood

    def _perhaps_signing_in(self, read: StateSeen, seen: StateSeen, now: float) -> StateSeen:
        """Give a page to sign in at time to go by itself: an account may only pass through it.

        Words that want people with an account are no such form, and are believed at once: they
        say nothing about the session.
        """
        form = any(each.control == LOGIN_FORM for each in seen.by)
        if seen.state is not PageState.SIGN_IN or not (form or not seen.by):
            self.login_since, self.login_stood = None, False
            return seen
        if self.login_since is None:
            self.login_since = now
        stood = now - self.login_since >= LOGIN_STANDS_S
        # An address that the joiner concluded from is somebody else's, and proves nothing.
        self.login_stood = stood and read.state is PageState.SIGN_IN
        if not stood and self.waited_for is None and not self.hands_off:
            return evolve(seen, state=PageState.GETTING_READY)
        return seen

    async def _perhaps_as_guest(self, seen: StateSeen, look: PageLook, now: float) -> StateSeen:
        """Say what it means that the page takes an account for a guest; it is asked twice."""
        field_shown = look.found.get(self.joiner.guest_field or "")
        if field_shown is None or self.hands_off or seen.state is not PageState.PRE_JOIN:
            self.as_guest_since = None
            return seen
        if self.as_guest_since is None:
            self.as_guest_since = now
        if now - self.as_guest_since < SIGNING_IN_S:
            return evolve(seen, state=PageState.GETTING_READY)
        if not self.looked_again:
            self.looked_again, self.as_guest_since = True, None
            await self._load_again()
            return evolve(seen, state=PageState.GETTING_READY)
        if self.joiner.account_as_guest:
            if self.guest.once("account as guest"):
                self.guest.note("identity", f"the page takes {self.account} for a guest")
            return seen
        detail = "the page takes the account for a guest: it asks for a name"
        login = f"`meetcore login {self.joiner.name} --identity {self.account}`"
        hint = f"The page did not know the account; where it stays so, sign in again: {login}."
        return StateSeen(PageState.SIGN_IN, (field_shown,), detail, hint=hint)

    async def _load_again(self) -> None:
        page = self.guest.page.page
        self.guest.note("load again", "the page asks an account for a guest's name")
        self.guest.clicked.clear()
        try:
            await page.call(
                page.raw.reload, wait_until="domcontentloaded", timeout_s=RELOAD_TIMEOUT_S
            )
        except (BrowserError, PlaywrightError) as error:
            _lost_page(error)
            self.guest.note("trouble: load again", first_line(error))

    # --- what a look leads to -----------------------------------------------------------

    async def _entered(self, told: StateSeen) -> None:
        """Tell a state that is new."""
        selector = told.selector(self.joiner.pack)
        detail = " ".join(
            part for part in (told.detail, f"[{selector}]" if selector else "") if part
        )
        if told.state in _REACHED:
            self.reached = True
        if told.state in _WAITING:
            self.guest.done.discard("entered")  # who is sent back may be let in again
            alone = told.state is PageState.WAITING_FOR_HOST
            self.guest.events.observe(Knocked(detail, self._hint(told.state), host_missing=alone))
        elif told.state is PageState.IN_CALL and self.guest.once("entered"):
            self.guest.events.observe(Admitted(detail))
            self.guest.page.page.begin_video()
            await self.guest.page.observe(on=True)
            await self._try("enter the call", self.joiner.entered)
            await self._choose_view()
        else:
            self.guest.note(f"page: {told.state.value}", detail)

    async def _choose_view(self) -> None:
        """Have the client show whom a recording is to show, where that was said."""
        guest, wanted = self.guest, browser_options(self.guest.request.plugins).video_view
        if wanted is None or not guest.request.video:
            return
        controls = self.joiner.view_controls.get(wanted, ())
        try:
            await guest.page.move_mouse()  # a toolbar may have hidden itself
            for control in controls:
                await guest.page.wait_for(control, timeout_s=VIEW_TIMEOUT_S)
                guest.note(f"{wanted} view", await guest.page.press(control))
        except (BrowserError, PlaywrightError) as error:
            guest.note(f"{wanted} view", f"cannot be chosen: {first_line(error)}")
        if not controls:
            guest.note(f"{wanted} view", "cannot be chosen: this client has no such control")

    def _hint(self, state: PageState) -> str:
        general = END_OF.get(state, StateEnd(EndReason.INTERNAL_ERROR)).hint
        return self.joiner.hints.get(state, general)

    async def _answer_dialogs(self, look: PageLook) -> None:
        """Tell what only tells, and answer one dialog: the next look sees what is left."""
        state = self.guest.follower.state
        self._forget_dialogs(look)
        for rule in self.joiner.pack.dialogs:
            seen = look.found.get(rule.seen)
            if seen is None or (rule.states and state not in rule.states):
                continue
            if self.guest.clicked[rule.seen] >= rule.at_most:
                continue
            if rule.leave == "asked" and rule.click not in look.found:
                continue  # nobody can be asked
            self.guest.clicked[rule.seen] += 1
            answer = ""
            if rule.click is not None:
                try:
                    answer = (await self.guest.page.press(rule.click)).text or rule.click
                except (BrowserError, PlaywrightError) as error:
                    _lost_page(error)
                    continue
            if rule.leave is not None:
                permission = RecordingPermission(_LEAVE[rule.leave], seen.text)
                self.guest.events.observe(permission)
            if rule.notice is not None:
                self.guest.events.observe(NoticeSeen(rule.notice, seen.text, answer))
            else:
                self.guest.note(f"dialog {rule.seen}", seen)
            if rule.click is not None:
                return

    def _forget_dialogs(self, look: PageLook) -> None:
        """Count anew what was gone for a while: a question may come back after hours."""
        now = trio.current_time()
        for name in list(self.guest.clicked):
            if name in look.found:
                self.gone_since.pop(name, None)
            elif now - self.gone_since.setdefault(name, now) >= GONE_S:
                del self.guest.clicked[name], self.gone_since[name]

    async def _act(self, look: PageLook) -> GuestAttemptEnded | None:
        state = self.guest.follower.state
        if state in (PageState.IN_CALL, PageState.RECONNECTING):
            if state is PageState.IN_CALL:
                self.observed.confirm_people()
            await self._try("look after the call", self.joiner.in_call, look)
            await self._try("look after the sound", self._look_after_sound)
            return None
        try:
            await self.joiner.advance(self.guest, state, look)
        except (BrowserError, PlaywrightError, trio.TooSlowError) as error:
            _lost_page(error)
            self.failures[state.value] += 1
            self.guest.note(f"trouble at {state.value}", first_line(error))
            if self.failures[state.value] >= STEP_TRIES:
                return await self._lost("step_failed", f"{state.value}: {first_line(error)}")
        return None

    async def _try(self, name: str, do: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do something that must not end the call; what goes wrong is told, once for each kind."""
        try:
            await do(self.guest, *args)
        except (BrowserError, PlaywrightError, CommandFailed, trio.TooSlowError) as error:
            _lost_page(error)
            said = first_line(error)
            if self.guest.once(f"{name}: {said}"):
                self.guest.note(f"trouble: {name}", said)

    async def _look_after_sound(self, guest: Guest) -> None:
        """See whether sound arrives, and try another way to it where it does not."""
        if guest.follower.state is not PageState.IN_CALL or self.joiner.capture_options() is None:
            return
        others = sum(1 for person in guest.people.values() if not person.is_self)
        now = trio.current_time()
        levels = guest.page.page.capture.levels
        change = self.sound.look(levels, others, speaking=bool(guest.speaking), now_s=now)
        while change is not None:
            change = await self._change_layer(guest, change)

    async def _change_layer(self, guest: Guest, change: LayerChange) -> LayerChange | None:
        guest.events.observe(CaptureHealth(change.healthy, change.detail))
        guest.note("sound", change.detail)  # an alarm that stands is not told twice
        for layer in change.off:
            if layer in LAYER_SWITCHES:
                await guest.page.command(LAYER_SWITCHES[layer], False)
        if change.on is None:
            return None
        said = await guest.page.command(LAYER_SWITCHES[change.on], True)
        if said is None or said is True:
            return None
        why = said if isinstance(said, str) else "it cannot be switched on"
        return self.sound.missing(why, trio.current_time())

    # --- a person at the browser --------------------------------------------------------

    async def _person(self, seen: StateSeen, now: float) -> bool:
        """Whether a person is waited for, who can get the bot past a wall."""
        wait_s = self.joiner.options.person_wait_s
        if wait_s <= 0 or self.guest.follower.was_inside:
            return False
        if self.waited_for is None:
            self.waited_for, self.waiting_since_s = seen.state.value, now
            folder = await self.guest.page.page.write_diagnostics(f"person: {seen.state.value}")
            self._tell_person(needed=True, detail=seen.detail, wait_s=wait_s, folder=folder)
        elif self.answered is PersonAnswer.DONE and now - self.said_done_s >= ANSWER_GRACE_S:
            self.answered = None
            left_s = max(0.0, wait_s - (now - self.waiting_since_s))
            self._tell_person(needed=True, detail=f"still there: {seen.detail}", wait_s=left_s)
        self.wall = seen
        return self.hands_off or now - self.waiting_since_s < wait_s

    def person_acts(self, *, acting: bool) -> None:
        """Press nothing while a person does; their time counts for none of the limits here."""
        now = trio.current_time()
        if acting and not self.hands_off:
            self.hands_off_since_s = now
        elif not acting and self.hands_off:
            self.waiting_since_s += now - self.hands_off_since_s
            self.began_s += now - self.hands_off_since_s
            self.woken.set()
        self.hands_off = acting

    def answer(self, answer: PersonAnswer) -> bool:
        """Take what a person says; return whether anything was asked of one."""
        if self.waited_for is None:
            return False
        self.answered, self.said_done_s = answer, trio.current_time()
        self.woken.set()
        return True

    def _tell_person(
        self,
        *,
        needed: bool,
        detail: str = "",
        wait_s: float | None = None,
        folder: str | None = None,
    ) -> None:
        what = self.waited_for or ""
        picture = None if folder is None else f"{folder}/screenshot.png"
        self.guest.events.observe(PersonNeeded(what, needed, detail, wait_s, picture))
        if not needed:
            self.waited_for = self.wall = self.answered = None
            self.began_s = trio.current_time()

    # --- ends ---------------------------------------------------------------------------

    async def _final(self, seen: StateSeen) -> GuestAttemptEnded:
        end = END_OF[seen.state]
        folder = None
        if end.reason not in (EndReason.MEETING_ENDED, EndReason.REMOVED):
            folder = await self.guest.page.page.write_diagnostics(seen.state.value)
        evidence = Evidence(
            signal=seen.state.value,
            detail=seen.detail,
            selector=seen.selector(self.joiner.pack),
            screenshot=_picture(self.guest.request.folder, folder),
            hint=seen.hint or self._hint(seen.state) or None,
        )
        again = (end.again or seen.again) and not self.guest.follower.was_inside
        return GuestAttemptEnded(end.reason, evidence, again)

    def _unreachable(self, detail: str) -> GuestAttemptEnded:
        host = urlsplit(self.joiner.address(self.guest.link)).hostname
        hint = (
            f"This machine does not reach {host}: look at its network, its name server, and whether"
            " it has to go through a proxy."
        )
        evidence = Evidence("address_unreachable", detail, hint=hint)
        return GuestAttemptEnded(EndReason.CONNECTION_LOST, evidence, again=True)

    async def _lost(self, signal: str, detail: str) -> GuestAttemptEnded:
        folder = await self.guest.page.page.write_diagnostics(signal)
        picture = _picture(self.guest.request.folder, folder)
        return self._never_loaded(signal, detail, again=True, screenshot=picture)

    async def _http_error(self, status: int) -> GuestAttemptEnded:
        folder = await self.guest.page.page.write_diagnostics("http error")
        picture = _picture(self.guest.request.folder, folder)
        return http_end(status, self.guest.link.public_url, picture)

    def _never_loaded(
        self, signal: str, detail: str, *, again: bool, screenshot: str | None = None
    ) -> GuestAttemptEnded:
        reached = self.reached or self.guest.follower.was_inside
        hint = (
            "The page is not what this version knows. `meetcore doctor"
            f" {self.joiner.name} --snapshot` says what it finds on a saved one."
        )
        evidence = Evidence(signal, detail, screenshot=screenshot, hint=hint)
        return GuestAttemptEnded(EndReason.CLIENT_NEVER_LOADED, evidence, again and not reached)

    def _dumb(self) -> GuestAttemptEnded:
        detail = f"the page did not answer {DUMB_LOOKS} times in a row"
        if self.guest.follower.was_inside:
            return GuestAttemptEnded(EndReason.CONNECTION_LOST, Evidence("page_hung", detail))
        return self._never_loaded("page_hung", detail, again=True)


def _lost_page(error: BaseException) -> None:
    """Let pass what says that the page itself is lost: nothing can be tried again on it."""
    if isinstance(error, PageGone):
        raise error


def http_end(status: int, url: str, screenshot: str | None = None) -> GuestAttemptEnded:
    """Return how an attempt ends at an address that answers with an error and with no client.

    A server in trouble may be well in a moment; an address that it refuses stays refused.
    """
    detail = f"{url} answers with HTTP {status}"
    if status >= 500 or status in (408, 429):
        hint = "The platform's server is in trouble; send the bot again later."
        evidence = Evidence("http_error", detail, screenshot=screenshot, hint=hint)
        return GuestAttemptEnded(EndReason.CLIENT_NEVER_LOADED, evidence, again=True)
    missing = status in (400, 404, 410)
    reason = EndReason.MEETING_NOT_FOUND if missing else EndReason.CLIENT_NEVER_LOADED
    hint = "Check the link: the platform's server does not take it."
    return GuestAttemptEnded(
        reason, Evidence("http_error", detail, screenshot=screenshot, hint=hint)
    )


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _picture(root: Path, folder: str | None) -> str | None:
    if folder is None or not (root / folder / "screenshot.png").is_file():
        return None
    return f"{folder}/screenshot.png"
