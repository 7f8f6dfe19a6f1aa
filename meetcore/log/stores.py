"""Which store a configuration means."""

from __future__ import annotations

from meetcore.log.folder_store import FolderStore, folder_of_url
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.model.config import BotConfig
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore

__all__ = ["kept_store_of", "store_of"]


def store_of(config: BotConfig, plugins: Plugins) -> BotStore:
    """Return where the bots of a configuration are: in its store, or in memory.

    Raises:
        ConfigError, UnknownPlugin: There is no such store, or its settings cannot be used.
        StorageUnavailable: Nothing is to be kept, and the folder in memory cannot be made.
    """
    if config.retention.keep == "nothing":
        return UnkeptFleetStore(config)
    return kept_store_of(config, plugins)


def kept_store_of(config: BotConfig, plugins: Plugins) -> BotStore:
    """Return the store that a configuration names; by default the folder `out_dir`.

    Raises:
        ConfigError, UnknownPlugin: There is no such store, or its settings cannot be used.
    """
    url = config.store.url
    if url is None:
        return FolderStore(config.out_dir, fsync=config.fsync)
    if url.partition(":")[0] == FolderStore.name:
        return FolderStore(folder_of_url(url), fsync=config.fsync)
    return plugins.store(url, config)
