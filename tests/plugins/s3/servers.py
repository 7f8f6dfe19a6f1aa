"""Two servers that speak S3, by different people, in processes of their own on loopback.

`moto` keeps everything in memory and has what Amazon's has: versions, conditional writes, KMS in
name. `nanio` keeps objects as files, checks every signature (those of links, too), and knows no
conditions. They have an environment of their own, `.venv/s3-servers`.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from attrs import frozen

from tests.own_environment import own_environment

KEY, SECRET = "AKIA0TESTS0OF0MEETCORE", "a-secret-that-stands/nowhere+else"
_STARTED_WITHIN_S = 60.0


@frozen
class S3Server:
    """A server that runs.

    Attributes:
        name: Whose it is.
        url: Its endpoint.
        folder: Where it keeps objects as files; None where it keeps them in memory.
    """

    name: str
    url: str
    folder: Path | None = None

    def client(self, **config: Any) -> Any:
        """Return a client of botocore's own, which looks at a bucket without our code."""
        from botocore.config import Config
        from botocore.session import Session

        session = Session()
        session.set_credentials(KEY, SECRET)
        return session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.url,
            config=Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                retries={"total_max_attempts": 2},
                **config,
            ),
        )

    def access(self) -> dict[str, str]:
        """Return the options that lead there."""
        return {"endpoint": self.url, "access_key_id": KEY, "secret_access_key": SECRET}


@cache
def moto_server() -> S3Server:
    """Return moto's server, which ends with this process."""
    port = _free_port()
    command = [
        own_environment("s3-servers") / "python",
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    _start(command, port, {})
    return S3Server("moto", f"http://127.0.0.1:{port}")


@cache
def nanio_server() -> S3Server:
    """Return nanio, which ends with this process."""
    port = _free_port()
    folder = tempfile.TemporaryDirectory(prefix="meetcore-nanio-")
    atexit.register(folder.cleanup)
    command = [
        *(own_environment("s3-servers") / "python", "-m", "nanio", "serve", "--no-access-log"),
        *("--host", "127.0.0.1", "--port", str(port), "--data-dir", folder.name),
    ]
    _start(command, port, {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET})
    return S3Server("nanio", f"http://127.0.0.1:{port}", Path(folder.name))


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _start(command: list[Any], port: int, environ: dict[str, str]) -> None:
    """Run a server until this process ends; return when it answers."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environ, "MOTO_ALLOW_NONEXISTENT_REGION": "true"},
    )

    def end() -> None:
        process.kill()
        process.wait()

    atexit.register(end)
    ask = build_opener(ProxyHandler({})).open
    until = time.monotonic() + _STARTED_WITHIN_S
    while True:
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        assert time.monotonic() < until, f"{command} does not answer"
        try:
            ask(f"http://127.0.0.1:{port}/", timeout=5).close()
        except HTTPError as error:
            error.close()
            return  # it answers: without a signature with a no
        except (URLError, OSError):
            time.sleep(0.05)
        else:
            return
