"""An account hears of its other calls, too: none of them is the one that the bot is in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from meetcore import CallRequest, read_link
from meetcore_browser.browser import Browser
from meetcore_browser.guest.follower import PageFollower
from meetcore_browser.guest.joiner import Guest
from meetcore_browser.guest.look import Found, PageLook, StateSeen
from meetcore_browser.page_state import PageState
from meetcore_browser.selectors import SelectorPack
from meetcore_browser.testing import KeepingCallEvents, until
from meetcore_teams.address import thread_of
from meetcore_teams.joiner import PACK, TeamsJoiner
from meetcore_teams.options import TeamsOptions
from tests.plugins.teams.visiting import LINK, ROOM, Visit, visit
from tests.standins.accounts import ACCOUNT_NAME, sign_in

THREAD = "19:meeting_abc@thread.v2"
ANOTHER = "19:meeting_another@thread.v2"
JOIN_LINK = (
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0"
    "?context=%7b%22Tid%22%3a%22a%22%2c%22Oid%22%3a%22b%22%7d"
)


def member(call: str, name: str, source: int) -> dict[str, Any]:
    streams = [{"type": "audio", "sourceId": source, "direction": "sendrecv"}]
    return {
        "details": {"id": f"8:orgid:{name.split()[0].lower()}", "displayName": name},
        "state": "active",
        "endpoints": {f"{call}-{name}": {"call": {"mediaStreams": streams}}},
    }


def members(call: str, *names: str) -> dict[str, Any]:
    """Return a roster; sources have the same numbers in every call."""
    return {name: member(call, name, 11 + n) for n, name in enumerate(names)}


@asynccontextmanager
async def signed_in(
    browser: Browser, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any
) -> AsyncIterator[Visit]:
    options = sign_in(monkeypatch, folder, "teams")
    async with visit(
        browser, folder, options=options, account=ACCOUNT_NAME, own_name=ACCOUNT_NAME, **more
    ) as at:
        yield at


def tell_of(
    at: Visit, call: str, people: dict[str, Any], thread: str | None = None, whole: bool = True
) -> None:
    """Let the service tell of a call: its changes, and its list as a whole."""
    more = {} if thread is None else {"thread": thread}
    at.room.tell("roster", agent=call, participants=people, **more)
    if whole:
        named = {} if thread is None else {"threadId": thread}
        at.site.room(call, participants=people, **named)
        at.room.tell("snapshot", of=call)


@pytest.mark.browser
async def test_only_the_call_of_the_links_thread_is_ours(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = {"link": JOIN_LINK, "room": THREAD, "open": True, "rings": False}
    async with signed_in(browser, tmp_path, monkeypatch, **switches) as at:
        tell_of(at, "theirs", members("theirs", "Eve", ACCOUNT_NAME), ANOTHER)
        tell_of(at, "ours", members("ours", "Ada", ACCOUNT_NAME), THREAD)
        tell_of(at, "theirs", members("theirs", "Mallory"), ANOTHER, whole=False)
        at.ada()
        await at.inside()
        roster = await at.people("Ada", ACCOUNT_NAME)
        assert {person.id for person in roster.participants} >= {"8:orgid:ada"}
        at.room.tell("speaks", id="ada", on=True)
        await until(lambda: bool(at.spoken()))
        assert {who for who, _, _ in at.spoken()} == {"8:orgid:ada"}


@pytest.mark.browser
async def test_where_no_thread_is_named_the_call_is_ours_in_which_we_are(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(browser, tmp_path, monkeypatch, open=True) as at:
        tell_of(at, "ours", members("ours", "Ada", ACCOUNT_NAME))
        tell_of(at, "theirs", members("theirs", "Eve", "Mallory"))
        at.ada()
        await at.inside()
        roster = await at.people("Ada", ACCOUNT_NAME)
        assert "8:orgid:ada" in {person.id for person in roster.participants}


@pytest.mark.browser
async def test_with_a_doubt_left_the_pages_own_list_counts(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(browser, tmp_path, monkeypatch, open=True) as at:
        tell_of(at, "ours", members("ours", "Ada", ACCOUNT_NAME))
        tell_of(at, "theirs", members("theirs", "Eve", ACCOUNT_NAME))
        at.ada()
        await at.inside()
        roster = await at.people("Ada", ACCOUNT_NAME)
        assert {person.id for person in roster.participants} == {"name:Ada", f"name:{ACCOUNT_NAME}"}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("code", "switches", "act", "reason"),
    [
        (5300, {"open": True}, "end", "removed"),
        (5000, {"open": True}, "end", "removed"),
        (5300, {"open": True}, "drop", "removed"),
        (5854, {"denied": "unworded"}, "deny", "denied"),
        (5723, {"denied": "unworded"}, "deny", "sign_in_required"),
        (4711, {"open": True}, "end", "meeting_ended"),
    ],
)
async def test_why_the_service_ended_the_call_is_told_where_the_page_does_not_say(
    browser: Browser, tmp_path: Path, code: int, switches: dict[str, Any], act: str, reason: str
) -> None:
    async with visit(browser, tmp_path, **switches) as at:
        await until(lambda: bool(at.room.reported("entered" if "open" in switches else "lobby")))
        if "open" in switches:
            await at.inside()
        at.room.tell("ended by", subCode=code, plain=act != "end")
        at.room.tell(act)
        ended = await at.ended()
    assert ended.reason.value == reason
    assert (f"subCode {code}" in ended.evidence.detail) is (code != 4711)


@pytest.mark.browser
async def test_the_end_of_another_call_of_the_account_is_none_of_ours(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(browser, tmp_path, monkeypatch, open=True) as at:
        tell_of(at, "ours", members("ours", "Ada", ACCOUNT_NAME))
        tell_of(at, "theirs", members("theirs", "Eve"))
        at.ada()
        await at.inside()
        await at.people("Ada", ACCOUNT_NAME)
        at.room.tell("ended by", subCode=5300, agent="theirs")
        at.room.tell("end")
        assert (await at.ended()).reason.value == "meeting_ended"


@pytest.mark.browser
async def test_the_call_that_is_known_stays_whatever_is_told_of_others_later(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(browser, tmp_path, monkeypatch, open=True) as at:
        namesake = f"{ACCOUNT_NAME} the Second"
        tell_of(at, "ours", members("ours", "Ada", ACCOUNT_NAME))
        tell_of(at, "theirs", members("theirs", "Eve", namesake))
        at.ada()
        await at.inside()
        roster = await at.people("Ada", ACCOUNT_NAME)
        assert "8:orgid:ada" in {person.id for person in roster.participants}
        tell_of(at, "another", members("another", "Mallory", ACCOUNT_NAME))
        tell_of(at, "ours", members("ours", "Ada", "Cleo", ACCOUNT_NAME))
        roster = await at.people("Ada", "Cleo", ACCOUNT_NAME)
        assert "8:orgid:cleo" in {person.id for person in roster.participants}


@pytest.mark.browser
async def test_the_end_of_a_call_of_which_nothing_is_known_is_none_of_an_accounts(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(browser, tmp_path, monkeypatch, open=True) as at:
        await at.inside()
        at.room.tell("ended by", subCode=5300, agent="unheard-of")
        at.room.tell("end")
        assert (await at.ended()).reason.value == "meeting_ended"


def a_guest() -> tuple[TeamsJoiner, Guest]:
    joiner = TeamsJoiner(TeamsOptions(), SelectorPack.load(PACK))
    meeting = read_link(LINK)
    assert meeting is not None
    request = CallRequest(bot_id="b", display_name="Notes", folder=Path())
    guest = Guest(cast("Any", None), meeting, request, KeepingCallEvents(), PageFollower())
    guest.knocked()
    guest.follower.take(StateSeen(PageState.IN_CALL), 0.0)
    return joiner, guest


async def test_a_code_after_which_the_call_goes_on_is_forgotten(autojump_clock: MockClock) -> None:
    joiner, guest = a_guest()
    ended = StateSeen(PageState.ENDED)
    joiner.topics(guest)["ended"](5300, None)
    assert joiner.conclude(guest, ended, PageLook()).state is PageState.REMOVED
    joiner.conclude(guest, StateSeen(PageState.IN_CALL), PageLook())
    assert joiner.conclude(guest, ended, PageLook()).state is PageState.REMOVED, "it shows for long"
    await trio.sleep(6)
    joiner.conclude(guest, StateSeen(PageState.IN_CALL), PageLook())
    assert joiner.conclude(guest, ended, PageLook()).state is PageState.ENDED


async def test_a_code_alone_ends_nothing_before_the_call_is_missing_for_a_while(
    autojump_clock: MockClock,
) -> None:
    joiner, guest = a_guest()
    joiner.topics(guest)["ended"](5300, None)
    unknown = StateSeen(PageState.UNKNOWN)
    shown = PageLook(found={"hangup_button": Found("hangup_button", 0)})
    for look in (PageLook(), PageLook(), shown, PageLook(), PageLook()):
        assert joiner.conclude(guest, unknown, look).state is PageState.UNKNOWN
    assert joiner.conclude(guest, unknown, PageLook()).state is PageState.REMOVED


async def test_to_look_again_begins_anew_with_what_stands_in_the_way(
    autojump_clock: MockClock,
) -> None:
    joiner, guest = a_guest()
    joiner._of(guest)
    joiner._asked_about_media = 9
    guest.clicked["without_media"] = 8
    guest.done.add("load again")

    async def call(*_: Any, **__: Any) -> None: ...

    page = SimpleNamespace(call=call, raw=SimpleNamespace(reload=None))
    guest.page = cast("Any", SimpleNamespace(page=page))
    await trio.sleep(60)
    await joiner._look_again(guest)
    assert joiner._asked_about_media == 0
    assert not guest.clicked["without_media"]
    assert "load again" not in guest.done


@pytest.mark.browser
async def test_an_event_that_has_not_begun_is_waited_for(browser: Browser, tmp_path: Path) -> None:
    soon = {"look_again_s": 0.3}
    async with visit(browser, tmp_path, wall="early", open=True, options=soon) as at:
        await until(lambda: "look again" in at.steps())
        at.room.switches.pop("wall")
        await at.inside()


@pytest.mark.browser
async def test_an_event_that_does_not_begin_is_told_with_what_the_page_says(
    browser: Browser, tmp_path: Path
) -> None:
    soon = {"look_again_s": 0.3, "host_wait_s": 0.8}
    async with visit(browser, tmp_path, wall="early", options=soon) as at:
        ended = await at.ended()
    assert ended.reason.value == "meeting_not_started"
    assert "before the event begins" in ended.evidence.detail
    assert ended.evidence.hint


def test_the_thread_of_a_link() -> None:
    for link, thread in ((JOIN_LINK, THREAD), (LINK, None)):
        parsed = read_link(link)
        assert parsed is not None
        assert thread_of(parsed) == thread
    assert ROOM in LINK
