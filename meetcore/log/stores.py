"""Which store a configuration means."""

from __future__ import annotations

from pathlib import Path

from meetcore.log.folder_store import FolderStore, folder_of_url
from meetcore.log.unkept_fleet import UnkeptFleetStore
from meetcore.model.config import BotConfig
from meetcore.model.errors import ConfigError
from meetcore.plugin.registry import Plugins
from meetcore.plugin.store import BotStore

__all__ = ["folder_of", "kept_store_of", "store_of"]


def store_of(config: BotConfig, plugins: Plugins) -> BotStore:
    """Return where the bots of a configuration are: in its store, in memory, or some in each.

    Raises:
        ConfigError, UnknownPlugin: There is no such store, or its settings cannot be used.
        StorageUnavailable: Nothing is to be kept, and the folder in memory cannot be made.
    """
    if config.retention.keep != "all":
        if config.store.encrypt is not None:
            raise ConfigError(
                f"keep in [retention] is {config.retention.keep!r}, and encrypt in [store] names a "
                "key to keep bots with.",
                "Leave encrypt out, or keep all.",
            )
        return UnkeptFleetStore(config)
    return kept_store_of(config, plugins)


def kept_store_of(config: BotConfig, plugins: Plugins) -> BotStore:
    """Return the store that a configuration names; by default the folder `out_dir`.

    Raises:
        ConfigError, UnknownPlugin: There is no such store, or its settings cannot be used.
    """
    folder, encrypt = folder_of(config), config.store.encrypt
    if folder is not None and encrypt is not None:
        from meetcore.log.encrypted_store import EncryptedFolderStore

        return EncryptedFolderStore.of(config, folder)
    if folder is not None:
        return FolderStore(folder, fsync=config.fsync)
    url = config.store.url
    assert url is not None
    if encrypt is not None:
        raise ConfigError(
            f"encrypt in [store] is for a folder, and the store is {url.partition(':')[0]!r}.",
            "Leave encrypt out, and use the encryption that this store has.",
        )
    return plugins.store(url, config)


def folder_of(config: BotConfig) -> Path | None:
    """Return the folder that a configuration keeps bots in, None for another kind of store.

    Raises:
        ConfigError: Its URL is none of a folder.
    """
    url = config.store.url
    if url is None:
        return config.out_dir
    return folder_of_url(url) if url.partition(":")[0] == FolderStore.name else None
