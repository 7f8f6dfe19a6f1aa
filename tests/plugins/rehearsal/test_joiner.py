"""A bot at the real site, in a real Chromium: every way in, every way out.

The Chromium is that of the tests, lent to the joiner and the cast; that each starts one of its own
is seen in `tests/bad_days`, in the examples, and in whole lives.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from attrs import define, evolve

from meetcore.model.addresses import PrivateTargets
from meetcore.model.errors import CommandFailed, CommandRefused, RecipientRefused
from meetcore.model.lifecycle import EndReason
from meetcore.model.roster import NameSource, Participant
from meetcore.model.signals import (
    Admitted,
    CallEnded,
    ChatArrived,
    DiagnosticsWritten,
    Knocked,
    ParticipantAppeared,
    ParticipantChanged,
    ParticipantGone,
    ShareSeen,
    Signal,
    SpeakingIndicated,
    StepWorked,
    TrackAppeared,
)
from meetcore.plugin.platform import CallRequest, Platform
from meetcore.testing.conformance import ConformanceMeeting, PlatformConformance
from meetcore.testing.script import Admission, Decision, End, Line, Person, Script
from meetcore_browser.bot_page import BotPage, open_page
from meetcore_browser.testing import KeepingCallEvents, SharedChromium, until
from meetcore_rehearsal import joiner
from meetcore_rehearsal.actions import (
    Admit,
    Arrive,
    Deny,
    Depart,
    EndForAll,
    Remove,
    Say,
    SetMuted,
    SetSpeaking,
)
from meetcore_rehearsal.platform import RehearsalPlatform
from meetcore_rehearsal.rehearsal import Rehearsal, open_rehearsal
from meetcore_rehearsal.room import Room
from meetcore_rehearsal.site import Site, open_site

from .conftest import ADA, BEN, Lobby, tone_line

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
EMPTY_PAGE = b"<!doctype html><title>Another site altogether</title>"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("lent")]


@pytest.fixture
def lent(
    shared_chromium: SharedChromium, monkeypatch: pytest.MonkeyPatch, lent_to_the_cast: None
) -> None:
    """Have the joiner and the cast open their pages in the shared Chromium."""

    @asynccontextmanager
    async def open_there(*args: Any, **options: Any) -> AsyncIterator[BotPage]:
        async with (
            shared_chromium.lend() as browser,
            open_page(*args, **{**options, "browser": browser}) as page,
        ):
            yield page

    monkeypatch.setattr(joiner, "open_page", open_there)


@define
class Attempt:
    """A bot's attempt to be in a room, and what it told."""

    call: Any
    signals: list[Signal]
    heard: KeepingCallEvents

    async def first(self, kind: type[Signal]) -> Any:
        await until(lambda: any(isinstance(signal, kind) for signal in self.signals), 30)
        return next(signal for signal in self.signals if isinstance(signal, kind))

    async def seen(self, wanted: Signal) -> None:
        await until(lambda: wanted in self.signals)

    async def ended(self) -> tuple[EndReason, str]:
        signal = await self.first(CallEnded)
        assert isinstance(signal, CallEnded)
        return signal.reason, signal.evidence.signal


@asynccontextmanager
async def bot(url: str, folder: Path, **settings: Any) -> AsyncIterator[Attempt]:
    platform = RehearsalPlatform()
    link = platform.parse(url)
    assert link is not None
    request = CallRequest(bot_id="bot", display_name="Notes & Co", folder=folder, **settings)
    events = KeepingCallEvents()
    async with platform.open_call(link, request, events) as call:
        yield Attempt(call, events.signals, events)


def lobby_of(site: Site, room: Room) -> Lobby:
    lobby = Lobby(site, room.id)
    lobby.enter()
    return lobby


