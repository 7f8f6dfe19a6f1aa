"""Bots on a bus: found, heard and commanded from elsewhere, whatever the bus does meanwhile."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define

import meetcore
from meetcore import Bot, BotLog, Draft, Event, Runner, StateChanged
from meetcore.bot.bot_runner import bot_runner_of
from meetcore.bot.factory import prepare_bot
from meetcore.fleet.launching.bus_bot import BusBot, published
from meetcore.fleet.launching.bus_reception import BusReception
from meetcore.fleet.launching.live_audio import LiveAudio
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path
from meetcore.log.journal import read_journal
from meetcore.model.commands import SendChat, ShowImage, Stop
from meetcore.model.errors import CapabilityMissing, CommandFailed, CommandRefused
from meetcore.model.lifecycle import TERMINAL, State
from meetcore.model.wire import command_to_wire
from meetcore.plugin.bus import BusRequest
from meetcore.plugin.registry import Plugins
from meetcore.testing import MemoryBroker, MemoryBus
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from tests.meetcore.conftest import events_of


class _Log(BotLog):
    """A bot's journal, read where it lies: a clock that jumps waits for no thread."""

    def __init__(self, bot_id: str, path: Path) -> None:
        self.bot_id = bot_id
        self._path = path

    async def exists(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self._path.exists()

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        assert types is None
        await trio.lowlevel.checkpoint()
        for event in read_journal(self._path):
            if event.seq > after:
                yield event


class _Store(FolderStore):
    """Asks the bot itself whether it runs."""

    bot: Bot

    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        return _Log(bot_id, journal_path(self.workplace(bot_id)))

    async def runner(self, bot_id: str) -> Runner | None:
        await trio.lowlevel.checkpoint()
        return None if self.bot.journal.closed else Runner()


@define
class _Stage:
    """A bot of one machine, and what another one has of it."""

    broker: MemoryBroker
    bot: Bot
    reception: BusReception
    far: BusBot

    async def told(self, after: int = 0) -> list[Event | Draft]:
        async with aclosing(self.far.items(after)) as items:
            return [item async for item in items]

    async def until(self, state: State) -> None:
        async with aclosing(self.far.items()) as items:
            async for item in items:
                if isinstance(item, StateChanged) and item.state is state:
                    return


@asynccontextmanager
async def staged(tmp_path: Path, meeting: str = "short") -> AsyncIterator[_Stage]:
    with trio.fail_after(900):
        config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, transcriber="scripted")
        ears, broker = LiveAudio(), MemoryBroker()
        plugins = Plugins(entry_points=False, files=(PLUGIN_FILE,))
        bot = prepare_bot(f"simulated:{meeting}", config, plugins, bot_id="b-1", sinks=[ears]).bot
        here, there = MemoryBus(broker), MemoryBus(broker)
        async with here.open(), there.open(), AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(trio.open_nursery())
            reception = BusReception(bot, ears, here)
            store = _Store(tmp_path, fsync=False)
            store.bot = bot
            far = BusBot("b-1", there, store)
            stage = _Stage(broker, bot, reception, far)

            async def live() -> None:
                async with trio.open_nursery() as own:
                    await own.start(reception.run)
                    await bot_runner_of(bot).run()
                    await reception.told()
                    own.cancel_scope.cancel()

            nursery.start_soon(live)
            yield stage
            bot.abandon()


def numbers(items: list[Event | Draft]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Event)]


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  it is looked at from outside
        await trio.sleep(0.1)


async def test_all_of_it_is_told_with_drafts_between(tmp_path, autojump_clock):
    async with staged(tmp_path) as stage:
        items = await stage.told()
        await stage.far.gone()
    assert [item for item in items if isinstance(item, Event)] == events_of(stage.bot)
    assert any(isinstance(item, Draft) for item in items)
    assert stage.reception.published_seq == stage.bot.journal.last_seq


async def test_what_a_bot_that_is_no_more_told_on_the_bus_is_there(tmp_path, autojump_clock):
    async with staged(tmp_path) as stage:
        await stage.far.gone()
        there = MemoryBus(stage.broker)
        told = await published(there, "b-1", 5)
        assert told == events_of(stage.bot)[5:]
        assert await published(there, "b-1", stage.bot.journal.last_seq) == []
        stage.broker.away = True
        assert await published(there, "b-1", 5) == []


