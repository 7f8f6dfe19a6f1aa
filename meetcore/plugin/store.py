"""Where bots' journals and media are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

if TYPE_CHECKING:
    pass

__all__ = ["BotRecord", "Store", "Vault"]


@frozen(kw_only=True)
class BotRecord:
    """What a store knows about a bot without opening its journal."""

    bot_id: str
    folder: Path
    requested_at: datetime | None = None


class Store(ABC):
    """Keeps journals and the list of bots."""

    name: ClassVar[str]

    @abstractmethod
    def create(self, bot_id: str) -> BotRecord:
        """Make room for a new bot.

        Raises:
            StorageUnavailable: There is none to be had.
        """

    @abstractmethod
    def records(self) -> Iterable[BotRecord]:
        """Yield every bot known, oldest first."""


class Vault(ABC):
    """Keeps media."""

    name: ClassVar[str]

    @abstractmethod
    def folder_for(self, bot_id: str) -> Path:
        """Return the folder in which a bot's media is written while it runs."""

    @abstractmethod
    def delete(self, bot_id: str) -> int:
        """Delete a bot's media; return how many files went."""
