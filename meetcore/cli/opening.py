"""A folder as the bot had it, for commands that work on files: decrypted where it has to be."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from meetcore.log.folder_store import key_missing
from meetcore.log.folders import encrypted_log_path
from meetcore.log.workplaces import NOTES
from meetcore.model.config import BotConfig

__all__ = ["opened_folder", "path_in"]

_BROKEN_OFF = 130


@contextmanager
def opened_folder(where: Path, config: BotConfig) -> Iterator[Path]:
    """Hold what a bot left in its folder, for as long as the block runs.

    Where it is encrypted, that is a folder in memory, and what is changed in it is encrypted when
    the block ends. Where work was broken off, by Ctrl-C or by an error that left a note of how far
    it came, it stays in memory as it is, and the same command goes on. Everything else is held as
    it is.

    Args:
        where: What a person named: a bot's folder, or anything else.
        config: Says where the key is.

    Raises:
        EncryptionKeyMissing: It is encrypted, and no key is named, or another one.
        JournalBusy: Somebody runs the bot, or works on it.
        StorageUnavailable: It cannot be had.
    """
    if not encrypted_log_path(where).is_file():
        yield where
        return
    if config.store.encrypt is None:
        raise key_missing(where.name)
    held = _HeldFolder(where.resolve(), config)
    try:
        yield held.folder
    except SystemExit as error:
        held.close(broken_off=error.code == _BROKEN_OFF)
        raise
    except Exception:
        held.close(broken_off=False)
        raise
    except BaseException:
        held.close(broken_off=True)
        raise
    held.close(broken_off=False)


def path_in(where: Path, opened: Path, path: Path) -> Path:
    """Return what a file of an opened folder is called where a person named that.

    Args:
        where: What they named.
        opened: What `opened_folder` gave for it.
        path: The file; one elsewhere stays as it is.
    """
    return where / path.relative_to(opened) if path.is_relative_to(opened) else path


def _is_to_go_on(folder: Path) -> bool:
    """Whether there is a hidden note of work that was begun: it is in no store."""
    names = (path.name for path in folder.rglob(".*"))
    return any(name not in NOTES for name in names)


class _BrokenOff(Exception):
    """Ends a checkout without keeping what was changed."""


class _HeldFolder:
    """A bot that is checked out in a thread: the command may run Trio itself."""

    def __init__(self, where: Path, config: BotConfig) -> None:
        self._told: queue.SimpleQueue[Path | BaseException | None] = queue.SimpleQueue()
        self._leave = trio.Event()
        self._broken_off = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(
            target=self._run, args=(where, config), name="checkout", daemon=True
        )
        self._thread.start()
        told = self._told.get()
        if isinstance(told, BaseException):
            raise told
        assert told is not None
        self.folder = told

    def _run(self, where: Path, config: BotConfig) -> None:
        try:
            trio.run(self._hold, where, config)
        except _BrokenOff:
            self._told.put(None)
        except BaseException as error:  # noqa: BLE001  it is raised where the command waits
            self._told.put(error)
        else:
            self._told.put(None)

    async def _hold(self, where: Path, config: BotConfig) -> None:
        from meetcore.log.encrypted_store import EncryptedFolderStore

        self._token = trio.lowlevel.current_trio_token()
        store = EncryptedFolderStore.of(config, where.parent)
        async with store.checkout(where.name) as folder:
            self._told.put(folder)
            await self._leave.wait()
            if self._broken_off:
                raise _BrokenOff

    def close(self, *, broken_off: bool) -> None:
        """Let it go.

        Args:
            broken_off: Whether what was changed stays in memory.

        Raises:
            StorageUnavailable, OSError: What was changed cannot be kept.
        """
        self._broken_off = broken_off or _is_to_go_on(self.folder)
        assert self._token is not None
        self._token.run_sync_soon(self._leave.set)
        told = self._told.get()
        if isinstance(told, BaseException):
            raise told
