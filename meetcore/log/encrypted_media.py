"""The files of a bot, encrypted: their names, too.

A file is frames of 64 KiB, so that part of it is read without the rest. The first frame says its
name and how long it is: one that was cut off is seen at once. A recording that is growing does not
say how long it is; its frames are as long as what came together, and what of it is whole is read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

import trio
from attrs import define, frozen

from meetcore.log.encrypted_frames import (
    FRAME_EXTRA_BYTES,
    HEADER_BYTES,
    FrameCipher,
    frame_length,
    new_file,
    opened_file,
)
from meetcore.log.encryption_keys import MasterKeys
from meetcore.log.folder_store import in_writer_thread
from meetcore.log.scratch import scratch_folder
from meetcore.model.errors import EncryptionKeyMissing, FileDamaged, NoSuchFile, StorageUnavailable
from meetcore.plugin.store import MediaStore, StoredFile, checked_file_name

__all__ = ["EncryptedMedia", "GrowingCopy"]

FRAME_BYTES = 64 * 1024
_AT_ONCE = 4
_GROWN_BYTES = 1024 * 1024
_MOST_AT_ONCE = 64 * _GROWN_BYTES
_MOST_ABOUT = 64 * 1024
_SPARE_S = 3600.0
_DAMAGED = "Restore it from a copy, or delete the bot."


@frozen
class _FirstFrame:
    """What the first frame of a file says.

    Attributes:
        name: The file's name.
        size_bytes: How long it is; None while it grows.
    """

    name: str
    size_bytes: int | None

    def packed(self) -> bytes:
        return json.dumps({"name": self.name, "size": self.size_bytes}).encode()


class _OpenFile:
    """An encrypted file, open for reading.

    Args:
        path: The file.
        bot_id: The bot.
        keys: The keys there are.

    Raises:
        FileNotFoundError: There is none.
        EncryptionKeyMissing: It needs another key.
        FileDamaged: It does not begin as it should, or is not as long as it says.
    """

    def __init__(self, path: Path, bot_id: str, keys: MasterKeys) -> None:
        self.what = f"A file of the bot {bot_id} ({path.name})"
        self._file: BinaryIO = path.open("rb")
        try:
            status = os.fstat(self._file.fileno())
            self.modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
            self._disk_bytes = status.st_size
            self._cipher = opened_file(
                keys, self._file.read(HEADER_BYTES), _purpose(bot_id), self.what
            )
            self.about = self._first()
            if self.about.size_bytes is not None and self._whole_bytes() != status.st_size:
                raise FileDamaged(f"{self.what} is not as long as it was.", _DAMAGED)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def _first(self) -> _FirstFrame:
        head = self._file.read(8)
        length = frame_length(head)
        if length is not None and length <= _MOST_ABOUT:
            frame = self._cipher.read(head + self._file.read(FRAME_EXTRA_BYTES + length - 8))
            if frame is not None and frame.number == 0:
                told = json.loads(frame.content)
                self._begin = HEADER_BYTES + FRAME_EXTRA_BYTES + length
                return _FirstFrame(str(told["name"]), told["size"])
        raise FileDamaged(f"The beginning of {self.what} is damaged.", _DAMAGED)

    def _whole_bytes(self) -> int:
        size = self.about.size_bytes or 0
        return self._begin + size + -(-size // FRAME_BYTES) * FRAME_EXTRA_BYTES

    @property
    def size_bytes(self) -> int:
        """How much there is of it."""
        if self.about.size_bytes is not None:
            return self.about.size_bytes
        return sum(length for _, length in self._grown())

    def _grown(self) -> Iterator[tuple[int, int]]:
        """Yield where each frame of a growing file begins, and how long its content is."""
        at = self._begin
        while True:
            self._file.seek(at)
            length = frame_length(self._file.read(8))
            if length is None or at + FRAME_EXTRA_BYTES + length > self._disk_bytes:
                return
            yield at, length
            at += FRAME_EXTRA_BYTES + length

    def pieces(self, first: int, length: int | None) -> Iterator[bytes]:
        """Yield a part of it, frame by frame; only the frames that it lies in are decrypted.

        Raises:
            FileDamaged: One of them is damaged.
        """
        until = self.size_bytes if length is None else min(self.size_bytes, first + length)
        if self.about.size_bytes is None:
            places = self._grown()
            number, begin = 1, 0
        else:
            skipped = first // FRAME_BYTES
            places = self._even(skipped)
            number, begin = skipped + 1, skipped * FRAME_BYTES
        for at, size in places:
            if begin >= until:
                return
            if begin + size > first:
                yield self._content(at, size, number)[max(0, first - begin) : until - begin]
            begin, number = begin + size, number + 1

    def _even(self, skipped: int) -> Iterator[tuple[int, int]]:
        left = (self.about.size_bytes or 0) - skipped * FRAME_BYTES
        at = self._begin + skipped * (FRAME_BYTES + FRAME_EXTRA_BYTES)
        while left > 0:
            size = min(left, FRAME_BYTES)
            yield at, size
            at, left = at + size + FRAME_EXTRA_BYTES, left - size

    def _content(self, at: int, size: int, number: int) -> bytes:
        self._file.seek(at)
        frame = self._cipher.read(self._file.read(size + FRAME_EXTRA_BYTES))
        if frame is None or frame.number != number or len(frame.content) != size:
            raise FileDamaged(f"{self.what} is damaged at its byte {at}.", _DAMAGED)
        return frame.content


def _purpose(bot_id: str) -> bytes:
    return b"file\0" + bot_id.encode()


@define
class GrowingCopy:
    """The encrypted copy of a recording that grows.

    Attributes:
        inode: Which file of the workplace it is a copy of.
        fd: The copy, open.
        cipher: Its cipher.
        number: Number of its next frame.
        end: Where that will begin.
        copied: How many bytes of the recording it has.
    """

    inode: int
    fd: int
    cipher: FrameCipher
    number: int
    end: int
    copied: int = 0

    def close(self) -> None:
        """Let the file go; a second time nothing happens."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def take(self, source: Path, size: int) -> None:
        """Append what the recording has grown by, not more than 64 MiB at once. Blocks.

        Raises:
            OSError: It cannot be read or written; what was appended before is whole.
        """
        size = min(size, self.copied + _MOST_AT_ONCE)
        with source.open("rb") as file:
            file.seek(self.copied)
            while self.copied < size:
                content = file.read(min(_GROWN_BYTES, size - self.copied))
                if not content:
                    return
                frame = self.cipher.frame(self.number, content)
                try:
                    if os.pwrite(self.fd, frame, self.end) != len(frame):
                        raise OSError(28, os.strerror(28))
                except OSError:
                    os.ftruncate(self.fd, self.end)
                    raise
                self.end += len(frame)
                self.number += 1
                self.copied += len(content)


