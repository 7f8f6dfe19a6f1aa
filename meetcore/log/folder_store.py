"""The store that is built in: a folder of bots' folders on a disk of this machine.

The right to write a bot's journal is the kernel's lock on it. It ends with its holder, SIGKILL
included, and nobody can hold an older one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import trio

from meetcore.log.folders import (
    ENCRYPTED_LOG_NAME,
    bot_folders,
    encrypted_bot_folders,
    encrypted_log_path,
    journal_path,
    make_bot_folder,
    make_private_folder,
    private_file,
)
from meetcore.log.journal import JOURNAL_NAME, Journal
from meetcore.log.journal_end import write_end_in
from meetcore.log.journal_head import begin
from meetcore.log.log_reader import FolderLog
from meetcore.log.threads import Threads
from meetcore.log.who_runs import RUNNER_NAME, is_running, runner_of
from meetcore.model.errors import ConfigError, EncryptionKeyMissing, JournalBusy, NoSuchFile
from meetcore.model.events import Event
from meetcore.model.lifecycle import EndReason, Evidence
from meetcore.plugin.sink import JournalView
from meetcore.plugin.store import (
    BotLog,
    BotRecord,
    BotStore,
    Deletion,
    Lease,
    MediaStore,
    Runner,
    StoredFile,
    checked_bot_id,
    checked_file_name,
)

__all__ = [
    "FolderMedia",
    "FolderStore",
    "delete_folder",
    "folder_of_url",
    "in_writer_thread",
    "key_missing",
    "media_in",
    "named",
]

T = TypeVar("T")
_REMOVE_WITHIN_S = 5.0
_WRITERS = 8
_MOST_NAMED = 5
_PIECE_BYTES = 256 * 1024
_LEAST_FREE_BYTES = 16_000_000
_LOG_NAMES = (JOURNAL_NAME, ENCRYPTED_LOG_NAME)
_NOT_MEDIA = (JOURNAL_NAME.partition(".")[0], RUNNER_NAME.partition(".")[0], "given-up")
"""What files are called that say how the bot runs: no media."""
_writers: trio.lowlevel.RunVar[Threads] = trio.lowlevel.RunVar("writers of bots' folders")


def folder_of_url(url: str) -> Path:
    """Return the folder that a URL of the scheme `folder` means.

    Raises:
        ConfigError: It means none.
    """
    parts = urlsplit(url)
    if parts.netloc or not parts.path or parts.query or parts.fragment:
        raise ConfigError(
            f"{url!r} is not the URL of a folder.",
            "Write three slashes and an absolute path: folder:///var/lib/meetcore.",
        )
    return Path(unquote(parts.path))


async def in_writer_thread(work: Callable[[], T]) -> T:
    """Return what a function gives that writes or looks at a bot's folder; the caller's deadline.

    A folder on a network that went away holds the thread, not the caller.
    """
    try:
        threads = _writers.get()
    except LookupError:
        threads = Threads(_WRITERS)
        _writers.set(threads)
    return await threads.run(work)


def delete_folder(folder: Path) -> Deletion:
    """Delete a bot's folder: all that can go goes, and what stays is named."""
    count, stayed = 0, []
    for place, folders, files in os.walk(folder, topdown=False):
        # As long as anything of it is there its journal is, or nobody would know whose it was.
        for name in sorted((*files, *folders), key=lambda name: name in _LOG_NAMES):
            path = Path(place, name)
            try:
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
                    count += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                stayed.append(f"{path.relative_to(folder)} ({error.strerror})")
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        stayed = stayed or [f"the folder itself ({error.strerror})"]
    more = f" and {len(stayed) - _MOST_NAMED} more" if len(stayed) > _MOST_NAMED else ""
    return Deletion(count, ", ".join(stayed[:_MOST_NAMED]) + more)


