"""What a state means by what came before it. No browser, and time that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from meetcore import CallRequest, read_link
from meetcore_browser.guest.follower import PageFollower
from meetcore_browser.guest.joiner import Guest
from meetcore_browser.guest.look import Found, PageLook, StateSeen
from meetcore_browser.page_state import PageState
from meetcore_browser.testing import KeepingCallEvents
from meetcore_zoom.joiner import HINTS, ZoomJoiner
from meetcore_zoom.options import ZoomOptions
from tests.plugins.zoom.stage import PACK

S = PageState


def joiner(**options: Any) -> ZoomJoiner:
    return ZoomJoiner(ZoomOptions(**options), PACK)


def guest(link: str = "https://zoom.us/j/85001833920", **asked: Any) -> Guest:
    meeting = read_link(link)
    assert meeting is not None
    request = CallRequest(bot_id="b", display_name="Notes", folder=Path(), **asked)
    return Guest(cast("Any", None), meeting, request, KeepingCallEvents(), PageFollower())


def seen(state: PageState) -> StateSeen:
    return StateSeen(state, (Found("it", 0, "words"),), "words")


def at(url: str = "https://app.zoom.us/wc/85001833920/join") -> PageLook:
    return PageLook(url)


async def test_a_meeting_that_is_not_there_is_waited_for_and_then_not_there(
    autojump_clock: MockClock,
) -> None:
    zoom, who = joiner(host_wait_s=600), guest()
    assert zoom.conclude(who, seen(S.NOT_FOUND), at()).state is S.WAITING_FOR_HOST
    await trio.sleep(599)
    assert zoom.conclude(who, seen(S.NOT_FOUND), at()).state is S.WAITING_FOR_HOST
    await trio.sleep(1)
    last = zoom.conclude(who, seen(S.NOT_FOUND), at())
    assert (last.state, last.detail) == (S.NOT_FOUND, "600 s long the page said: words")
    assert "has not started" in HINTS[S.NOT_FOUND]


@pytest.mark.parametrize(("limit_s", "waits_s"), [(600.0, 540.0), (300.0, 240.0), (8.0, 6.0)])
async def test_a_meeting_that_is_not_there_is_told_before_nobody_let_the_bot_in(
    autojump_clock: MockClock, limit_s: float, waits_s: float
) -> None:
    for shown, last in (
        (S.NOT_FOUND, S.NOT_FOUND),
        (S.NOT_STARTED, S.NOT_STARTED),
        (S.WAITING_FOR_HOST, S.NOT_STARTED),
    ):
        zoom, who = joiner(), guest(waiting_room_s=limit_s)
        assert zoom.conclude(who, seen(shown), at()).state is S.WAITING_FOR_HOST
        await trio.sleep(waits_s - 1)
        assert zoom.conclude(who, seen(shown), at()).state is S.WAITING_FOR_HOST
        await trio.sleep(1)
        told = zoom.conclude(who, seen(shown), at())
        assert (told.state, told.detail) == (last, f"{waits_s:g} s long the page said: words")


async def test_a_page_that_waits_by_itself_is_left_at_no_limit_of_the_joiners_own(
    autojump_clock: MockClock,
) -> None:
    zoom, who = joiner(host_wait_s=10.0), guest()
    for _ in range(2):
        assert zoom.conclude(who, seen(S.WAITING_FOR_HOST), at()).state is S.WAITING_FOR_HOST
        await trio.sleep(5000)
    zoom.conclude(who, seen(S.WAITING), at())  # the host came, and was lost again
    assert zoom.conclude(who, seen(S.NOT_FOUND), at()).state is S.WAITING_FOR_HOST


async def test_a_wrong_passcode_is_typed_once_and_then_wrong(autojump_clock: MockClock) -> None:
    zoom, who = joiner(), guest("https://zoom.us/j/85001833920?pwd=584706")
    assert zoom.conclude(who, seen(S.WRONG_PASSCODE), at()).state is S.PASSCODE_ASKED
    zoom._when["passcode"] = trio.current_time()
    assert zoom.conclude(who, seen(S.WRONG_PASSCODE), at()).state is S.PASSCODE_ASKED
    await trio.sleep(4)
    assert zoom.conclude(who, seen(S.WRONG_PASSCODE), at()).state is S.WRONG_PASSCODE


async def test_without_a_passcode_there_is_none_to_type() -> None:
    zoom, who = joiner(), guest()
    asked = zoom.conclude(who, seen(S.PASSCODE_ASKED), at())
    assert asked.state is S.WRONG_PASSCODE
    assert "the link has none" in asked.detail
    assert zoom.conclude(who, seen(S.WRONG_PASSCODE), at()).state is S.WRONG_PASSCODE


async def test_a_preview_that_asks_for_a_passcode_wants_one_at_once() -> None:
    field = Found("passcode_field", 0)
    look = PageLook(at().url, found={"passcode_field": field})
    zoom, who = joiner(), guest()
    asked = zoom.conclude(who, seen(S.PRE_JOIN), look)
    assert (asked.state, asked.by) == (S.WRONG_PASSCODE, (field,))
    assert "the link has none" in asked.detail
    assert zoom.conclude(who, seen(S.PRE_JOIN), at()).state is S.PRE_JOIN
    told = guest("https://zoom.us/j/85001833920?pwd=584706")
    assert joiner().conclude(told, seen(S.PRE_JOIN), look).state is S.PRE_JOIN


async def test_who_is_in_the_meeting_already_is_refused_before_the_call_and_moved_after() -> None:
    zoom, who = joiner(), guest()
    told = zoom.conclude(who, seen(S.MOVED), at())
    assert (told.state, told.detail) == (S.REFUSED, "words")
    assert "on another device" in told.hint
    who.follower.take(seen(S.IN_CALL), 0.0)
    assert zoom.conclude(who, seen(S.MOVED), at()).state is S.MOVED


async def test_a_page_of_somebody_else_wants_an_account() -> None:
    zoom, who = joiner(), guest()
    away = at("https://login.example.com/?SAMLRequest=secret")
    told = zoom.conclude(who, seen(S.PASSCODE_ASKED), away)
    assert told.state is S.SIGN_IN
    assert "login.example.com" in told.detail
    assert "secret" not in told.detail
    for home in ("https://us02web.zoom.us/j/1", "https://zoom.us/wc/1/join", "about:blank"):
        assert zoom.conclude(who, seen(S.UNKNOWN), at(home)).state is S.UNKNOWN
    trick = at("https://zoom.us.example.com/j/1")
    assert zoom.conclude(who, seen(S.UNKNOWN), trick).state is S.SIGN_IN


async def test_an_address_is_an_end_only_after_a_call() -> None:
    zoom, who = joiner(), guest()
    by_address = StateSeen(S.ENDED, detail="the page is at https://zoom.us/postattendee")
    assert zoom.conclude(who, by_address, at()).state is S.UNKNOWN
    assert zoom.conclude(who, seen(S.ENDED), at()).state is S.ENDED
    who.follower.take(seen(S.IN_CALL), 0.0)
    assert zoom.conclude(who, by_address, at()).state is S.ENDED
    assert zoom.conclude(who, seen(S.NOT_FOUND), at()).state is S.NOT_FOUND


SIGNED_OUT = StateSeen(S.SIGN_IN, detail="the page is at https://zoom.us/signin")


async def test_where_the_page_goes_after_a_call_says_that_it_is_over(
    autojump_clock: MockClock,
) -> None:
    zoom, who = joiner(), guest()
    who.follower.take(seen(S.IN_CALL), trio.current_time())
    away = at("https://www.example.com/thanks?who=ada")
    assert zoom.conclude(who, SIGNED_OUT, at()).state is S.UNKNOWN, "a client still settles"
    await trio.sleep(20)
    assert zoom.conclude(who, SIGNED_OUT, at()).state is S.ENDED
    assert zoom.conclude(who, seen(S.IN_CALL), at()).state is S.IN_CALL
    looks = [zoom.conclude(who, seen(S.UNKNOWN), away) for _ in range(3)]
    assert [look.state for look in looks] == [S.UNKNOWN, S.UNKNOWN, S.ENDED]
    assert looks[-1].detail == "the page went to www.example.com, which is none of Zoom's"


async def test_what_is_no_page_to_go_to_ends_no_call(autojump_clock: MockClock) -> None:
    zoom, who = joiner(), guest()
    who.follower.take(seen(S.IN_CALL), trio.current_time())
    zoom.conclude(who, seen(S.IN_CALL), at())
    await trio.sleep(30)
    zoom._when["inside"] = 0.0
    toolbar = {"call_toolbar": Found("call_toolbar", 0)}
    for url in ("chrome-error://chromewebdata/", "about:blank", "https://us02web.zoom.us/wc/1"):
        states = {zoom.conclude(who, seen(S.UNKNOWN), at(url)).state for _ in range(5)}
        assert states == {S.UNKNOWN}
    portal = PageLook("https://portal.example.com/", found=toolbar)
    assert {zoom.conclude(who, seen(S.UNKNOWN), portal).state for _ in range(5)} == {S.UNKNOWN}
    removed = zoom.conclude(who, seen(S.REMOVED), at("https://www.example.com/"))
    assert removed.state is S.REMOVED
    assert zoom.conclude(who, seen(S.SIGN_IN), at()).state is S.SIGN_IN, "in words, it stays"
