"""Bots inside an asyncio program: events, commands, errors, cancellation; nothing remains.

These run on the real clock, with meetings of a second or two: an asyncio loop has no other.
"""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest
import trio

import meetcore
from meetcore import from_asyncio
from meetcore.fleet import trio_thread
from meetcore.model.errors import CapabilityMissing, CommandRefused, UnknownMeetingUrl
from meetcore.testing import LeakGuard, SimMeeting, SimPage
from meetcore.testing.simulated_meetings import PLUGIN_FILE

SHORT = """
title = "Short"
[admission]
after_s = 0.05
[[people]]
id = "ada"
name = "Ada"
[[chat]]
who = "ada"
at_s = 0.3
text = "hello"
"""


def meeting(end_s: float | None = 0.6, more: str = "") -> SimMeeting:
    end = "" if end_s is None else f"[end]\nat_s = {end_s}\n"
    return SimMeeting(SHORT + more + end)


def opened(tmp_path, played: SimMeeting, **settings):
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    return from_asyncio.open_bot(played.link, config=config, plugins=played.plugins(), **settings)


def test_events_come_in_order_to_the_terminal_one(tmp_path):
    async def main() -> list[meetcore.Event]:
        async with opened(tmp_path, meeting()) as bot:
            return [event async for event in bot.events()]

    events = asyncio.run(main())
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert (events[-1].state, events[-1].reason) == ("completed", "meeting_ended")


def test_more_events_than_a_batch_holds_all_arrive(tmp_path, monkeypatch):
    monkeypatch.setattr(trio_thread, "BATCH", 3)

    async def main() -> list[int]:
        seen: list[int] = []
        async with opened(tmp_path, meeting()) as bot:
            async for event in bot.events(after=2):
                seen.append(event.seq)
                await asyncio.sleep(0.01)
        return seen

    seen = asyncio.run(main())
    assert seen == list(range(3, 3 + len(seen)))
    assert len(seen) > 8


def test_commands_and_what_can_be_read_work_from_the_asyncio_side(tmp_path):
    played = meeting(None)

    async def main() -> None:
        async with opened(tmp_path, played, name="Notes") as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.ParticipantJoined) and not event.participant.is_self:
                    break
            await bot.send_chat("hi")
            await bot.pause()
            assert bot.state == "paused"
            await bot.resume()
            assert [p.name for p in bot.roster.others] == ["Ada"]
            assert bot.config.name == "Notes"
            await bot.speak(b"\0\0")
            with pytest.raises(CapabilityMissing, match="show image"):
                await bot.show_image(b"png")
            with pytest.raises(CommandRefused, match="recording already"):
                await bot.perform(meetcore.ResumeRecording())
            with pytest.raises(AttributeError, match="journal"):
                bot.journal
            assert repr(bot) == f"<Bot {bot.id} recording at sim meeting>"
            await bot.stop("enough")
            end = await bot.wait_ended()
            assert end.evidence.detail == "enough"
            assert bot.ended
        with pytest.raises(CommandRefused, match="has ended"):
            await bot.send_chat("too late")

    asyncio.run(main())
    assert played.chat_sent == ["hi"]
    assert played.left_politely


def test_speech_and_a_voice_agent_of_the_asyncio_side(tmp_path):
    played, let_go = meeting(None), []
    taken, gone = asyncio.Event(), asyncio.Event()

    async def agent(pieces: int, *, fail: bool = False):
        try:
            for _ in range(pieces):
                yield b"\1\0" * 1600
            if fail:
                raise KeyError("voice")
            if pieces > 2:
                taken.set()
                await asyncio.Event().wait()
        finally:
            let_go.append(pieces)
            if pieces > 2:
                gone.set()

    async def main() -> None:
        async with opened(tmp_path, played) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.ParticipantJoined):
                    break
            said = await bot.say(b"\1\0" * 800)
            assert await said.wait()
            assert (await said.position(), said.text) == (0.05, "")
            assert await (await bot.say(agent(2), text="hello")).wait()
            broken = await bot.say(agent(1, fail=True))
            with pytest.raises(meetcore.CommandFailed, match="voice"):
                await broken.wait()
            endless = await bot.say(agent(3))
            await taken.wait()
            await endless.interrupt()
            assert await endless.wait() is False
            await gone.wait()
            with pytest.raises(CommandRefused, match="no int16"):
                await bot.say(b"1")
            await bot.stop()

    asyncio.run(main())
    assert let_go == [2, 1, 3]
    assert [round(each.duration_s, 2) for each in played.said[:2]] == [0.05, 0.2]


