"""The cast plays a script to a guest, in time, and says what it did.

Its Chromium is that of the tests, but for the test of its loss; that it has one of its own is seen
there, too.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from meetcore.testing.script import (
    Admission,
    ChatLine,
    Decision,
    End,
    EndHow,
    Kick,
    Line,
    Mute,
    Person,
    Script,
)
from meetcore_browser.testing import until
from meetcore_rehearsal.cast import check_playable
from meetcore_rehearsal.errors import CastFailed, UnknownScript
from meetcore_rehearsal.rehearsal import open_rehearsal
from meetcore_rehearsal.scripts import find_script

from .conftest import ADA, BEN, House, tone_line

ROBIN = Person(id="robin", name="Robin Hale", joins_s=1.5, leaves_s=3.5)


@pytest.mark.browser
@pytest.mark.usefixtures("lent_to_the_cast")
@pytest.mark.long
async def test_a_script_is_played_to_a_guest_in_time(house: House, tmp_path: Path) -> None:
    script = Script(
        title="Tones",
        admission=Admission(after_s=0.2),
        people=(ADA, BEN, ROBIN),
        lines=(
            tone_line(tmp_path, "ada", 440, 0.5, 5),
            Line(who="ben", at_s=1.0, text="without a recording", duration_s=1.0),
            tone_line(tmp_path, "robin", 880, 2.0, 1),
        ),
        chat=(ChatLine(who="ben", at_s=0.5, text="Hello, guest"),),
        mutes=(Mute(who="ben", at_s=3.0),),
        end=End(at_s=6.5, how=EndHow.HOST_ENDS),
    )
    async with open_rehearsal(script) as rehearsal:
        assert [member.id for member in rehearsal.room.inside] == ["ada", "ben"]
        assert rehearsal.clock_started_at is None
        guest = await house.visitor()
        await guest.join(rehearsal.link, "Gil")
        await guest.see("#call")
        await rehearsal.cast.started.wait()
        await until(lambda: 0 in rehearsal.line_starts)
        with trio.fail_after(90):
            while abs(await guest.heard_hz("Ada Lindqvist") - 440) > 12:
                pass
        await until(lambda: "robin" in rehearsal.room.members)
        await guest.see(".tile >> text=Robin Hale")
        await until(lambda: rehearsal.room.members["ben"].muted)
        assert await guest.text("#messages li p") == "Hello, guest"
        await until(lambda: "robin" not in rehearsal.room.members)
        await guest.see("#finish")
        assert await guest.text("#finish-title") == "The meeting has ended"
        assert rehearsal.room.closed
        assert rehearsal.cast.ended.is_set()
        assert rehearsal.cast.troubles == []
        assert rehearsal.clock_started_at is not None
        assert sorted(rehearsal.line_starts) == [0, 1, 2]
        for index, started_at in rehearsal.line_starts.items():
            late_s = started_at - rehearsal.clock_started_at - script.lines[index].at_s
            assert -0.05 < late_s < 1.0  # never early; how late, a busy machine decides, too


@pytest.mark.browser
@pytest.mark.usefixtures("lent_to_the_cast")
@pytest.mark.long
async def test_the_cast_denies_removes_and_goes_as_the_script_says(house: House) -> None:
    denied = Script(people=(ADA,), admission=Admission(decision=Decision.DENY, after_s=0.1))
    removed = Script(
        people=(ADA, BEN),
        waiting_room=False,
        kicks=(Kick(who="ben", at_s=0.2),),
        end=End(at_s=0.6, how=EndHow.REMOVES_BOT),
    )
    left = Script(people=(BEN,), waiting_room=False, end=End(at_s=0.3, how=EndHow.EVERYONE_LEAVES))
    guest = await house.visitor()
    async with open_rehearsal(denied) as rehearsal:
        await guest.join(rehearsal.link, "Gil")
        await guest.see("text=You were not let in")
    async with open_rehearsal(removed) as rehearsal:
        await guest.join(rehearsal.link, "Gil")
        await guest.see("text=You were removed from the meeting")
        assert [member.id for member in rehearsal.room.inside] == ["ada"]
    async with open_rehearsal(left) as rehearsal:
        await guest.join(rehearsal.link, "Gil")
        await guest.see("text=Nobody else is here yet.")
        assert [member.name for member in rehearsal.room.inside] == ["Gil"]


@pytest.mark.browser
async def test_a_cast_whose_browser_breaks_off_is_a_typed_error() -> None:
    with pytest.raises(CastFailed, match="broke off"):
        async with open_rehearsal(Script(people=(ADA,))) as rehearsal:
            assert rehearsal.cast.browser_pid is not None
            os.kill(rehearsal.cast.browser_pid, signal.SIGKILL)
            with trio.fail_after(90):
                await trio.sleep_forever()


def test_scripts_that_no_cast_can_play_are_refused_with_the_way_out() -> None:
    with pytest.raises(CastFailed, match="Nobody is there"):
        check_playable(Script(people=(ROBIN,)))
    with pytest.raises(CastFailed, match="host = true"):
        check_playable(Script(people=(BEN,)))
    check_playable(Script(people=(BEN,), waiting_room=False))
    check_playable(Script(people=(BEN,), admission=Admission(decision=Decision.IGNORE)))


def test_scripts_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    assert find_script("planning").title == "Planning the demonstration"
    own = tmp_path / "own.toml"
    own.write_text("title = 'Own'", encoding="utf-8")
    assert find_script(own).title == "Own"
    with pytest.raises(UnknownScript, match="'planning'"):
        find_script("planing")
