"""A launcher with a stand-in of a cluster, a broker, and bots that are real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import trio

import meetcore
from meetcore import BotSpec, RunningBot, State, StateChanged, read_journal
from meetcore.log.folder_store import FolderStore
from meetcore.log.folders import journal_path
from meetcore.plugin.registry import Plugins
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore_kubernetes.launcher import KubernetesLauncher
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.kubernetes.standin import StandInCluster
from tests.plugins.redis.broker import Broker


class Stage:
    """A launcher in a nursery of its own, its cluster, and the folder of its bots."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        cluster: tuple[StandInCluster, Path],
        nursery: trio.Nursery,
        **settings: Any,
    ) -> None:
        self.cluster, kubeconfig = cluster
        self.folder = folder
        self.nursery = nursery
        self.broker = broker
        self.prefix = f"t-{uuid4().hex[:8]}"
        options: dict[str, Any] = {
            "image": "meetcore-bot:test",
            "kubeconfig": kubeconfig,
            "volume_claim": "bots",
            "stop_with_launcher": True,
            "start_timeout_s": 30.0,
            "unschedulable_s": 1.0,
            "hindered_s": 1.0,
            **settings,
        }
        self.options = KubernetesOptions(**options)
        self.launcher = self.another()

    def another(self) -> KubernetesLauncher:
        launcher = KubernetesLauncher(self.options)
        launcher.store = FolderStore(self.folder, fsync=False)
        launcher.bus = self.bus
        return launcher

    @property
    def bus(self) -> RedisBus:
        known: RedisBus | None = getattr(self, "_bus", None)
        if known is None:
            known = RedisBus(self.broker.url, RedisOptions(prefix=self.prefix))
            self._bus = known
        return known

    def spec(self, bot_id: str = "b-1", meeting: str = "stay", **settings: Any) -> BotSpec:
        return BotSpec(
            bot_id=bot_id,
            url=f"simulated:{meeting}",
            settings={
                "out_dir": str(self.folder),
                "transcriber": "scripted",
                "bus": {"url": self.broker.url},
                "plugins": {"redis": {"prefix": self.prefix}},
                **settings,
            },
            platform="simulated",
            plugin_files=(PLUGIN_FILE,),
        )

    async def launched(self, bot_id: str = "b-1") -> RunningBot:
        bot = await self.launcher.launch(self.spec(bot_id), self.nursery)
        async with aclosing(bot.items()) as items:
            async for item in items:
                if isinstance(item, StateChanged) and item.state is State.RECORDING:
                    break
        return bot

    async def end_of(self, bot_id: str = "b-1") -> StateChanged:
        """Return a bot's end, as whoever looks after it brings it about."""
        store = FolderStore(self.folder, fsync=False)
        await meetcore.recover_bot(store, bot_id, plugins=Plugins(entry_points=False))
        end = list(read_journal(journal_path(self.folder / bot_id)))[-1]
        assert isinstance(end, StateChanged)
        return end


@asynccontextmanager
async def staged(
    folder: Path, broker: Broker, cluster: tuple[StandInCluster, Path], **settings: Any
) -> AsyncIterator[Stage]:
    with trio.fail_after(120):
        async with trio.open_nursery() as outer:
            async with trio.open_nursery() as nursery:
                stage = Stage(folder, broker, cluster, nursery, **settings)
                async with stage.bus.open(), trio.open_nursery() as inner:
                    stage.nursery = inner
                    yield stage
                    inner.cancel_scope.cancel()
            outer.cancel_scope.cancel()
