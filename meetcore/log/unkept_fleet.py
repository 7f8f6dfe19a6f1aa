"""The bots of a fleet, or of a server, of which nothing is kept: together in memory.

A bot's own process, its launcher, its server and the next server after that all find it by its id,
as in any folder store; but the folder is in a file system that is memory, one for each folder
`out_dir` and user. It is there until the machine restarts, so a bot outlives a server here as
anywhere. When a bot has ended and what it owes is delivered, it is deleted: by the server, or by
the fleet where there is none.

Where nothing is kept from some day on, there may be bots from before. They are found where they
are, on the disk, read and deleted as before; new ones have no place there. Where each order says
what is kept, there are some in memory and others on the disk, for as long as they like.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import trio

from meetcore.log.folder_store import FolderStore, folder_of_url, in_writer_thread
from meetcore.log.folders import bot_folders, journal_path, make_bot_folder
from meetcore.log.scratch import remove_stale
from meetcore.log.unkept import UnkeptStore
from meetcore.log.who_runs import is_running
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError
from meetcore.model.event import Event
from meetcore.model.events import BotRequested
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.store import Deletion

__all__ = ["UnkeptFleetStore"]


class UnkeptFleetStore(UnkeptStore):
    """Where the bots of a fleet work of which nothing is kept, or nothing of some.

    Args:
        config: Says where memory is, where tombstones go, and where bots from before are.

    Raises:
        ConfigError: That folder is not in memory, or the store is no folder.
        StorageUnavailable: It cannot be made.
    """

    def __init__(self, config: BotConfig) -> None:
        self._as_ordered = config.retention.keep == "as_ordered"
        self._kept = FolderStore(self._disk(config), fsync=config.fsync)
        super().__init__(config)
        self._tombstones = self._kept.folder

    @staticmethod
    def _disk(config: BotConfig) -> Path:
        url = config.store.url
        if url is None:
            return config.out_dir
        if url.partition(":")[0] != FolderStore.name:
            raise ConfigError(
                f"keep in [retention] is {config.retention.keep!r}, and [store] url names a store "
                "to keep bots in.",
                "Leave the url out, or keep all. What is in that store already stays there.",
            )
        return folder_of_url(url)

    def _root_of(self, config: BotConfig) -> Path:
        place = hashlib.sha256(os.fsencode(self._disk(config).resolve())).hexdigest()[:12]
        return config.retention.memory / f"meetcore-{os.getuid()}-{place}"

    def _clear(self, config: BotConfig) -> None:
        remove_stale(self.folder)  # a bot whose process is dead is still to be brought to its end

    def in_memory(self, bot_id: str) -> bool:
        """Return whether a bot is in memory, or would be.

        Where nothing is kept of any, that is one that is not on the disk from before; where each
        order says what is kept, one that was claimed.
        """
        here = super().workplace(bot_id)
        if self._as_ordered:
            return here.exists()
        there = self._kept.workplace(bot_id)
        return journal_path(here).exists() or not journal_path(there).exists()

    def workplace(self, bot_id: str) -> Path:
        """Return the bot's folder."""
        return super().workplace(bot_id) if self.in_memory(bot_id) else self._kept.workplace(bot_id)

    def claim(self, bot_id: str) -> None:
        """Have a bot work in memory of which nothing is to be kept. Blocks.

        Raises:
            ConfigError: It is on the disk.
            StorageUnavailable: There is no room in memory.
        """
        if journal_path(self._kept.workplace(bot_id)).exists():
            raise ConfigError(
                "The bot was ordered when all was kept: its log is on the disk.",
                "Delete it, and order it again.",
            )
        if self._as_ordered:
            place = super().workplace(bot_id)
            make_bot_folder(place.parent, place.name)

    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        """Make a bot's folder where it belongs, and write the beginning of its journal."""
        if any(isinstance(event, BotRequested) and event.kept == "nothing" for event in head):
            await in_writer_thread(partial(self.claim, bot_id))
        if await in_writer_thread(partial(self.in_memory, bot_id)):
            await super().begin(bot_id, head)
        else:
            await self._kept.begin(bot_id, head)

    async def end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that nobody runs, where it is."""
        if await in_writer_thread(partial(self.in_memory, bot_id)):
            await super().end(bot_id, reason, evidence)
        else:
            await self._kept.end(bot_id, reason, evidence)

    async def trouble(self) -> str:
        """Return what is wrong with the folder in memory, or with the one on the disk."""
        return await super().trouble() or (await self._kept.trouble() if self._as_ordered else "")

    def _bot_ids(self) -> list[str]:
        roots = (self.folder, self._kept.folder)
        return sorted({at.name for root in roots for at in bot_folders(root) if at != root})

    async def delete(self, bot_id: str) -> Deletion:
        """Delete a bot; of one that worked in memory and has ended a tombstone stays.

        Raises:
            StorageUnavailable: The tombstone cannot be written; of the bot nothing is left.
        """
        if not await trio.to_thread.run_sync(self.in_memory, bot_id):
            return await super().delete(bot_id)
        return await trio.to_thread.run_sync(partial(self._bury, bot_id, whatever=False))

    async def bury_ended(self) -> Sequence[str]:
        """Delete what is in memory of bots that nobody runs, as `bury` does; return which."""
        found = await trio.to_thread.run_sync(self._left)
        for bot_id in found:
            await self.bury(bot_id)
        return found

    def _left(self) -> list[str]:
        there = [folder for folder in bot_folders(self.folder) if folder != self.folder]
        return [folder.name for folder in there if not is_running(folder)]
