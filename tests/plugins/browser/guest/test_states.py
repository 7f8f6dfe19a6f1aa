"""From what a look found to the state that is believed: pure, with time as an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_browser.guest.follower import PageFollower
from meetcore_browser.guest.look import (
    Found,
    PageLook,
    StateSeen,
    look_of,
    merge_looks,
    read_state,
)
from meetcore_browser.page_state import END_OF, PageState, is_final
from meetcore_browser.selectors import SelectorPack
from tests.plugins.browser.guest.toy import PACK

TOY = SelectorPack.load(PACK)


def shows(*controls: str, url: str = "http://toy.example/m") -> PageLook:
    return PageLook(url, found={name: Found(name, 0, f"says {name}") for name in controls})


@pytest.mark.parametrize(
    ("controls", "state"),
    [
        ((), "unknown"),
        (("name_field",), "pre_join"),
        (("waiting", "leave_button"), "waiting"),
        (("leave_button",), "unknown"),
        (("self_tile", "leave_button"), "in_call"),
        (("self_tile", "leave_button", "waiting"), "waiting"),
        (("removed", "self_tile", "leave_button"), "removed"),
        (("challenge", "name_field"), "captcha"),
    ],
)
def test_the_first_rule_of_a_pack_that_holds_counts(controls: tuple[str, ...], state: str) -> None:
    assert read_state(TOY, shows(*controls)).state == state


def test_a_rule_by_address_knows_nothing_of_query_and_fragment() -> None:
    away = shows(url="https://toy.example/accounts/signin?continue=/m#x")
    assert read_state(TOY, away).state is PageState.SIGN_IN
    lured = shows(url="https://toy.example/m?to=/accounts/signin")
    assert read_state(TOY, lured).state is PageState.UNKNOWN


def test_evidence_says_which_selector_matched_at_which_rank() -> None:
    look = look_of({"hits": {"denied": [1, "nicht hereingelassen"]}})
    seen = read_state(TOY, look)
    assert seen.selector(TOY) == "denied by words=nicht hereingelassen (rank 1)"
    assert seen.detail == "nicht hereingelassen"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_what_no_page_of_ours_sends_is_an_empty_reading_and_no_error(raw: object) -> None:
    look_of(raw)
    look_of({"hits": {"denied": raw}, "url": raw})


def test_a_frame_adds_to_the_page_and_takes_nothing_from_it() -> None:
    page = PageLook("http://a/", "T", "en", {"x": Found("x", 0, "page")})
    frame = PageLook("about:blank", found={"x": Found("x", 1), "y": Found("y", 0)})
    merged = merge_looks([page, frame])
    assert merged.url == "http://a/"
    assert merged.found["x"].text == "page"
    assert set(merged.found) == {"x", "y"}


def seen(state: PageState) -> StateSeen:
    return StateSeen(state, detail="words")


def follow(*looks: tuple[float, PageState], **settings: float) -> list[tuple[float, PageState]]:
    """Return what was told, and when."""
    follower = PageFollower(**settings)  # type: ignore[arg-type]
    told = []
    for now, state in looks:
        if (news := follower.take(seen(state), now)) is not None:
            told.append((now, news.state))
    return told


S = PageState


def test_a_state_is_told_once_as_long_as_it_lasts() -> None:
    looks = [(0.0, S.PRE_JOIN), (1.0, S.PRE_JOIN), (2.0, S.WAITING), (3.0, S.WAITING)]
    assert follow(*looks) == [(0.0, S.PRE_JOIN), (2.0, S.WAITING)]


def test_a_call_that_is_missed_in_one_look_goes_on() -> None:
    looks = [(0.0, S.IN_CALL), (1.0, S.UNKNOWN), (2.0, S.IN_CALL), (30.0, S.UNKNOWN)]
    assert follow(*looks) == [(0.0, S.IN_CALL)]


def test_a_call_that_is_missed_for_long_is_lost() -> None:
    looks = [(0.0, S.IN_CALL), *((t, S.PRE_JOIN) for t in (5.0, 6.0, 7.0, 24.9, 25.0))]
    assert follow(*looks) == [(0.0, S.IN_CALL), (25.0, S.CONNECTION_LOST)]


def test_a_host_may_send_a_bot_back_to_the_waiting_room() -> None:
    looks = [(0.0, S.IN_CALL), (5.0, S.WAITING), (9.0, S.IN_CALL)]
    assert [state for _, state in follow(*looks)] == [S.IN_CALL, S.WAITING, S.IN_CALL]


def test_a_refusal_at_once_is_no_hosts_denial() -> None:
    follower = PageFollower(refused_within_s=5.0)
    follower.take(seen(S.PRE_JOIN), 0.0)
    follower.knocked(10.0)
    told = follower.take(seen(S.DENIED), 13.0)
    assert told is not None
    assert told.state is S.REFUSED
    assert "within 5 s" in told.detail


@pytest.mark.parametrize(
    ("refused_within_s", "waits", "denied_s"),
    [(5.0, False, 16.0), (5.0, True, 12.0), (None, False, 12.0)],
    ids=["later", "seen to wait", "of a platform that refuses nobody by itself"],
)
def test_a_denial_is_the_hosts(
    refused_within_s: float | None, waits: bool, denied_s: float
) -> None:
    follower = PageFollower(refused_within_s=refused_within_s)
    follower.knocked(10.0)
    follower.take(seen(S.WAITING if waits else S.CONNECTING), 11.0)
    told = follower.take(seen(S.DENIED), denied_s)
    assert told is not None
    assert told.state is S.DENIED


def test_a_second_knock_is_refused_like_the_first() -> None:
    follower = PageFollower(refused_within_s=5.0)
    follower.knocked(10.0)
    follower.take(seen(S.WAITING), 11.0)
    follower.take(seen(S.PRE_JOIN), 12.0)
    follower.knocked(20.0)
    told = follower.take(seen(S.DENIED), 21.0)
    assert told is not None
    assert told.state is S.REFUSED


def test_who_was_never_inside_was_not_put_out_but_not_let_in() -> None:
    assert follow((0.0, S.WAITING), (9.0, S.REMOVED))[-1] == (9.0, S.DENIED)
    assert follow((0.0, S.IN_CALL), (1.0, S.WAITING), (9.0, S.REMOVED))[-1] == (9.0, S.REMOVED)


def test_reconnecting_has_an_end() -> None:
    looks = [(0.0, S.IN_CALL), (1.0, S.RECONNECTING), (60.0, S.RECONNECTING)]
    assert follow(*looks, (121.0, S.RECONNECTING))[-1] == (121.0, S.CONNECTION_LOST)
    assert follow(*looks, (61.0, S.IN_CALL))[-1] == (61.0, S.IN_CALL)


def test_what_is_not_recognised_has_a_short_limit_of_its_own() -> None:
    follower = PageFollower(unknown_limit_s=45.0)
    follower.take(seen(S.PRE_JOIN), 0.0)
    follower.take(seen(S.UNKNOWN), 10.0)
    assert not follower.lost_its_way(54.9)
    assert follower.lost_its_way(55.0)
    follower.take(seen(S.WAITING), 55.0)
    assert not follower.lost_its_way(5000.0)


def test_what_loads_and_connects_has_a_limit_also_for_who_was_let_in() -> None:
    follower = PageFollower(passing_limit_s=90.0)
    follower.take(seen(S.WAITING), 0.0)
    assert not follower.is_stuck(500.0)
    for now, state in ((500.0, S.CONNECTING), (530.0, S.UNKNOWN), (560.0, S.LOADING)):
        follower.take(seen(state), now)
    assert not follower.is_stuck(589.9)
    assert follower.is_stuck(590.0), "one after the other is no progress"
    follower.forgive(590.0)
    assert not follower.is_stuck(600.0), "a person has the page"
    follower.take(seen(S.IN_CALL), 601.0)
    assert not follower.is_stuck(5000.0)


def test_a_page_that_shows_nothing_is_unknown_and_not_stuck() -> None:
    follower = PageFollower(unknown_limit_s=500.0, passing_limit_s=90.0)
    follower.take(seen(S.UNKNOWN), 0.0)
    assert not follower.is_stuck(400.0)


def test_a_page_that_never_shows_anything_known_is_lost_as_well() -> None:
    follower = PageFollower(unknown_limit_s=45.0)
    follower.take(seen(S.UNKNOWN), 0.0)
    assert follower.lost_its_way(46.0)


@given(st.lists(st.tuples(st.floats(0.1, 100.0), st.sampled_from(list(PageState))), max_size=40))
def test_the_first_final_state_is_the_last_that_is_told(
    steps: list[tuple[float, PageState]],
) -> None:
    now, looks = 0.0, []
    for wait, state in steps:
        now += wait
        looks.append((now, state))
    told = [state for _, state in follow(*looks)]
    finals = [state for state in told if is_final(state)]
    assert finals == told[-1:] or not finals
    assert S.UNKNOWN not in told


def test_every_end_has_a_reason_and_walls_have_a_hint() -> None:
    for state, end in END_OF.items():
        assert end.hint or state in (S.REMOVED, S.ENDED, S.CONNECTION_LOST), state