class FolderMedia(MediaStore):
    """The files in a bot's folder.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, name: str) -> Path:
        """Return where a file lies or would lie; never outside of the folder, by a link either.

        Raises:
            NoSuchFile: It could not be one of the bot's.
        """
        path = (self._folder / checked_file_name(name)).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise NoSuchFile(name)
        return path

    def _stat(self, name: str) -> StoredFile | None:
        try:
            path = self._path(name)
            found = path.stat()
        except (NoSuchFile, OSError, ValueError):
            return None
        if not path.is_file():
            return None
        return StoredFile(
            name=name,
            size_bytes=found.st_size,
            modified_at=datetime.fromtimestamp(found.st_mtime, UTC),
        )

    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known about a file, None where there is none."""
        return await in_writer_thread(partial(self._stat, name))

    async def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        """Yield the files there are, in order of name."""
        for found in await in_writer_thread(partial(self._files, under)):
            yield found

    def _files(self, under: str) -> list[StoredFile]:
        names = sorted(
            self._names(self._folder / checked_file_name(under) if under else self._folder)
        )
        return [found for name in names if (found := self._stat(name)) is not None]

    def _names(self, start: Path) -> Iterator[str]:
        for place, folders, files in os.walk(start):
            folders[:] = [each for each in folders if not each.startswith(".")]
            for name in files:
                relative = Path(place, name).relative_to(self._folder)
                own = len(relative.parts) == 1 and name.partition(".")[0] in _NOT_MEDIA
                if not own and not name.startswith("."):
                    yield relative.as_posix()

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, or part of it, a piece at a time."""
        path = self._path(name)
        try:
            file = await trio.open_file(path, "rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NoSuchFile(name) from error
        left = float("inf") if length is None else length
        async with file:
            await file.seek(first)
            while left > 0:
                piece = await file.read(int(min(_PIECE_BYTES, left)))
                if not piece:
                    return
                left -= len(piece)
                yield piece

    async def put(self, name: str, source: Path) -> StoredFile:
        """Keep a copy of a local file under a name."""
        await in_writer_thread(partial(self._put, name, partial(shutil.copyfile, source)))
        return await self._there(name)

    def _put(self, name: str, write: Callable[[Path], object]) -> None:
        """Have a file written beside its place, and put there when it is whole."""
        target = self._path(name)
        _make_folders(self._folder, target.parent)
        spare = target.with_name(f".{uuid4().hex}{target.suffix}")
        try:
            private_file(spare)
            write(spare)
            spare.replace(target)
        finally:
            spare.unlink(missing_ok=True)

    async def write(self, name: str, pieces: AsyncIterable[bytes]) -> StoredFile:
        """Keep a file that comes in pieces: whole on return, or not there at all."""
        target = self._path(name)
        spare = target.with_name(f".{uuid4().hex}{target.suffix}")

        def begin() -> None:
            _make_folders(self._folder, target.parent)
            private_file(spare)

        await in_writer_thread(begin)
        try:
            async with await trio.open_file(spare, "wb") as file:
                async for piece in pieces:
                    await file.write(piece)
            await in_writer_thread(partial(spare.replace, target))
        finally:
            with trio.CancelScope(shield=True):
                await in_writer_thread(partial(spare.unlink, missing_ok=True))
        return await self._there(name)

    async def _there(self, name: str) -> StoredFile:
        found = await self.stat(name)
        if found is None:
            raise NoSuchFile(name)
        return found

    async def delete(self, name: str) -> bool:
        """Delete a file; return whether there was one."""
        path = self._path(name)

        def unlink() -> bool:
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            return True

        return await in_writer_thread(unlink)

    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        """Hold a file as it lies there."""
        if await self.stat(name) is None:
            raise NoSuchFile(name)
        yield self._path(name)

    async def derive(
        self, name: str, source: str, make: Callable[[Path, Path], None]
    ) -> StoredFile:
        """Return a file that is made of another one, once."""
        known = await self.stat(name)
        if known is not None:
            return known
        async with self.local(source) as given:
            await trio.to_thread.run_sync(partial(self._put, name, partial(make, given)))
        return await self._there(name)


def media_in(folder: Path) -> FolderMedia:
    """Return the files in a bot's folder on this machine, for stores that keep them elsewhere."""
    return FolderMedia(folder)