async def test_a_bot_whose_bus_is_away_goes_on_and_is_followed_in_its_store(
    tmp_path, autojump_clock
):
    async with staged(tmp_path) as stage:
        stage.broker.away = True
        items = await stage.told()
        assert numbers(items) == list(range(1, stage.bot.journal.last_seq + 1))
        assert stage.bot.ended
        assert stage.reception.published_seq < stage.bot.journal.last_seq


@pytest.mark.parametrize("how", ["away", "full", "forgets"])
async def test_what_waited_comes_when_the_bus_is_back_without_a_gap(tmp_path, autojump_clock, how):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        found: list[Event | Draft] = []

        async def follow() -> None:
            found.extend(await stage.told())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            for number in range(3):
                stage.broker.away, stage.broker.full = how == "away", how == "full"
                if how == "forgets":
                    stage.broker.forget()
                await stage.bot.perform(SendChat(f"message {number}"))
                await trio.sleep(5)
                stage.broker.away = stage.broker.full = False
                await until(lambda: stage.reception.published_seq == stage.bot.journal.last_seq)
            await stage.far.perform(Stop("enough"))
        await stage.far.gone()
    assert numbers(found) == list(range(1, stage.bot.journal.last_seq + 1))
    end = found[-1]
    assert isinstance(end, StateChanged)
    assert end.state in TERMINAL


