"""A broker of Debian's package, in a process of its own on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["Broker", "open_broker"]

_STARTED_WITHIN_S = 30.0
PROGRAMS = ("valkey-server", "redis-server")


class Broker:
    """A broker that can be killed and started again, in the same place and on the same port.

    Args:
        folder: Where it keeps what it has.
        program: Which one.
        settings: Of its configuration, besides.
        tls: Whether it speaks TLS and nothing else.
        host: Where it listens.
        run_by: What runs it, for instance in another namespace.
    """

    def __init__(
        self,
        folder: Path,
        program: str,
        settings: tuple[str, ...] = (),
        *,
        tls: bool = False,
        host: str = "127.0.0.1",
        run_by: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"redis://{host}:{self.port}"
        self._host = host
        self._run_by = run_by
        self._program = program
        self._tls = tls
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        ports = ["--tls-port", str(self.port), "--port", "0"]
        arguments = ports if self._tls else ["--port", str(self.port)]
        arguments += ["--bind", self._host, "--dir", str(self.folder)]
        arguments += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._run_by, self._program, *arguments, *self._settings], stdout=log, stderr=log
            )
        until = time.monotonic() + _STARTED_WITHIN_S
        while True:
            with suppress(OSError), socket.create_connection((self._host, self.port), 1) as way:
                way.sendall(b"PING\r\n")
                if self._tls or way.recv(64):
                    return
            assert self._process.poll() is None, (self.folder / "broker.log").read_text()
            assert time.monotonic() < until, "the broker did not start"
            time.sleep(0.01)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it answer nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it answer again."""
        os.kill(self.pid, signal.SIGCONT)


def program() -> str:
    """Return the broker of this machine, Valkey where there is one."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise AssertionError("Neither valkey-server nor redis-server is there: .ci/setup tests")


@contextmanager
def open_broker(*settings: str, tls: bool = False) -> Iterator[Broker]:
    """Hold a broker."""
    with TemporaryDirectory(prefix="meetcore-broker-") as folder:
        broker = Broker(Path(folder), program(), settings, tls=tls)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
