"""What a state means by what came before it. No browser, and time that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

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


def guest(link: str = "https://zoom.us/j/85001833920") -> Guest:
    meeting = read_link(link)
    assert meeting is not None
    request = CallRequest(bot_id="b", display_name="Notes", folder=Path())
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
