"""Bots held by actors keep what every launcher's bots keep, in a real Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meetcore import BotSpec, Launcher
from meetcore.testing import LauncherConformance
from tests.plugins.ray.conftest import RayCluster
from tests.plugins.ray.placing import Placing
from tests.plugins.redis.broker import Broker


class TestBotsOfActors(LauncherConformance):
    within_s = 60.0

    @pytest.fixture(autouse=True)
    def _places(self, cluster: RayCluster, broker: Broker, tmp_path: Path) -> None:
        self._placing = Placing(cluster, broker, tmp_path)

    def spec(self, out_dir: Path, meeting: str, bot_id: str = "b-1", **settings: Any) -> BotSpec:
        return super().spec(out_dir, meeting, bot_id, **self._placing.there, **settings)

    def make_launcher(self) -> Launcher:
        return self._placing.launcher(stop_with_launcher=True)

    def make_lasting_launcher(self) -> Launcher:
        return self._placing.launcher()
