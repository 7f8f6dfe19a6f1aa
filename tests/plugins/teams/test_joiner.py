"""The joiner through its stand-in: every switch of the page, in two languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore import (
    Admitted,
    CallEnded,
    Capability,
    CaptionSeen,
    ChatArrived,
    CommandFailed,
    Knocked,
    NoticeSeen,
    RosterSeen,
    ShareSeen,
)
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.errors import ClickForbidden
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.guest.identities import IdentityStore
from meetcore_browser.testing import until
from tests.plugins.teams.visiting import LINK, ROOM, Visit, visit
from tests.standins.accounts import ACCOUNT_NAME, own_name_in_list, sign_in

pytestmark = pytest.mark.browser

THREAD = "19:meeting_abc@thread.v2"
PICTURE = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
JOIN_LINK = (
    "https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0"
    "?context=%7b%22Tid%22%3a%22a%22%2c%22Oid%22%3a%22b%22%7d"
)


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
async def test_from_the_link_through_the_lobby_into_the_call_and_out(
    browser: Browser, tmp_path: Path, locale: str
) -> None:
    async with visit(
        browser,
        tmp_path,
        locale=locale,
        av_before=True,
        av_after=True,
        mic_on=True,
        no_audio=True,
        threat=True,
    ) as at:
        knocked = await at.until(Knocked)
        assert "Suspected threats" in knocked.hint
        assert [r["name"] for r in at.room.reported("joined")] == ["Notes"]
        assert [r["after"] for r in at.room.reported("without media")] == [False, True]
        off = {(r["tid"], r["on"]) for r in at.room.reported("toggle")}
        assert off == {("toggle-mute", False), ("toggle-video", False)}
        assert at.room.reported("computer audio")
        assert not at.room.reported("no audio")
        at.ada(host=True, muted=True)
        at.bob()
        at.room.tell("admit")
        await at.room.until_reported("held")
        at.room.tell("approve")
        admitted = await at.until(Admitted)
        assert "call_duration" in admitted.detail
        assert "hangup_button" in admitted.detail
        roster = await at.people("Notes", "Ada", "Bob")
        ada = next(p for p in roster.participants if p.name == "Ada")
        assert (ada.is_host, ada.muted) == (True, True)
        assert roster.self_id == "name:Notes (Guest)"
        await at.call.leave()
        await at.room.until_reported("left")
        assert not at.events.of_type(CallEnded)


@pytest.mark.parametrize(
    ("switches", "act", "reason", "words"),
    [
        ({}, "deny", "denied", "you were denied access"),
        ({"denied": "unworded"}, "deny", "denied", "Nope."),
        ({"open": True}, "remove", "removed", "You’ve been removed"),
        ({"open": True}, "end", "meeting_ended", "Rejoin"),
    ],
)
async def test_how_the_host_ends_it(
    browser: Browser, tmp_path: Path, switches: dict[str, Any], act: str, reason: str, words: str
) -> None:
    async with visit(browser, tmp_path, **switches) as at:
        await at.until(Admitted if switches.get("open") else Knocked)
        at.room.tell(act)
        ended = await at.ended()
        assert ended.reason.value == reason
        assert words.replace("’", "'") in ended.evidence.detail
        assert ended.evidence.selector


@pytest.mark.parametrize(("act", "reason"), [("deny", "denied"), ("end", "meeting_ended")])
async def test_how_the_host_ends_it_in_german(
    browser: Browser, tmp_path: Path, act: str, reason: str
) -> None:
    inside = act != "deny"
    async with visit(browser, tmp_path, locale="de-DE", open=inside, end_words=True) as at:
        await at.until(Admitted if inside else Knocked)
        at.room.tell(act)
        assert (await at.ended()).reason.value == reason


@pytest.mark.parametrize(
    ("wall", "reason"),
    [
        ("sign_in", "sign_in_required"),
        ("encrypted", "client_never_loaded"),
        ("bad_url", "meeting_not_found"),
    ],
)
async def test_a_wall_is_told_by_its_name(
    browser: Browser, tmp_path: Path, wall: str, reason: str
) -> None:
    async with visit(browser, tmp_path, wall=wall) as at:
        ended = await at.ended()
        assert ended.reason.value == reason
        assert ended.evidence.hint


async def test_a_service_out_of_reach_is_a_lost_connection(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, open=True, lost_ms=500) as at:
        await at.until(Admitted)
        at.room.cut()
        assert (await at.ended()).reason.value == "connection_lost"


async def test_a_wall_that_comes_after_the_knock(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, wall="captcha", wall_after=True) as at:
        assert (await at.ended()).reason.value == "captcha_required"
        assert at.room.reported("joined")


async def test_the_page_that_offers_the_app_and_the_light_client(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(
        browser,
        tmp_path,
        link=f"{LINK}?p=AbC",
        launcher=True,
        light=True,
        passcode="AbC",
        open=True,
    ) as at:
        await at.inside()
        assert at.room.reported("launcher") == [{"what": "launcher", "handed": ""}]
        assert not at.room.reported("app")
        assert at.room.reported("joined")[0]["passcode"] == "AbC"
        assert "stay in the browser" in at.steps()


async def test_what_is_never_clicked_is_not(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, launcher=True) as at:
        await at.until(Knocked)
        page = at.guest.page
        for html in (
            '<p data-tid="joinInApp"><button data-tid="joinOnWeb">here</button></p>',
            '<button data-tid="joinOnWeb">Join on the Teams app</button>',
            '<button data-tid="joinOnWeb"><span>Don’t use audio</span></button>',
        ):
            await page.page.evaluate("(html) => (document.body.innerHTML = html)", html)
            await page.page.evaluate("void (document.onclick = () => (window.clicked = true))")
            for click in (page.click, page.press):
                with pytest.raises(ClickForbidden):
                    await click("join_on_web")
        assert await page.page.evaluate("window.clicked === undefined")


async def test_a_long_link_skips_the_launcher(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, link=JOIN_LINK, room=THREAD, open=True) as at:
        await at.inside()
        assert not at.room.reported("launcher")


async def test_the_client_in_a_frame(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, frame=True, av_before=True, open=True) as at:
        at.ada()
        await at.inside()
        await at.people("Notes", "Ada")


async def test_questions_about_devices_in_a_frame_and_a_cover(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(
        browser, tmp_path, av_after=True, av_frame=True, overlay=True, question=True, open=True
    ) as at:
        await at.inside()
        assert at.room.reported("without media")
        assert "not with the mouse" in at.steps()


@pytest.mark.parametrize(("how", "link"), [("once", LINK), ("light", LINK)])
async def test_a_client_that_hangs_is_loaded_again(
    browser: Browser, tmp_path: Path, how: str, link: str
) -> None:
    async with visit(browser, tmp_path, loading=how, light=how == "light", open=True) as at:
        await at.inside()
        assert at.steps().count("load again") == 1


async def test_a_client_that_never_loads_is_told(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, loading="forever", options={"loading_limit_s": 0.5}) as at:
        ended = await at.ended()
        assert ended.reason.value == "client_never_loaded"
        assert "after the page was loaded anew" in ended.evidence.detail


@pytest.mark.parametrize(
    ("link", "switches", "reason"),
    [
        (f"{LINK}?p=Wrong", {"passcode": "AbC"}, "meeting_not_found"),
        (LINK, {"passcode": "AbC"}, "wrong_passcode"),
        (f"{LINK}?p=AbC", {"room": None}, "meeting_not_found"),
    ],
)
async def test_a_meeting_that_is_not_found_or_wants_a_passcode(
    browser: Browser, tmp_path: Path, link: str, switches: dict[str, Any], reason: str
) -> None:
    async with visit(browser, tmp_path, link=link, **switches) as at:
        ended = await at.ended()
        assert ended.reason.value == reason
        assert "passcode" in (ended.evidence.hint or "")


async def test_a_missing_meeting_is_known_by_its_form_in_any_language(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, room=None, locale="de-DE") as at:
        assert (await at.ended()).reason.value == "meeting_not_found"


async def test_a_passcode_is_given_where_it_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    async with visit(
        browser,
        tmp_path,
        link=f"{LINK}?p=AbC",
        passcode="AbC",
        passcode_at_prejoin=True,
        passcode_late=True,
        open=True,
    ) as at:
        await at.inside()
        assert at.room.reported("joined")[0]["typed"] == "AbC"
        assert "give the passcode" in at.steps()


async def test_a_passcode_that_the_client_lost_is_given_again(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(
        browser, tmp_path, link=f"{LINK}?p=AbC", passcode="AbC", drops_passcode=True, open=True
    ) as at:
        await at.inside()
        assert at.steps().count("give the passcode") == 1


@pytest.mark.parametrize("lobby", ["host", "unworded"])
async def test_a_lobby_in_every_wording_and_in_none(
    browser: Browser, tmp_path: Path, lobby: str
) -> None:
    async with visit(browser, tmp_path, lobby=lobby, lobby_toolbar=True) as at:
        await at.until(Knocked)
        await trio.sleep(0.4)
        assert not at.events.of_type(Admitted)
        await at.call.leave()
        await until(lambda: at.room.reported("cancelled"))


@pytest.mark.parametrize("strip", [["id"], ["data-tid", "data-inp"], ["aria-label"]])
async def test_half_of_the_selectors_are_gone(
    browser: Browser, tmp_path: Path, strip: list[str]
) -> None:
    async with visit(browser, tmp_path, strip=strip) as at:
        await at.until(Knocked)
        at.room.tell("admit")
        await at.inside()
        assert at.room.reported("joined")[0]["name"] == "Notes"


async def test_nobody_is_made_to_leave_by_what_somebody_writes_or_is_called(
    browser: Browser, tmp_path: Path
) -> None:
    said = "You’ve been removed from this meeting"
    async with visit(browser, tmp_path, open=True, two_rails=True) as at:
        at.room.tell("joins", id="eve", name=said)
        at.room.tell("chat", name="Eve", text=said)
        at.room.tell("toast", text=said)
        await at.inside()
        await at.people("Notes", said)
        heard = await at.until(ChatArrived)
        assert (heard.sender_name, heard.text) == ("Eve", said)
        await trio.sleep(1.1)
        assert not at.events.of_type(CallEnded)


async def test_people_come_go_and_change_their_names(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, open=True, two_rails=True, invited=True, mris=True) as at:
        at.ada(mri="8:orgid:ada")
        at.room.tell("joins", id="x", name="Sam (Guest)")
        at.room.tell("joins", id="y", name="Sam (Guest) (2)")
        at.room.tell("joins", id="z", name="Unknown user")
        await at.inside()
        first = await at.people("Notes", "Ada", "Sam", "Sam", "")
        assert len({p.id for p in first.participants}) == 5
        assert first.self_id == "8:teamsvisitor:self"
        for gone in "xyz":
            at.room.tell("leaves", id=gone)
        at.room.tell("renames", id="ada", name="Doe, Ada (Unverified)")
        second = await at.people("Notes", "Doe, Ada")
        assert {p.id for p in second.participants} == {"8:orgid:ada", "8:teamsvisitor:self"}
        at.room.tell("leaves", id="ada")
        await at.people("Notes")
        at.ada(mri="8:orgid:ada")
        await until(lambda: len(at.events.of_type(RosterSeen)[-1].participants) == 2)  # type: ignore[attr-defined]


async def test_a_list_that_shows_only_a_part_forgets_nobody(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, open=True, two_rails=True, rows=2) as at:
        await at.inside()
        for n, name in enumerate(("Ada", "Bob", "Cy")):
            at.room.tell("joins", id=str(n), name=name)
            await at.people("Notes", *("Ada", "Bob", "Cy")[: n + 1])
        at.room.tell("leaves", id="2")
        await at.people("Notes", "Ada", "Bob")


async def test_one_place_for_people_and_chat_is_shared(browser: Browser, tmp_path: Path) -> None:
    async with visit(
        browser, tmp_path, open=True, plain_chat=True, own_name="Notes", toolbar_hides=True
    ) as at:
        at.ada()
        await at.inside()
        await at.people("Notes", "Ada")
        at.room.tell("chat", name="Ada", text="hello bot")
        heard = await at.until(ChatArrived)
        assert (heard.sender_id, heard.sender_name, heard.by_bot) == ("name:Ada", "Ada", False)
        await at.call.send_chat("hello\nAda")
        own = await at.until(ChatArrived, lambda chat: chat.by_bot)
        assert own.text.split() == ["hello", "Ada"]
        await at.room.until_reported("chat")
        assert len(at.room.reported("chat")) == 1
        at.room.tell("joins", id="late", name="Late")
        await at.people("Notes", "Ada", "Late")


async def test_a_closed_chat_takes_the_capability_away(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, open=True, chat_closed=True) as at:
        await at.inside()
        with pytest.raises(CommandFailed, match="lets guests write nothing"):
            await at.call.send_chat("hello")
        assert Capability.SEND_CHAT not in at.call.capabilities


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
async def test_notices_and_captions(browser: Browser, tmp_path: Path, locale: str) -> None:
    async with visit(browser, tmp_path, open=True, captions=True, locale=locale) as at:
        at.ada()
        await at.inside()
        at.room.tell("recording")
        assert (await at.until(NoticeSeen)).kind == "recording"
        await at.room.until_reported("captions")
        await at.people("Ada", "Notes")  # whose name is on the list before it is on a caption
        at.room.tell("caption", line=1, name="Ada", text="Good morning")
        seen = await at.until(CaptionSeen)
        assert (seen.participant_id, seen.name, seen.text) == ("name:Ada", "Ada", "Good morning")
        assert len(at.events.of_type(NoticeSeen)) == 1
        at.room.tell("caption", line=1, name="Ada", text="Good morning everybody")
        await until(lambda: ("name:Ada", True, "caption") in at.spoken())


async def test_a_call_that_is_nowhere_to_be_seen_is_lost(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, open=True) as at:
        await at.inside()
        at.guest.follower.grace_s = 1.0
        at.room.tell("drop")
        assert (await at.ended()).reason.value == "connection_lost"


async def test_another_attempt_helps_where_the_page_says_so(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.guest.guest_call.BETWEEN_ATTEMPTS_S", 0.1)
    async with visit(browser, tmp_path, wall="lost", options={"attempts": 2}) as at:
        assert (await at.ended()).reason.value == "connection_lost"
        assert "attempt 1 of 2" in at.steps()


async def test_a_picture_is_shared_as_the_bots_screen_until_that_ends(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, open=True) as at:
        await at.until(Admitted)
        await at.call.share_image(PICTURE, "image/gif")
        await at.call.stop_sharing()
        await until(lambda: [each["on"] for each in at.room.reported("sharing")] == [True, False])


async def test_a_screen_that_is_shared_is_told_and_is_a_stream_of_its_own(tmp_path: Path) -> None:
    asked = {"video": True, "plugins": {"browser": {"share": True}}}

    def pictures(at: Visit, share_id: str) -> int:
        kept = [each for each in at.events.fragments if each["track_id"] == share_id]
        return sum(each["kind"] == "screen" and not each.get("header") for each in kept)

    async with (
        open_browser(LaunchOptions(tab_capture=True)) as browser,
        visit(browser, tmp_path, asked=asked, open=True, two_rails=True) as at,
    ):
        at.ada()
        at.bob()
        await at.inside()
        await at.people("Notes", "Ada", "Bob")
        at.room.tell("shares", id="ada", on=True)
        share = await at.until(ShareSeen)
        assert (share.participant_id, share.sharing) == ("name:Ada", True)
        await until(lambda: pictures(at, share.share_id) > 3)
        at.room.tell("mutes", id="bob", muted=True)  # the page draws the stage anew
        await at.until(
            RosterSeen, lambda seen: any(person.muted is True for person in seen.participants)
        )
        at.room.tell("shares", id="ada", on=False)
        over = await at.until(ShareSeen, lambda seen: not seen.sharing)
        assert over.share_id == share.share_id
        await at.people("Notes", "Ada", "Bob")
        assert len(at.events.of_type(ShareSeen)) == 2


async def test_a_recording_shows_the_view_that_was_chosen(browser: Browser, tmp_path: Path) -> None:
    asked = {"video": True, "plugins": {"browser": {"video_view": "speaker"}}}
    async with visit(browser, tmp_path, asked=asked, open=True) as at:
        await at.until(Admitted)
        await until(lambda: bool(at.room.reported("view")))
        [seen] = at.room.reported("view")
        assert seen["name"].startswith("Speaker")


def test_the_room_of_these_tests_has_the_id_of_its_link() -> None:
    assert LINK.endswith(ROOM)


async def test_an_account_that_teams_does_not_know_goes_in_as_a_guest_and_is_kept(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.guest.attempt.SIGNING_IN_S", 0.5)
    options = sign_in(monkeypatch, tmp_path, "teams")
    async with visit(browser, tmp_path, options=options, open=True) as at:
        await at.inside()
        assert at.steps().count("load again: ") == 1
        assert [each["name"] for each in at.room.reported("joined")] == [ACCOUNT_NAME]
        await at.call.leave()
    assert not IdentityStore().load("notes-bot").expired


async def test_who_is_signed_in_is_asked_for_no_name_and_knows_itself_by_the_accounts(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = sign_in(monkeypatch, tmp_path, "teams")
    async with visit(browser, tmp_path, options=options, account=ACCOUNT_NAME, open=True) as at:
        await at.inside()
        assert [each["name"] for each in at.room.reported("joined")] == [ACCOUNT_NAME]
        assert await own_name_in_list(at.events) == ACCOUNT_NAME
        await at.call.leave()