class EncryptedMedia(MediaStore):
    """The encrypted files of a bot.

    Args:
        folder: The folder they lie in; made when there is one, in that of the bot.
        bot_id: The bot.
        keys: The keys there are.
        memory: A folder in memory, for files that libraries want a path of.
        fsync: Whether what is put is brought to the disk.
    """

    def __init__(
        self, folder: Path, bot_id: str, keys: MasterKeys, memory: Path, *, fsync: bool = True
    ) -> None:
        self._folder = folder
        self._bot_id = bot_id
        self._keys = keys
        self._memory = memory
        self._fsync = fsync

    # --- where files lie -----------------------------------------------------------------------

    def _names_of(self, name: str) -> list[Path]:
        return [self._folder / key.file_name(self._bot_id, name) for key in self._keys.all]

    @contextmanager
    def _opened(self, name: str) -> Iterator[_OpenFile]:
        """Hold a file open.

        Raises:
            NoSuchFile: There is none.
            EncryptionKeyMissing, FileDamaged: It cannot be read.
        """
        checked = checked_file_name(name)
        for path in self._names_of(checked):
            try:
                file = _OpenFile(path, self._bot_id, self._keys)
            except FileNotFoundError:
                continue
            try:
                if file.about.name != checked:
                    raise FileDamaged(f"{file.what} has the place of another.", _DAMAGED)
                yield file
            finally:
                file.close()
            return
        raise NoSuchFile(name)

    def _stat(self, name: str) -> StoredFile | None:
        try:
            with self._opened(name) as file:
                return _stored(file)
        except (NoSuchFile, ValueError):
            return None

    async def stat(self, name: str) -> StoredFile | None:
        """Return what is known about a file, None where there is none."""
        return await in_writer_thread(partial(self._stat, name))

    async def files(self, under: str = "") -> AsyncGenerator[StoredFile, None]:
        """Yield the files there are, in order of name."""
        for found in await in_writer_thread(partial(self._files, under)):
            yield found

    def _files(self, under: str) -> list[StoredFile]:
        prefix = f"{checked_file_name(under)}/" if under else ""
        found: dict[str, StoredFile] = {}
        for path in self._paths():
            with suppress(FileNotFoundError):  # deleted this moment
                file = _OpenFile(path, self._bot_id, self._keys)
                try:
                    stored = _stored(file)
                finally:
                    file.close()
                if stored.name.startswith(prefix):
                    found[stored.name] = stored
        return [found[name] for name in sorted(found)]

    def _paths(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def count(self) -> int:
        """Return how many files there are. Blocks."""
        return len(self._paths())

    # --- reading -------------------------------------------------------------------------------

    async def read(
        self, name: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a file, or part of it, a piece at a time."""
        opened = self._opened(name)
        file = await in_writer_thread(opened.__enter__)
        try:
            pieces = file.pieces(first, length)
            while batch := await in_writer_thread(partial(_next, pieces)):
                yield batch
        finally:
            opened.__exit__(None, None, None)

    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        """Hold a file, decrypted, in memory."""
        with scratch_folder(self._memory) as folder:
            path = folder / PurePosixPath(checked_file_name(name)).name
            await in_writer_thread(partial(self._lay_out, name, path))
            yield path

    def _lay_out(self, name: str, path: Path) -> None:
        with self._opened(name) as file, path.open("wb") as target:
            for piece in file.pieces(0, None):
                target.write(piece)

    async def derive(
        self, name: str, source: str, make: Callable[[Path, Path], None]
    ) -> StoredFile:
        """Return a file that is made of another one, once; it is made in memory."""
        known = await self.stat(name)
        if known is not None:
            return known
        async with self.local(source) as given:
            with scratch_folder(self._memory) as folder:
                made = folder / PurePosixPath(checked_file_name(name)).name
                await trio.to_thread.run_sync(make, given, made)
                return await self.put(name, made)

    # --- writing -------------------------------------------------------------------------------

    async def put(self, name: str, source: Path) -> StoredFile:
        """Keep a copy of a local file under a name."""
        return await in_writer_thread(partial(self._put, name, source))

    def _put(self, name: str, source: Path) -> StoredFile:
        with source.open("rb") as given:
            size = os.fstat(given.fileno()).st_size
            fd, spare, cipher, _ = self._begun(_FirstFrame(checked_file_name(name), size))
            try:
                with os.fdopen(fd, "wb") as target:
                    for number, at in enumerate(range(0, size, FRAME_BYTES), 1):
                        wanted = min(FRAME_BYTES, size - at)
                        content = given.read(wanted)
                        if len(content) != wanted:
                            raise StorageUnavailable(f"{name} became shorter while it was kept.")
                        target.write(cipher.frame(number, content))
                    target.flush()
                    if self._fsync:
                        os.fdatasync(target.fileno())
                self._placed(spare, name)
            except BaseException:
                spare.unlink(missing_ok=True)
                raise
        with self._opened(name) as file:
            return _stored(file)

    def _begun(self, about: _FirstFrame) -> tuple[int, Path, FrameCipher, int]:
        """Return a new file beside its place, open, with its first frame."""
        # Not the bot's folder, too: whoever deleted the bot meanwhile finds nothing of it again.
        self._folder.mkdir(mode=0o700, exist_ok=True)
        spare = self._folder / f".{uuid4().hex}"
        header, cipher = new_file(self._keys, _purpose(self._bot_id))
        begin = header + cipher.frame(0, about.packed())
        fd = os.open(spare, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.write(fd, begin) != len(begin):
                raise OSError(28, os.strerror(28))
        except BaseException:
            os.close(fd)
            spare.unlink(missing_ok=True)
            raise
        return fd, spare, cipher, len(begin)

    def _placed(self, spare: Path, name: str) -> None:
        path, *older = self._names_of(checked_file_name(name))
        spare.replace(path)
        for each in older:
            each.unlink(missing_ok=True)

    def grow(self, name: str, source: Path, copy: GrowingCopy | None) -> GrowingCopy | None:
        """Bring the copy of a recording up to what there is of it. Blocks.

        Args:
            name: Its name.
            source: The recording.
            copy: The copy as it was last time; None for the first.

        Returns:
            The copy, another where the recording is another file by now; None where it is gone.

        Raises:
            OSError: It cannot be written.
        """
        try:
            status = source.stat()
        except FileNotFoundError:
            if copy is not None:
                copy.close()
            return None
        if copy is not None and (
            copy.fd < 0 or copy.inode != status.st_ino or status.st_size < copy.copied
        ):
            copy.close()
            copy = None
        new = copy is None
        if copy is None:
            fd, spare, cipher, end = self._begun(_FirstFrame(checked_file_name(name), None))
            copy = GrowingCopy(status.st_ino, fd, cipher, 1, end)
            try:
                self._placed(spare, name)
            except BaseException:
                copy.close()
                spare.unlink(missing_ok=True)
                raise
        try:
            copy.take(source, status.st_size)
        except BaseException:
            if new:
                copy.close()
            raise
        return copy

    async def delete(self, name: str) -> bool:
        """Delete a file; return whether there was one."""
        return await in_writer_thread(partial(self.delete_now, name))

    def delete_now(self, name: str) -> bool:
        """Delete a file; return whether there was one. Blocks."""
        there = [path for path in self._names_of(checked_file_name(name)) if path.exists()]
        for path in there:
            path.unlink(missing_ok=True)
        return bool(there)

    def drop_growing(self) -> None:
        """Delete copies of recordings that were never finished, and what was not put. Blocks."""
        try:
            there = list(self._folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in there:
            if path.name.startswith("."):
                with suppress(FileNotFoundError):  # another may be writing it: what is derived
                    if path.stat().st_mtime < time.time() - _SPARE_S:
                        path.unlink()
                continue
            with suppress(FileNotFoundError, FileDamaged, EncryptionKeyMissing):
                file = _OpenFile(path, self._bot_id, self._keys)
                file.close()
                if file.about.size_bytes is None:
                    path.unlink(missing_ok=True)


def _next(pieces: Iterator[bytes]) -> bytes:
    """Return the next few pieces as one, empty where there are none."""
    found: list[bytes] = []
    for piece in pieces:
        found.append(piece)
        if len(found) == _AT_ONCE:
            break
    return b"".join(found)


def _stored(file: _OpenFile) -> StoredFile:
    return StoredFile(
        name=file.about.name, size_bytes=file.size_bytes, modified_at=file.modified_at
    )
