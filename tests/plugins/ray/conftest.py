"""One Ray cluster and one broker for all of these tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.ray.cluster_process import SETTINGS
from tests.plugins.redis.broker import Broker, open_broker

ROOT = Path(__file__).parents[3]
_ENDS_WITHIN_S = 30.0


class RayCluster:
    """The cluster; Ray itself is in processes of its own only.

    Attributes:
        address: Of its control plane.
    """

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, **SETTINGS, "MEETCORE_LOAD": "redis"}
        with (folder / "cluster.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.plugins.ray.cluster_process"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._log = folder / "cluster.log"
        try:
            self.address: str = self._answer()["address"]
        except BaseException:
            self.close()
            raise

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._log.read_text()[-2000:]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def add_node(self, name: str, cpus: float) -> int:
        """Add a node with a resource of that name; return its raylet's process."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"node {name} {cpus}\n".encode())
        self._process.stdin.flush()
        return int(self._answer()["raylet"])

    def close(self) -> None:
        """End it, and whatever of it is left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN_S)
        finally:
            self._process.stdout.close()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        held = RayCluster(tmp_path_factory.mktemp("ray"))
        try:
            held.add_node("home", 4)
            yield held
        finally:
            held.close()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    with open_broker() as held:
        yield held
