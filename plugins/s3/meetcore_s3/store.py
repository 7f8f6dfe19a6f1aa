"""The store `s3`: bots in a bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import trio

from meetcore import (
    BotRecord,
    JournalView,
    Lease,
    MediaStore,
    MeetcoreError,
    RemoteStore,
    StorageUnavailable,
    checked_bot_id,
)
from meetcore.log import StoredLine
from meetcore_s3.bot_heads import BotHeads
from meetcore_s3.client import BucketClient
from meetcore_s3.growing import GrowingFiles
from meetcore_s3.media import S3Media
from meetcore_s3.objects import BucketObjects
from meetcore_s3.options import BucketPlace, S3Options
from meetcore_s3.second_bucket import FileCopies

__all__ = ["S3Store"]


class S3Store(RemoteStore):
    """Bots in a bucket of S3.

    Objects, below the prefix: `logs/BOT`, the head of a bot; `pages/BOT/…`, older lines of its log;
    `files/BOT/NAME`, its files; `tails/BOT/NAME/…`, what a recording that grows has beyond its
    parts.

    Args:
        url: `s3://bucket` or `s3://bucket/prefix`.
        options: `[plugins.s3]`.
    """

    name: ClassVar[str] = "s3"
    lease_s: ClassVar[float] = 20.0
    renew_every_s: ClassVar[float] = 4.0
    carry_every_s: ClassVar[float] = 0.5
    Options: ClassVar[type[S3Options]] = S3Options

    def __init__(self, url: str, options: S3Options | None = None) -> None:
        options = options or S3Options()
        super().__init__(options.workplaces)
        self._options = options
        self._place = BucketPlace.of_url(url)
        self._client = BucketClient(self._place, options, options)
        self._objects = BucketObjects(self._client, options.part_bytes)
        self._heads = BotHeads(self._client)
        self._growing: dict[str, GrowingFiles] = {}
        self._copies: FileCopies | None = None
        if options.second.url is not None:
            place = BucketPlace.of_url(options.second.url)
            client = BucketClient(place, options.second, options)
            second = BucketObjects(client, options.part_bytes)
            self._copies = FileCopies(
                self._objects, second, f"{self._place.prefix}files/", f"{place.prefix}files/"
            )

    def __repr__(self) -> str:
        return f"S3Store({str(self._place)!r})"

    def _prefix(self, kind: str, bot_id: str) -> str:
        return f"{self._place.prefix}{kind}/{checked_bot_id(bot_id)}/"

    # --- lines and leases ----------------------------------------------------------------------

    async def lines(self, bot_id: str, after: int, limit: int) -> Sequence[StoredLine]:
        """Return the next lines of a bot after a number."""
        return await self._heads.lines(checked_bot_id(bot_id), after, limit)

    async def append(self, bot_id: str, lease: int, lines: Sequence[StoredLine]) -> bool:
        """Keep lines under the newest lease."""
        return await self._heads.append(checked_bot_id(bot_id), lease, lines)

    async def take(self, bot_id: str, holder: str, for_s: float) -> int | None:
        """Give a lease to a holder.

        Raises:
            ConfigError: The bucket cannot be used as it is set, or has no conditional writes.
        """
        return await self._heads.take(checked_bot_id(bot_id), holder, for_s)

    async def renew(self, bot_id: str, lease: int, for_s: float) -> bool:
        """Prolong a lease, or give it up."""
        return await self._heads.renew(checked_bot_id(bot_id), lease, for_s)

    async def held(self, bot_id: str) -> bool:
        """Return whether somebody has a lease now."""
        return await self._heads.held(checked_bot_id(bot_id))

    async def records(self, *, after: str | None = None) -> AsyncGenerator[BotRecord, None]:
        """Yield the bots there are in the order of their ids."""
        prefix = f"{self._place.prefix}logs/"
        start = None if after is None else prefix + after
        async with aclosing(self._objects.below(prefix, after=start)) as objects:
            async for found in objects:
                yield BotRecord(bot_id=str(found["Key"]).removeprefix(prefix))

    async def remove(self, bot_id: str) -> int:
        """Delete every object of a bot, with all versions and unfinished uploads, in both buckets.

        Raises:
            StorageUnavailable: Something could not be deleted; the rest is gone.
        """
        checked_bot_id(bot_id)
        trouble: StorageUnavailable | None = None
        count = await self._objects.delete_all(self._prefix("files", bot_id))
        for kind in ("tails", "pages"):
            await self._objects.delete_all(self._prefix(kind, bot_id))
        if self._copies is not None:
            try:
                await self._copies.delete_all(bot_id)
            except StorageUnavailable as error:
                trouble = error
        key = self._heads.key(bot_id)
        count += await self._objects.delete_all(key, only=key)
        self._heads.forget(bot_id)
        if trouble is not None:
            raise trouble
        return count

    async def trouble(self) -> str:
        """Return why nothing can be kept now: of the bucket, or of the second one."""
        try:
            await self._heads.check()
            await self._heads.held("nobody")
        except MeetcoreError as error:
            return str(error)
        return self._copies.trouble if self._copies is not None else ""

    # --- files ---------------------------------------------------------------------------------

    def media(self, bot_id: str) -> MediaStore:
        """Return a bot's files."""
        return S3Media(
            self._client,
            self._objects,
            self._prefix("files", bot_id),
            self._options.presign_s,
            partial(self._put, bot_id),
            partial(self._delete_copy, bot_id),
        )

    async def _put(self, bot_id: str, name: str, path: Path, key: str) -> None:
        growing = self._growing.get(bot_id)
        if growing is not None:
            await growing.put(name, path, key)  # the second bucket has its turn in `settle`
            return
        await self._objects.put_file(key, path)
        if self._copies is not None:
            await self._copies.put(bot_id, name, path)

    async def _delete_copy(self, bot_id: str, name: str) -> None:
        here = self.workplace(bot_id) / name
        await trio.to_thread.run_sync(partial(here.unlink, missing_ok=True))
        if self._copies is not None:
            await self._copies.delete(bot_id, name)

    def _growing_in(self, bot_id: str, folder: Path) -> GrowingFiles:
        if bot_id not in self._growing:
            self._growing[bot_id] = GrowingFiles(
                self._objects,
                self._prefix("files", bot_id),
                self._prefix("tails", bot_id),
                folder,
                self._options.part_bytes,
                self._options.tail_every_s,
            )
        return self._growing[bot_id]

    def carries_itself(self, bot_id: str, name: str) -> bool:
        """Return whether a file of a bot that runs is a recording."""
        growing = self._growing.get(bot_id)
        return growing is not None and growing.follows(name)

    async def accompany(self, bot_id: str, folder: Path, lease: Lease) -> None:
        """Upload recordings while they grow."""
        await self._growing_in(bot_id, folder).run(lease)

    async def salvage(self, bot_id: str, folder: Path) -> None:
        """Take up what a killed bot had uploaded of its recordings."""
        await self._growing_in(bot_id, folder).salvage()

    async def settle(self, bot_id: str, folder: Path) -> bool:
        """Drop what no file needs, and copy what the second bucket does not have."""
        tidy = await self._growing_in(bot_id, folder).settle()
        if self._copies is not None:
            return await self._copies.bring(bot_id, folder) and tidy
        return tidy

    @asynccontextmanager
    async def keep(self, bot_id: str, journal: JournalView) -> AsyncIterator[Lease]:
        """Carry what a bot writes, and its recordings while they grow."""
        self._growing_in(bot_id, journal.path.parent)
        try:
            async with super().keep(bot_id, journal) as lease:
                yield lease
        finally:
            self._growing.pop(bot_id, None)

    @asynccontextmanager
    async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
        """Hold the workplace with all that the bot left."""
        try:
            async with super().checkout(bot_id) as folder:
                yield folder
        finally:
            self._growing.pop(bot_id, None)
