"""The embedded store and vault: a folder of bots' folders, each with its journal and media."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from meetcore.log.folders import bot_folders, journal_path, make_bot_folder
from meetcore.log.journal import JOURNAL_NAME, read_journal
from meetcore.model.errors import JournalDamaged
from meetcore.plugin.store import BotRecord, Store, Vault

__all__ = ["FolderStore", "FolderVault"]


class FolderStore(Store):
    """Journals as files, one folder a bot. The list of bots is what the folders say.

    Args:
        out_dir: The folder of folders.
    """

    name = "folder"

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir

    def create(self, bot_id: str) -> BotRecord:
        """Make the folder of a new bot.

        Raises:
            StorageUnavailable: It cannot be made or written.
        """
        return BotRecord(bot_id=bot_id, folder=make_bot_folder(self.out_dir, bot_id))

    def records(self) -> Iterator[BotRecord]:
        """Yield every bot that has a journal with at least one readable event."""
        for folder in bot_folders(self.out_dir):
            try:
                first = next(read_journal(journal_path(folder)), None)
            except JournalDamaged:
                first = None
            if first is not None:
                yield BotRecord(bot_id=first.bot_id, folder=folder, requested_at=first.at)


class FolderVault(Vault):
    """Media beside the journal, in the bot's own folder.

    Args:
        out_dir: The folder of folders.
    """

    name = "folder"

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir

    def folder_for(self, bot_id: str) -> Path:
        """Return the bot's folder."""
        return self.out_dir / bot_id

    def delete(self, bot_id: str) -> int:
        """Delete a bot's media, not its journal; return how many files went."""
        gone = 0
        for path in sorted(self.folder_for(bot_id).iterdir()):
            if path.name == JOURNAL_NAME:
                continue
            if path.is_dir():
                gone += sum(1 for inner in path.rglob("*") if inner.is_file())
                shutil.rmtree(path)
            else:
                path.unlink()
                gone += 1
        return gone