async def test_a_bot_is_admitted_sees_who_is_there_chats_and_leaves(
    site: Site, tmp_path: Path
) -> None:
    room = site.open_room()
    lobby = lobby_of(site, room)
    lobby.do(Say("host", "welcome"))
    async with bot(site.guest_link(room), tmp_path) as attempt:
        guest = await lobby.knocker()
        await attempt.first(Knocked)
        assert site.hub.rooms[room.id].members[guest].name == "Notes & Co"
        with pytest.raises(CommandFailed, match="in the call"):
            await attempt.call.send_chat("too early")
        lobby.do(Admit("host", guest))
        await attempt.first(Admitted)
        hana = Participant(id="host", name="Hana Host", is_host=True, muted=False)
        await attempt.seen(ParticipantAppeared(hana))
        itself = Participant(id=guest, name="Notes & Co", is_bot=True, is_self=True, muted=True)
        await attempt.seen(ParticipantAppeared(itself))
        lobby.do(SetSpeaking("host", True))
        await attempt.seen(SpeakingIndicated("host", True))
        lobby.do(SetMuted("host", True))
        await attempt.seen(SpeakingIndicated("host", False))
        await attempt.seen(ParticipantChanged(evolve(hana, muted=True)))
        lobby.do(Say("host", "You were removed from the meeting"))
        await attempt.call.send_chat("hello  to\nall")
        lobby.do(Arrive(member_id="x", name="X", host_key=room.host_key))
        xena = Participant(id="x", name="X", is_host=True, muted=False)
        await attempt.seen(ParticipantAppeared(xena))
        await attempt.call.send_direct_chat("psst X", xena)
        lobby.do(Say("x", "psst bot", guest))
        await attempt.call.send_chat("all again")
        chats = [signal for signal in attempt.signals if isinstance(signal, ChatArrived)]
        assert [(chat.text, chat.by_bot, chat.to_id) for chat in chats] == [
            ("welcome", False, None),
            ("You were removed from the meeting", False, None),
            ("hello to all", True, None),
            ("psst X", True, "x"),
            ("psst bot", False, guest),
            ("all again", True, None),
        ]
        assert [chat.direct for chat in chats] == [chat.to_id is not None for chat in chats]
        kept = [message.text for message in site.hub.rooms[room.id].chat]
        assert not [text for text in kept if "psst" in text]
        lobby.do(Depart("x"))
        await attempt.seen(ParticipantGone("x"))
        with pytest.raises(RecipientRefused, match="left"):
            await attempt.call.send_direct_chat("psst X", xena)
        await attempt.call.leave()
        await until(lambda: guest not in site.hub.rooms[room.id].members)
        assert not [signal for signal in attempt.signals if isinstance(signal, CallEnded)]
    kinds = [type(signal) for signal in attempt.signals]
    assert kinds.index(Knocked) < kinds.index(Admitted) < kinds.index(ParticipantAppeared)


async def test_a_denied_bot_says_so(site: Site, tmp_path: Path) -> None:
    room = site.open_room()
    lobby = lobby_of(site, room)
    async with bot(site.guest_link(room), tmp_path) as attempt:
        lobby.do(Deny("host", await lobby.knocker()))
        assert await attempt.ended() == (EndReason.DENIED, "denied")
        signal = await attempt.first(CallEnded)
        assert signal.evidence.detail == "You were not let in"
        await attempt.call.leave()
        assert Admitted not in {type(each) for each in attempt.signals}


@pytest.mark.parametrize(
    ("ending", "reason"),
    [(Remove, EndReason.REMOVED), (EndForAll, EndReason.MEETING_ENDED)],
)
async def test_a_bot_that_is_removed_or_whose_meeting_ends_says_so(
    site: Site, tmp_path: Path, ending: Any, reason: EndReason
) -> None:
    room = site.open_room(waiting_room=False)
    lobby = lobby_of(site, room)
    async with bot(site.guest_link(room), tmp_path) as attempt:
        await attempt.first(Admitted)
        me = next(m.id for m in site.hub.rooms[room.id].inside if m.id != "host")
        lobby.do(ending("host", me) if ending is Remove else ending("host"))
        assert (await attempt.ended())[0] is reason


async def test_a_room_that_is_not_there_or_over_is_said(site: Site, tmp_path: Path) -> None:
    async with bot(f"{site.url}/r/mc-none", tmp_path) as attempt:
        assert await attempt.ended() == (EndReason.MEETING_NOT_FOUND, "missing")
    room = site.open_room(closes_at_end=True)
    lobby_of(site, room).do(EndForAll("host"))
    async with bot(site.guest_link(room), tmp_path) as attempt:
        assert await attempt.ended() == (EndReason.MEETING_ENDED, "ended")


async def test_a_wrong_or_missing_passcode_is_said_and_the_right_one_opens(
    site: Site, tmp_path: Path
) -> None:
    room = site.open_room(passcode="4711", waiting_room=False)
    link = f"{site.url}/r/{room.id}"
    async with bot(link, tmp_path) as attempt:
        assert await attempt.ended() == (EndReason.WRONG_PASSCODE, "passcode_asked")
    async with bot(f"{link}#passcode=1", tmp_path) as attempt:
        assert await attempt.ended() == (EndReason.WRONG_PASSCODE, "wrong_passcode")
    async with bot(f"{link}?passcode=4711", tmp_path) as attempt:
        await attempt.first(Admitted)
        await attempt.call.leave()
    assert "4711" not in repr(attempt.signals)


