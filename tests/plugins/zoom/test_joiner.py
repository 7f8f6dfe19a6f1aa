"""The joiner through its stand-in: every switch, in English and in German."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import (
    Admitted,
    CallEnded,
    Capability,
    CaptionSeen,
    ChatArrived,
    CommandFailed,
    EndReason,
    Knocked,
    NoticeSeen,
    Participant,
    RecipientRefused,
    RecordingPermission,
    RosterSeen,
    SpeakingIndicated,
)
from meetcore_browser.browser import Browser
from meetcore_browser.errors import ClickForbidden
from meetcore_browser.testing import until
from tests.plugins.zoom.stage import MEETING, Visit, visit
from tests.standins.accounts import ACCOUNT_NAME, own_name_in_list, sign_in

pytestmark = pytest.mark.browser

PICTURE = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
OPEN: dict[str, Any] = {"waiting_room": False, "joining_ms": 50}
IN_EITHER = [
    ("en-US", {"disabled_by": "class", "chat": "textarea", "view": "speaker"}),
    ("de-DE", {"disabled_by": "both", "chat": "rich", "waiting_room": "new", "view": "gallery"}),
]


@pytest.mark.parametrize(("locale", "switches"), IN_EITHER, ids=["en", "de"])
async def test_from_the_link_through_everything_in_the_way_and_out(
    browser: Browser, tmp_path: Path, locale: str, switches: dict[str, Any]
) -> None:
    in_the_way = {"cookies": True, "disclaimer": True, "allow": 2, "overlay": True}
    popups = ["relative-tooltip", "settings-feature-tips", "device", "modal"]
    async with visit(
        browser, tmp_path, locale=locale, popups=popups, **in_the_way, **switches
    ) as at:
        knocked = await at.until(Knocked)
        assert '"Admit"' in knocked.hint
        # The toolbar was there all the time, and the topic of the meeting says 'removed'.
        assert not at.events.of_type(Admitted)
        assert at.room.reported("cookies") == [
            {"what": "cookies", "by": "onetrust-reject-all-handler"}
        ]
        assert len(at.room.reported("disclaimer")) == 1
        assert len(at.room.reported("allow")) == 2
        [joined] = at.room.reported("joined")
        assert joined == {"what": "joined", "name": "Notes", "microphone": False, "camera": False}
        assert not at.room.reported("pressed while disabled")

        at.room.tell("join", who="a", name="Ada", host=True)
        at.room.tell("admit")
        admitted = await at.until(Admitted)
        assert "call_stage" in admitted.detail
        assert "call_toolbar" in admitted.detail
        # Admission set the devices back.
        await at.room.until_reported("device", 2)
        off = {report["device"]: report["on"] for report in at.room.reported("device")}
        assert off == {"microphone": False, "camera": False}
        await at.room.until_reported("audio joined")
        await at.room.until_reported("pressed", len(popups))

        roster = await at.roster(lambda people: len(people) == 2)
        assert roster == {"1": "Notes", "a": "Ada"}
        [ada] = [p for p in at.events.of_type(RosterSeen)[-1].participants if not p.is_self]  # type: ignore[attr-defined]
        assert ada.is_host

        at.room.tell("chat", who="a", text="You’ve been removed. You have been removed")
        assert (await at.until(ChatArrived)).sender_id == "a"
        at.room.tell("chat", who="a", text="psst", direct=True)
        await at.call.send_chat("hello\neverybody")
        own = [chat for chat in at.events.of_type(ChatArrived) if chat.by_bot]  # type: ignore[attr-defined]
        assert own[0].sender_name == "Notes"
        [psst] = [chat for chat in at.events.of_type(ChatArrived) if chat.direct]  # type: ignore[attr-defined]
        assert (psst.text, psst.sender_id, psst.by_bot) == ("psst", "a", False)
        with pytest.raises(CommandFailed, match="1024 characters"):
            await at.call.send_chat("x" * 1025)

        at.room.tell("record")
        notices = at.events.of_type
        await until(lambda: any(n.kind == "recording" for n in notices(NoticeSeen)))  # type: ignore[attr-defined]
        at.room.tell("unmute")
        await until(
            lambda: {"text": "Stay Muted", "what": "pressed"} in at.room.reported("pressed")
        )
        assert not at.room.reported("unmuted")
        assert not at.events.of_type(CallEnded)

        await at.call.leave()
        await at.room.until_reported("left")
        assert not at.events.of_type(CallEnded)


async def test_a_message_for_one_goes_to_them_alone_and_the_next_to_everybody(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, framed=True, **OPEN) as at:
        await at.inside()
        for number, name in enumerate(["Ada Lovelace", "Ada", "Ben", "Ben", "Everyone"]):
            at.room.tell("join", who=f"p{number}", name=name, host=number == 0)
        await at.roster(lambda people: len(people) == 6)
        newest = at.events.of_type(RosterSeen)[-1].participants  # type: ignore[attr-defined]
        people = {p.name: p for p in newest}
        await until(lambda: Capability.SEND_DIRECT_CHAT in at.call.capabilities)
        await at.call.send_chat("one")
        await at.call.send_direct_chat("two", people["Ada"])
        await at.call.send_direct_chat("three", people["Ada Lovelace"])
        await at.call.send_chat("four")
        await at.room.until_reported("chat", 4)
        sent = [(said["text"], said.get("to")) for said in at.room.reported("chat")]
        assert sent == [("one", None), ("two", "p1"), ("three", "p0"), ("four", None)]
        seen = {chat.message_id: chat for chat in at.events.of_type(ChatArrived)}  # type: ignore[attr-defined]
        assert [(chat.direct, chat.to_name) for chat in seen.values()] == [  # type: ignore[attr-defined]
            (False, ""),
            (True, "Ada"),
            (True, "Ada Lovelace"),
            (False, ""),
        ]
        with pytest.raises(RecipientRefused, match="2 people"):
            await at.call.send_direct_chat("five", people["Ben"])
        for name, why in [("Everyone", "what the client calls everybody"), ("Cid", "nobody")]:
            with pytest.raises(CommandFailed, match=why):
                await at.call.send_direct_chat("six", Participant(id="x", name=name))
        await until(lambda: len(at.room.reported("chat")) == 4)


@pytest.mark.parametrize("direct", ["off", "deaf"])
async def test_what_cannot_be_sent_to_one_is_not_sent_to_everybody(
    browser: Browser, tmp_path: Path, direct: str
) -> None:
    async with visit(browser, tmp_path, direct=direct, **OPEN) as at:
        await at.inside()
        at.room.tell("join", who="a", name="Ada")
        await at.roster(lambda people: len(people) == 2)
        await at.call.send_chat("hello")
        with pytest.raises(CommandFailed, match=r"everybody only|does not offer|did not take"):
            await at.call.send_direct_chat("psst", Participant(id="a", name="Ada"))
        await until(lambda: [said["text"] for said in at.room.reported("chat")] == ["hello"])


async def test_a_client_in_a_frame_and_a_bot_that_becomes_host(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, framed=True, **OPEN) as at:
        await at.inside()
        at.room.tell("join", who="a", name="Ada")
        await at.roster(lambda people: len(people) == 2)
        await at.room.until_reported("audio joined")
        await at.track()
        at.room.tell("promote")
        at.room.tell("join", who="b", name="Ben")
        await at.roster(lambda people: len(people) == 3)
        # The red button would end the meeting for all.
        await at.call.leave()
        await at.room.until_reported("left")
        assert not at.room.reported("ended for all")


ENDS = [
    ("en-US", "remove", {}, EndReason.REMOVED, "removed"),
    ("de-DE", "remove", {}, EndReason.REMOVED, "removed"),
    ("de-DE", "end", {"why": "host"}, EndReason.MEETING_ENDED, "ended"),
    ("en-US", "end", {"why": "other"}, EndReason.MEETING_ENDED, "ended"),
    ("en-US", "end", {"why": "free"}, EndReason.MEETING_ENDED, "ended"),
    ("en-US", "go", {"to": "/postattendee"}, EndReason.MEETING_ENDED, "ended"),
]


@pytest.mark.parametrize(("locale", "act", "how", "reason", "signal"), ENDS)
async def test_how_a_call_ends(
    browser: Browser,
    tmp_path: Path,
    locale: str,
    act: str,
    how: dict[str, Any],
    reason: EndReason,
    signal: str,
) -> None:
    async with visit(browser, tmp_path, locale=locale, **OPEN) as at:
        await at.inside()
        at.room.tell(act, **how)
        ended = await at.ended()
        assert (ended.reason, ended.evidence.signal) == (reason, signal)
        assert ended.evidence.selector or act == "go"


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
async def test_a_host_who_says_no_and_one_who_sends_back(
    browser: Browser, tmp_path: Path, locale: str
) -> None:
    async with visit(browser, tmp_path, locale=locale, joining_ms=50) as at:
        await at.until(Knocked)
        at.room.tell("admit")
        await at.room.until_reported("audio joined")
        at.room.tell("hold")
        await at.until(Knocked, 2)
        at.room.tell("admit")
        await at.until(Admitted, 2)
        await at.room.until_reported("audio joined", 2)
    async with visit(browser, tmp_path, locale=locale, joining_ms=50) as at:
        await at.until(Knocked)
        at.room.tell("deny")
        assert (await at.ended()).reason is EndReason.DENIED


@pytest.mark.parametrize("to", ["/signin", "elsewhere"])
async def test_a_page_that_goes_away_from_the_call_says_that_it_is_over(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setattr("meetcore_zoom.joiner.SETTLES_S", 0.0)
    async with visit(browser, tmp_path, **OPEN) as at:
        await at.inside()
        other = at.origin.replace("127.0.0.1", "localhost")
        at.room.tell("go", to=to if to == "/signin" else f"{other}/postmeeting")
        ended = await at.ended()
        assert (ended.reason, ended.evidence.signal) == (EndReason.MEETING_ENDED, "ended")


async def test_a_page_for_what_is_not_there_is_looked_at_again_until_it_is(
    browser: Browser, tmp_path: Path
) -> None:
    soon = {"look_again_s": 0.3, "host_wait_s": 30.0}
    async with visit(browser, tmp_path, options=soon, starts_after=2, **OPEN) as at:
        knocked = await at.until(Knocked)
        assert "does not exist" in knocked.hint
        await at.inside()
        assert len(at.room.reported("loaded")) == 3


@pytest.mark.parametrize(
    ("switch", "reason"),
    [("invalid", EndReason.MEETING_NOT_FOUND), ("not_started", EndReason.MEETING_NOT_STARTED)],
)
async def test_a_meeting_that_never_begins_has_a_typed_end(
    browser: Browser, tmp_path: Path, switch: str, reason: EndReason
) -> None:
    soon = {"look_again_s": 0.3, "host_wait_s": 2.5}
    async with visit(browser, tmp_path, options=soon, **{switch: True}) as at:
        ended = await at.ended()
        assert ended.reason is reason
        assert "2.5 s long" in ended.evidence.detail
        assert ended.evidence.hint
        assert len(at.room.reported("loaded")) > 1


async def test_a_host_who_is_awaited(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, locale="de-DE", wait_for_host=True, **OPEN) as at:
        assert "has to start the meeting" in (await at.until(Knocked)).hint
        at.room.tell("start")
        await at.inside()
        assert len(at.room.reported("loaded")) == 1


async def test_a_typed_passcode_a_wrong_one_and_none(browser: Browser, tmp_path: Path) -> None:
    at_zoom = f"https://zoom.us/j/{MEETING}"
    # What stands in the link is not what the client takes, but what people type.
    async with visit(browser, tmp_path, link=f"{at_zoom}?pwd=wrong", passcode="584706") as at:
        ended = await at.ended()
        assert ended.reason is EndReason.WRONG_PASSCODE
        assert at.room.reported("passcode") == [{"what": "passcode", "typed": "wrong"}]
    async with visit(browser, tmp_path, link=at_zoom, passcode="584706", locale="de-DE") as at:
        ended = await at.ended()
        assert ended.reason is EndReason.WRONG_PASSCODE
        assert "the link has none" in ended.evidence.detail
        assert not at.room.reported("passcode"), "nothing is pressed in vain"
    async with visit(browser, tmp_path, link=f"{at_zoom}?pwd=584706", passcode="584706") as at:
        await at.until(Knocked)


async def test_a_registrants_link_is_not_rewritten_and_goes_by_the_browser(
    browser: Browser, tmp_path: Path
) -> None:
    link = f"https://acme.zoom.us/w/{MEETING}?tk=TOKEN"
    async with visit(browser, tmp_path, link=link, landing=True, **OPEN) as at:
        await at.inside()
        assert at.room.reported("loaded")[0]["address"] == f"/w/{MEETING}?tk=TOKEN"
        assert len(at.room.reported("launch")) == 1


@pytest.mark.parametrize(
    ("locale", "switches", "reason"),
    [
        ("de-DE", {"locked": True}, EndReason.MEETING_LOCKED),
        ("en-US", {"locked": True, "language": "de"}, EndReason.MEETING_LOCKED),
        ("en-US", {"wall": "rtms"}, EndReason.OFFICIAL_API_REQUIRED),
        ("de-DE", {"wall": "bots"}, EndReason.BOT_BLOCKED),
        ("en-US", {"captcha": True}, EndReason.CAPTCHA_REQUIRED),
    ],
)
async def test_a_refused_bot_says_so_with_evidence_and_a_hint(
    browser: Browser, tmp_path: Path, locale: str, switches: dict[str, Any], reason: EndReason
) -> None:
    async with visit(browser, tmp_path, locale=locale, joining_ms=50, **switches) as at:
        ended = await at.ended()
        assert ended.reason is reason
        assert ended.evidence.hint
        assert ended.evidence.selector
        assert ended.evidence.screenshot is not None
        assert (tmp_path / ended.evidence.screenshot).is_file()
        assert not at.events.of_type(Admitted)


async def test_a_service_out_of_reach_is_waited_for_and_then_lost(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, waiting_room=False, lost_ms=2500, joining_ms=50) as at:
        await at.inside()
        at.room.cut()
        assert (await at.ended()).reason is EndReason.CONNECTION_LOST
        assert "page: reconnecting" in at.steps()


async def test_a_client_that_joins_forever_is_no_call_and_has_an_end(
    browser: Browser, tmp_path: Path
) -> None:
    once = {"attempts": 1}
    async with visit(browser, tmp_path, join_s=3.0, options=once, joining_ms=-1) as at:
        ended = await at.ended()
        assert ended.reason is EndReason.CLIENT_NEVER_LOADED
        assert "last seen: connecting" in ended.evidence.detail
        assert not at.events.of_type(Admitted)


async def test_people_by_what_the_client_is_told(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, rows=1, captions=True, **OPEN) as at:
        await at.inside()
        for who, name in (("a", "Ada"), ("b", "Ben"), ("c", "Ada")):
            at.room.tell("join", who=who, name=name, bot=who == "b")
        await at.roster(lambda people: len(people) == 4)
        bots = {p.id for p in at.events.of_type(RosterSeen)[-1].participants if p.is_bot}  # type: ignore[attr-defined]
        assert bots == {"1", "b"}
        # Two of one name are two; one of them renames herself, leaves and comes back.
        at.room.tell("rename", who="c", name="Ada Two")
        await at.roster(lambda people: people.get("c") == "Ada Two")
        at.room.tell("speak", who="c", on=True)
        assert (await at.until(SpeakingIndicated)).participant_id == "c"
        at.room.tell("leave", who="c")
        await at.roster(lambda people: "c" not in people)
        at.room.tell("join", who="d", name="Ada Two")
        await at.roster(lambda people: people.get("d") == "Ada Two")
        # Captions, because they were asked for.
        await at.room.until_reported("captions on")
        at.room.tell("caption", who="b", text="Good morning")
        line = await at.until(CaptionSeen)
        assert (line.participant_id, line.name, line.text) == ("b", "Ben", "Good morning")


@pytest.mark.parametrize(
    ("locale", "view", "signalling"), [("en-US", "single", "partly"), ("de-DE", "gallery", False)]
)
async def test_people_by_the_list_alone(
    browser: Browser, tmp_path: Path, locale: str, view: str, signalling: Any
) -> None:
    switches = {"signalling": signalling, "rows": 3, "view": view}
    async with visit(browser, tmp_path, locale=locale, **OPEN, **switches) as at:
        at.room.tell("join", who="a", name="Ada", host=True)
        at.room.tell("join", who="b", name="Ben (Sales)")
        await at.inside()
        await at.roster(lambda people: sorted(people.values()) == ["Ada", "Ben (Sales)", "Notes"])
        newest = at.events.of_type(RosterSeen)[-1]
        assert newest.self_id == "name:Notes"  # type: ignore[attr-defined]
        # Who has another name is the same person.
        at.room.tell("rename", who="a", name="Ada Two")
        await at.roster(lambda people: people.get("name:Ada") == "Ada Two")
        # More than fit, and then a shared screen: nobody is gone who was seen.
        at.room.tell("join", who="c", name="Cleo")
        at.room.tell("share", on=True)
        at.room.tell("speak", who="b", on=True)
        await until(
            lambda: (
                ("name:Ben (Sales)", True)
                in [(s.participant_id, s.speaking) for s in at.events.of_type(SpeakingIndicated)]
            )  # type: ignore[attr-defined]
        )
        assert len(at.events.of_type(RosterSeen)[-1].participants) == 3  # type: ignore[attr-defined]
        # One who leaves is gone once the list is whole again.
        at.room.tell("leave", who="c")
        at.room.tell("leave", who="b")
        at.room.tell("share", on=False)
        await at.roster(lambda people: sorted(people.values()) == ["Ada Two", "Notes"])
        # Another one of the name that somebody has given up is somebody else.
        at.room.tell("join", who="d", name="Ada")
        await at.roster(lambda people: people.get("name:Ada (2)") == "Ada")
        assert at.events.of_type(RosterSeen)[-1].self_id == "name:Notes"  # type: ignore[attr-defined]


async def test_one_who_leaves_and_another_who_comes_are_two_in_the_list(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, rows=5, signalling=False, **OPEN) as at:
        at.room.tell("join", who="a", name="Ada")
        await at.inside()
        await at.roster(lambda people: sorted(people.values()) == ["Ada", "Notes"])
        at.room.tell("leave", who="a")
        at.room.tell("join", who="b", name="Ben")
        await at.roster(lambda people: sorted(people) == ["name:Ben", "name:Notes"])


async def test_people_by_their_tiles_where_the_list_is_written_otherwise(
    browser: Browser, tmp_path: Path
) -> None:
    switches = {"signalling": False, "other_list": True, "view": "gallery"}
    async with visit(browser, tmp_path, **OPEN, **switches) as at:
        at.room.tell("join", who="a", name="Ada")
        await at.inside()
        await at.roster(lambda people: sorted(people.values()) == ["Ada", "Notes"])
        assert at.events.of_type(RosterSeen)[-1].self_id == "name:Notes"  # type: ignore[attr-defined]
        at.room.tell("speak", who="a", on=True)
        assert (await at.until(SpeakingIndicated)).participant_id == "name:Ada"
        at.room.tell("leave", who="a")
        await at.roster(lambda people: list(people.values()) == ["Notes"])


async def test_notices_and_a_chat_that_is_off(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, chat="off", **OPEN) as at:
        await at.inside()
        at.room.tell("record", ai=True)
        await until(lambda: len(at.events.of_type(NoticeSeen)) >= 2)
        kinds = {notice.kind: notice.answer for notice in at.events.of_type(NoticeSeen)}  # type: ignore[attr-defined]
        assert kinds == {"ai_notes": "", "recording": "Got it"}
        await until(lambda: Capability.SEND_CHAT not in at.call.capabilities)
        with pytest.raises(CommandFailed):
            await at.call.send_chat("hello")
        # A reconnection is no end, and devices that come on by themselves go off again.
        at.room.tell("reconnect")
        await until(lambda: "page: reconnecting" in at.steps())
        at.room.tell("reconnected")
        await until(lambda: "page: in_call" in at.steps())
        at.room.tell("devices", on=True)
        await at.room.until_reported("device", 4)
        assert not at.events.of_type(CallEnded)


@pytest.mark.parametrize(
    ("answer", "granted"),
    [
        ("The host has allowed you to record this meeting", True),
        ("The host has denied your request to record", False),
    ],
)
async def test_where_a_host_must_allow_a_recording_it_is_asked_for_and_told(
    browser: Browser, tmp_path: Path, answer: str, granted: bool
) -> None:
    async with visit(browser, tmp_path, **OPEN) as at:
        await at.inside()
        at.room.tell("permission")
        asked = await at.until(RecordingPermission)
        assert asked.granted is None
        assert "Permission needed" in asked.detail
        await until(lambda: {"what": "pressed", "text": "Request"} in at.room.reports)
        at.room.tell("permission_answer", text=answer)
        told = await at.until(RecordingPermission, 2)
        assert (told.granted, told.detail) == (granted, answer)
        notices = [notice.kind for notice in at.events.of_type(NoticeSeen)]  # type: ignore[attr-defined]
        assert notices == ["consent", "consent"]


async def test_where_the_page_only_says_that_a_host_must_allow_a_recording_nobody_is_asked(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, **OPEN) as at:
        await at.inside()
        at.room.tell("permission", only="Close")
        await until(lambda: {"what": "pressed", "text": "Close"} in at.room.reports)
        notice = await at.until(NoticeSeen)
        assert (notice.kind, notice.answer) == ("consent", "Close")
        assert not at.events.of_type(RecordingPermission)


async def test_what_is_never_clicked_is_not(browser: Browser, tmp_path: Path) -> None:
    async with visit(browser, tmp_path, **OPEN) as at:
        await at.inside()
        guest = at.call._attempt.guest  # type: ignore[union-attr]
        await guest.page.page.evaluate(
            """() => {
              const row = document.createElement('div');
              row.className = 'relative-tooltip';
              row.innerHTML = '<button onclick="window.pressed = 1">Start Recording</button>';
              document.body.append(row);
            }"""
        )
        for press in (guest.page.press, guest.page.click):
            with pytest.raises(ClickForbidden, match="Start Recording"):
                await press("tooltip")
        assert await guest.page.page.evaluate("() => window.pressed === undefined")


async def test_devices_that_the_client_switches_on_go_off_unless_the_bot_uses_them(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, locale="en-US", **OPEN) as at:
        await at.until(Admitted)
        off = {"what": "device", "device": "microphone", "on": False}
        await until(lambda: off in at.room.reported("device"))
        async with at.call.open_speech(16_000) as output:
            await output.write(bytes(3200))
            await output.drain()
        await until(lambda: switched(at, "microphone")[-1:] == [True])
        await at.call.show_image(PICTURE, "image/gif")
        await until(lambda: switched(at, "camera")[-1:] == [True])


def switched(at: Visit, device: str) -> list[bool]:
    """Return what the client reported of a device so far: whether it is on."""
    return [each["on"] for each in at.room.reported("device") if each["device"] == device]


async def test_a_recording_shows_the_view_that_was_chosen(browser: Browser, tmp_path: Path) -> None:
    asked = {"video": True, "plugins": {"browser": {"video_view": "speaker"}}}
    async with visit(browser, tmp_path, asked=asked, locale="en-US", **OPEN) as at:
        await at.until(Admitted)
        await until(lambda: bool(at.room.reported("view")))
        [seen] = at.room.reported("view")
        assert seen["name"].startswith("Speaker")


async def test_a_picture_is_shared_as_the_bots_screen_until_that_ends(
    browser: Browser, tmp_path: Path
) -> None:
    async with visit(browser, tmp_path, locale="en-US", **OPEN) as at:
        await at.until(Admitted)
        await at.call.share_image(PICTURE, "image/gif")
        await at.call.stop_sharing()
        await until(lambda: len(switched(at, "screen")) == 2)
        assert switched(at, "screen") == [True, False]


async def test_who_is_signed_in_is_asked_for_no_name_and_knows_itself_by_the_accounts(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = sign_in(monkeypatch, tmp_path, "zoom")
    async with visit(
        browser, tmp_path, options=options, account=ACCOUNT_NAME, waiting_room=False
    ) as at:
        await at.inside()
        assert [each["name"] for each in at.room.reported("joined")] == [ACCOUNT_NAME]
        assert await own_name_in_list(at.events) == ACCOUNT_NAME
        await at.call.leave()
