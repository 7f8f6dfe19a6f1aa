"""The bots of a fleet, or of a server, of which nothing is kept: together in memory.

A bot's own process, its launcher, its server and the next server after that all find it by its id,
as in any folder store; but the folder is in a file system that is memory, one for each folder
`out_dir` and user. It is there until the machine restarts, so a bot outlives a server here as
anywhere. When a bot has ended and what it owes is delivered, it is deleted: by the server, or by
the fleet where there is none.

Where nothing is kept from some day on, there may be bots from before. They are found where they
are, on the disk, read and deleted as before; new ones have no place there.
"""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path

import trio

from meetcore.log.folder_store import FolderStore, folder_of_url
from meetcore.log.folders import bot_folders, journal_path
from meetcore.log.scratch import remove_stale
from meetcore.log.unkept import UnkeptStore
from meetcore.log.who_runs import is_running
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError
from meetcore.plugin.store import Deletion

__all__ = ["UnkeptFleetStore"]


class UnkeptFleetStore(UnkeptStore):
    """Where the bots of a fleet work of which nothing is kept.

    Args:
        config: Says where memory is, where tombstones go, and where bots from before are.

    Raises:
        ConfigError: That folder is not in memory, or the store is no folder.
        StorageUnavailable: It cannot be made.
    """

    def __init__(self, config: BotConfig) -> None:
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
                "Nothing is to be kept, and [store] url names a store to keep bots in.",
                "Leave the url out, or keep all. What is in that store already stays there.",
            )
        return folder_of_url(url)

    def _root_of(self, config: BotConfig) -> Path:
        place = hashlib.sha256(os.fsencode(self._disk(config).resolve())).hexdigest()[:12]
        return config.retention.memory / f"meetcore-{os.getuid()}-{place}"

    def _clear(self, config: BotConfig) -> None:
        remove_stale(self.folder)  # a bot whose process is dead is still to be brought to its end

    def in_memory(self, bot_id: str) -> bool:
        """Return whether a bot is in memory, or would be: it is not on the disk from before."""
        here = super().workplace(bot_id)
        there = self._kept.workplace(bot_id)
        return journal_path(here).exists() or not journal_path(there).exists()

    def workplace(self, bot_id: str) -> Path:
        """Return the bot's folder."""
        return super().workplace(bot_id) if self.in_memory(bot_id) else self._kept.workplace(bot_id)

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

    async def bury_ended(self) -> None:
        """Delete what is in memory of bots that nobody runs, as `bury` does."""
        for bot_id in await trio.to_thread.run_sync(self._left):
            await self.bury(bot_id)

    def _left(self) -> list[str]:
        there = [folder for folder in bot_folders(self.folder) if folder != self.folder]
        return [folder.name for folder in there if not is_running(folder)]
