"""Bots in Pods keep what every launcher's bots keep: the API is a stand-in, the bots are real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trio

from meetcore import BotBus, BotSpec, Launcher, RunningBot
from meetcore.testing import LauncherConformance
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pod_launcher import PodLauncher
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.kubernetes.standin import StandInCluster, open_cluster
from tests.plugins.redis.broker import Broker, open_broker


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held


@pytest.fixture
def cluster() -> Iterator[tuple[StandInCluster, Path]]:
    with open_cluster() as held:
        yield held


class _Launcher(PodLauncher):
    """Has a bus of its own, open for as long as the test lasts; a fleet would hold it."""

    def __init__(self, options: KubernetesOptions, bus: BotBus) -> None:
        super().__init__(options)
        self.bus = bus
        self._opened = trio.Event()
        trio.lowlevel.spawn_system_task(self._hold, bus)

    async def _hold(self, bus: BotBus) -> None:
        async with bus.open():
            self._opened.set()
            await trio.sleep_forever()

    async def launch(self, spec: BotSpec, nursery: trio.Nursery) -> RunningBot:
        await self._opened.wait()
        return await super().launch(spec, nursery)

    async def adopt(self, bot_id: str, nursery: trio.Nursery) -> RunningBot | None:
        await self._opened.wait()
        return await super().adopt(bot_id, nursery)

    async def reach(self, bot_id: str) -> RunningBot | None:
        await self._opened.wait()
        return await super().reach(bot_id)


class TestBotsInPods(LauncherConformance):
    within_s = 90.0

    @pytest.fixture(autouse=True)
    def _places(self, broker: Broker, cluster: tuple[StandInCluster, Path]) -> None:
        self._cluster, self._kubeconfig = cluster
        self._url = broker.url
        self._prefix = f"t-{uuid4().hex[:8]}"

    def spec(self, out_dir: Path, meeting: str, bot_id: str = "b-1", **settings: Any) -> BotSpec:
        there = {"bus": {"url": self._url}, "plugins": {"redis": {"prefix": self._prefix}}}
        return super().spec(out_dir, meeting, bot_id, **there, **settings)

    def _made(self, *, stop_with_launcher: bool) -> Launcher:
        options = KubernetesOptions(
            image="meetcore-bot:test",
            kubeconfig=self._kubeconfig,
            volume_claim="bots",
            stop_with_launcher=stop_with_launcher,
        )
        return _Launcher(options, RedisBus(self._url, RedisOptions(prefix=self._prefix)))

    def make_launcher(self) -> Launcher:
        return self._made(stop_with_launcher=True)

    def make_lasting_launcher(self) -> Launcher:
        return self._made(stop_with_launcher=False)
