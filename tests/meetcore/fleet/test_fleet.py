"""Many bots: a limit, scheduled starts, an orderly end, and what was left from before."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing

import meetcore
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.bot.factory import prepare_bot
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore.model.errors import ConfigError, FleetFull, UnknownMeetingUrl, UnknownOption
from meetcore.testing import SimMeeting, simulated_clock
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import check_journal, end_of, events_of, kinds, run


@asynccontextmanager
async def fleet_at(tmp_path, meeting: SimMeeting, **settings):
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    async with meetcore.open_fleet(config, plugins=meeting.plugins(), **settings) as fleet:
        yield fleet


async def test_the_limit_holds_and_a_place_is_free_again_after_an_end(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting, limit=2) as fleet:
        first = [fleet.start(meeting.link) for _ in range(2)]
        with pytest.raises(FleetFull, match="All 2 places"):
            fleet.start(meeting.link)
        await fleet.wait_empty()
        assert fleet.bots == {}
        again = fleet.start(meeting.link, name="Third")
        assert again.config.name == "Third"
    assert [bot.ending.reason for bot in first] == ["meeting_ended"] * 2
    assert again.ending.reason == "stop_requested"
    for bot in (*first, again):
        check_journal(events_of(bot))


async def test_what_cannot_start_takes_no_place(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting, limit=1) as fleet:
        with pytest.raises(UnknownMeetingUrl):
            fleet.start("sim:elsewhere")
        with pytest.raises(UnknownOption, match=r"nmae.*Did you mean 'name'"):
            fleet.start(meeting.link, nmae="x")
        with pytest.raises(ConfigError, match="time zone"):
            fleet.start(meeting.link, join_at=datetime(2030, 1, 1))
        fleet.start(meeting.link)
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        async with fleet_at(tmp_path, meeting, limit=0):
            pytest.fail("it opened")


async def test_a_closing_fleet_takes_no_more(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting) as fleet:
        fleet.stop_all()
        with pytest.raises(FleetFull, match="closing"):
            fleet.start(meeting.link)


async def test_waiting_for_the_last_bot_sleeps_while_its_sinks_close(tmp_path, autojump_clock):
    class SlowGoodbye(meetcore.Sink):
        name = "slow"

        @asynccontextmanager
        async def open(self, context):
            yield
            await trio.sleep(20)

    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting) as fleet:
        bot = fleet.start(meeting.link, sinks=[SlowGoodbye()])
        await fleet.wait_empty()
    assert not kinds(events_of(bot), meetcore.PluginFailed)
    assert trio.current_time() == pytest.approx(7 + 20, abs=1)


async def test_a_scheduled_bot_waits_for_its_time(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting) as fleet:
        bot = fleet.start(meeting.link, join_at=datetime.now(UTC) + timedelta(hours=1))
        await trio.sleep(3500)
        assert bot.state == "scheduled"
        await trio.sleep(103)
        assert bot.state == "recording"
    states = [e.state.value for e in kinds(events_of(bot), meetcore.StateChanged)]
    assert states[:3] == ["scheduled", "requested", "joining"]


def prepared(tmp_path, meeting: SimMeeting, in_s: float) -> meetcore.Bot:
    clock = simulated_clock()
    return prepare_bot(
        meeting.link,
        meetcore.BotConfig(out_dir=tmp_path, fsync=False),
        meeting.plugins(),
        scheduled_for=clock() + timedelta(seconds=in_s),
        wall_clock=clock,
    ).bot


def test_a_time_that_is_past_is_now(tmp_path):
    async def main() -> meetcore.Bot:
        bot = prepared(tmp_path, SimMeeting(MEETING), -60)
        await bot_runner_of(bot).run()
        return bot

    bot = run(main)
    assert bot.ending.reason == "meeting_ended"
    assert bot.timeline.spans


def test_stopped_before_its_time_a_scheduled_bot_never_joins(tmp_path):
    meeting = SimMeeting(MEETING)

    async def main() -> meetcore.Bot:
        bot = prepared(tmp_path, meeting, 3600)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bot_runner_of(bot).run)
            await trio.sleep(10)
            await bot.stop("changed my mind")
            await bot.wait_ended()
        return bot

    bot = run(main)
    events = events_of(bot)
    check_journal(events)
    end = end_of(events)
    assert (end.state, end.reason, end.previous) == ("completed", "stop_requested", "scheduled")
    assert meeting.began is None


async def test_what_an_earlier_process_left_is_finished_first(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting) as fleet:
        left = fleet.start(meeting.link)
        await trio.sleep(5)
    path = left.journal.path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:9]))
    async with fleet_at(tmp_path, meeting) as fleet:
        (done,) = fleet.recovered
        assert (done.bot_id, done.ended) == (left.id, True)
    assert end_of(meetcore.read_journal(path)).reason == "crashed"


def spec_for(meeting, tmp_path, bot_id="b-1"):
    settings = {"out_dir": str(tmp_path), "fsync": False}
    return meetcore.BotSpec(bot_id=bot_id, url=meeting.link, settings=settings)


async def test_a_launched_bot_tells_what_happens_and_takes_commands(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting) as fleet:
        bot = await fleet.launch(spec_for(meeting, tmp_path))
        seen = []
        async for item in bot.items():
            seen.append(item)
            if isinstance(item, meetcore.StateChanged) and item.state == "in_call":
                await bot.perform(meetcore.Stop())
        await fleet.wait_empty()
        assert not fleet.running
    assert seen[-1].reason == "stop_requested"


async def test_another_launcher_may_run_the_bots(tmp_path, autojump_clock):
    launched = []

    class Counting(InProcessLauncher):
        name = "counting"

        async def launch(self, spec, nursery):
            launched.append(spec.bot_id)
            return await super().launch(spec, nursery)

    meeting = SimMeeting(MEETING)
    launcher = Counting(meeting.plugins())
    async with fleet_at(tmp_path, meeting, launcher=launcher) as fleet:
        await fleet.launch(spec_for(meeting, tmp_path))
        await fleet.wait_empty()
    assert launched == ["b-1"]
    assert end_of(meetcore.read_journal(tmp_path / "b-1" / "journal.jsonl")) is not None


async def test_launched_bots_count_towards_the_limit_and_leave_with_the_fleet(
    tmp_path, autojump_clock
):
    meeting = SimMeeting(MEETING)
    async with fleet_at(tmp_path, meeting, limit=1) as fleet:
        await fleet.launch(spec_for(meeting, tmp_path))
        await trio.sleep(5)
        with pytest.raises(FleetFull):
            await fleet.launch(spec_for(meeting, tmp_path, "b-2"))
    end = end_of(meetcore.read_journal(tmp_path / "b-1" / "journal.jsonl"))
    assert end.reason == "stop_requested"


async def test_a_bot_that_is_being_launched_has_its_place_already(tmp_path, autojump_clock):
    class Slow(InProcessLauncher):
        async def launch(self, spec, nursery):
            await trio.sleep(1)
            return await super().launch(spec, nursery)

    meeting = SimMeeting(MEETING)
    launcher = Slow(meeting.plugins())
    async with fleet_at(tmp_path, meeting, launcher=launcher, limit=1) as fleet:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fleet.launch, spec_for(meeting, tmp_path))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(FleetFull):
                await fleet.launch(spec_for(meeting, tmp_path, "b-2"))
        await fleet.wait_empty()


async def test_an_error_in_the_block_comes_out_as_itself_after_an_orderly_end(
    tmp_path, autojump_clock
):
    meeting = SimMeeting(MEETING)
    with pytest.raises(LookupError, match="mine"):
        async with fleet_at(tmp_path, meeting) as fleet:
            bot = fleet.start(meeting.link)
            await trio.sleep(3)
            raise LookupError("mine")
    assert (bot.state, bot.ending.reason) == ("completed", "stop_requested")
    assert meeting.left_politely
