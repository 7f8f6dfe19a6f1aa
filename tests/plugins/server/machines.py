"""Machines that share no disk, each with a server in a process of its own.

A database, a bus and a bucket are all that is between them. The bots of a server are processes of
its machine, and go on when it is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.plugins.redis.broker import Broker
from tests.plugins.s3.places import bucket_for
from tests.plugins.s3.servers import moto_server

from .running import PLUGIN

__all__ = ["KEY", "ServerProcess", "Shared", "process_of"]

KEY = "a-key-of-both"
LOADED = ("server", "files", "s3", "redis")


class Shared:
    """What machines share."""

    def __init__(self, database: str, broker: Broker) -> None:
        self.database = database
        self.prefix = f"t-{uuid4().hex[:8]}"
        self.broker = broker
        self.s3 = moto_server()
        self.bucket = bucket_for(self.s3, uuid4().hex)

    def settings(self, machine: Path) -> dict[str, Any]:
        """Return the settings of a server whose bots work on a machine."""
        bots = str(machine / "bots")
        return {
            "transcriber": "scripted",
            "sinks": ["files"],
            "out_dir": bots,
            "store": {"url": f"s3://{self.bucket}/bots"},
            "bus": {"url": self.broker.url},
            "plugins": {
                "s3": {**self.s3.access(), "workplaces": bots},
                "redis": {"prefix": self.prefix},
                "server": {"private_targets": ["*"]},
            },
        }


class ServerProcess:
    """A server on a machine of its own, which can be killed and started again.

    Args:
        shared: What it shares with others.
        machine: The folder that is its machine's disk.
        port: Where it listens, 0 for any free port.
        plugin: The plugin file with the meetings.
        load: Which installed plugins it loads.
        settings: Settings that differ from those of `shared`, by name.
        plugins: Options of plugins, besides.
        environ: Of its process, besides.
    """

    def __init__(
        self,
        shared: Shared,
        machine: Path,
        *,
        port: int = 0,
        plugin: Path = PLUGIN,
        load: Sequence[str] = LOADED,
        settings: dict[str, Any] | None = None,
        plugins: dict[str, dict[str, Any]] | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        machine.mkdir(parents=True)
        mine = shared.settings(machine)
        mine |= {**(settings or {}), "plugins": {**mine["plugins"], **(plugins or {})}}
        config = machine / "meetcore.toml"
        config.write_text("\n".join(_toml(mine)) + "\n")
        self.machine = machine
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = ["--port", str(port), "--config", str(config), "--plugin", str(plugin)]
        self._arguments += ["--database", shared.database, "--api-key", KEY]
        self._environ = {**os.environ, "MEETCORE_LOAD": ",".join(load), **(environ or {})}

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it serves some seconds later."""
        with (self.machine / "other.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "meetcore", "serve", *self._arguments],
                stderr=log,
                env=self._environ,
            )
        return self.process

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def process_of(machine: Path, bot_id: str) -> int:
    """Return the process of a bot that runs on a machine."""
    found = json.loads((machine / "bots" / bot_id / "process.json").read_text())["pid"]
    return int(found)


def _toml(settings: dict[str, Any], table: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if not isinstance(value, dict):
            yield f"{key} = {json.dumps(value)}"
    for key, value in settings.items():
        if isinstance(value, dict):
            yield f"[{table}{key}]"
            yield from _toml(value, f"{table}{key}.")
