"""Uploads the recordings of a bot while they grow, and makes files of what a killed one uploaded.

A recording is uploaded in parts, in order, whenever it has grown by another one. A part has 5 MiB
at least by the protocol, which is half an hour of speech, so what is beyond the last part is kept
as well, every half a minute, in an object of its own under `tails/`: only what is new since the
last time. When the bot has ended, what is missing is added and the parts become the file. A part
that is not any more what the file has there (a header that was written at the end) is replaced;
where another file took its place, as when the index of a film was put in front, that one is
uploaded anew, and what there is of the old one stays until all of the new one is there.

While the parts are open nobody can read them, not even who uploaded them. So if the machine is
lost, another one makes an object of the parts there are, reads that, and appends the tail; the
sinks then make whole files of it, as after any crash. On the machine on which the bot ran a note in
its workplace says which uploads are its own, and the files there are the truth.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import trio
from attrs import define, field

from meetcore import Lease, NoSuchFile, StorageUnavailable, checked_file_name
from meetcore.log import media_in, private_file
from meetcore_s3.objects import BucketObjects, FilePart, OpenUpload, PendingUpload
from meetcore_s3.troubles import BucketTrouble

__all__ = ["GrowingFiles"]

_LOG = logging.getLogger("meetcore.s3")
_NOTES = ".s3-uploads.json"
_LOOK_EVERY_S = 1.0
_AGAIN_AFTER_S = 2.0
_MOST_PARTS = 9_000
"""A recording is not uploaded beyond this while it grows: there are 10,000 parts at most."""

_PARTS_MARK = "parts"
_RECORDINGS = frozenset(
    ".aac .flac .m4a .mka .mkv .mov .mp3 .mp4 .oga .ogg .opus .ts .wav .weba .webm".split()  # noqa: SIM905
)


@define
class _FormerFile:
    """What a bucket has of recordings that are other files now.

    Attributes:
        uploads: Their uploads.
        tails: The first bytes of the objects of their tails.
        size: How much of the newest of them there is, in bytes.
    """

    uploads: list[PendingUpload] = field(factory=list)
    tails: set[int] = field(factory=set)
    size: int = 0


@define
class _GrowingFile:
    """A recording that grows.

    Attributes:
        inode: Which file of the disk it is: another one begins anew.
        upload: The upload in parts, None before the first.
        tail: What is kept beyond the parts: first byte and the one after the last of each object.
        tail_at: When that was looked at last, or the file was seen first.
        size: How large it was at the last look.
        former: What is kept of the file that it took the place of, until all of it is kept itself.
    """

    inode: int
    upload: OpenUpload | None = None
    tail: list[tuple[int, int]] = field(factory=list)
    tail_at: float = 0.0
    size: int = -1
    former: _FormerFile | None = None

    @property
    def sent(self) -> int:
        """How many bytes are in parts."""
        return self.upload.sent if self.upload is not None else 0


class GrowingFiles:
    """The recordings of one bot.

    Args:
        objects: The bucket's objects.
        files: What the keys of the bot's files begin with.
        tails: What the keys of its tails begin with.
        folder: Its workplace.
        part_bytes: How large a part is.
        tail_every_s: How often the tail is kept; 0 for never.
    """

    def __init__(
        self,
        objects: BucketObjects,
        files: str,
        tails: str,
        folder: Path,
        part_bytes: int,
        tail_every_s: float,
    ) -> None:
        self._objects = objects
        self._files = files
        self._tails = tails
        self._folder = folder
        self._part_bytes = part_bytes
        self._tail_every_s = tail_every_s
        self._growing: dict[str, _GrowingFile] = {}
        self._left: list[PendingUpload] = []
        self._told = False

    # --- while the bot runs --------------------------------------------------------------------

    def follows(self, name: str) -> bool:
        """Return whether a file is one that is uploaded while it grows."""
        return PurePosixPath(name).suffix.lower() in _RECORDINGS

    async def run(self, lease: Lease) -> None:
        """Upload what grows, until the lease is lost; trouble is tried again."""
        noted = False
        while not lease.lost.is_set():
            pause_s = min(_LOOK_EVERY_S, self._tail_every_s / 2 or _LOOK_EVERY_S)
            noted = noted or await self._note()
            for name in await self._names():
                try:
                    await self._carry(name)
                except (StorageUnavailable, OSError) as error:
                    self._tell(name, error)
                    pause_s = _AGAIN_AFTER_S
                else:
                    self._told = False
            await trio.sleep(pause_s)

    async def _note(self) -> bool:
        """Leave word that the bot runs here; return whether that could be written."""
        try:
            await trio.to_thread.run_sync(self._write_notes)
        except OSError as error:  # a full disk ends no bot
            self._tell(_NOTES, error)
            return False
        return True

    async def _names(self) -> list[str]:
        async with aclosing(media_in(self._folder).files()) as files:
            return [file.name async for file in files if self.follows(file.name)]

    def _tell(self, name: str, error: Exception) -> None:
        if not self._told:
            _LOG.warning("%s%s cannot be uploaded now: %s", self._files, name, error)
        self._told = True

    async def _carry(self, name: str) -> None:
        """Upload what a file has grown by."""
        path = self._folder / name
        try:
            about = await trio.to_thread.run_sync(path.stat)
        except FileNotFoundError:
            return
        size, growing = about.st_size, self._growing.get(name)
        if growing is None or growing.inode != about.st_ino or size < growing.sent:
            former = None if growing is None else _former(growing)
            growing = _GrowingFile(about.st_ino, tail_at=trio.current_time(), former=former)
            self._growing[name] = growing
        try:
            await self._carry_parts(name, path, growing, size)
        except BucketTrouble as error:
            if not error.missing:
                raise
            growing.upload = None  # somebody dropped it: a rule of the bucket, say
        if growing.former is not None:
            await self._replace(name, path, growing, growing.former, size)
        else:
            await self._carry_tail(name, path, growing, size)
        growing.size = size

    async def _carry_parts(self, name: str, path: Path, growing: _GrowingFile, size: int) -> None:
        while size - growing.sent >= self._part_bytes:
            if growing.upload is None:
                growing.upload = await self._objects.begin_upload(self._files + name)
                await trio.to_thread.run_sync(self._write_notes)
            number = len(growing.upload.parts) + 1
            if number > _MOST_PARTS:
                return
            await self._objects.put_part(growing.upload, path, number, self._part_bytes)
            await trio.to_thread.run_sync(self._write_notes)
            covered = [each for each in growing.tail if each[1] <= growing.sent]
            if covered:
                await self._objects.delete([self._tail_key(name, each[0]) for each in covered])
                growing.tail = [each for each in growing.tail if each not in covered]

    async def _carry_tail(self, name: str, path: Path, growing: _GrowingFile, size: int) -> None:
        now = trio.current_time()
        first = max(growing.sent, growing.tail[-1][1] if growing.tail else 0)
        due = self._tail_every_s and now - growing.tail_at >= self._tail_every_s
        if due and size > first:
            await self._objects.put_slice(self._tail_key(name, first), path, first, size - first)
            growing.tail.append((first, size))
            growing.tail_at = now

    async def _replace(
        self, name: str, path: Path, growing: _GrowingFile, former: _FormerFile, size: int
    ) -> None:
        """Drop what was uploaded of an old file when the bucket has all of the new one.

        The new one may be on its way still: it is not taken for whole before it is as large as the
        old one was, or stands still. Its tail is put first, so that both are there for a moment.
        """
        rest = size - growing.sent
        if size < former.size and size != growing.size:
            return
        if not size or rest >= self._part_bytes or (not self._tail_every_s and not growing.sent):
            return  # not in parts yet, and a tail is not to be kept: `put` will have it
        if rest and self._tail_every_s:
            key = self._tail_key(name, growing.sent)
            await self._objects.put_slice(key, path, growing.sent, rest)
            growing.tail, growing.tail_at = [(growing.sent, size)], trio.current_time()
        for upload in former.uploads:
            await self._objects.abort_quietly(upload)
        old = former.tails - {first for first, _ in growing.tail}
        await self._objects.delete([self._tail_key(name, first) for first in sorted(old)])
        growing.former = None

    # --- when a file is whole ------------------------------------------------------------------

    async def put(self, name: str, path: Path, key: str) -> None:
        """Put a whole file, with the parts of it that are there already.

        What else is there of it, or of a file whose place it took, stays until all is settled: if
        this breaks off, nothing is lost.
        """
        growing = self._growing.get(name)
        about = await trio.to_thread.run_sync(path.stat)
        whole = True
        if growing is not None and growing.upload is not None and growing.inode == about.st_ino:
            upload = growing.upload
            if about.st_size > upload.part_bytes:
                try:
                    await self._objects.finish_upload(upload, path)
                    whole = False
                except BucketTrouble as error:
                    if not error.missing:
                        raise
        if whole:
            await self._objects.put_file(key, path)
        if growing is not None:
            self._growing.pop(name, None)
            await trio.to_thread.run_sync(self._write_notes)

    async def settle(self) -> bool:
        """Drop what belongs to no file any more; return whether all of it went."""
        left = [upload for each in self._growing.values() for upload in _former(each).uploads]
        try:
            # Also one whose beginning was never answered: nobody else lists what there is.
            for upload in dict.fromkeys(
                [*left, *self._left, *await self._objects.pending(self._files)]
            ):
                await self._objects.abort(upload)
            tails = [str(each["Key"]) async for each in self._objects.below(self._tails)]
            await self._objects.delete(tails)
        except StorageUnavailable as error:
            _LOG.warning("%s what is not needed any more stays for now: %s", self._files, error)
            return False
        self._growing.clear()
        self._left.clear()
        notes = self._folder / _NOTES
        await trio.to_thread.run_sync(partial(notes.unlink, missing_ok=True))
        return True

    # --- after a crash -------------------------------------------------------------------------

    async def salvage(self) -> None:
        """Take up the uploads of a killed bot: on its machine go on, elsewhere make files of them.

        Raises:
            StorageUnavailable: The bucket does not answer.
        """
        pending = await self._objects.pending(self._files)
        notes = await trio.to_thread.run_sync(self._read_notes)
        if notes is None:
            await self._make_files(pending)
            return
        for upload in pending:
            noted = notes.get(upload.upload_id)
            name = upload.key.removeprefix(self._files)
            inode = await trio.to_thread.run_sync(_inode, self._folder / name)
            if noted is not None and noted.key == upload.key and inode is not None:
                self._growing[name] = _GrowingFile(inode, noted)
            else:
                self._left.append(upload)

    async def _make_files(self, pending: list[PendingUpload]) -> None:
        parts = {upload: await self._objects.parts_of(upload) for upload in pending}
        best: dict[str, PendingUpload] = {}
        # Of two that have as much the older one comes first: the tail there is may be its own.
        for upload in sorted(pending, key=lambda each: -sum(size for _, size in parts[each])):
            if best.setdefault(upload.key.removeprefix(self._files), upload) is not upload:
                self._left.append(upload)
        tails: dict[str, dict[int, int]] = {}
        marked: set[str] = set()
        async with aclosing(self._objects.below(self._tails)) as objects:
            async for found in objects:
                name, _, place = str(found["Key"]).removeprefix(self._tails).rpartition("/")
                if place == _PARTS_MARK:
                    marked.add(name)
                elif place.isdigit():
                    tails.setdefault(name, {})[int(place)] = int(found["Size"])
        for name in sorted({*best, *tails, *marked}):
            try:
                checked_file_name(name)
            except NoSuchFile:
                continue
            cut_off = best.get(name)
            key = self._files + name
            if name not in marked and await self._objects.stat(key) is not None:
                # It is whole, and what is open is of what it took the place of.
                self._left += [] if cut_off is None else [cut_off]
                continue
            if cut_off is not None and parts[cut_off]:
                # Said before it is done: an object of parts is not taken for the whole file.
                await self._objects.put_bytes(f"{self._tails}{name}/{_PARTS_MARK}", b"")
                etags = [etag for etag, _ in parts[cut_off]]
                await self._objects.complete(cut_off.key, cut_off.upload_id, etags)
                marked.add(name)
            elif cut_off is not None:
                self._left.append(cut_off)
            await self._make_file(name, tails.get(name, {}))

    async def _make_file(self, name: str, tail: dict[int, int]) -> None:
        """Lay out a file as far as it was uploaded.

        Args:
            name: The file; where there is an object of it, that has parts alone.
            tail: Size of each object of its tail, by its first byte: it belongs behind that.
        """
        key = self._files + name
        there = await self._objects.stat(key)
        at = 0 if there is None else int(there["ContentLength"])
        found = [] if there is None else [(key, 0)]
        for first, size in sorted(tail.items()):
            if first <= at < first + size:
                found.append((self._tail_key(name, first), at - first))
                at = first + size
        here = media_in(self._folder)
        known = await here.stat(name)
        if at and (known is None or known.size_bytes < at):
            async with aclosing(self._pieces(found)) as pieces:
                await here.write(name, pieces)

    async def _pieces(self, found: Sequence[tuple[str, int]]) -> AsyncGenerator[bytes, None]:
        for key, first in found:
            async with aclosing(self._objects.read(key, first)) as pieces:
                async for piece in pieces:
                    yield piece

    # --- the note in the workplace ------------------------------------------------------------

    def _write_notes(self) -> None:
        uploads = [
            {
                "key": upload.key,
                "upload_id": upload.upload_id,
                "part_bytes": upload.part_bytes,
                "parts": [[part.etag, part.md5] for part in upload.parts],
            }
            for upload in (growing.upload for growing in self._growing.values())
            if upload is not None
        ]
        notes = self._folder / _NOTES
        spare = notes.with_suffix(".new")
        private_file(spare).write_text(json.dumps({"format": 1, "uploads": uploads}), "utf-8")
        spare.replace(notes)

    def _read_notes(self) -> dict[str, OpenUpload] | None:
        """Return the uploads that were begun on this machine, by their names; None elsewhere."""
        try:
            body: dict[str, Any] = json.loads((self._folder / _NOTES).read_text("utf-8"))
            return {
                str(each["upload_id"]): OpenUpload(
                    str(each["key"]),
                    str(each["upload_id"]),
                    int(each["part_bytes"]),
                    [FilePart(str(etag), str(md5)) for etag, md5 in each["parts"]],
                )
                for each in body["uploads"]
            }
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # torn: it is this machine, and nothing of it can be used

    def _tail_key(self, name: str, first: int) -> str:
        return f"{self._tails}{name}/{first:016d}"


def _pending(upload: OpenUpload) -> PendingUpload:
    return PendingUpload(upload.key, upload.upload_id)


def _former(growing: _GrowingFile) -> _FormerFile:
    """Return all that is kept of a file, as of one whose place another took."""
    known = growing.former or _FormerFile()
    uploads = [] if growing.upload is None else [_pending(growing.upload)]
    tails = {first for first, _ in growing.tail}
    kept = max([growing.sent, *(last for _, last in growing.tail)])
    return _FormerFile([*known.uploads, *uploads], known.tails | tails, max(known.size, kept))


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
