"""A bot that records, its bucket, and the end of its machine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from meetcore import Lease
from meetcore.log.folders import journal_path, make_bot_folder
from meetcore.log.journal import Journal
from meetcore.log.journal_head import begin
from meetcore.testing.store_conformance import StoreConformance
from meetcore_s3.store import S3Store

from .places import LEAST, bucket_for, everything_in, open_s3
from .servers import S3Server, moto_server

NAME = "files/mix.opus"
KEY = f"mine/files/b-1/{NAME}"
SOUND = random.Random(7).randbytes(4 * LEAST)


class Place:
    """A bucket and a machine."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.server: S3Server = moto_server()
        self.bucket = bucket_for(self.server, tmp_path)
        self.machine = tmp_path / "here"
        self.options = {"tail_every_s": 0.2, **options}
        self.asked: list[tuple[str, int]] = []
        self.store = self.open()

    def open(self, machine: Path | None = None) -> S3Store:
        """Return a store whose requests with files are noted: operation and size."""
        store = open_s3(self.server, self.bucket, machine or self.machine, **self.options)
        ask = store._client.ask_for_file

        async def noted(operation: str, **wanted: Any) -> dict[str, Any]:
            body = wanted.get("Body")
            self.asked.append((operation, len(body) if body is not None else 0))
            return await ask(operation, **wanted)

        store._client.ask_for_file = noted  # type: ignore[method-assign]
        return store

    def sent(self, operation: str) -> int:
        return sum(size for each, size in self.asked if each == operation)

    def held(self, key: str = KEY) -> list[int]:
        """Return the sizes of the parts of the open upload of a key."""
        client = self.server.client()
        for each in client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()):
            if each["Key"] == key:
                wanted = {"Bucket": self.bucket, "Key": key, "UploadId": each["UploadId"]}
                with suppress(client.exceptions.NoSuchUpload):  # dropped this very moment
                    return [p["Size"] for p in client.list_parts(**wanted).get("Parts", ())]
        return []

    def tails(self) -> dict[int, int]:
        """Return the sizes of the objects of the recording's tail, by first byte."""
        prefix = f"mine/tails/b-1/{NAME}/"
        found = self.server.client().list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return {
            int(each["Key"].removeprefix(prefix)): each["Size"]
            for each in found.get("Contents", ())
        }

    async def file(self, store: S3Store, name: str = NAME) -> bytes:
        return await store.media("b-1").read_bytes(name)


@asynccontextmanager
async def running(store: S3Store) -> AsyncIterator[tuple[Journal, Lease]]:
    """Hold a bot's journal, and its lease, as the process does that runs the bot."""
    await store.prepare("b-1")
    folder = store.workplace("b-1")
    make_bot_folder(folder.parent, folder.name)
    journal = Journal(journal_path(folder), "b-1", fsync=False)
    try:
        begin(journal, StoreConformance().head())
        async with store.keep("b-1", journal) as lease:
            (folder / "files").mkdir(exist_ok=True)
            yield journal, lease
    finally:
        journal.close()


def grow(store: S3Store, data: bytes, name: str = NAME) -> Path:
    path = store.workplace("b-1") / name
    with path.open("ab") as file:
        file.write(data)
    return path


async def until(true: Any, within_s: float = 20.0) -> None:
    with trio.fail_after(within_s):
        while not await trio.to_thread.run_sync(true):  # noqa: ASYNC110  the server tells nobody
            await trio.sleep(0.05)


def nothing_left_over(place: Place) -> bool:
    found = everything_in(place.server, place.bucket)
    return not [key for key in found if "?upload" in key or key.startswith("mine/tails/")]


class Killed(BaseException):
    """As SIGKILL has it: nothing is finished."""


@asynccontextmanager
async def killed(store: S3Store) -> AsyncIterator[Journal]:
    """Run a bot whose process is killed at the end of the block: nothing is carried any more."""

    async def dead(*args: Any, **more: Any) -> Any:
        raise Killed

    try:
        async with running(store) as (journal, _):
            yield journal
            for client in (store._client,):
                client.ask = client.ask_for_file = dead  # type: ignore[method-assign]
            raise Killed
    except BaseException as error:
        if not _only_killed(error):
            raise
    lapsed = store.workplace("b-1")
    assert lapsed.is_dir()


def _only_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_killed(each) for each in error.exceptions)
    return isinstance(error, Killed)


async def lapse(place: Place) -> None:
    """Have the lease of the bot that was killed run out, as in twenty seconds."""
    store = place.open()
    known = await store._heads._read("b-1", fresh=True)
    assert known is not None
    assert await store.renew("b-1", known.head.lease, 0)
