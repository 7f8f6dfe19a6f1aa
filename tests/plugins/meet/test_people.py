"""Who is there, what they write, what the captions say: by the service's word and by the page's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from meetcore import (
    Capability,
    CaptionSeen,
    ChatArrived,
    CommandFailed,
    RosterHealth,
    RosterSeen,
    ShareSeen,
)
from meetcore_browser.browser import Browser, open_browser
from meetcore_browser.flags import LaunchOptions
from meetcore_browser.testing import until
from meetcore_meet import joiner
from tests.plugins.meet.visits import PEOPLE, MeetVisitor, device, visit
from tests.standins.site import StandinSite

pytestmark = pytest.mark.browser

OPEN = {"lobby": False}
PAGE_ONLY = {**OPEN, "wire": False}


@pytest.fixture(autouse=True)
def no_long_wait_for_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joiner, "WIRE_WAIT_S", 0.3)
    monkeypatch.setattr(joiner, "PANEL_STAYS_S", 1.2)


async def test_people_come_are_renamed_share_and_leave_by_the_services_word(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches=OPEN) as at:
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        at.room.tell("joins", id="eve", name="Eve  (Visitor)")
        at.room.tell("renames", id="ben", name="Benjamin")
        at.room.tell("shares", id="ada")
        await at.until_names("Notes", "Ada Berg", "Benjamin", "Eve (Visitor)")
        # A tile that is gone is nobody who left: the service's next list says so.
        at.room.tell("leaves", id="eve")
        await trio.sleep(1.3)
        assert "Eve (Visitor)" in at.names()
        before = len(at.all(RosterSeen))
        at.room.tell("sync")
        await at.until_names("Notes", "Ada Berg", "Benjamin")
        # Two lists in a row lack her, or nobody would believe it.
        await until(lambda: len(at.all(RosterSeen)) >= before + 2)
        at.room.tell("joins", id="eve2", name="Eve  (Visitor)")
        await at.until_names("Notes", "Ada Berg", "Benjamin", "Eve (Visitor)")
        # Whose microphone is off is told with the streams.
        for off in (True, False):
            at.room.tell("mutes", id="ada", on=off)
            await until(lambda off=off: muted(at).get("Ada Berg") is off)  # type: ignore[misc]
        selves = {list_.self_id for list_ in at.all(RosterSeen)}
        assert selves == {device("bot")}
        assert "People" not in at.clicked(), "nothing was opened that was not needed"


@pytest.mark.parametrize("switches", [OPEN, PAGE_ONLY])
async def test_a_screen_that_is_shared_is_told_and_is_a_stream_of_its_own(
    site: StandinSite, tmp_path: Path, switches: dict[str, Any]
) -> None:
    asked = {"video": True, "plugins": {"browser": {"share": True}}}
    async with (
        open_browser(LaunchOptions(tab_capture=True)) as browser,
        visit(browser, site, tmp_path, switches=switches, asked=asked) as at,
    ):
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        at.room.tell("shares", id="ada")
        await until(lambda: len(at.all(ShareSeen)) == 1)
        await until(lambda: pictures_of(at, at.all(ShareSeen)[0].share_id) > 3)
        at.room.tell("renames", id="ben", name="Benjamin")  # the page draws all tiles anew
        await at.until_names("Notes", "Ada Berg", "Benjamin")
        at.room.tell("shares", id="ada", on=False)
        await until(lambda: len(at.all(ShareSeen)) == 2)
        at.room.tell("shares", id="ada")
        await until(lambda: len(at.all(ShareSeen)) == 3)
        first, over, again = at.all(ShareSeen)
        assert {each.participant_id for each in (first, over, again)} == {device("ada")}
        assert [first.sharing, over.sharing, again.sharing] == [True, False, True]
        assert first.share_id == over.share_id != again.share_id


def pictures_of(at: MeetVisitor, share_id: str) -> int:
    kept = [each for each in at.events.fragments if each["track_id"] == share_id]
    return sum(each["kind"] == "screen" and not each.get("header") for each in kept)


def muted(at: MeetVisitor) -> dict[str, bool | None]:
    return {person.name: person.muted for person in at.all(RosterSeen)[-1].participants}


@pytest.mark.parametrize("language", ["en-US", "de-DE"])
async def test_without_the_services_word_the_panel_of_people_is_opened(
    browser: Browser, site: StandinSite, tmp_path: Path, language: str
) -> None:
    switches = {**PAGE_ONLY, "people": PEOPLE, "tiles": 2, "chat": "companion"}
    async with visit(browser, site, tmp_path, language=language, switches=switches) as at:
        await at.until(RosterHealth)
        assert at.all(RosterHealth)[0].detail == "2 of 5 people have a tile"
        await at.until_names("Notes", *(str(person["name"]) for person in PEOPLE))
        roster = at.all(RosterSeen)[-1]
        assert roster.self_id == device("bot")
        assert [p.id for p in roster.participants if p.is_host] == [device("ada")]
        at.room.tell("leaves", id="dora")
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara", "Cem Yılmaz")


async def test_nothing_of_the_service_is_read_where_that_is_not_wanted(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches=OPEN, read_wire=False) as at:
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        visitor = at.guest
        assert not at.call._joiner.visit(visitor).people.told_lately(0.0)  # type: ignore[attr-defined]


async def chats(at: MeetVisitor, count: int) -> list[tuple[str, str, bool]]:
    await at.until(ChatArrived, count)
    await trio.sleep(1.2)  # whatever comes a second time would have come
    return [(c.sender_name, c.text, c.by_bot) for c in at.all(ChatArrived)]


@pytest.mark.parametrize(("wire", "language"), [(True, "en-US"), (False, "de-DE")])
async def test_chat_is_read_and_sent_and_each_message_told_once(
    browser: Browser, site: StandinSite, tmp_path: Path, wire: bool, language: str
) -> None:
    async with visit(
        browser, site, tmp_path, language=language, switches={**OPEN, "wire": wire}
    ) as at:
        await at.inside()
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        at.room.tell("says", id="ben", text="don’t 👨‍👩‍👧")
        await at.until(ChatArrived)
        await at.call.send_chat("hello everybody")
        at.room.tell("says", id="ben", text="don’t 👨‍👩‍👧")
        assert await chats(at, 3) == [
            ("Ben O’Hara", "don’t 👨‍👩‍👧", False),
            ("Notes", "hello everybody", True),
            ("Ben O’Hara", "don’t 👨‍👩‍👧", False),
        ]
        assert at.all(ChatArrived)[0].sender_id == device("ben")
        await until(lambda: bool(at.room.reported("chat")))
        assert [report["text"] for report in at.room.reported("chat")] == ["hello everybody"]
        with pytest.raises(CommandFailed, match="500 characters"):
            await at.call.send_chat("x" * 501)


@pytest.mark.parametrize(
    ("chat", "wire", "left"),
    [
        ("off", True, {Capability.READ_CHAT, Capability.CAPTIONS}),
        ("companion", True, {Capability.READ_CHAT, Capability.CAPTIONS}),
        ("companion", False, {Capability.CAPTIONS}),
    ],
)
async def test_a_chat_that_cannot_be_used_is_taken_out_and_said(
    browser: Browser,
    site: StandinSite,
    tmp_path: Path,
    chat: str,
    wire: bool,
    left: set[Capability],
) -> None:
    async with visit(browser, site, tmp_path, switches={**OPEN, "chat": chat, "wire": wire}) as at:
        await at.inside()
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        with pytest.raises(CommandFailed):
            await at.call.send_chat("hello")
        chat_and_captions = {Capability.SEND_CHAT, Capability.READ_CHAT, Capability.CAPTIONS}
        assert at.call.capabilities & chat_and_captions == left
        assert "taken out" in at.steps()
        with pytest.raises(CommandFailed, match="lets guests write nothing"):
            await at.call.send_chat("hello")


@pytest.mark.parametrize("switches", [{}, {"wire": False}, {"wire": False, "bare": ["class"]}])
async def test_captions_are_turned_on_where_they_are_asked_for(
    browser: Browser, site: StandinSite, tmp_path: Path, switches: dict[str, Any]
) -> None:
    async with visit(browser, site, tmp_path, captions=True, switches={**OPEN, **switches}) as at:
        await at.inside()
        await at.until_names("Notes", "Ada Berg", "Ben O’Hara")
        await until(lambda: "Turn on captions" in at.clicked())
        at.room.tell("caption", id="ben", text="let us")
        await until(lambda: any(c.text == "let us" for c in at.all(CaptionSeen)))
        at.room.tell("caption", id="ben", text="let us begin", final=True)
        await until(lambda: any(c.text == "let us begin" for c in at.all(CaptionSeen)))
        lines = at.all(CaptionSeen)
        assert {(c.participant_id, c.name) for c in lines} == {(device("ben"), "Ben O’Hara")}
        assert len({c.key for c in lines}) == 1, "it is one line that grows"
        assert lines[-1].final is (not switches)
        assert all(c.at_s is not None for c in lines)


async def test_captions_stay_off_where_nobody_asked(
    browser: Browser, site: StandinSite, tmp_path: Path
) -> None:
    async with visit(browser, site, tmp_path, switches=OPEN) as at:
        await at.inside()
        await trio.sleep(0.8)
        assert "Turn on captions" not in at.clicked()
