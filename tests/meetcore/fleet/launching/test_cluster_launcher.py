"""What launchers of clusters have in common: needs a bus and a shared store; silence ends a bot."""

from __future__ import annotations

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
    CommandRefused,
    ConfigError,
    EndReason,
    RunningBot,
    SendChat,
)
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


async def test_the_silence_of_a_bot_that_is_anothers_is_not_ours(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    bus = MemoryBus(MemoryBroker())
    launcher = Cluster(tmp_path, bus)
    async with bus.open():
        bot = Placed(bus, launcher.store)
        await launcher.watch_silence(bot, None)
        bot.release()
        with trio.move_on_after(600):
            await launcher.watch_silence(bot, 30.0)
    assert not bot.abandoned


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
