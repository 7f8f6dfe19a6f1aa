"""A guest from the link to the end, in a real page of a made-up web client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, evolve

from meetcore import (
    Admitted,
    CallEnded,
    CallRequest,
    Capability,
    ChatArrived,
    CommandFailed,
    CommandRefused,
    EndReason,
    Knocked,
    MeetingLink,
    NoticeSeen,
    PersonAnswer,
    PersonNeeded,
    PictureFormat,
    RosterSeen,
    SpeakingIndicated,
    StepWorked,
)
from meetcore_browser.browser import Browser
from meetcore_browser.errors import ClickForbidden, NoDisplay
from meetcore_browser.guest import attempt
from meetcore_browser.guest.guest_call import GuestCall, open_guest_call
from meetcore_browser.guest.options import GuestOptions
from meetcore_browser.guest.saved_page import load_saved_pages
from meetcore_browser.guest.snapshot import read_saved_page
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, PageSite, serve_pages, until
from tests.plugins.browser.guest.toy import HERE, PACK, ToyJoiner

pytestmark = pytest.mark.browser


@define
class Visit:
    call: GuestCall
    events: KeepingCallEvents

    async def script(self, javascript: str) -> Any:
        return await self.guest.page.page.evaluate(javascript)

    @property
    def guest(self) -> Any:
        attempt = self.call._attempt
        assert attempt is not None
        return attempt.guest

    async def until(self, kind: type, count: int = 1) -> Any:
        await until(lambda: len(self.events.of_type(kind)) >= count)
        return self.events.of_type(kind)[-1]

    async def inside(self) -> None:
        await self.until(Knocked)
        await self.script("inside()")
        await self.until(Admitted)

    def steps(self) -> str:
        return "\n".join(f"{s.name}: {s.detail}" for s in self.events.of_type(StepWorked))  # type: ignore[attr-defined]


@asynccontextmanager
async def visit(
    browser: Browser,
    folder: Path,
    query: str = "",
    *,
    join_s: float = 20.0,
    plugins: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> AsyncIterator[Visit]:
    with serve_pages() as site:
        url = toy(site) + query
        link = MeetingLink(platform="toy", native_id="m", url=url)
        events = KeepingCallEvents()
        request = CallRequest(
            bot_id="bot",
            display_name="Notes",
            folder=folder,
            join_timeout_s=join_s,
            plugins=plugins or {},
        )
        can = frozenset({Capability.SEND_CHAT, Capability.READ_CHAT})
        joiner = ToyJoiner(GuestOptions(**options))
        async with open_guest_call(joiner, link, request, events, can, browser=browser) as call:
            await until(lambda: call._attempt is not None)
            yield Visit(call, events)


def toy(site: PageSite) -> str:
    return site.add("/m", (HERE / "toy.html").read_text(encoding="utf-8"))


async def test_what_comes_back_after_a_while_is_answered_again(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "GONE_S", 1.5)
    async with visit(browser, tmp_path) as at:
        rules = [
            evolve(rule, at_most=1) if rule.seen == "recorded" else rule
            for rule in at.guest.page.pack.dialogs
        ]
        at.call._joiner.pack = evolve(at.call._joiner.pack, dialogs=tuple(rules))
        await at.inside()
        await at.script("recorded()")
        await at.until(NoticeSeen)
        await at.script("recorded()")  # at once: it does not go away by being answered
        await trio.sleep(1.2)
        assert len(at.events.of_type(NoticeSeen)) == 1
        assert not await at.script("document.querySelector('[role=dialog]').hidden")
        await at.script("document.querySelector('[role=dialog]').hidden = true")
        await trio.sleep(3.2)
        await at.script("recorded()")
        await at.until(NoticeSeen, 2)


async def test_from_the_link_into_the_call(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, "?cookies=1") as at:
        knocked = await at.until(Knocked)
        assert knocked.hint == "The host must press 'Let in'."
        assert await at.script("document.title") == "Notes"
        await at.script("inside()")
        admitted = await at.until(Admitted)
        assert "self_tile by css=#people [data-self] (rank 0)" in admitted.detail
        roster = await at.until(RosterSeen)
        assert roster.self_id == "me"
        assert [p.name for p in roster.participants] == ["Notes", "You've been removed"]
        assert "name_field by role=textbox 'Your name' (rank 1)" in at.steps()
        assert "dialog cookies" in at.steps()
        # Somebody has that name, and somebody wrote it: neither is the page's word.
        await trio.sleep(1.2)
        assert not at.events.of_type(CallEnded)
        await at.script("removed()")
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.REMOVED
        assert ended.evidence.selector == "removed by words=you've been removed (rank 0)"


async def test_a_list_that_somebody_left_is_told_twice_so_that_the_leaving_is_believed(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path) as at:
        await at.inside()
        await at.until(RosterSeen)
        await at.script("document.querySelector('[data-id=a]').remove()")

        def without() -> int:
            rosters: list[Any] = at.events.of_type(RosterSeen)
            return [len(roster.participants) for roster in rosters].count(1)

        await until(lambda: without() == 2)
        await trio.sleep(2.5)
        assert without() == 2, "and no more: nothing is new in it"


async def test_who_speaks_comes_with_the_sounds_time(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path) as at:
        await at.inside()
        await at.script("document.querySelector('[data-id=a]').classList.add('speaks')")
        begun = await at.until(SpeakingIndicated)
        await at.script("document.querySelector('[data-id=a]').classList.remove('speaks')")
        over = await at.until(SpeakingIndicated, 2)
    assert (begun.participant_id, begun.speaking) == ("a", True)
    assert (over.participant_id, over.speaking) == ("a", False)
    assert 0 < begun.at_s < over.at_s


async def test_chat_is_read_sent_and_limited(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path) as at:
        with pytest.raises(CommandFailed, match="only while"):
            await at.call.send_chat("early")
        await at.inside()
        heard = await at.until(ChatArrived)
        assert (heard.sender_name, heard.text) == ("Eve", "You’ve been removed from the call")
        await at.call.send_chat("hello")
        assert (await at.until(ChatArrived, 2)).by_bot
        with pytest.raises(CommandFailed, match="40 characters; this one has 41"):
            await at.call.send_chat("x" * 41)
        at.guest.capabilities.discard(Capability.SEND_CHAT)
        assert Capability.SEND_CHAT not in at.call.capabilities
        with pytest.raises(CommandFailed, match="lets guests write nothing"):
            await at.call.send_chat("no")


async def test_a_notice_is_answered_and_told(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path) as at:
        await at.inside()
        await at.script("recorded()")
        notice = await at.until(NoticeSeen)
        assert (notice.kind, notice.answer) == ("recording", "Got it")
        assert "is being recorded" in notice.text


async def test_who_was_seen_to_wait_was_denied_by_a_host_however_quick(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path) as at:
        await at.until(Knocked)
        await at.script("denied()")
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.DENIED
        assert ended.evidence.hint
        assert ended.evidence.screenshot is not None
        assert (tmp_path / ended.evidence.screenshot).is_file()


async def test_an_unknown_page_ends_soon_with_its_bundle_and_is_tried_again(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, "?blank=1", unknown_limit_s=1.0, attempts=2) as at:
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.CLIENT_NEVER_LOADED
        assert ended.evidence.signal == "unknown_state"
        assert "meetcore doctor toy --snapshot" in (ended.evidence.hint or "")
        assert "try again: attempt 1 of 2: unknown_state" in at.steps()
        assert len(list((tmp_path / "diagnostics").glob("*unknown-state"))) == 2


async def test_a_join_that_gets_nowhere_ends_at_its_deadline(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, "?blank=1", join_s=1.0, attempts=1) as at:
        ended = await at.until(CallEnded)
        assert ended.evidence.signal == "join_timeout"
        assert "last seen: unknown" in ended.evidence.detail


async def test_a_person_can_get_the_bot_past_a_wall(browser: Browser, tmp_path: Path) -> None:
    frame = "show('<iframe class=challenge width=300 height=80></iframe>')"
    async with visit(browser, tmp_path, person_wait_s=30.0) as at:
        await at.until(Knocked)
        await at.script(frame)
        asked = await at.until(PersonNeeded)
        assert (asked.what, asked.needed, asked.wait_s) == ("captcha", True, 30.0)
        assert (tmp_path / asked.screenshot).is_file()
        await at.script("lobby()")
        assert not (await at.until(PersonNeeded, 2)).needed
        assert not at.events.of_type(CallEnded)


WALL = "show('<iframe class=challenge width=300 height=80></iframe>')"


async def test_a_person_says_that_it_is_done_and_is_told_where_it_is_not(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, person_wait_s=30.0) as at:
        await at.until(Knocked)
        with pytest.raises(CommandRefused, match="wants nothing of a person"):
            await at.call.answer_person(PersonAnswer.DONE)
        await at.script(WALL)
        await at.until(PersonNeeded)
        await at.call.answer_person(PersonAnswer.DONE)
        again = await at.until(PersonNeeded, 2)
        assert again.needed
        assert again.detail.startswith("still there")
        assert 0 < again.wait_s < 30.0
        await at.script("lobby()")
        await at.call.answer_person(PersonAnswer.DONE)
        assert not (await at.until(PersonNeeded, 3)).needed
        assert not at.events.of_type(CallEnded)


async def test_a_person_who_has_taken_over_is_waited_for_beyond_the_limit(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, person_wait_s=2.0) as at:
        await at.until(Knocked)
        assert (await at.call.screenshot(PictureFormat.JPEG)).media_type == "image/jpeg"
        await at.script(WALL)
        await at.until(PersonNeeded)
        async with at.call.open_view() as view:
            at.call.person_acts(acting=True)
            with trio.fail_after(10):
                assert (await view.next_picture()).image
            await trio.sleep(3.0)
            assert not at.events.of_type(CallEnded)
            await at.script("lobby()")  # what the person's hands came to
            assert not (await at.until(PersonNeeded, 2)).needed
            at.call.person_acts(acting=False)
        assert not at.events.of_type(CallEnded)


async def test_a_bot_presses_nothing_while_a_person_has_the_page(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, "?cookies=1", join_s=2.0, attempts=1) as at:
        at.call.person_acts(acting=True)
        pressed = at.steps().count("press")
        await trio.sleep(3.0)
        assert not at.events.of_type(CallEnded), "a person's time is none of the join's"
        assert at.steps().count("press") == pressed
        at.call.person_acts(acting=False)
        await at.until(Knocked)


async def test_where_a_person_goes_who_has_the_page_ends_nothing_by_its_address(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path) as at:
        await at.inside()
        at.call.person_acts(acting=True)
        await at.script("show(''), history.pushState(null, '', '/accounts/signin')")
        await trio.sleep(2.5)
        assert not at.events.of_type(CallEnded)
        at.call.person_acts(acting=False)
        assert (await at.until(CallEnded)).reason is EndReason.SIGN_IN_REQUIRED


async def test_before_there_is_a_page_and_after_it_nothing_is_seen(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path) as at:
        await at.until(Knocked)
    with pytest.raises(CommandFailed, match="no page open"):
        await at.call.screenshot(PictureFormat.PNG)
    at.call._attempt = None
    with pytest.raises(CommandFailed, match="no page open"):
        async with at.call.open_view():
            pass


async def test_a_person_gives_up_and_the_wall_is_the_reason_of_the_end(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, person_wait_s=30.0) as at:
        await at.until(Knocked)
        await at.script(WALL)
        await at.until(PersonNeeded)
        await at.call.answer_person(PersonAnswer.GIVE_UP)
        ended = await at.until(CallEnded)
        assert ended.reason is EndReason.CAPTCHA_REQUIRED
        assert "nobody does what a person was asked for" in ended.evidence.detail
        assert not at.events.of_type(PersonNeeded)[-1].needed  # type: ignore[attr-defined]


async def test_without_a_person_a_wall_is_the_end(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path) as at:
        await at.until(Knocked)
        await at.script("show('<iframe class=challenge width=300 height=80></iframe>')")
        assert (await at.until(CallEnded)).reason is EndReason.CAPTCHA_REQUIRED


async def test_what_is_never_to_be_clicked_is_not(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path) as at:
        await at.until(Knocked)
        await at.script("show('<button onclick=\"clicked=1\"><i>Switch here</i></button>')")
        page = at.guest.page
        for click in (page.click, page.press):
            with pytest.raises(ClickForbidden, match="Switch here"):
                await click("switch")
        await at.script("document.body.className = 'launches-app'")
        with pytest.raises(ClickForbidden, match="launches-app"):
            await page.press("leave_button")
        assert await at.script("window.clicked === undefined")


async def test_leaving_presses_the_button_and_no_end_follows(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path) as at:
        await at.inside()
        await at.call.leave()
        assert await at.script("document.title") == "left"
        assert not at.events.of_type(CallEnded)


async def test_a_trace_holds_the_page_as_it_was_and_can_be_read_as_one_that_was_saved(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "bot"
    async with visit(browser, folder, plugins={"browser": {"trace": True}}) as at:
        await at.inside()
    assert "trace: trace.zip" in at.steps()
    assert (folder / "trace.zip").stat().st_mode & 0o077 == 0
    pack = SelectorPack.load(PACK)
    *_, page = await trio.to_thread.run_sync(load_saved_pages, folder / "trace.zip")
    read = await read_saved_page(browser, page, pack, [ToyJoiner.readers])
    assert read.seen.state is PageState.IN_CALL
    assert [person["name"] for person in read.read["people"]] == ["Notes", "You've been removed"]


async def test_an_address_that_is_not_reached_is_told_as_what_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    link = MeetingLink(platform="toy", native_id="m", url="http://127.0.0.1:9/m")
    events = KeepingCallEvents()
    request = CallRequest(bot_id="bot", display_name="Notes", folder=tmp_path)
    joiner = ToyJoiner(GuestOptions(attempts=1))
    async with open_guest_call(joiner, link, request, events, frozenset(), browser=browser):
        await until(lambda: bool(events.of_type(CallEnded)))
    (ended,) = events.of_type(CallEnded)
    assert ended.reason is EndReason.CONNECTION_LOST  # type: ignore[attr-defined]
    assert ended.evidence.signal == "address_unreachable"  # type: ignore[attr-defined]
    assert "does not reach 127.0.0.1" in ended.evidence.hint  # type: ignore[attr-defined]


async def test_without_a_display_a_visible_browser_is_refused_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    request = CallRequest(
        bot_id="bot",
        display_name="Notes",
        folder=tmp_path,
        plugins={"browser": {"headed": True}},
    )
    link = MeetingLink(platform="toy", native_id="m", url="http://127.0.0.1:9/m")
    with pytest.raises(NoDisplay):
        async with open_guest_call(ToyJoiner(), link, request, KeepingCallEvents(), frozenset()):
            pass
