"""Launchers over the tests' cluster, each with a bus of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from meetcore import BotSpec
from meetcore.log.folder_store import FolderStore
from meetcore.testing import hold_open
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore_ray.options import RayOptions
from meetcore_ray.ray_launcher import RayLauncher
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.ray.conftest import RayCluster
from tests.plugins.redis.broker import Broker


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

    def launcher(self, **options: Any) -> RayLauncher:
        """Return a launcher whose bus is not open yet."""
        launcher = RayLauncher(RayOptions(**self.options(**options)))
        launcher.bus = RedisBus(self.url, RedisOptions(prefix=self.namespace))
        launcher.store = FolderStore(self.folder)
        return launcher

    async def open_launcher(self, **options: Any) -> RayLauncher:
        """Return a launcher whose bus is open until the test ends."""
        launcher = self.launcher(**options)
        assert launcher.bus is not None
        await hold_open(launcher.bus)
        return launcher

    def spec(self, meeting: str = "stay", bot_id: str = "b-1", **settings: Any) -> BotSpec:
        plain = {"out_dir": str(self.folder), "transcriber": "scripted", **self.there, **settings}
        return BotSpec(
            bot_id=bot_id,
            url=f"simulated:{meeting}",
            settings=plain,
            plugin_files=(PLUGIN_FILE,),
        )
