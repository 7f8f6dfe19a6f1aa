"""Files as objects of one bucket: put in one request or in parts, read in pieces, listed, deleted.

Knows keys, and nothing of bots.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import AsyncGenerator, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, field, frozen

from meetcore import StorageUnavailable
from meetcore_s3.client import BucketClient
from meetcore_s3.file_slice import FileSlice, md5_of
from meetcore_s3.options import LEAST_PART_BYTES
from meetcore_s3.troubles import BucketTrouble, words_of_code

__all__ = ["BucketObjects", "FilePart", "OpenUpload", "PendingUpload"]

_LOG = logging.getLogger("meetcore.s3")
_PIECE_BYTES = 256 * 1024
_MOST_PARTS = 10_000
_AT_ONCE = 1000
_MOST_NAMED = 5
_TIDY_WITHIN_S = 10.0
_RESUMES = 3
_TYPES = {".opus": "audio/ogg", ".flac": "audio/flac", ".jsonl": "application/jsonl"}


@frozen
class FilePart:
    """A part of a file that a bucket has taken.

    Attributes:
        etag: What the bucket calls it.
        md5: The MD5 of its bytes, as `Content-MD5` has it.
    """

    etag: str
    md5: str


@define
class OpenUpload:
    """A file that is being uploaded in parts.

    Attributes:
        key: The object that it becomes.
        upload_id: The bucket's name for it.
        part_bytes: How large each part is, but for the last.
        parts: Those that are there, from the first on.
    """

    key: str
    upload_id: str
    part_bytes: int
    parts: list[FilePart] = field(factory=list)

    @property
    def sent(self) -> int:
        """How many bytes of the file are in parts."""
        return len(self.parts) * self.part_bytes


@frozen
class PendingUpload:
    """An upload that a bucket has and that was not finished."""

    key: str
    upload_id: str


class BucketObjects:
    """The objects of a bucket.

    Args:
        client: Asks it.
        part_bytes: How large the parts of a large file are.
    """

    def __init__(self, client: BucketClient, part_bytes: int) -> None:
        self._client = client
        self._part_bytes = part_bytes

    # --- one object ----------------------------------------------------------------------------

    async def stat(self, key: str) -> dict[str, Any] | None:
        """Return what HEAD says of an object, None where there is none."""
        try:
            return await self._client.ask("head_object", Key=key)
        except BucketTrouble as error:
            if error.missing:
                return None
            raise

    async def read(
        self, key: str, first: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield an object, or part of it, a piece at a time; where it breaks off it goes on.

        Raises:
            BucketTrouble: There is none (`missing`), or it cannot be had.
        """
        at, last = first, None if length is None else first + length - 1
        if last is not None and last < first:
            if await self.stat(key) is None:
                raise BucketTrouble("There is no such object.", code="NoSuchKey", status=404)
            return
        etag: str | None = None
        for left in reversed(range(_RESUMES + 1)):
            wanted: dict[str, Any] = {} if etag is None else {"IfMatch": etag}
            if at or last is not None:
                wanted["Range"] = f"bytes={at}-{'' if last is None else last}"
            try:
                answer = await self._client.ask_for_file("get_object", Key=key, **wanted)
            except BucketTrouble as error:
                if error.status in (400, 416) and "Range" in wanted:
                    about = await self.stat(key)
                    if about is not None and at >= int(about["ContentLength"]):
                        return  # nothing lies there
                raise
            etag = str(answer["ETag"])
            body = answer["Body"]
            try:
                while piece := await self._client.read(body, _PIECE_BYTES):
                    at += len(piece)
                    yield piece
            except BucketTrouble:
                if not left:
                    raise
            else:
                return
            finally:
                body.close()

    async def put_bytes(self, key: str, data: bytes) -> None:
        """Put a small object."""
        await self._client.ask("put_object", Key=key, Body=data, **self._client.encryption)

    async def put_file(self, key: str, path: Path) -> None:
        """Put a file: whole when this returns, or not there at all.

        Raises:
            BucketTrouble: It cannot be put.
            OSError: It cannot be read.
        """
        size = await trio.to_thread.run_sync(lambda: path.stat().st_size)
        if size <= self._part_bytes:
            await self.put_slice(key, path, 0, size)
            return
        upload = await self.begin_upload(key, size)
        try:
            await self.finish_upload(upload, path)
        except BaseException:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _TIDY_WITHIN_S):
                await self.abort_quietly(PendingUpload(key, upload.upload_id))
            raise

    async def put_slice(self, key: str, path: Path, first: int, length: int) -> None:
        """Put a part of a file as an object."""
        md5 = await trio.to_thread.run_sync(partial(md5_of, path, first, length))
        await self._client.ask_for_file(
            "put_object",
            Key=key,
            Body=FileSlice(path, first, length) if length else b"",
            ContentMD5=md5,
            ContentType=_type_of(key),
            **self._client.encryption,
        )

    # --- in parts ------------------------------------------------------------------------------

    async def begin_upload(self, key: str, size: int = 0) -> OpenUpload:
        """Begin to upload a file in parts.

        Args:
            key: The object that it becomes.
            size: How large the file is at least; there are 10,000 parts at most.
        """
        part_bytes = self._part_bytes
        while part_bytes * _MOST_PARTS < size:
            part_bytes *= 2
        answer = await self._client.ask(
            "create_multipart_upload",
            Key=key,
            ContentType=_type_of(key),
            **self._client.encryption,
        )
        return OpenUpload(key, str(answer["UploadId"]), max(part_bytes, LEAST_PART_BYTES))

    async def put_part(self, upload: OpenUpload, path: Path, number: int, length: int) -> None:
        """Upload a part, the first of which has the number 1; one that is there is replaced.

        Raises:
            BucketTrouble: It cannot be, or the upload is not there any more (`missing`).
        """
        first = (number - 1) * upload.part_bytes
        md5 = await trio.to_thread.run_sync(partial(md5_of, path, first, length))
        answer = await self._client.ask_for_file(
            "upload_part",
            Key=upload.key,
            UploadId=upload.upload_id,
            PartNumber=number,
            Body=FileSlice(path, first, length),
            ContentMD5=md5,
        )
        part = FilePart(str(answer["ETag"]), md5)
        if number <= len(upload.parts):
            upload.parts[number - 1] = part
        else:
            upload.parts.append(part)

    async def finish_upload(self, upload: OpenUpload, path: Path) -> None:
        """Upload what is missing of a file, and what has changed since, and make it an object.

        Raises:
            BucketTrouble: It cannot be, or the upload is not there any more (`missing`).
            OSError: The file cannot be read.
        """
        size = await trio.to_thread.run_sync(lambda: path.stat().st_size)
        count = -(-size // upload.part_bytes)
        for number in range(1, count + 1):
            first = (number - 1) * upload.part_bytes
            length = min(upload.part_bytes, size - first)
            if number <= len(upload.parts):
                md5 = await trio.to_thread.run_sync(partial(md5_of, path, first, length))
                if upload.parts[number - 1].md5 == md5:
                    continue
            await self.put_part(upload, path, number, length)
        # Parts beyond the end of a file that became shorter are not named, and so are dropped.
        await self.complete(upload.key, upload.upload_id, [p.etag for p in upload.parts[:count]])

    async def complete(self, key: str, upload_id: str, etags: Iterable[str]) -> None:
        """Make an object of parts."""
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        await self._client.ask_for_file(
            "complete_multipart_upload",
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )

    async def parts_of(self, upload: PendingUpload) -> list[tuple[str, int]]:
        """Return ETag and size of the parts that an upload has, from the first on without a gap."""
        found: list[tuple[str, int]] = []
        marker = 0
        while True:
            answer = await self._client.ask(
                "list_parts", Key=upload.key, UploadId=upload.upload_id, PartNumberMarker=marker
            )
            for part in answer.get("Parts") or ():
                if int(part["PartNumber"]) != len(found) + 1:
                    return found
                found.append((str(part["ETag"]), int(part["Size"])))
            if not answer.get("IsTruncated"):
                return found
            marker = int(answer["NextPartNumberMarker"])

    async def abort(self, upload: PendingUpload) -> None:
        """Drop an upload and its parts."""
        try:
            await self._client.ask(
                "abort_multipart_upload", Key=upload.key, UploadId=upload.upload_id
            )
        except BucketTrouble as error:
            if not error.missing:
                raise

    async def abort_quietly(self, upload: PendingUpload) -> None:
        """Drop an upload where that works now; otherwise it goes with its bot."""
        try:
            await self.abort(upload)
        except StorageUnavailable as error:
            _LOG.warning("an upload of %s is left for now: %s", upload.key, error.message)

    # --- many ----------------------------------------------------------------------------------

    async def below(
        self, prefix: str, *, after: str | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what there is of the objects whose keys begin so, in the order of their keys."""
        wanted: dict[str, Any] = {"Prefix": prefix}
        if after is not None:
            wanted["StartAfter"] = after
        while True:
            answer = await self._client.ask("list_objects_v2", **wanted)
            for found in answer.get("Contents") or ():
                yield found
            if not answer.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = answer["NextContinuationToken"]

    async def pending(self, prefix: str) -> list[PendingUpload]:
        """Return the uploads below a prefix that were not finished."""
        found: list[PendingUpload] = []
        wanted: dict[str, Any] = {"Prefix": prefix}
        while True:
            answer = await self._client.ask("list_multipart_uploads", **wanted)
            found += [
                PendingUpload(str(each["Key"]), str(each["UploadId"]))
                for each in answer.get("Uploads") or ()
                if str(each["Key"]).startswith(prefix)
            ]
            if not answer.get("IsTruncated"):
                return found
            wanted["KeyMarker"] = answer["NextKeyMarker"]
            wanted["UploadIdMarker"] = answer["NextUploadIdMarker"]

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, as far as they are there; in a bucket with versions, the newest ones."""
        await self._delete([{"Key": key} for key in keys])

    async def delete_all(self, prefix: str, *, only: str | None = None) -> int:
        """Delete everything below a prefix: objects, all their versions, and unfinished uploads.

        Args:
            prefix: What their keys begin with.
            only: Nothing but the object with this key.

        Returns:
            How many objects there were.

        Raises:
            BucketTrouble: Something is there still.
        """
        for upload in await self.pending(prefix):
            if only is None or upload.key == only:
                await self.abort(upload)
        keys = [
            str(each["Key"])
            async for each in self.below(prefix)
            if only is None or each["Key"] == only
        ]
        await self._delete([{"Key": key} for key in keys])
        while versions := await self._versions(prefix, only):
            await self._delete(versions)
        return len(keys)

    async def _versions(self, prefix: str, only: str | None) -> list[dict[str, str]]:
        """Return some versions and marks of deletion; none where a server has no versions."""
        wanted: dict[str, Any] = {"Prefix": prefix}
        while True:
            try:
                answer = await self._client.ask("list_object_versions", **wanted)
            except BucketTrouble as error:
                if error.status in (400, 405, 501):
                    return []
                raise
            found = [
                {"Key": str(each["Key"]), "VersionId": str(each["VersionId"])}
                for kind in ("Versions", "DeleteMarkers")
                for each in answer.get(kind) or ()
                if str(each["Key"]).startswith(prefix) and (only is None or each["Key"] == only)
            ]
            if found or not answer.get("IsTruncated"):
                return found
            wanted["KeyMarker"] = answer["NextKeyMarker"]
            wanted["VersionIdMarker"] = answer["NextVersionIdMarker"]

    async def _delete(self, objects: Sequence[dict[str, str]]) -> None:
        for at in range(0, len(objects), _AT_ONCE):
            part = objects[at : at + _AT_ONCE]
            answer = await self._client.ask(
                "delete_objects", Delete={"Objects": part, "Quiet": True}
            )
            stayed = [e for e in answer.get("Errors") or () if e.get("Code") != "NoSuchKey"]
            if stayed:
                code = str(stayed[0].get("Code"))
                names = ", ".join(str(each.get("Key")) for each in stayed[:_MOST_NAMED])
                raise BucketTrouble(
                    f"{self._client.place}: {len(stayed)} objects could not be deleted: "
                    f"{words_of_code(code)} ({names}).",
                    "It is tried again by itself; a lock on objects has to end first.",
                    code=code,
                )


def _type_of(key: str) -> str:
    suffix = Path(key).suffix.lower()
    return _TYPES.get(suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"
