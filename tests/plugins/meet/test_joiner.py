"""From the link into the call and out of it, through a stand-in for the web client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from meetcore import (
    Admitted,
    CallEnded,
    CommandFailed,
    CommandRefused,
    EndReason,
    Knocked,
    NoticeSeen,
    RosterSeen,
)
from meetcore_browser.browser import Browser
from meetcore_browser.selectors import Control, Selector
from meetcore_browser.testing import until
from tests.plugins.meet.visits import CODE, PACK, PEOPLE, device, visit
from tests.standins.accounts import ACCOUNT_NAME, own_name_in_list, sign_in
from tests.standins.site import StandinSite

pytestmark = pytest.mark.browser

PICTURE = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
REMOVED = "You’ve been removed from the meeting"
FORBIDDEN = {
    "Switch here", "Use Companion mode", "Join and use a phone for audio", "Hierher wechseln",
    "Companion-Modus verwenden", "Teilnehmen und Smartphone für Audio verwenden",
}  # fmt: skip


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
async def test_from_the_link_into_the_call_and_out(
    browser: Browser, site: StandinSite, tmp_path: Path, language: str
) -> None:
    dialogs = ["devices", "trouble", "got_it", "got_it"]
    switches = {"dialogs": dialogs, "hiding": True, "title": REMOVED}
    async with visit(browser, site, tmp_path, language=language, switches=switches) as at:
        knocked = await at.knocked()
        assert "Admit" in knocked.hint
        [joined] = at.room.reported("joined")
        assert joined == {"what": "joined", "name": "Notes", "mic": False, "camera": False}
        assert f"/{CODE}?hl={language[:2]}" in [path for path, _ in site.seen]
        # The lobby has the call's toolbar and a tile, and is none.
        await trio.sleep(0.7)
        assert not at.all(Admitted)
        admitted = await at.inside()
        assert "in_call_marker by css" in admitted.detail
        assert "Ada" not in admitted.detail
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        roster = at.all(RosterSeen)[-1]
        assert roster.self_id == device("bot")
        assert [p.id for p in roster.participants if p.is_host] == [device("ada")]
        assert not at.all(CallEnded)
        assert not FORBIDDEN & set(at.clicked())
        assert at.clicked().count(dialogs[0]) == 0
        await at.call.leave()
        await until(lambda: at.room.reported("left"))
        assert not at.all(CallEnded)


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
async def test_what_the_lobby_switched_off_is_on_while_the_bot_uses_it(
    browser: Browser, site: StandinSite, tmp_path: Path, language: str
) -> None:
    async with visit(browser, site, tmp_path, language=language) as at:
        with pytest.raises(CommandFailed, match="only while the bot is in the call"):
            async with at.call.open_speech(16_000):
                pass
        await at.inside()
        for _ in range(2):
            async with at.call.open_speech(16_000) as output:
                await output.write(bytes(3200))
                await output.drain()
            assert await at.script("() => devices.mic")
            # The host mutes everybody; who has something to say switches it on again.
            await at.script("() => document.querySelector('button[jsname=hw0c9]').click()")
            assert not await at.script("() => devices.mic")
        await at.call.show_image(PICTURE, "image/gif")
        assert await at.script("() => devices.camera")
        looks = len(at.all(RosterSeen))
        await trio.sleep(2.5)  # two looks at least: neither is switched off again
        assert await at.script("() => devices.camera"), looks
        await at.call.hide_picture()
        assert not await at.script("() => devices.camera")
        await at.call.hide_picture()
        with pytest.raises(CommandRefused, match=r"Pages of status\.example\.com may not be shown"):
            await at.call.show_page("https://status.example.com/board")
        assert not await at.script("() => devices.camera"), "what is refused switches nothing on"


@pytest.mark.parametrize(
    ("switches", "language"),
    [
        ({"join_label": "Join the call now"}, "en-US"),
        ({"name_field": "bare", "join_label": "Rejoindre"}, "en-US"),
        ({"name_field": "bare", "bare": ["aria-label", "class", "placeholder"]}, "de-DE"),
        ({"bare": ["jsname", "class", "data-requested-participant-id"]}, "en-US"),
    ],
)
async def test_half_of_what_is_looked_for_is_gone(
    browser: Browser, site: StandinSite, tmp_path: Path, switches: dict[str, Any], language: str
) -> None:
    async with visit(
        browser, site, tmp_path, language=language, switches={"lobby": False, **switches}
    ) as at:
        await at.inside()
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        assert at.room.reported("joined")[0]["name"] == "Notes"
        assert not FORBIDDEN & set(at.clicked())


async def test_without_the_clients_own_marker_somebody_elses_tile_proves_the_call(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {"marker": False, "people": [], "lobby_text": "もうすぐ参加できます"}
    async with visit(browser, site, tmp_path, switches=switches, unknown_limit_s=30.0) as at:
        # A lobby in no language that is known shows its preview and the button that leaves.
        knocked = await at.knocked()
        assert "leave_button" in knocked.detail
        assert "effects_tile" in knocked.detail
        at.room.tell("admit")
        await at.room.until_reported("in call")
        await trio.sleep(0.6)
        assert not at.all(Admitted), "alone among one's own tiles nothing is proved"
        at.room.tell("joins", **PEOPLE[0])
        admitted = await at.until(Admitted)
        assert "other_tile" in admitted.detail


async def test_what_people_write_say_and_are_called_is_not_the_pages_word(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    people = [{**PEOPLE[0], "name": REMOVED}, PEOPLE[1]]
    switches = {"people": people, "headings": False, "marker": False}
    async with visit(browser, site, tmp_path, switches=switches, captions=True) as at:
        await at.inside()
        await until(lambda: "Turn on captions" in at.clicked())
        for text in (REMOVED, "Someone in the call denied your request to join"):
            at.room.tell("says", id="ben", text=text)  # in a toast as well
            at.room.tell("caption", id="ben", text=text)
        await at.until_names("Notes", REMOVED, "Ben O’Hara")
        await trio.sleep(0.8)
        await at.script("call.open('chat')")
        await trio.sleep(0.6)
        assert not at.all(CallEnded)
        at.room.tell("remove")
        ended = await at.ended()
        assert ended.reason is EndReason.REMOVED
        assert "removed_words by words" in (ended.evidence.selector or "")


async def test_notices_are_answered_as_a_person_would_and_told(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"notetaker": True}) as at:
        await at.knocked()
        at.room.tell("admit")
        # Nothing is sent before the second 'Join now'.
        await at.room.until_reported("in call")
        await at.until(NoticeSeen)
        for number, act in enumerate(("recording", "notes", "still_there"), start=2):
            at.room.tell(act)
            await at.until(NoticeSeen, number)
        notices = at.all(NoticeSeen)
        assert [(n.kind, n.answer) for n in notices] == [
            ("consent", "Join now"),
            ("recording", "Got it"),
            ("ai_notes", "Got it"),
            ("still_there", "Keep waiting"),
        ]
        assert "Scribbler" in notices[0].text
        assert at.room.reported("left") == []


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("text", "Switch here", "Switch here"),
        ("text", "Use Companion mode", "Use Companion mode"),
        # The whole button: its icon's name is text as well, and stands before the rest.
        ("css", "button:has(> i + span)", "Join and use a phone for audio"),
    ],
)
async def test_a_pack_that_would_press_what_is_forbidden_presses_nothing(
    browser: Browser, site: StandinSite, tmp_path: Path, kind: Any, value: str, said: str
) -> None:
    bad = {"join_button": Control("join_button", (Selector(kind, value),))}
    pack = evolve(PACK, controls={**PACK.controls, **bad})
    async with visit(browser, site, tmp_path, pack=pack) as at:
        ended = await at.ended()
        assert ended.evidence.signal == "step_failed"
        assert said in ended.evidence.detail
        assert not FORBIDDEN & set(at.clicked())
        assert not at.room.reported("joined")


async def test_of_two_buttons_in_an_unknown_language_none_is_pressed(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {"join_label": "Rejoindre", "words": {"switchHere": "Basculer ici"}}
    async with visit(browser, site, tmp_path, switches=switches, unknown_limit_s=1.0) as at:
        ended = await at.ended()
        assert ended.reason is EndReason.CLIENT_NEVER_LOADED
        assert not {"Rejoindre", "Basculer ici"} & set(at.clicked())


async def test_an_account_that_is_in_the_call_elsewhere_comes_as_well_and_moves_nobody(
    browser: Browser, site: StandinSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = sign_in(monkeypatch, tmp_path, "meet")
    switches = {"account": ACCOUNT_NAME, "elsewhere": "listed"}
    async with visit(browser, site, tmp_path, switches=switches, **options) as at:
        await at.inside()
        assert [each["name"] for each in at.room.reported("joined")] == [ACCOUNT_NAME]
        assert len(at.room.reported("other ways")) == 1
        assert not at.room.reported("moved")


async def test_an_account_that_could_only_be_moved_is_not_and_that_is_said(
    browser: Browser, site: StandinSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_meet.joiner.ELSEWHERE_S", 1.0)
    options = sign_in(monkeypatch, tmp_path, "meet")
    switches = {"account": ACCOUNT_NAME, "elsewhere": "only"}
    async with visit(browser, site, tmp_path, switches=switches, **options) as at:
        ended = await at.ended()
        assert (ended.reason, ended.evidence.signal) == (EndReason.BOT_BLOCKED, "refused")
        assert "in the call elsewhere" in ended.evidence.detail
        assert "have the other leave" in (ended.evidence.hint or "")
        assert not at.room.reported("moved")


async def test_an_account_that_is_asked_for_a_guests_name_is_not_taken_in_as_one(
    browser: Browser, site: StandinSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meetcore_browser.guest.attempt.SIGNING_IN_S", 0.5)
    options = sign_in(monkeypatch, tmp_path, "meet")
    async with visit(browser, site, tmp_path, **options) as at:
        ended = await at.ended()
        assert (ended.reason, ended.evidence.signal) == (EndReason.SIGN_IN_REQUIRED, "sign_in")
        assert "takes the account for a guest" in ended.evidence.detail
        assert "meetcore login meet --identity notes-bot" in (ended.evidence.hint or "")
        assert not at.room.reported("joined")
        assert "load again" in at.steps()
        assert "expired" not in at.steps()


async def test_who_is_signed_in_is_asked_for_no_name_and_knows_itself_by_the_accounts(
    browser: Browser, site: StandinSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = sign_in(monkeypatch, tmp_path, "meet")
    switches = {"account": ACCOUNT_NAME, "lobby": False}
    async with visit(browser, site, tmp_path, switches=switches, **options) as at:
        await at.inside()
        assert [each["name"] for each in at.room.reported("joined")] == [ACCOUNT_NAME]
        assert await own_name_in_list(at.events) == ACCOUNT_NAME


async def test_a_question_in_a_language_without_words_is_agreed_to_and_told(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"lobby": False}) as at:
        await at.inside()
        at.room.tell("asks", text="この通話は録画されています", no="退出", ok="今すぐ参加")
        notice = await at.until(NoticeSeen)
        assert (notice.kind, notice.answer) == ("consent", "今すぐ参加")
        assert "録画" in notice.text
        assert [each["action"] for each in at.room.reported("answered")] == ["ok"]


async def test_who_is_sent_to_wait_for_the_host_says_so(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"host_missing": True}) as at:
        knocked = await at.knocked()
        assert "host_missing" in knocked.detail
        assert "host has come" in knocked.hint
        assert knocked.host_missing
        await at.call.leave()
        await until(lambda: bool(at.room.reported("left")))


async def test_a_call_that_reconnects_goes_on(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"lobby": False}) as at:
        await at.inside()
        at.room.tell("reconnecting", on=True)
        await until(lambda: "page: reconnecting" in at.steps())
        at.room.tell("reconnecting", on=False)
        await until(lambda: at.guest.follower.state.value == "in_call")
        assert len(at.all(Admitted)) == 1
        assert not at.all(Knocked)
        assert not at.all(CallEnded)


@pytest.mark.parametrize(("how", "language"), [("", "de-DE"), ("menu", "en-US")])
async def test_a_picture_is_shared_as_the_bots_screen_until_that_ends(
    browser: Browser, site: StandinSite, tmp_path: Path, how: str, language: str
) -> None:
    switches = {"sharing": how}
    async with visit(browser, site, tmp_path, language=language, switches=switches) as at:
        with pytest.raises(CommandFailed, match="only while the bot is in the call"):
            await at.call.share_image(PICTURE, "image/gif")
        await at.inside()
        with pytest.raises(CommandRefused, match="no picture"):
            await at.call.share_image(b"<svg/>", "image/png")
        with pytest.raises(CommandRefused, match="may not be shown"):
            await at.call.share_page("https://status.example.com/board")
        await at.call.stop_sharing()
        assert not at.room.reported("sharing"), "nothing was shared so far"
        for _ in range(2):
            for _ in range(2):  # another picture on the same screen: it is asked for once
                await at.call.share_image(PICTURE, "image/gif")
            await at.call.stop_sharing()
        await at.room.until_reported("sharing", 4)
        told = [each["on"] for each in at.room.reported("sharing")]
        assert told == [True, False, True, False]
        await until(lambda: at.room.reported("sharing")[0]["surface"] == "monitor")


async def test_a_share_whose_button_says_nothing_is_ended_as_the_browsers_own_would(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    switches = {"sharing": "wordless"}
    async with visit(browser, site, tmp_path, switches=switches) as at:
        await at.inside()
        await at.call.share_image(PICTURE, "image/gif")
        await at.call.stop_sharing()
        assert await at.script("() => devices.screen === null")


async def test_a_meeting_that_lets_nobody_share_says_so(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches={"sharing": "none"}) as at:
        await at.inside()
        with pytest.raises(CommandFailed, match="asked for no screen") as failed:
            await at.call.share_image(PICTURE, "image/gif")
        assert failed.value.remedy == "The host may not allow it."


@pytest.mark.parametrize(
    ("view", "wanted", "language"),
    [("gallery", "Kacheln", "de-DE"), ("speaker", "Spotlight", "en-US")],
)
async def test_a_recording_shows_the_view_that_was_chosen(
    browser: Browser, site: StandinSite, tmp_path: Path, view: str, wanted: str, language: str
) -> None:
    asked = {"video": True, "plugins": {"browser": {"video_view": view}}}
    async with visit(browser, site, tmp_path, language=language, asked=asked) as at:
        await at.inside()
        await until(lambda: len(at.room.reported("view")) == 2)
        assert [each["name"] for each in at.room.reported("view")] == [wanted, "closed"]
