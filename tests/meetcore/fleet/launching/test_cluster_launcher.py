"""What launchers of clusters have in common: needs a bus and a shared store; silence ends a bot."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

import pytest
import trio

from meetcore import (
    BotBus,
    BotSpec,
    BotStore,
    ClusterBot,
    ClusterLauncher,
    CommandFailed,
    CommandRefused,
    ConfigError,
    EndReason,
    Runner,
    RunningBot,
    SendChat,
    Stop,
    StorageUnavailable,
)
from meetcore.fleet.launching.bus_reception import ALIVE_S
from meetcore.fleet.launching.given_up import given_up
from meetcore.log.folder_store import FolderStore
from meetcore.testing import MemoryBroker, MemoryBus


class Placed(ClusterBot):
    def __init__(self, bus: BotBus, store: BotStore) -> None:
        super().__init__("b-1", bus, store)
        self.abandoned = False
        self.ended = False

    @property
    def over(self) -> bool:
        return self.ended

    def abandon(self) -> None:
        self.abandoned = True


class Cluster(ClusterLauncher):
    name: ClassVar[str] = "cluster"
    how_to_share: ClassVar[str] = "mount a volume"

    def __init__(self, folder: Path, bus: BotBus | None, *, shares_folder: bool = True) -> None:
        self.store = FolderStore(folder, fsync=False)
        self.bus = bus
        self._shares = shares_folder

    @property
    def shares_folder(self) -> bool:
        return self._shares

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        pytest.fail("Nothing is launched here.")


def test_a_bus_and_a_store_that_all_share_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'cluster' needs a bus"):
        Cluster(tmp_path, None).check()
    with pytest.raises(ConfigError, match="folder of this machine is none") as refused:
        Cluster(tmp_path, MemoryBus(MemoryBroker()), shares_folder=False).check()
    assert "or mount a volume." in str(refused.value)
    Cluster(tmp_path, MemoryBus(MemoryBroker())).check()


async def test_a_bot_that_is_over_takes_nothing_more(tmp_path: Path) -> None:
    bus = MemoryBus(MemoryBroker())
    async with bus.open():
        bot = Placed(bus, FolderStore(tmp_path))
        bot.ended = True
        with pytest.raises(CommandRefused, match="has ended"):
            await bot.perform(SendChat("hello"))
        with pytest.raises(CommandRefused, match="has ended"):
            async with bot.look_in():
                pytest.fail("There is nothing to see.")


async def test_silence_ends_a_bot_while_the_bus_is_there(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    broker = MemoryBroker()
    bus = MemoryBus(broker)
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        broker.away = True
        with trio.move_on_after(600):  # of a bus that is away nothing is concluded
            await launcher.watch_silence(bot, 30.0)
        assert not bot.abandoned
        broker.away = False
        began = trio.current_time()
        with trio.fail_after(600):
            await launcher.watch_silence(bot, 30.0)
        assert bot.abandoned
        assert 30.0 < trio.current_time() - began < 45.0
        why = given_up(launcher.store.workplace("b-1"))
    assert why is not None
    assert why.reason is EndReason.CRASHED
    assert why.evidence.detail == "the bus has not heard of it for 35 s"


async def test_a_bot_that_was_told_to_stop_and_hangs_is_not_waited_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It may be leaving for a minute after the first stop; once it is given up, not any more."""
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        assert bot.leaving_until is None
        asked_at = trio.current_time()
        for _ in range(3):
            with pytest.raises((CommandFailed, CommandRefused)):  # whichever it is asked of
                await bot.perform(Stop("enough"))
        assert bot.leaving_until == asked_at + 60.0
        bot.leaving_until = trio.current_time() + 600.0
        with trio.fail_after(300):
            await launcher.watch_silence(bot, 30.0)
        assert bot.abandoned
        assert bot.leaving_until <= trio.current_time()