def test_errors_come_out_as_themselves(tmp_path):
    async def wrong_link() -> None:
        async with from_asyncio.open_bot("sim:elsewhere", plugins=meeting().plugins()):
            pytest.fail("it opened")

    async def own_error() -> None:
        async with opened(tmp_path, meeting()):
            raise LookupError("mine")

    guard = LeakGuard()
    with pytest.raises(UnknownMeetingUrl):
        asyncio.run(wrong_link())
    with pytest.raises(LookupError, match="mine"):
        asyncio.run(own_error())
    guard.check()


def test_a_cancelled_task_leaves_the_meeting_and_nothing_behind(tmp_path):
    played = meeting(None)
    bots: list[from_asyncio.Bot] = []

    async def attend() -> None:
        async with opened(tmp_path, played) as bot:
            bots.append(bot)
            async for _ in bot.events():
                pass

    async def main() -> None:
        task = asyncio.ensure_future(attend())
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    guard = LeakGuard()
    asyncio.run(main())
    guard.check()
    assert played.left_politely
    assert bots[0].state == "completed"
    assert bots[0].ending.evidence.signal == "cancelled"


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55])
def test_cancelled_at_any_moment_of_its_opening_nothing_remains(tmp_path, passes):
    async def attend() -> None:
        async with opened(tmp_path, meeting(None)):
            await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.ensure_future(attend())
        for _ in range(passes):
            await asyncio.sleep(0.0003)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)

    guard = LeakGuard()
    asyncio.run(main())
    guard.check()


def test_a_slow_goodbye_is_made_short_by_a_cancellation(tmp_path):
    played = meeting(None, '[[faults]]\nkind = "hanging_call"\nwhat = "leave"\n')
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, leave_timeout_s=60)

    async def attend() -> None:
        async with from_asyncio.open_bot(
            played.link, config=config, plugins=played.plugins()
        ) as bot:
            async for event in bot.events():
                if getattr(event, "state", "") == "recording":
                    break

    async def main() -> float:
        began = time.monotonic()
        task = asyncio.ensure_future(attend())
        await asyncio.sleep(0.5)
        assert not task.done()
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(main()) < 10
    assert not played.left_politely


def test_a_blocked_loop_does_not_hold_up_the_bot(tmp_path):
    ticks = "".join(
        f'[[chat]]\nwho = "ada"\nat_s = {0.35 + i * 0.02:.2f}\ntext = "{i}"\n' for i in range(40)
    )

    async def main() -> list[meetcore.Event]:
        async with opened(tmp_path, meeting(1.3, ticks)) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.ChatReceived):
                    time.sleep(0.5)  # noqa: ASYNC251  this is what the test is about
                    break
            await bot.wait_ended()
            return [event async for event in bot.events()]

    events = asyncio.run(main())
    chats = [e.at.timestamp() for e in events if isinstance(e, meetcore.ChatReceived)]
    assert len(chats) == 41
    assert max(b - a for a, b in pairwise(chats)) < 0.3