async def test_what_the_bus_let_go_of_is_read_from_the_store(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        for number in range(300):
            await stage.bot.perform(SendChat(f"message {number}"))
        await until(lambda: stage.broker.bot("b-1").items[0][1].seq > 1)  # it lets go by itself
        await stage.far.perform(Stop("enough"))
        items = await stage.told()
    assert numbers(items) == list(range(1, stage.bot.journal.last_seq + 1))


async def test_another_that_shows_the_bot_has_it_end_itself(tmp_path, autojump_clock, caplog):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        await MemoryBus(stage.broker).claim("b-1")
        await stage.bot.wait_ended()
    assert "is shown on the bus by another now" in caplog.text
    end = events_of(stage.bot)[-1]
    assert isinstance(end, StateChanged)
    assert end.state in TERMINAL


async def test_commands_arrive_and_refusals_are_what_they_are(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        await stage.far.perform(SendChat("hello"))
        with pytest.raises(CapabilityMissing) as missing:
            await stage.far.perform(ShowImage(b"picture"))
        assert missing.value.capability == "show_image"
        await stage.far.perform(Stop("enough"))
        await stage.far.gone()
        with pytest.raises(CommandRefused, match="has ended"):
            await stage.far.perform(SendChat("too late"))
    texts = [each.text for each in events_of(stage.bot) if isinstance(each, meetcore.ChatReceived)]
    assert texts == ["hello"]


async def test_a_command_waits_for_a_bus_that_is_away_and_is_done_once(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        stage.broker.away = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.far.perform, SendChat("after all"))
            await trio.sleep(10)
            stage.broker.away = False
        stage.broker.away = True
        with pytest.raises(CommandFailed, match="does not answer"):
            await stage.far.perform(SendChat("never"))
        stage.broker.away = False
        await stage.far.perform(Stop("enough"))
    texts = [each.text for each in events_of(stage.bot) if isinstance(each, meetcore.ChatReceived)]
    assert texts.count("after all") == 1


async def test_a_command_that_was_not_done_in_its_time_is_not_done_later(tmp_path, autojump_clock):
    """Whoever gave it was told that there is no answer, and may have given another."""
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        in_hand = bot_runner_of(stage.bot)._command_runner._one_at_a_time
        async with in_hand:  # another command is being done
            stage.broker.away = True
            async with trio.open_nursery() as nursery:

                async def give() -> None:
                    with pytest.raises(CommandFailed, match="does not answer"):
                        await stage.far.perform(SendChat("too late"))

                nursery.start_soon(give)
                await trio.sleep(20)
                stage.broker.away = False  # it arrives, and waits for its turn
            await trio.sleep(1)
        await stage.far.perform(SendChat("in time"))
        await stage.far.perform(Stop("enough"))
    texts = [each.text for each in events_of(stage.bot) if isinstance(each, meetcore.ChatReceived)]
    assert texts == ["in time"]


async def test_what_comes_again_has_the_first_answer_however_much_was_asked_between(
    tmp_path, autojump_clock
):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        there, broker = stage.far._bus, stage.broker
        content = json.dumps({"by": "", "command": command_to_wire(SendChat("once"))}).encode()
        request = BusRequest("r-mine", content)

        async def ask() -> bytes:
            broker.bot("b-1").asked.append((trio.current_time() + 30.0, request))
            broker.change()
            with trio.fail_after(20):
                await until(lambda: request.id in broker.answers)
            return broker.answers.pop(request.id)

        stage.reception._given.clear()
        first = await ask()
        for _ in range(400):
            await there.ask("b-1", json.dumps({"hear_s": 0.0}).encode(), within_s=20.0)
        assert request.id in stage.reception._given
        await trio.sleep(200.0)
        await there.ask("b-1", json.dumps({"hear_s": 0.0}).encode(), within_s=20.0)
        assert list(stage.reception._given) != []
        assert request.id not in stage.reception._given  # nobody can wait for it any more
        assert json.loads(first)["error"] is None


async def test_one_told_to_quit_is_gone(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.IN_CALL)
        stage.far.abandon()
        await stage.far.gone()
        assert stage.bot.ended


async def test_sound_is_sent_only_while_somebody_listens(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        await trio.sleep(3)
        frames = stage.broker.bot("b-1").frames
        assert not frames
        async with stage.far.hear() as chunks:
            heard = {(await chunks.receive()).track_id for _ in range(20)}
        assert len(heard) == 2
        await trio.sleep(10)
        newest = frames[-1]
        await trio.sleep(5)
        assert frames[-1] == newest
        await stage.far.perform(Stop("enough"))


async def test_sound_that_found_no_bus_is_told_in_the_journal(tmp_path, autojump_clock):
    async with staged(tmp_path, "stay") as stage:
        await stage.until(State.RECORDING)
        async with stage.far.hear() as chunks:
            for _ in range(20):
                await chunks.receive()
            stage.broker.away = True
            await trio.sleep(2)
            stage.broker.away = False
            for _ in range(20):
                await chunks.receive()
        await stage.far.perform(Stop("enough"))
        told = [item for item in await stage.told() if isinstance(item, meetcore.AudioLost)]
        lost = [event for event in told if event.cause == "bus_away"]
        assert {event.consumer for event in lost} == {"listeners:bus"}
        assert len(lost) == len({event.track_id for event in lost}) == 2, "one for each track"
        assert all(0.5 < event.samples / meetcore.SAMPLE_RATE_HZ < 3 for event in lost)
        assert stage.reception.lost_frames


async def test_a_fleet_finds_bots_of_another_machine(tmp_path):
    broker = MemoryBroker()

    class Bus(MemoryBus):
        name = "test"

        def __init__(self, url: str) -> None:
            super().__init__(broker)
            assert url == "test:here"

    class Plugin:
        @staticmethod
        @meetcore.hookimpl
        def meetcore_register_buses(register: Callable[[type[Bus]], None]) -> None:
            register(Bus)

    def settings(name: str) -> meetcore.BotConfig:
        return meetcore.BotConfig(
            out_dir=tmp_path / name,
            fsync=False,
            transcriber="scripted",
            bus=meetcore.BusConfig(url="test:here"),
        )

    def plugins() -> Plugins:
        return Plugins(entry_points=False, files=(PLUGIN_FILE,), objects={"bus": Plugin()})

    with trio.fail_after(300):
        async with meetcore.open_fleet(settings("one"), plugins=plugins()) as one:
            bot = one.start("simulated:stay")
            async with meetcore.open_fleet(settings("two"), plugins=plugins()) as two:
                assert await two.reach("b-none") is None
                await until(lambda: bot.state is State.RECORDING)
                far = await two.reach(bot.id)
                assert isinstance(far, BusBot)
                await far.perform(SendChat("from the other machine"))
                adopted = await two.adopt(bot.id)
                assert adopted is not None
                assert bot.id in two.running
                await adopted.perform(Stop("adopted"))
                await two.wait_empty()
    assert bot.ending.evidence is not None
    assert bot.ending.evidence.detail == "adopted"
