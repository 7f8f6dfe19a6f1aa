"""The site in a real Chromium: what a host and a guest see, do and hear."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from meetcore_browser.testing import until
from meetcore_rehearsal.actions import Arrive
from meetcore_rehearsal.site import Site, open_site

from .conftest import House, Visitor, open_house

pytestmark = pytest.mark.browser


async def host_and_guest(house: House, site: Site) -> tuple[Visitor, Visitor, str]:
    room = site.open_room(title="Planning")
    host, guest = await house.visitor(), await house.visitor()
    await host.join(site.host_link(room), "Hana Host")
    await host.see("#call")
    await guest.join(site.guest_link(room), "Gil Guest")
    await guest.see("#waiting")
    return host, guest, room.id


async def test_a_guest_knocks_is_admitted_talks_in_the_chat_and_is_removed(
    house: House, site: Site
) -> None:
    host, guest, _ = await host_and_guest(house, site)
    assert "Gil Guest wants to join" in await host.text("#knocks")
    await host.do("click", "text=Admit")
    await guest.see("#call")
    await host.see("#knocks", state="hidden")
    await host.see(".tile >> text=Gil Guest")
    await guest.do("click", "#show-chat")
    await guest.do("fill", "#chat-text", "Hello, I am <b>here</b>")
    await guest.do("press", "#chat-text", "Enter")
    await host.see("#unread")
    await host.do("click", "#show-chat")
    assert "Hello, I am <b>here</b>" in await host.text("#messages li")
    await host.see("#unread", state="hidden")
    await host.do("click", "#tab-people")
    await host.do("click", "[aria-label='Remove Gil Guest']")
    await guest.see("#finish")
    assert await guest.text("#finish-title") == "You were removed from the meeting"
    await host.see(".tile >> text=Gil Guest", state="detached")
    assert host.troubles == guest.troubles == []


async def test_a_denied_guest_reads_so(house: House, site: Site) -> None:
    host, guest, _ = await host_and_guest(house, site)
    await host.do("click", "text=Deny")
    await guest.see("#finish")
    assert await guest.text("#finish-title") == "You were not let in"


async def test_the_host_ends_for_everyone_and_guests_leave_at_once(
    house: House, site: Site
) -> None:
    host, guest, room_id = await host_and_guest(house, site)
    await host.do("click", "text=Admit")
    await guest.see("#call")
    await guest.do("click", "#leave")
    await guest.see("text=You left the meeting")
    await until(lambda: len(site.hub.rooms[room_id].members) == 1)
    await guest.do("click", "#again")
    await guest.see("#green-room")
    await guest.do("click", "#join")
    await host.do("click", "text=Admit")
    await guest.see("#call")
    await host.do("click", "#leave")
    await host.see("#leave-dialog")
    await host.do("click", "#stay")
    await host.do("click", "#leave")
    await host.do("click", "#end-for-all")
    for each in (host, guest):
        await each.see("#finish")
        assert await each.text("#finish-title") == "The meeting has ended"


async def test_a_wrong_passcode_is_said_and_can_be_mended(house: House, site: Site) -> None:
    room = site.open_room(passcode="4711", waiting_room=False)
    guest = await house.visitor()
    await guest.join(f"{site.url}/r/{room.id}#passcode=1234", "Gil")
    await guest.see("text=The passcode is not right.")
    await guest.do("fill", "#passcode", "4711")
    await guest.do("click", "#join")
    await guest.see("#call")


async def test_without_microphone_and_camera_one_can_listen_and_reads_why(
    house: House, site: Site
) -> None:
    room = site.open_room(waiting_room=False)
    guest = await house.visitor()
    await guest.join(site.guest_link(room), "Gil")
    await guest.see("#call")
    assert "You can join and listen" in await guest.do("text_content", "#media-note")
    assert await guest.do("is_disabled", "#mic")
    assert (await guest.people())["Gil"]["muted"] == "true"


async def test_a_room_that_is_not_there_and_one_that_is_over_have_clear_pages(
    house: House, site: Site
) -> None:
    visitor = await house.visitor()
    await visitor.do("goto", f"{site.url}/r/mc-none")
    assert await visitor.text("h1") == "This meeting does not exist"
    room = site.open_room(closes_at_end=True)
    await visitor.join(site.host_link(room), "Hana")
    await visitor.see("#call")
    await visitor.do("click", "#leave")
    await visitor.do("click", "#end-for-all")
    await visitor.see("#finish")
    await visitor.do("goto", f"{site.url}/")
    await visitor.do("goto", site.guest_link(room))
    await visitor.see("#finish")
    assert await visitor.text("#finish-title") == "The meeting has ended"


@pytest.mark.long
async def test_sound_flows_between_two_browsers_both_ways_and_to_a_late_joiner(
    house: House, site: Site
) -> None:
    room = site.open_room(waiting_room=False)
    async with open_house() as there:
        ada = await house.visitor(tone_hz=440)
        ben = await there.visitor(tone_hz=660)
        await ada.join(site.guest_link(room), "Ada")
        await ada.see("#call")
        await ben.join(site.guest_link(room), "Ben")
        await heard(ada, "Ben", 660)
        await heard(ben, "Ada", 440)
        late = await house.visitor(tone_hz=880)
        await late.join(site.guest_link(room), "Cleo")
        await heard(late, "Ada", 440)
        await heard(late, "Ben", 660)
        await heard(ben, "Cleo", 880)
        await until_people(ben, lambda people: people["Ada"]["speaking"] == "true")
        await press(ada, "m")
        await until_people(ben, lambda people: people["Ada"]["muted"] == "true")
        await heard(ben, "Ada", 0)
        await press(ada, "m")
        await heard(ben, "Ada", 440)
        assert ada.troubles == ben.troubles == late.troubles == []


async def press(visitor: Visitor, key: str) -> None:
    await visitor.browser.call(visitor.page.keyboard.press, key)


async def heard(visitor: Visitor, name: str, hz: float) -> None:
    """Wait until a person's tone is heard, and no other."""
    await visitor.see(f".tile >> text={name}")
    last = -1.0
    with trio.move_on_after(15):
        while abs(last - hz) > 12:
            last = await visitor.heard_hz(name)
    assert last == pytest.approx(hz, abs=12)