async def test_the_silence_of_a_bot_that_is_anothers_is_not_ours(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        bot.release()
        with trio.move_on_after(600):
            await launcher.watch_silence(bot, 30.0)
    assert not bot.abandoned
    assert bot.unresponsive_since is None


async def test_a_bus_that_takes_nothing_lets_no_bot_be_silent(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It answers, and what it had of the bot has lapsed: it could not be told that it lives."""
    broker = MemoryBroker()
    bus = MemoryBus(broker)
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        broker.full = True
        with trio.move_on_after(600):
            await launcher.watch_silence(bot, 30.0)
        assert not bot.abandoned
        assert bot.unresponsive_since is None


class Leasing(FolderStore):
    """A store that knows by itself who runs a bot."""

    leases_lapse: ClassVar[bool] = True
    held: bool | None = True

    async def runner(self, bot_id: str) -> Runner | None:
        await trio.lowlevel.checkpoint()
        if self.held is None:
            raise StorageUnavailable("The store does not answer.")
        return Runner() if self.held else None


@pytest.mark.parametrize("held", [True, None])
async def test_a_silent_bot_is_ended_only_when_its_lease_has_lapsed_too(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, held: bool | None
) -> None:
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    launcher.store = store = Leasing(tmp_path, fsync=False)
    store.held = held
    async with bus.open():
        bot = Placed(bus, store)
        with trio.move_on_after(600):
            await launcher.watch_silence(bot, 30.0)
        assert not bot.abandoned
        assert bot.unresponsive_since is not None
        store.held = False
        with trio.fail_after(60):
            await launcher.watch_silence(bot, 30.0)
    assert bot.abandoned


async def test_a_frozen_bot_is_seen_within_15_s_and_told_for_how_long_when_it_is_back(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    frozen_s = 40.0
    async with bus.open(), trio.open_nursery() as nursery:
        claim = await bus.claim("b-1")
        bot = Placed(bus, launcher.store)

        async def beat() -> None:
            while True:
                await bus.publish("b-1", claim, [], alive_s=ALIVE_S)
                await trio.sleep(2.5)

        with trio.move_on_after(61.0):
            nursery.start_soon(launcher.watch_silence, bot, None)
            await beat()
        assert bot.unresponsive_since is None
        await trio.sleep(15.1)
        assert bot.unresponsive_since is not None
        await trio.sleep(frozen_s - 15.1)
        nursery.start_soon(beat)
        with trio.fail_after(15):
            async with aclosing(bus.requests("b-1", claim)) as requests:
                asked = json.loads((await anext(requests)).content)
        assert bot.unresponsive_since is None
        assert asked["silent_s"] == pytest.approx(frozen_s, abs=10.0)
        nursery.cancel_scope.cancel()


async def test_recovery_is_told_for_how_long_a_bot_that_was_given_up_was_silent(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        await launcher.watch_silence(bot, 30.0)
    why = given_up(launcher.store.workplace("b-1"))
    assert why is not None
    assert why.silent_s == 35.0


async def test_a_bot_runs_by_the_store_where_the_bus_cannot_say(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    broker = MemoryBroker()
    bus = MemoryBus(broker)
    launcher = Cluster(tmp_path, bus)
    launcher.store = store = Leasing(tmp_path, fsync=False)
    async with bus.open():
        assert not await launcher.runs("b-1")  # the bus can say
        for trouble in ("away", "full"):
            setattr(broker, trouble, True)
            assert await launcher.runs("b-1")
            store.held = False
            assert not await launcher.runs("b-1")
            store.held = None
            with pytest.raises(StorageUnavailable):
                await launcher.runs("b-1")
            store.held = True
            setattr(broker, trouble, False)


async def test_a_reason_that_cannot_be_noted_is_said_in_the_log(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "b-1").write_text("a file where its folder should be")
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        await launcher.watch_silence(bot, 5.0)
    assert bot.abandoned
    assert "why it ended cannot be noted" in caplog.text