def test_a_fleet_holds_several_bots(tmp_path):
    played = meeting()
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)

    async def main() -> list[str]:
        async with from_asyncio.open_fleet(
            config=config, plugins=played.plugins(), limit=2
        ) as fleet:
            bots = [await fleet.start(played.link, name=name) for name in ("A", "B")]
            with pytest.raises(meetcore.model.errors.FleetFull, match="2 places"):
                await fleet.start(played.link)
            await fleet.wait_empty()
            return [bot.state for bot in bots]

    guard = LeakGuard()
    assert asyncio.run(main()) == ["completed", "completed"]
    guard.check()


def test_a_reader_that_was_busy_when_the_block_ended_gets_the_rest_of_the_journal(tmp_path):
    async def main() -> list[meetcore.Event]:
        seen: list[meetcore.Event] = []
        over = asyncio.Event()

        async def read(bot: from_asyncio.Bot) -> None:
            async for event in bot.events():
                seen.append(event)
                await over.wait()

        async with opened(tmp_path, meeting(None)) as bot:
            reader = asyncio.ensure_future(read(bot))
            await asyncio.sleep(0.3)
        over.set()
        await asyncio.wait_for(reader, 10)
        return seen

    seen = asyncio.run(main())
    assert seen[-1].reason == "stop_requested"
    assert [event.seq for event in seen] == list(range(1, len(seen) + 1))


def test_a_reader_in_another_task_ends_with_the_block(tmp_path):
    async def main() -> list[meetcore.Event]:
        seen: list[meetcore.Event] = []

        async def read(bot: from_asyncio.Bot) -> None:
            seen.extend([event async for event in bot.events()])

        async with opened(tmp_path, meeting(None)) as bot:
            reader = asyncio.ensure_future(read(bot))
            await asyncio.sleep(0.3)
        await asyncio.wait_for(reader, 10)
        return seen

    assert asyncio.run(main())[-1].reason == "stop_requested"


def test_trio_itself_is_not_running_in_the_programs_own_thread(tmp_path):
    async def main() -> None:
        async with opened(tmp_path, meeting()):
            with pytest.raises(RuntimeError):
                trio.lowlevel.current_task()

    asyncio.run(main())


def test_its_page_is_seen_and_taken_over(tmp_path):
    page = SimPage()
    played = SimMeeting(SHORT + "[end]\nat_s = 30\n", page=page)

    async def main() -> None:
        async with opened(tmp_path, played) as bot:
            async for event in bot.events():
                if isinstance(event, meetcore.StateChanged) and event.state == "recording":
                    break
            assert (await bot.screenshot("png", by="ada")).media_type == "image/png"
            async with bot.look_in(by="ada") as look:
                assert (await look.next_picture()).image
                with pytest.raises(meetcore.NotTakenOver):
                    await look.act(meetcore.TextInput(text="too early"))
                await look.take_over()
                await look.act(meetcore.TextInput(text="hello"))
                assert page.acting
                await look.release()
            with pytest.raises(ZeroDivisionError):
                async with bot.look_in(by="ben") as look:
                    await look.take_over()
                    raise ZeroDivisionError
            assert (page.acting, page.views, len(page.inputs)) == (False, 0, 1)

    asyncio.run(main())


def test_the_page_of_a_launched_bot_is_seen(tmp_path):
    async def main() -> None:
        config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
        plugins = meetcore.Plugins(entry_points=False, files=[PLUGIN_FILE])
        async with from_asyncio.open_fleet(config, plugins=plugins, recover_first=False) as fleet:
            settings = {"out_dir": str(tmp_path), "transcriber": "scripted"}
            spec = meetcore.BotSpec(
                bot_id="b-1", url="simulated:stay", settings=settings, plugin_files=(PLUGIN_FILE,)
            )
            bot = await fleet.launch(spec)
            async for item in bot.items():
                if isinstance(item, meetcore.StateChanged) and item.state == "recording":
                    break
            assert (await bot.screenshot()).media_type == "image/jpeg"
            async with bot.look_in(by="ada") as look:
                assert (await look.next_picture()).image
            await bot.perform(meetcore.Stop())
            await bot.gone()

    asyncio.run(main())
