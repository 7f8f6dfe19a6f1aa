"""A launcher over the tests' cluster, with a bus of its own that is open while a test lasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import trio

from meetcore import BotBus, BotSpec, RunningBot
from meetcore.log.folder_store import FolderStore
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore_ray.options import RayOptions
from meetcore_ray.ray_launcher import RayLauncher
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.ray.conftest import RayCluster
from tests.plugins.redis.broker import Broker


class OpenLauncher(RayLauncher):
    """Has a bus of its own, open for as long as the test lasts; a fleet would hold it."""

    def __init__(self, options: RayOptions, bus: BotBus) -> None:
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


class Placing:
    """What the launchers of one test share.

    Args:
        cluster: Where they launch.
        broker: Over which their bots are heard.
        folder: Where their bots are.
    """

    def __init__(self, cluster: RayCluster, broker: Broker, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.namespace = f"t-{uuid4().hex[:8]}"
        self.there = {
            "bus": {"url": broker.url},
            "plugins": {"redis": {"prefix": self.namespace}},
        }
        self.url = broker.url

    def options(self, **options: Any) -> dict[str, Any]:
        return {
            "address": self.cluster.address,
            "namespace": self.namespace,
            "cpus": 0.5,
            "memory_mb": 50.0,
            "resources": {"home": 1},
            "shared_folder": True,
            **options,
        }

    def launcher(self, **options: Any) -> OpenLauncher:
        bus = RedisBus(self.url, RedisOptions(prefix=self.namespace))
        launcher = OpenLauncher(RayOptions(**self.options(**options)), bus)
        launcher.store = FolderStore(self.folder)
        return launcher

    def spec(self, meeting: str = "stay", bot_id: str = "b-1", **settings: Any) -> BotSpec:
        plain = {"out_dir": str(self.folder), "transcriber": "scripted", **self.there, **settings}
        return BotSpec(
            bot_id=bot_id,
            url=f"simulated:{meeting}",
            settings=plain,
            plugin_files=(PLUGIN_FILE,),
        )