def _make_folders(top: Path, folder: Path) -> None:
    """Make the folders below a bot's own down to one, each for its owner alone.

    Raises:
        FileNotFoundError: The bot's own is not there: it was deleted, and does not come back.
    """
    if not top.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(top))
    inner = folder.relative_to(top.resolve())
    for depth in range(1, len(inner.parts) + 1):
        make_private_folder(top.joinpath(*inner.parts[:depth]))


def key_missing(bot_id: str) -> EncryptionKeyMissing:
    """Return the error for a bot that is encrypted, where no key is named at all."""
    return EncryptionKeyMissing(
        f"{f'The bot {bot_id} is' if bot_id else 'they are'} encrypted, and no key is named.",
        "Say where the key is as encrypt in [store] (MEETCORE_STORE__ENCRYPT), for instance "
        "file:/run/secrets/meetcore-key.",
    )


def named(bot_ids: Sequence[str]) -> str:
    """Return a few ids, and how many there are besides."""
    more = f" and {len(bot_ids) - _MOST_NAMED} more" if len(bot_ids) > _MOST_NAMED else ""
    return ", ".join(bot_ids[:_MOST_NAMED]) + more


class _EncryptedBotLog(BotLog):
    """The log of a bot for which there is no key: it is there, and cannot be read."""

    def __init__(self, bot_id: str) -> None:
        self.bot_id = bot_id

    async def exists(self) -> bool:
        """Return that it is there."""
        await trio.lowlevel.checkpoint()
        return True

    async def read(
        self, after: int = 0, *, types: Collection[type[Event]] | None = None
    ) -> AsyncGenerator[Event, None]:
        """Raise `EncryptionKeyMissing`."""
        del after, types
        await trio.lowlevel.checkpoint()
        raise key_missing(self.bot_id)
        yield  # makes it a generator


