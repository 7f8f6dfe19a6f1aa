"""Bots inside a blocking program: events, commands, errors, Ctrl-C; nothing remains.

These run on the real clock, with meetings of a second or two, as those under asyncio do.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import meetcore
from meetcore import blocking, from_asyncio
from meetcore.model.errors import CapabilityMissing, CommandRefused, FleetFull, UnknownMeetingUrl
from meetcore.testing import LeakGuard, SimMeeting, SimPage
from tests.meetcore.test_from_asyncio import meeting


@contextmanager
def opened(tmp_path: Path, played: SimMeeting) -> Iterator[blocking.Bot]:
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    guard = LeakGuard()
    with blocking.open_bot(played.link, config=config, plugins=played.plugins()) as bot:
        yield bot
    guard.check()


def recording(bot: blocking.Bot) -> None:
    for event in bot.events():
        if isinstance(event, meetcore.StateChanged) and event.state == "recording":
            return


def test_events_come_in_order_to_the_terminal_one(tmp_path: Path) -> None:
    with opened(tmp_path, meeting()) as bot:
        events = list(bot.events())
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert isinstance(end := events[-1], meetcore.StateChanged)
    assert (end.state, end.reason) == ("completed", "meeting_ended")


def test_commands_wait_for_their_answer_and_raise_what_the_bot_says(tmp_path: Path) -> None:
    played = meeting(None)
    with opened(tmp_path, played) as bot:
        recording(bot)
        bot.send_chat("hi")
        bot.pause()
        assert bot.state == "paused"
        bot.resume()
        bot.speak(b"\0\0")
        speech = bot.say(b"\1\0" * 800)
        assert speech.wait()
        assert speech.position == 0.05
        endless = bot.say(b"\1\0" * 160_000)
        endless.interrupt()
        assert endless.wait() is False
        with pytest.raises(CapabilityMissing, match="show image"):
            bot.show_image(b"png")
        with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
            bot.wait_ended(timeout_s=0.01)
        bot.stop("enough")
        assert bot.wait_ended(timeout_s=20).reason == "stop_requested"
    assert played.chat_sent == ["hi"]
    with pytest.raises(CommandRefused, match="has ended"):
        bot.send_chat("too late")


def test_a_reader_in_another_thread_gets_every_event_to_the_end_of_the_block(
    tmp_path: Path,
) -> None:
    seen: list[meetcore.Event] = []
    with opened(tmp_path, meeting(None)) as bot:
        reader = threading.Thread(target=lambda: seen.extend(bot.events()))
        reader.start()
        recording(bot)
    reader.join(20)
    assert isinstance(end := seen[-1], meetcore.StateChanged)
    assert end.reason == "stop_requested"
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


def test_a_reader_that_stops_early_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path, meeting(None)) as bot:
        for _ in range(3):
            assert next(iter(bot.events())).seq == 1


def test_errors_come_out_as_themselves(tmp_path: Path) -> None:
    guard = LeakGuard()
    with (
        pytest.raises(UnknownMeetingUrl),
        blocking.open_bot("sim:elsewhere", plugins=meeting().plugins()),
    ):
        pytest.fail("it opened")
    played = meeting(None)
    with pytest.raises(LookupError, match="mine"), opened(tmp_path, played) as bot:
        recording(bot)
        raise LookupError("mine")
    guard.check()
    assert played.left_politely


def test_ctrl_c_in_a_call_leaves_the_meeting_in_a_hurry(tmp_path: Path) -> None:
    played = meeting(None, '[[faults]]\nkind = "hanging_call"\nwhat = "leave"\n')
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, leave_timeout_s=3600)
    main = threading.main_thread().ident
    assert main is not None
    guard = LeakGuard()
    with (
        pytest.raises(KeyboardInterrupt),
        blocking.open_bot(played.link, config=config, plugins=played.plugins()) as bot,
    ):
        recording(bot)
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        bot.wait_ended()
    guard.check()
    assert bot.ending.evidence is not None
    assert bot.ending.evidence.signal == "cancelled"


def test_a_fleet_holds_several_bots_and_finds_them_by_their_ids(tmp_path: Path) -> None:
    played = meeting()
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    with blocking.open_fleet(config, plugins=played.plugins(), limit=2) as fleet:
        bots = [fleet.start(played.link, name=name) for name in ("A", "B")]
        assert set(fleet.bots) == {bot.id for bot in bots}
        found = fleet.get(bots[0].id)
        assert found is not None
        assert found.config.name == "A"
        assert repr(fleet) == "<Fleet with 2 of 2 bots>"
        with pytest.raises(FleetFull, match="2 places"):
            fleet.start(played.link)
        fleet.wait_empty()
        assert fleet.get(bots[0].id) is None
    assert [bot.state for bot in bots] == ["completed", "completed"]


def test_it_works_while_an_asyncio_loop_runs_in_the_same_thread_as_in_a_notebook(
    tmp_path: Path,
) -> None:
    async def cell() -> list[meetcore.Event]:
        with opened(tmp_path, meeting()) as bot:
            return list(bot.events())

    assert asyncio.run(cell())[-1].seq > 5


def test_its_page_is_photographed(tmp_path: Path) -> None:
    played = meeting(None)
    played.page = SimPage()
    with opened(tmp_path, played) as bot:
        recording(bot)
        assert bot.screenshot("png", by="ada").image.startswith(b"\x89PNG")
        assert bot.screenshot().media_type == "image/jpeg"
        bot.stop()


def test_its_page_is_seen_and_taken_over(tmp_path: Path) -> None:
    played = meeting(None)
    played.page = page = SimPage()
    with opened(tmp_path, played) as bot:
        recording(bot)
        with bot.look_in(by="ada") as look:
            assert look.next_picture().image
            with pytest.raises(meetcore.NotTakenOver):
                look.act(meetcore.TextInput(text="too early"))
            look.take_over()
            look.act(meetcore.TextInput(text="hello"))
            assert page.acting
            look.release()
        with pytest.raises(ZeroDivisionError), bot.look_in(by="ben") as look:
            look.take_over()
            raise ZeroDivisionError
        assert (page.acting, page.views, len(page.inputs)) == (False, 0, 1)
        bot.stop()


@pytest.mark.parametrize("face", [from_asyncio.Bot, blocking.Bot])
def test_what_a_trio_program_sees_of_a_bot_the_others_see_too(face: type) -> None:
    """But for what is a plugin's (`report`) and what lives in Trio alone."""
    public = {name for name in dir(meetcore.Bot) if not name.startswith("_")}
    assert public - {"call", "lease", "report"} <= set(dir(face))


def test_what_runs_a_bot_is_not_shown_to_who_looks_at_it(tmp_path: Path) -> None:
    """A program that attends sees what can be seen and asked, and no lever of the machinery."""
    with opened(tmp_path, meeting()) as bot:
        ours = {name for name in dir(bot._inner) if not name.startswith("_")}
        machinery = [
            "call_events",
            "conclude",
            "go",
            "hurry",
            "observe",
            "publish",
            "record",
            "run",
        ]
        assert ours.isdisjoint(machinery)
        assert bot.kept_in == str(bot.folder)
        assert (bot.meeting_now() or 0) >= 0


def test_what_is_no_picture_is_said_at_once(tmp_path: Path) -> None:
    with opened(tmp_path, meeting(None)) as bot:
        recording(bot)
        for show in (bot.show_image, bot.share_image):
            with pytest.raises(CommandRefused, match="A PosixPath is no picture"):
                show(tmp_path / "picture.png")  # type: ignore[arg-type]
        bot.stop()