async def test_a_site_that_goes_away_is_a_lost_connection(tmp_path: Path) -> None:
    closing = trio.Event()

    async def serve(task_status: trio.TaskStatus[Site]) -> None:
        async with open_site() as site:
            task_status.started(site)
            await closing.wait()

    async with trio.open_nursery() as nursery:
        site = await nursery.start(serve)
        room = site.open_room(waiting_room=False)
        async with bot(site.guest_link(room), tmp_path) as attempt:
            await attempt.first(Admitted)
            closing.set()
            assert await attempt.ended() == (EndReason.CONNECTION_LOST, "lost")


async def test_a_site_that_is_not_there_ends_the_join_with_a_diagnosis(tmp_path: Path) -> None:
    async with open_site() as site:
        link = f"{site.url}/r/mc-blue-door"
    async with bot(link, tmp_path) as attempt:
        assert (await attempt.ended())[0] is EndReason.CLIENT_NEVER_LOADED
        over = await attempt.first(CallEnded)
        assert isinstance(over, CallEnded)
        detail = over.evidence.detail
        assert detail.startswith("nobody answers at 127.0.0.1:")
        assert detail.endswith(": is `meetcore rehearse` running?")
        written = await attempt.first(DiagnosticsWritten)
        assert (tmp_path / written.folder).is_dir()


async def test_a_page_without_a_door_ends_the_join_in_time(site: Site, tmp_path: Path) -> None:
    room = site.open_room()
    site.serve_extra(f"/r/{room.id}", EMPTY_PAGE)
    async with bot(site.guest_link(room), tmp_path, join_timeout_s=2.0) as attempt:
        reason, _ = await attempt.ended()
        assert reason is EndReason.CLIENT_NEVER_LOADED
        await attempt.first(DiagnosticsWritten)


async def test_each_voice_comes_on_the_track_of_its_person_with_certainty(
    tmp_path: Path,
) -> None:
    robin = Person(id="robin", name="Robin Hale", joins_s=1.0)
    tones = {"ada": 440.0, "ben": 660.0, "robin": 880.0}
    starts = {"ada": 0.5, "ben": 0.5, "robin": 2.0}
    lines = tuple(tone_line(tmp_path, who, hz, starts[who], 2.0) for who, hz in tones.items())
    script = Script(
        people=(ADA, BEN, robin),
        lines=lines,
        admission=Admission(after_s=0.1),
        end=End(at_s=4.6),
    )
    async with open_rehearsal(script) as rehearsal, bot(rehearsal.link, tmp_path) as attempt:
        assert (await attempt.ended())[0] is EndReason.MEETING_ENDED
    tracks = [signal for signal in attempt.signals if isinstance(signal, TrackAppeared)]
    assert {track.participant_id for track in tracks} == set(tones)
    for track in tracks:
        assert track.name_source is NameSource.TRACK
        pcm = attempt.heard.pcm(track.track_id).astype(float)
        loud = pcm[np.abs(pcm) > 1_000]
        assert len(loud) > 16_000
        spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
        peak_hz = spectrum.argmax() * 16_000 / len(pcm)
        assert peak_hz == pytest.approx(tones[str(track.participant_id)], abs=5)
    # A machine that is too busy for sound loses some of it within the page, and that is declared.
    losses, heard = attempt.heard.losses, sum(chunk.samples for chunk in attempt.heard.chunks)
    assert {loss.cause for loss in losses} <= {"page_gap", "page_behind"}
    assert sum(loss.samples for loss in losses if loss.cause == "page_gap") < heard / 10


async def test_a_bot_is_muted_and_unseen_until_it_speaks_and_shows_something(
    site: Site, tmp_path: Path
) -> None:
    room = site.open_room(waiting_room=False)
    lobby_of(site, room)
    async with bot(site.guest_link(room), tmp_path) as attempt:
        with pytest.raises(CommandFailed, match="in the call"):
            async with attempt.call.open_speech(16_000):
                pass
        await attempt.first(Admitted)

        def me() -> Any:
            return next(m for m in site.hub.rooms[room.id].inside if m.id != "host")

        assert (me().muted, me().camera) == (True, False)
        with pytest.raises(CommandRefused, match="no picture"):
            await attempt.call.show_image(b"<svg/>", "image/png")
        assert not me().camera
        async with attempt.call.open_speech(16_000) as output:
            await output.write(bytes(3200))
            await output.drain()
        await until(lambda: not me().muted)
        await attempt.call.show_image(PICTURE, "image/png")
        await until(lambda: me().camera)
        await attempt.call.hide_picture()
        await until(lambda: not me().camera)
        with pytest.raises(CommandRefused, match="may not be shown"):
            await attempt.call.show_page("https://status.example.com/board")
        assert not me().camera, "what is refused switches nothing on"


