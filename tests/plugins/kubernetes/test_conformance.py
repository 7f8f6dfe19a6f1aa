"""Bots in Pods keep what every launcher's bots keep: the API is a stand-in, the bots are real."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from meetcore import BotSpec, Launcher
from meetcore.testing import LauncherConformance
from meetcore_kubernetes.options import KubernetesOptions
from meetcore_kubernetes.pod_launcher import PodLauncher
from meetcore_redis.bus import RedisBus
from meetcore_redis.options import RedisOptions
from tests.plugins.kubernetes.standin import StandInCluster
from tests.plugins.redis.broker import Broker


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
        launcher = PodLauncher(options)
        launcher.bus = RedisBus(self._url, RedisOptions(prefix=self._prefix))
        return launcher

    def make_launcher(self) -> Launcher:
        return self._made(stop_with_launcher=True)

    def make_lasting_launcher(self) -> Launcher:
        return self._made(stop_with_launcher=False)
