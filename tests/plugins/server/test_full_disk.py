"""A disk that is really full, database and all: a small one, mounted in a namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from .running import PLUGIN, SHORT, STAY, ordered, until

pytestmark = pytest.mark.folder_store

SIZE_MB = 24
WAYS = (("unshare", "--mount"), ("unshare", "--mount", "--map-root-user"))


@pytest.fixture
def namespace(tmp_path: Path) -> tuple[str, ...]:
    """The command that runs another where it may mount: as root, or as root of its own only.

    Many containers allow neither, and there is no other disk that may be filled.
    """
    refused = []
    for way in WAYS:
        tried = subprocess.run(
            [*way, "mount", "-t", "tmpfs", "none", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if tried.returncode == 0:
            return way
        refused.append(tried.stderr.strip())
    pytest.skip(f"Nothing can be mounted on this machine: {'; '.join(refused)}")


@contextmanager
def server_on_a_small_disk(
    folder: Path, namespace: tuple[str, ...], bots: str
) -> Iterator[tuple[str, Path]]:
    """Run a server with its database on a small disk, and its bots where they are said to be.

    Gives its URL and the disk.
    """
    disk, config = folder / "disk", folder / "meetcore.toml"
    disk.mkdir()
    config.write_text('transcriber = "scripted"\nsinks = ["files"]\n')
    serve = [sys.executable, "-m", "meetcore", "serve", "--port", "0", "--config", str(config)]
    serve += ["--plugin", str(PLUGIN), "--out", str(folder / bots)]
    serve += ["--database", f"sqlite:///{disk}/server.db"]
    mounted = f'mount -t tmpfs -o size={SIZE_MB}m none "$0" && exec "$@"'
    process = subprocess.Popen(
        [*namespace, "sh", "-c", mounted, str(disk), *serve],
        stderr=subprocess.PIPE,
        env={**os.environ, "MEETCORE_LOAD": "server,files"},
        text=True,
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "serving at" in line:
                yield line.split()[-1], Path(f"/proc/{process.pid}/root{disk}")
                break
        else:
            raise AssertionError(f"The server did not come up: {''.join(said)}")
    finally:
        process.terminate()
        process.communicate(timeout=60)


def fill(disk: Path) -> Path:
    """Leave not a byte; return what to delete to make room."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return filler


@pytest.mark.parametrize(
    ("bots_in", "first"), [("disk/bots", "bots' folder"), ("bots", "database")]
)
@pytest.mark.long
async def test_a_full_disk_ends_bots_with_the_cause_and_is_over_when_there_is_room(
    tmp_path, namespace, bots_in, first
):
    with server_on_a_small_disk(tmp_path, namespace, bots_in) as (url, disk):
        async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            assert (await client.get("/ready")).status_code == 200
            bots = [await ordered(client, STAY) for _ in range(2)]
            for bot in bots:
                await until(client, bot["id"], "recording")
            filler = fill(disk)
            assert shutil.disk_usage(disk).free == 0
            ready = await client.get("/ready")
            assert ready.status_code == 503
            assert f"{first} has 0.0 MB left" in ready.json()["detail"]
            for bot in bots:  # whoever is asked to write ends in a state that says why, or goes on
                assert (await client.post(f"/v1/bots/{bot['id']}/stop")).status_code in (202, 503)
                order = await client.post("/v1/bots", json={"meeting_url": SHORT})
                assert order.status_code in (201, 503), order.text
            filler.unlink()
            for bot in (await client.get("/v1/bots")).json()["bots"]:
                with trio.fail_after(150):
                    ended = await until(client, bot["id"], "completed", "failed")
                assert ended["state"] in ("completed", "failed")
                evidence = [transition["evidence"] or "" for transition in ended["history"]]
                assert ended["reason"] != "internal_error" or any("is full" in e for e in evidence)
            assert (await client.get("/ready")).status_code == 200
            new = await ordered(client, SHORT)
            assert (await until(client, new["id"], "completed"))["reason"] == "meeting_ended"