async def test_a_web_page_is_the_bots_camera_until_it_is_hidden(site: Site, tmp_path: Path) -> None:
    room = site.open_room(waiting_room=False)
    lobby_of(site, room)
    settings: dict[str, Any] = {
        "plugins": {"browser": {"page_hosts": [site.url.removeprefix("http://")]}},
        "private_targets": PrivateTargets.listed(["127.0.0.1", "localhost"]),
    }
    async with bot(site.guest_link(room), tmp_path, **settings) as attempt:
        await attempt.first(Admitted)

        def me() -> Any:
            return next(m for m in site.hub.rooms[room.id].inside if m.id != "host")

        await attempt.call.show_page(site.url)
        await until(lambda: me().camera)
        [shown] = [
            s for s in attempt.signals if isinstance(s, StepWorked) and s.name == "page as camera"
        ]
        assert "a page of" in shown.detail
        await attempt.call.hide_picture()
        await until(lambda: not me().camera)


async def test_a_picture_and_a_web_page_are_the_bots_screen_until_that_ends(
    site: Site, tmp_path: Path
) -> None:
    room = site.open_room(waiting_room=False)
    lobby_of(site, room)
    settings: dict[str, Any] = {
        "plugins": {"browser": {"page_hosts": [site.url.removeprefix("http://")]}},
        "private_targets": PrivateTargets.listed(["127.0.0.1", "localhost"]),
    }
    async with (
        bot(site.guest_link(room), tmp_path / "one", **settings) as attempt,
        bot(site.guest_link(room), tmp_path / "two") as other,
    ):
        with pytest.raises(CommandFailed, match="in the call"):
            await attempt.call.share_image(PICTURE, "image/png")
        await attempt.first(Admitted)
        await other.first(Admitted)

        def seen() -> list[bool]:
            return [signal.sharing for signal in other.signals if isinstance(signal, ShareSeen)]

        with pytest.raises(CommandRefused, match="no picture"):
            await attempt.call.share_image(b"<svg/>", "image/png")
        with pytest.raises(CommandRefused, match="may not be shown"):
            await attempt.call.share_page("https://status.example.com/board")
        await attempt.call.stop_sharing()
        await attempt.call.share_image(PICTURE, "image/png")
        await until(lambda: seen() == [True])
        await attempt.call.share_page(site.url)  # on the same screen
        await attempt.call.stop_sharing()
        await until(lambda: seen() == [True, False])
        await attempt.call.share_image(PICTURE, "image/png")
        await until(lambda: seen() == [True, False, True])


TALKING = Script(
    people=(ADA,),
    admission=Admission(decision=Decision.IGNORE),
    lines=(Line(who="ada", at_s=0.2, text="and so on", duration_s=40.0),),
)


class SteeredMeeting:
    """A rehearsal whose host does what the conformance suite says."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.link = rehearsal.link
        self.missing_link = f"{rehearsal.site.url}/r/mc-none"
        locked = rehearsal.site.open_room(passcode="4711", waiting_room=False)
        self.wrong_passcode_link = f"{rehearsal.site.url}/r/{locked.id}#passcode=1"
        self._rehearsal = rehearsal
        self._lobby = Lobby(rehearsal.site, rehearsal.room_id, "ada")

    async def admit(self) -> None:
        self._lobby.do(Admit("ada", await self._lobby.knocker()))

    async def deny(self) -> None:
        self._lobby.do(Deny("ada", await self._lobby.knocker()))

    async def remove(self) -> None:
        inside = self._rehearsal.site.hub.rooms[self._rehearsal.room_id].inside
        guest = next(member.id for member in inside if member.id != "ada")
        self._lobby.do(Remove("ada", guest))

    async def end(self) -> None:
        self._lobby.do(EndForAll("ada"))

    async def say(self, text: str) -> None:
        self._lobby.do(Say("ada", text))

    async def say_directly(self, text: str) -> None:
        inside = self._rehearsal.site.hub.rooms[self._rehearsal.room_id].inside
        guest = next(member.id for member in inside if member.id != "ada")
        self._lobby.do(Say("ada", text, guest))


class TestRehearsalPlatform(PlatformConformance):
    def make_platform(self) -> Platform:
        return RehearsalPlatform()

    @asynccontextmanager
    async def open_meeting(self) -> AsyncIterator[ConformanceMeeting]:
        async with open_rehearsal(TALKING) as rehearsal:
            yield SteeredMeeting(rehearsal)


def test_the_platform_says_before_a_call_what_can_be_done_in_one() -> None:
    page = {"show_image", "show_page", "share_screen", "video", "screenshot", "look_in"}
    assert {"send_chat", "send_direct_chat", "read_chat", "speak"} | page == {
        str(each) for each in RehearsalPlatform.capabilities
    }
