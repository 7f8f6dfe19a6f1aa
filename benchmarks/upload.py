"""What it costs to put a recording into a bucket, whole and while it grows, beside plain boto3.

All against `moto`'s server, a process of its own on this machine, which keeps objects in memory: so
the absolute figures are the server's more than anybody's, and the ratios count. `boto3` is
`upload_file` as it comes, with its ten threads. While it is recorded the file grows by 16 MiB at a
time, as fast as its parts are taken. Memory: the most that the process held beyond what it held
before. Deletion: a bot with 200 files and a log of 2,000 lines.
"""

from __future__ import annotations

import hashlib
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import trio
from attrs import evolve

import meetcore_s3.growing as growing
from benchmarks.figures import Figure, report, spread
from meetcore import Lease, Secret
from meetcore_s3.options import S3Options
from meetcore_s3.store import S3Store
from tests.plugins.s3.servers import KEY, SECRET, S3Server, moto_server

RUNS = 3
SIZE = 96 * 2**20
STEP = 16 * 2**20
FILES, LINES = 200, 2000


class _Memory:
    """The most that this process held while the block ran, beyond what it held before."""

    async def run(self, work: Callable[[], Any]) -> float:
        process = psutil.Process()
        before = most = process.memory_info().rss

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, process.memory_info().rss)
                await trio.sleep(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await work()
            nursery.cancel_scope.cancel()
        return (most - before) / 2**20


def _store(server: S3Server, folder: Path) -> S3Store:
    bucket = f"upload-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    server.client().create_bucket(Bucket=bucket)
    options = S3Options(
        endpoint=server.url, access_key_id=Secret(KEY), secret_access_key=Secret(SECRET)
    )
    return S3Store(f"s3://{bucket}/mine", evolve(options, workplaces=folder))


def _boto3(server: S3Server, bucket: str, path: Path) -> None:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(s3={"addressing_style": "path"}),
    )
    client.upload_file(str(path), bucket, "plain/mix.mp4")


async def _recorded(store: S3Store, content: bytes, folder: Path) -> float:
    """Return how long it took from the last byte written until the whole file was an object."""
    path = folder / "files" / "mix.mp4"
    path.parent.mkdir(parents=True)
    uploads = store._growing_in("b-2", folder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(uploads.run, Lease())
        with path.open("ab", buffering=0) as file:
            for at in range(0, len(content), STEP):
                file.write(content[at : at + STEP])
                while _sent(uploads) < min(at + STEP, len(content)):  # noqa: ASYNC110
                    await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    last = time.perf_counter()
    await store.media("b-2").put("files/mix.mp4", path)
    await uploads.settle()
    return time.perf_counter() - last


def _sent(uploads: growing.GrowingFiles) -> int:
    return sum(each.sent for each in uploads._growing.values())


async def _fill(store: S3Store) -> None:
    lease = await store.take("b-3", "me", 60.0)
    assert lease is not None
    await store.append("b-3", lease, [(n, b"x" * 300 + b"\n") for n in range(1, LINES + 1)])
    for n in range(FILES):
        await store._objects.put_bytes(f"mine/files/b-3/files/{n:04d}.txt", b"words")


async def _run(found: dict[str, list[float]]) -> None:
    server, content = moto_server(), random.Random(1).randbytes(SIZE)
    with tempfile.TemporaryDirectory(prefix="meetcore-upload-") as place:
        folder = Path(place)
        store = _store(server, folder)
        path = folder / "mix.mp4"
        path.write_bytes(content)
        megabytes = SIZE / 1e6
        began = time.perf_counter()
        await trio.to_thread.run_sync(_boto3, server, store._place.bucket, path)
        plain = megabytes / (time.perf_counter() - began)
        found["boto3"].append(plain)

        async def put() -> None:
            await store.media("b-1").put("files/mix.mp4", path)

        await store.trouble()
        began = time.perf_counter()
        found["memory of a put"].append(await _Memory().run(put))
        found["put"].append(megabytes / (time.perf_counter() - began))
        found["put ÷ boto3"].append(found["put"][-1] / plain)
        at_end = 0.0

        async def record() -> None:
            nonlocal at_end
            at_end = await _recorded(store, content, folder / "b-2")

        began = time.perf_counter()
        found["memory while it grows"].append(await _Memory().run(record))
        found["grows"].append(megabytes / (time.perf_counter() - began))
        found["grows ÷ boto3"].append(found["grows"][-1] / plain)
        found["at the end"].append(at_end)
        await _fill(store)
        began = time.perf_counter()
        await store.delete("b-3")
        found["delete"].append(time.perf_counter() - began)
        for bot_id in ("b-1", "b-2"):
            await store.delete(bot_id)


def measure() -> list[Figure]:
    """Measure it."""
    names = (
        *("boto3", "put", "put ÷ boto3", "grows", "grows ÷ boto3", "at the end"),
        *("memory of a put", "memory while it grows", "delete"),
    )
    found: dict[str, list[float]] = {name: [] for name in names}
    look, growing._LOOK_EVERY_S = growing._LOOK_EVERY_S, 0.01
    try:
        for _ in range(RUNS):
            trio.run(_run, found)
    finally:
        growing._LOOK_EVERY_S = look
    size = f"{SIZE // 2**20} MiB"
    return [
        spread(f"boto3's upload_file, {size}", "MB/s", found["boto3"]),
        spread(f"a put, {size}", "MB/s", found["put"]),
        spread("a put ÷ boto3", "", found["put ÷ boto3"], at_least=0.5),
        spread(f"while it grows, {size}", "MB/s", found["grows"]),
        spread("while it grows ÷ boto3", "", found["grows ÷ boto3"]),
        spread("last byte written → the file is there", "s", found["at the end"]),
        spread("memory of a put", "MB", found["memory of a put"], at_most=24),
        spread("memory while it grows", "MB", found["memory while it grows"], at_most=24),
        spread(f"deletion of {FILES} files and {LINES} lines", "s", found["delete"]),
    ]


if __name__ == "__main__":
    report(measure())
    sys.exit(0)