class FolderStore(BotStore):
    """A folder of bots' folders. It is there without a plugin.

    Args:
        folder: The folder; made where it is not there.
        fsync: Whether what is written is brought to the disk.
    """

    name: ClassVar[str] = "folder"
    lags: ClassVar[bool] = False

    def __init__(self, folder: Path | str, *, fsync: bool = True) -> None:
        self.folder = Path(folder)
        self._fsync = fsync

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    def workplace(self, bot_id: str) -> Path:
        """Return the bot's folder: what it writes is kept where it is."""
        return self.folder / checked_bot_id(bot_id)

    def _refuse_encrypted(self, bot_id: str) -> None:
        """Raise `EncryptionKeyMissing` for a bot that is encrypted: this store has no key."""
        if encrypted_log_path(self.workplace(bot_id)).exists():
            raise key_missing(bot_id)

    async def prepare(self, bot_id: str) -> None:
        """Make the bot's folder."""
        self._refuse_encrypted(bot_id)
        folder = self.workplace(bot_id)
        await in_writer_thread(partial(make_bot_folder, folder.parent, folder.name))

    async def begin(self, bot_id: str, head: Sequence[Event]) -> None:
        """Make a bot's folder and write the beginning of its journal, down to the disk."""
        self._refuse_encrypted(bot_id)
        folder = self.workplace(bot_id)
        given_up, new = False, False

        def write() -> None:
            nonlocal new
            new = not journal_path(folder).exists()
            try:
                if not given_up:
                    self._begin(bot_id, head)
            finally:
                if given_up and new:  # it hung, and nobody waits for it any more
                    shutil.rmtree(folder, ignore_errors=True)

        try:
            await in_writer_thread(write)
        except BaseException:
            given_up = True
            if new:
                with trio.move_on_after(_REMOVE_WITHIN_S) as limit:
                    limit.shield = True
                    await in_writer_thread(partial(shutil.rmtree, folder, ignore_errors=True))
            raise

    def _begin(self, bot_id: str, head: Sequence[Event]) -> None:
        place = self.workplace(bot_id)
        folder = make_bot_folder(place.parent, place.name)
        journal = Journal(journal_path(folder), bot_id, fsync=self._fsync)
        try:
            begin(journal, head)
        finally:
            journal.close()

    async def end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        """Write the end of a bot that nobody runs; its folder may be gone."""
        self._refuse_encrypted(bot_id)
        await in_writer_thread(partial(self._end, bot_id, reason, evidence))

    def _end(self, bot_id: str, reason: EndReason, evidence: Evidence) -> None:
        place = self.workplace(bot_id)
        folder = make_bot_folder(place.parent, place.name)
        write_end_in(folder, reason, evidence, fsync=self._fsync)

    async def runner(self, bot_id: str) -> Runner | None:
        """Return which process holds the bot's journal."""
        return await in_writer_thread(partial(runner_of, self.workplace(bot_id)))

    def log(self, bot_id: str, *, urgent: bool = False) -> BotLog:
        """Return a bot's log."""
        folder = self.workplace(bot_id)
        if encrypted_log_path(folder).exists():
            return _EncryptedBotLog(bot_id)
        return FolderLog(folder, urgent=urgent)

    def media(self, bot_id: str) -> MediaStore:
        """Return a bot's files.

        Raises:
            EncryptionKeyMissing: It is encrypted.
        """
        self._refuse_encrypted(bot_id)
        return FolderMedia(self.workplace(bot_id))

    async def records(self, *, after: str | None = None) -> AsyncGenerator[BotRecord, None]:
        """Yield the bots there are."""
        for bot_id in await in_writer_thread(self._bot_ids):
            if after is None or bot_id > after:
                yield BotRecord(bot_id=bot_id)

    def _bot_ids(self) -> list[str]:
        encrypted = [path.name for path in encrypted_bot_folders(self.folder)]
        plain = [folder.name for folder in bot_folders(self.folder) if folder != self.folder]
        return sorted({*plain, *encrypted}) if encrypted else plain

    async def unreadable(self) -> str:
        """Return which bots are encrypted, for which this store has no key."""
        folders = await in_writer_thread(partial(encrypted_bot_folders, self.folder))
        found = [folder.name for folder in folders]
        return f"{named(found)}: {key_missing('').message}" if found else ""

    async def delete(self, bot_id: str) -> Deletion:
        """Delete a bot's folder."""
        return await in_writer_thread(partial(delete_folder, self.workplace(bot_id)))

    @asynccontextmanager
    async def checkout(self, bot_id: str) -> AsyncIterator[Path]:
        """Hold the bot's folder."""
        self._refuse_encrypted(bot_id)
        folder = self.workplace(bot_id)
        if await in_writer_thread(partial(is_running, folder)):
            raise JournalBusy(f"The bot {bot_id} is running.", "Wait for it to end, or stop it.")
        yield folder

    @asynccontextmanager
    async def keep(self, bot_id: str, journal: JournalView) -> AsyncIterator[Lease]:
        """Do nothing: what the bot writes is kept where it is, and its journal is the lease."""
        await trio.lowlevel.checkpoint()
        yield Lease()

    async def trouble(self) -> str:
        """Return what is wrong with the folder: it cannot be written, or its disk is full."""
        return await in_writer_thread(self._trouble)

    def _trouble(self) -> str:
        folder = self.folder.absolute()
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            return "the bots' folder cannot be written"
        try:
            left = shutil.disk_usage(folder).free
        except OSError as error:
            return f"the disk that holds the bots' folder cannot be asked: {error.strerror}"
        if left < _LEAST_FREE_BYTES:
            return f"the disk that holds the bots' folder has {left / 1e6:.1f} MB left"
        return ""
