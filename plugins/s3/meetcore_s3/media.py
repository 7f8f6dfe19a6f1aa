"""The files of one bot in a bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC
from pathlib import Path
from typing import Any

from meetcore import MediaStore, NoSuchFile, StoredFile, checked_file_name
from meetcore_s3.client import BucketClient
from meetcore_s3.objects import BucketObjects
from meetcore_s3.troubles import BucketTrouble

__all__ = ["S3Media"]


class S3Media(MediaStore):
    """The files of one bot.

    Args:
        client: Asks the bucket.
        objects: Its objects.
        prefix: What the keys of the bot's files begin with.
        presign_s: How long a link lasts at most.
        put: Puts a file under a name, a path and a key; `objects.put_file` by default.
        also_delete: Deletes a file in other places, too.
    """

    def __init__(
        self,
        client: BucketClient,
        objects: BucketObjects,
        prefix: str,
        presign_s: float,
        put: Callable[[str, Path, str], Awaitable[None]],
        also_delete: Callable[[str], Awaitable[None]],
    ) -> None:
        self._client = client
        self._objects = objects
        self._prefix = prefix
        self._presign_s = presign_s
        self._put = put
        self._also_delete = also_delete

    def _key(self, name: str) -> str:
        return self._prefix + checked_file_name(name)

    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known about a file, None where there is none."""
        try:
            found = await self._objects.stat(self._key(name))
        except NoSuchFile:
            return None
        return None if found is None else self._stored(name, found["ContentLength"], found)

    async def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        """Yield the files there are, in order of name."""
        prefix = f"{self._key(under)}/" if under else self._prefix
        async with aclosing(self._objects.below(prefix)) as objects:
            async for found in objects:
                name = str(found["Key"]).removeprefix(self._prefix)
                yield self._stored(name, found["Size"], found)

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, or part of it, a piece at a time."""
        async with aclosing(self._objects.read(self._key(name), first, length)) as pieces:
            try:
                async for piece in pieces:
                    yield piece
            except BucketTrouble as error:
                if error.missing:
                    raise NoSuchFile(name) from error
                raise

    async def put(self, name: str, source: Path) -> StoredFile:
        """Keep a copy of a local file under a name."""
        await self._put(checked_file_name(name), source, self._key(name))
        found = await self.stat(name)
        if found is None:
            raise BucketTrouble(
                f"{self._client.place}: the bucket does not have {name}, which it took.",
                "It is tried again by itself; does a rule of the bucket delete it?",
                code="NoSuchKey",
                status=404,
            )
        return found

    async def delete(self, name: str) -> bool:
        """Delete a file, in all its versions; return whether there was one."""
        key = self._key(name)
        count = await self._objects.delete_all(key, only=key)
        await self._also_delete(checked_file_name(name))
        return count > 0

    async def presign(self, name: str, expires_s: float) -> str | None:
        """Return a URL that gives a file to whoever has it, for `presign_s` at most."""
        return await self._client.presigned(self._key(name), min(expires_s, self._presign_s))

    @staticmethod
    def _stored(name: str, size: Any, found: dict[str, Any]) -> StoredFile:
        modified_at = found["LastModified"]
        if modified_at.tzinfo is None:
            modified_at = modified_at.replace(tzinfo=UTC)
        return StoredFile(name=name, size_bytes=int(size), modified_at=modified_at)
