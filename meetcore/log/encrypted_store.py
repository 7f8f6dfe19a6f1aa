"""A folder of bots' folders in which all is encrypted: words, names, sound, pictures.

In a bot's folder there are its log (`log.encrypted`), its files (`files/`, under names that say
nothing) and the lock of whoever writes them (`lease`). In the clear are a bot's id, how large its
files are and when they were written.

What a bot writes, its sinks, its browser and the libraries that these use, are files like any
other, and some of them are changed where they are (a film gets its index in front). So a bot works
in memory: its workplace is in a file system that is memory, and so are its temporary files. From
there every line is encrypted and brought to the disk as it comes, a recording as it grows, and
every other file when it is whole. Whatever a plugin writes into the workplace is not on the disk
for a moment, whether it knows of this or not.

A process that is killed leaves its workplace in memory: recovery finds it there. A machine that
stops leaves what is on the disk.

Bots of the same folder that are not encrypted, from before, are read, worked on and deleted as in
`FolderStore`.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import trio

from meetcore.log.encrypted_frames import HEADER_BYTES, key_id_of
from meetcore.log.encrypted_log import EncryptedLog
from meetcore.log.encrypted_media import EncryptedMedia, GrowingCopy
from meetcore.log.encryption_keys import MasterKeys
from meetcore.log.folder_store import (
    FolderStore,
    delete_folder,
    in_writer_thread,
    media_in,
    named,
)
from meetcore.log.folders import ENCRYPTED_LOG_NAME, encrypted_log_path, journal_path
from meetcore.log.journal import JOURNAL_NAME
from meetcore.log.lease_file import HeldLease, is_held, take_lease
from meetcore.log.log_reader import in_thread, read_lines
from meetcore.log.memory import folder_in_memory
from meetcore.log.remote_store import RemoteStore, StoredLine
from meetcore.log.scratch import remove_stale, temporary_in
from meetcore.log.who_runs import is_running, runner_of
from meetcore.log.workplaces import UNCARRIED
from meetcore.model.config import BotConfig
from meetcore.model.errors import StorageUnavailable, brief
from meetcore.model.events import Event
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.sink import JournalView
from meetcore.plugin.store import (
    BotLog,
    BotRecord,
    Deletion,
    Lease,
    MediaStore,
    Runner,
    checked_bot_id,
)

__all__ = ["RECORDINGS", "EncryptedFolderStore"]

_LOG = logging.getLogger("meetcore.log")
_FILES = "files"
_TEMPORARY = ".t"
_ATTEMPTS = 4
_BETWEEN_S = 0.02
_LOOK_EVERY_S = 1.0
_AGAIN_AFTER_S = 2.0
_LEAST_FREE_BYTES = 64_000_000
_STALE_S = 600.0
_TIDY_WITHIN_S = 10.0
_LOGS_REMEMBERED = 256
RECORDINGS = frozenset(
    ".aac .flac .m4a .mka .mkv .mov .mp3 .mp4 .oga .ogg .opus .ts .wav .weba .webm".split()  # noqa: SIM905
)
"""Endings of files that are brought to the disk while they grow."""

_ended: dict[Path, Path] = {}
"""Workplaces that are empty but for a journal, which somebody may be reading, and their bots."""


@atexit.register
def _remove_ended() -> None:
    for workplace, place in _ended.items():
        _remove_workplace(workplace, place)
    _ended.clear()


def _remove_workplace(workplace: Path, place: Path) -> None:
    """Remove a workplace of which the store has everything, unless somebody works there.

    Args:
        workplace: The workplace.
        place: Where its bot is kept.
    """
    held = None
    try:
        if place.is_dir() and (held := take_lease(place)) is None:
            return
        if not (workplace / UNCARRIED).exists() and not is_running(workplace):
            shutil.rmtree(workplace, ignore_errors=True)
    except OSError as error:
        _LOG.warning("%s stays for now: %s", workplace, error.strerror)
    finally:
        if held is not None:
            held.close()


class EncryptedFolderStore(RemoteStore):
    """Bots in a folder in which all is encrypted.

    Args:
        folder: The folder; made where it is not there.
        keys: The keys.
        memory: A folder in memory: bots work below it.
        fsync: Whether what is written is brought to the disk.

    Raises:
        ConfigError: `memory` is not in memory.
        StorageUnavailable: It cannot be used.
    """

    name: ClassVar[str] = "folder"
    leases_lapse: ClassVar[bool] = False

    def __init__(
        self, folder: Path | str, keys: MasterKeys, memory: Path, *, fsync: bool = True
    ) -> None:
        self.folder = Path(folder)
        self._keys = keys
        self._fsync = fsync
        self._plain = FolderStore(folder, fsync=fsync)
        place = hashlib.sha256(os.fsencode(self.folder.resolve())).hexdigest()[:8]
        # Short: a browser makes a socket in it, whose path may have about a hundred characters.
        super().__init__(folder_in_memory(memory, memory / f"mc-{os.getuid()}-{place}"))
        self._temporary = self._workplaces / _TEMPORARY
        self._temporary.mkdir(mode=0o700, exist_ok=True)
        remove_stale(self._temporary)
        self._leases: dict[str, HeldLease] = {}
        self._logs: dict[str, EncryptedLog] = {}
        self._growing: dict[str, dict[str, GrowingCopy]] = {}
        self._taken_out: set[str] = set()

    @classmethod
    def of(cls, config: BotConfig, folder: Path) -> EncryptedFolderStore:
        """Return the store that a configuration means.

        Raises:
            ConfigError: A key cannot be had, or memory is none.
            StorageUnavailable: Memory cannot be used.
        """
        assert config.store.encrypt is not None
        keys = MasterKeys.of(config.store.encrypt, config.store.decrypt)
        return cls(folder, keys, config.retention.memory, fsync=config.fsync)

    def __repr__(self) -> str:
        return f"EncryptedFolderStore({str(self.folder)!r})"

    # --- where things lie ----------------------------------------------------------------------

    def _place(self, bot_id: str) -> Path:
        return self.folder / checked_bot_id(bot_id)

    def _is_plain(self, bot_id: str) -> bool:
        """Whether a bot is from before."""
        place = self._place(bot_id)
        return journal_path(place).exists() and not encrypted_log_path(place).exists()

    def _log_file(self, bot_id: str) -> EncryptedLog:
        log = self._logs.pop(bot_id, None)
        if log is None:
            path = encrypted_log_path(self._place(bot_id))
            log = EncryptedLog(path, bot_id, self._keys, fsync=self._fsync)
            while len(self._logs) >= _LOGS_REMEMBERED:
                del self._logs[next(iter(self._logs))]
        self._logs[bot_id] = log  # the one that was used last stays longest
        return log

    def _files(self, bot_id: str) -> EncryptedMedia:
        place = self._place(bot_id) / _FILES
        return EncryptedMedia(place, bot_id, self._keys, self._temporary, fsync=self._fsync)

    def workplace(self, bot_id: str) -> Path:
        """Return the folder in memory in which a bot works; one from before is where it was."""
        if self._is_plain(bot_id):
            return self._plain.workplace(bot_id)
        return super().workplace(bot_id)

    def kept_in(self, bot_id: str) -> str:
        """Return the folder in which a bot is kept."""
        return str(self._place(bot_id))

    def scratch(self) -> AbstractContextManager[None]:
        """Have temporary files made in memory, too."""
        return temporary_in(self._temporary)

    # --- lines and leases ----------------------------------------------------------------------

    async def lines(self, bot_id: str, after: int, limit: int) -> Sequence[StoredLine]:
        """Return the next lines of a bot after a number.

        Raises:
            EncryptionKeyMissing: It is encrypted with another key.
            FileDamaged: Its log does not begin as it should.
        """
        log = self._log_file(bot_id)
        return await in_thread(partial(log.lines, after, limit))

    async def append(self, bot_id: str, lease: int, lines: Sequence[StoredLine]) -> bool:
        """Keep lines under the newest lease."""
        held = self._leases.get(bot_id)
        if held is None or held.number != lease:
            return False
        log = self._log_file(bot_id)
        given = [(seq, bytes(line)) for seq, line in lines]

        def write() -> bool:
            if not held.valid:
                return False
            log.append(given)
            return True

        return await in_writer_thread(write)

    async def take(self, bot_id: str, holder: str, for_s: float) -> int | None:
        """Take a bot's lock; it is held until it is given up, or this process ends."""
        del holder, for_s
        if bot_id in self._leases:
            return None
        for _ in range(_ATTEMPTS):  # whoever looks whether it is held has it for that moment
            held = await in_writer_thread(partial(take_lease, self._place(bot_id)))
            if held is not None:
                break
            await trio.sleep(_BETWEEN_S)
        else:
            return None
        self._leases[bot_id] = held
        return held.number

    async def renew(self, bot_id: str, lease: int, for_s: float) -> bool:
        """Look whether a lease is still the newest, or give it up."""
        held = self._leases.get(bot_id)
        if held is None or held.number != lease:
            return False
        valid = await in_writer_thread(lambda: held.valid)
        if not for_s or not valid:
            self._give_up(bot_id)
        return valid

    def _give_up(self, bot_id: str) -> None:
        held = self._leases.pop(bot_id, None)
        if held is not None:
            held.close()

    async def held(self, bot_id: str) -> bool:
        """Return whether somebody writes a bot."""
        return await in_writer_thread(partial(is_held, self._place(bot_id)))

    async def remove(self, bot_id: str) -> int:
        """Delete everything of a bot; its log counts as one file."""
        place, media = self._place(bot_id), self._files(bot_id)

        def remove() -> int:
            count = media.count() + encrypted_log_path(place).exists()
            gone = delete_folder(place) if place.exists() else Deletion(0)
            if gone.stayed:
                raise StorageUnavailable(f"Of the bot {bot_id} there is still {gone.stayed}.")
            return count

        try:
            return await in_writer_thread(remove)
        finally:
            self._give_up(bot_id)
            self._logs.pop(bot_id, None)

    # --- bots ----------------------------------------------------------------------------------

    async def records(self, *, after: str | None = None) -> AsyncGenerator[BotRecord, None]:
        """Yield the bots there are, those from before among them."""
        for bot_id in await in_writer_thread(self._bot_ids):
            if after is None or bot_id > after:
                yield BotRecord(bot_id=bot_id)

    def _bot_ids(self) -> list[str]:
        names = (ENCRYPTED_LOG_NAME, JOURNAL_NAME)
        found = {path.parent.name for name in names for path in self.folder.glob(f"*/{name}")}
        return sorted(found)

    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        """Return a bot's log."""
        if self._is_plain(bot_id):
            return self._plain.log(bot_id, urgent=urgent)
        return super().log(bot_id, urgent=urgent)

    def media(self, bot_id: str) -> MediaStore:
        """Return a bot's files."""
        return self._plain.media(bot_id) if self._is_plain(bot_id) else self._files(bot_id)

    async def runner(self, bot_id: str) -> Runner | None:
        """Return who runs a bot: which process, where it is one of this machine."""
        here = await in_writer_thread(partial(runner_of, self.workplace(bot_id)))
        if here is not None or self._is_plain(bot_id):
            return here
        return await super().runner(bot_id)

    async def prepare(self, bot_id: str) -> None:
        """Make a bot's workplace ready; those of bots that have ended are removed."""
        if self._is_plain(bot_id):
            await self._plain.prepare(bot_id)
            return
        await in_writer_thread(partial(self._sweep, bot_id))
        await super().prepare(bot_id)

    def _sweep(self, but: str) -> None:
        for folder in [path for path in self._workplaces.iterdir() if path.is_dir()]:
            if folder.name in (but, _TEMPORARY):
                continue
            try:
                old = folder.stat().st_mtime < time.time() - _STALE_S
            except FileNotFoundError:
                continue  # somebody else removed it
            if old:
                _remove_workplace(folder, self.folder / folder.name)

    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        """Write how a bot begins, down to the disk; on failure nothing of it is left."""
        if self._is_plain(bot_id):
            await self._plain.begin(bot_id, head)
            return
        try:
            await super().begin(bot_id, head)
        finally:
            await in_writer_thread(partial(self._remove_unbegun, bot_id))

    def _remove_unbegun(self, bot_id: str) -> None:
        """Remove the place of a bot that there is not."""
        place = self._place(bot_id)
        if place.is_dir() and not encrypted_log_path(place).exists() and not is_held(place):
            delete_folder(place)

    async def end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that nobody runs."""
        if self._is_plain(bot_id):
            await self._plain.end(bot_id, reason, evidence)
            return
        try:
            await super().end(bot_id, reason, evidence)
        finally:
            place = self._place(bot_id)
            await in_writer_thread(partial(_remove_workplace, self.workplace(bot_id), place))

    async def delete(self, bot_id: str) -> Deletion:
        """Delete everything of a bot."""
        if self._is_plain(bot_id):
            return await self._plain.delete(bot_id)
        return await super().delete(bot_id)

    @asynccontextmanager
    async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
        """Hold what a bot left, decrypted, in memory; what is changed there is kept."""
        if self._is_plain(bot_id):
            async with self._plain.checkout(bot_id) as folder:
                yield folder
            return
        self._taken_out.add(bot_id)
        try:
            async with super().checkout(bot_id) as folder:
                yield folder
        finally:
            self._taken_out.discard(bot_id)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _TIDY_WITHIN_S):
                await in_writer_thread(partial(self._remove_unbegun, bot_id))

    @asynccontextmanager
    async def keep(self, bot_id: str, journal: JournalView) -> AsyncIterator[Lease]:
        """Bring what a bot writes to the disk, encrypted, while it runs."""
        if self._is_plain(bot_id):
            async with self._plain.keep(bot_id, journal) as lease:
                yield lease
            return
        self._growing[bot_id] = {}
        try:
            async with super().keep(bot_id, journal) as lease:
                yield lease
        finally:
            for copy in self._growing.pop(bot_id, {}).values():
                copy.close()

    # --- files while a bot runs ----------------------------------------------------------------

    def carries_itself(self, bot_id: str, name: str) -> bool:
        """Return whether a file of a bot that runs is a recording."""
        return bot_id in self._growing and PurePosixPath(name).suffix.lower() in RECORDINGS

    async def accompany(self, bot_id: str, folder: Path, lease: Lease) -> None:
        """Bring recordings to the disk while they grow."""
        here, told = media_in(folder), False
        while not lease.lost.is_set():
            pause_s = _LOOK_EVERY_S
            try:
                async with aclosing(here.files()) as files:
                    names = [f.name async for f in files if self.carries_itself(bot_id, f.name)]
                # Not left to itself: it would go on beside whoever puts the whole file there.
                await trio.to_thread.run_sync(self._grow, bot_id, folder, names)
                told = False
            except (StorageUnavailable, OSError) as error:
                if not told:
                    _LOG.warning("bot=%s recordings cannot be kept now: %s", bot_id, brief(error))
                told, pause_s = True, _AGAIN_AFTER_S
            await trio.sleep(pause_s)

    def _grow(self, bot_id: str, folder: Path, names: Sequence[str]) -> None:
        media, copies = self._files(bot_id), self._growing.get(bot_id, {})
        for name in [name for name in copies if name not in names]:  # it has another name by now
            copies.pop(name).close()
            media.delete_now(name)
        for name in names:
            copy = media.grow(name, folder / name, copies.get(name))
            if copy is None:
                copies.pop(name, None)
            else:
                copies[name] = copy

    async def salvage(self, bot_id: str, folder: Path) -> None:
        """Drop copies of recordings that are here, as they were in the end."""
        if (folder / UNCARRIED).exists():
            await in_writer_thread(self._files(bot_id).drop_growing)

    async def settle(self, bot_id: str, folder: Path) -> bool:
        """Remove the workplace; of a bot that ran the journal stays, which somebody may read."""
        taken_out = bot_id in self._taken_out

        def empty() -> None:
            if journal_path(folder).exists():
                self._log_file(bot_id).renew(read_lines(folder))
            self._files(bot_id).drop_growing()
            if taken_out:
                shutil.rmtree(folder, ignore_errors=True)
                return
            for path in folder.iterdir():
                if path.name in (JOURNAL_NAME, UNCARRIED):
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

        await in_writer_thread(empty)
        if not taken_out:
            _ended[folder] = self._place(bot_id)
        return True

    # --- how it is -----------------------------------------------------------------------------

    async def trouble(self) -> str:
        """Return what is wrong with the folder, or with memory."""
        trouble = await self._plain.trouble()
        if trouble:
            return trouble
        left = await in_writer_thread(lambda: shutil.disk_usage(self._workplaces).free)
        if left < _LEAST_FREE_BYTES:
            return f"{self._workplaces}, where bots work, has {left / 1e6:.1f} MB left"
        return ""

    async def unreadable(self) -> str:
        """Return which bots need a key that is not named, in words; empty where there are none."""
        return await in_writer_thread(self._unreadable)

    def _unreadable(self) -> str:
        found: dict[str, list[str]] = {}
        for path in sorted(self.folder.glob(f"*/{ENCRYPTED_LOG_NAME}")):
            try:
                with path.open("rb") as file:
                    key_id = key_id_of(file.read(HEADER_BYTES))
            except OSError:
                continue
            if key_id is not None and not self._keys.has(key_id):
                found.setdefault(key_id.hex(), []).append(path.parent.name)
        return "; ".join(
            f"{named(bot_ids)}: encrypted with the key {key_id}, which no reference in encrypt or "
            "decrypt of [store] leads to"
            for key_id, bot_ids in found.items()
        )
