"""A copy of every file in a second bucket: whatever becomes of it, the first one goes on."""

from __future__ import annotations

import logging
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Any

import trio

from meetcore import MeetcoreError, NoSuchFile, StorageUnavailable, checked_file_name
from meetcore.log import temporary_folder
from meetcore_s3.objects import BucketObjects

__all__ = ["FileCopies"]

_LOG = logging.getLogger("meetcore.s3")


class FileCopies:
    """The copies.

    Args:
        first: The objects of the bucket that counts.
        second: Those of the one that has copies.
        prefix: What the keys of all files begin with in the first one.
        second_prefix: The same in the second one.

    Attributes:
        trouble: Why the newest copy could not be made, in words; empty if it could.
    """

    def __init__(
        self, first: BucketObjects, second: BucketObjects, prefix: str, second_prefix: str
    ) -> None:
        self._first = first
        self._second = second
        self._prefix = prefix
        self._second_prefix = second_prefix
        self.trouble = ""

    async def bring(self, bot_id: str, folder: Path) -> bool:
        """Copy the files of a bot that the second bucket does not have as they are.

        Args:
            bot_id: The bot.
            folder: Its workplace, from which a file is taken that is there.

        Returns:
            Whether it has all of them now; if not, `trouble` says why.
        """
        try:
            there = await _listed(self._second, f"{self._second_prefix}{bot_id}/")
            for name, found in (await _listed(self._first, f"{self._prefix}{bot_id}/")).items():
                copy = there.get(name)
                if copy is None or _older(copy, found):
                    await self._bring(bot_id, name, int(found["Size"]), folder)
        except (MeetcoreError, OSError) as error:
            self._tell(bot_id, error)
            return False
        self.trouble = ""
        return True

    async def put(self, bot_id: str, name: str, path: Path) -> None:
        """Copy one file, if that works now."""
        try:
            await self._second.put_file(f"{self._second_prefix}{bot_id}/{name}", path)
        except (MeetcoreError, OSError) as error:
            self._tell(bot_id, error)
        else:
            self.trouble = ""

    async def delete(self, bot_id: str, name: str) -> None:
        """Delete the copy of a file.

        Raises:
            StorageUnavailable: It cannot be deleted now.
        """
        key = f"{self._second_prefix}{bot_id}/{name}"
        await self._second.delete_all(key, only=key)

    async def delete_all(self, bot_id: str) -> None:
        """Delete all copies of a bot's files.

        Raises:
            StorageUnavailable: They cannot be deleted now.
        """
        await self._second.delete_all(f"{self._second_prefix}{bot_id}/")

    async def _bring(self, bot_id: str, name: str, size: int, folder: Path) -> None:
        key = f"{self._second_prefix}{bot_id}/{name}"
        try:
            path = folder / checked_file_name(name)
        except NoSuchFile:
            return
        if await trio.to_thread.run_sync(_has_size, path, size):
            await self._second.put_file(key, path)
            return
        with temporary_folder() as apart:
            path = apart / PurePosixPath(name).name
            async with (
                await trio.open_file(path, "wb") as file,
                aclosing(self._first.read(f"{self._prefix}{bot_id}/{name}")) as pieces,
            ):
                async for piece in pieces:
                    await file.write(piece)
            await self._second.put_file(key, path)

    def _tell(self, bot_id: str, error: Exception) -> None:
        words = error.message if isinstance(error, StorageUnavailable) else str(error)
        self.trouble = f"the second bucket: {words}"
        _LOG.warning("bot=%s is not in the second bucket yet: %s", bot_id, error)


async def _listed(objects: BucketObjects, prefix: str) -> dict[str, dict[str, Any]]:
    async with aclosing(objects.below(prefix)) as found:
        return {str(each["Key"]).removeprefix(prefix): each async for each in found}


def _older(copy: dict[str, Any], found: dict[str, Any]) -> bool:
    return bool(copy["Size"] != found["Size"] or copy["LastModified"] < found["LastModified"])


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