async def until_people(
    visitor: Visitor, condition: Callable[[dict[str, dict[str, str]]], bool]
) -> None:
    with trio.fail_after(90):
        while not condition(await visitor.people()):
            await trio.lowlevel.checkpoint()


async def test_a_lost_connection_is_said(house: House) -> None:
    async with open_site() as site:
        room = site.open_room(waiting_room=False)
        guest = await house.visitor()
        await guest.join(site.guest_link(room), "Gil")
        await guest.see("#call")
    await guest.see("#finish")
    assert await guest.text("#finish-title") == "The connection was lost"


NAMELESS = """() => [...document.querySelectorAll("button, input, select")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
  .map((e) => e.id)"""
OVERFLOW = """() => document.scrollingElement.scrollWidth - innerWidth"""
FIXED = ".toolbar button, .tile, .panel-head button, .chat-form button, .knock button"
OUTSIDE = """(fixed) => [...document.querySelectorAll(fixed)]
  .filter((e) => e.checkVisibility()).map((e) => [e.id || e.className, e.getBoundingClientRect()])
  .filter(([, r]) => r.left < 0 || r.top < 0 || r.right > innerWidth || r.bottom > innerHeight)
  .map(([name]) => name)"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (844, 390)])
async def test_every_control_is_named_and_within_the_window(
    house: House, site: Site, width: int, height: int
) -> None:
    room = site.open_room(title="A meeting with quite a long title, really", waiting_room=False)
    for name in ("Bo", "Cleo with a very long name that does not end", "Dan", "Eve", "Finn"):
        site.hub.perform(room.id, arrival(name))
    visitor = await house.visitor(width=width, height=height)
    await visitor.do("goto", site.host_link(room))
    await visitor.see("#green-room")
    assert await visitor.do("evaluate", NAMELESS) == []
    assert await visitor.do("evaluate", OVERFLOW) <= 0
    await visitor.do("fill", "#name", "Hana")
    await visitor.do("click", "#join")
    await visitor.see("#call")
    await visitor.see(".tile >> text=Finn")
    for button in (None, "#show-chat", "#tab-people", "#panel-close"):
        if button and (button != "#panel-close" or await visitor.do("is_visible", button)):
            await visitor.do("click", button)
        assert await visitor.do("evaluate", NAMELESS) == []
        assert await visitor.do("evaluate", OVERFLOW) <= 0
        assert await visitor.do("evaluate", OUTSIDE, FIXED) == []


def arrival(name: str) -> Arrive:
    return Arrive(member_id=name.split()[0].lower(), name=name, muted=True)


async def test_a_message_for_one_is_seen_by_them_alone_and_never_by_all_once_they_left(
    house: House, site: Site
) -> None:
    host, guest, room_id = await host_and_guest(house, site)
    await host.do("click", "text=Admit")
    await guest.see("#call")
    third = await house.visitor()
    await third.join(f"{site.guest_link(site.hub.rooms[room_id])}", "Thea Third")
    await host.do("click", "text=Admit")
    await third.see("#call")
    for each in (host, guest, third):
        await each.do("click", "#show-chat")
    await guest.do("select_option", "#chat-to", label="Hana Host")
    await guest.do("fill", "#chat-text", "between us")
    await guest.do("press", "#chat-text", "Enter")
    await host.see("#messages li >> text=between us")
    assert "to you alone" in await host.text("#messages li")
    assert "to Hana Host alone" in await guest.text("#messages li")
    await guest.do("select_option", "#chat-to", label="Thea Third")
    await guest.do("fill", "#chat-text", "not for all")
    await third.do("click", "#leave")
    await guest.see("#chat-to >> text=Thea Third (left)", state="attached")
    await guest.do("press", "#chat-text", "Enter")
    await guest.do("select_option", "#chat-to", label="Everybody")
    await guest.do("fill", "#chat-text", "for all")
    await guest.do("press", "#chat-text", "Enter")
    await host.see("#messages li >> text=for all")
    texts = [message.text for message in site.hub.rooms[room_id].chat]
    assert texts == ["for all"]
    assert "not for all" not in await host.text("#messages")
    assert host.troubles == guest.troubles == []
