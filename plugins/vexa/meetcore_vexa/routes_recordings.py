"""The routes under /recordings: what was recorded, and its bytes.

A meeting's recording has the meeting's number; its files are the mix, the tracks, and the video
where there is one, numbered from 1.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import PurePosixPath
from typing import Any

from meetcore import ArtifactWritten, BotHistory
from meetcore.gateway import (
    BotQuery,
    BotRow,
    Client,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    bot_file,
    bots_of,
    delete_recordings,
    history_of,
)
from meetcore_vexa.bot_object import meeting_of
from meetcore_vexa.lookup import NAME, Lookup, integer
from meetcore_vexa.variants import Variant, zulu

__all__ = ["RecordingRoutes", "recording_body"]

LINK_LASTS_S = 3600.0


def media_of(row: BotRow, history: BotHistory) -> list[ArtifactWritten]:
    """Return the recordings of a bot: the mix of everybody first, the video last."""
    hidden = row.extras.get("recording_enabled") is False or row.extras.get("recording_deleted")
    if hidden or row.deleted_at is not None:
        return []
    files = [a for a in history.artifacts.values() if _kind(a) in ("audio", "video")]
    return sorted(files, key=lambda file: (_kind(file), file.kind != "audio.mix", file.path))


def _kind(file: ArtifactWritten) -> str:
    return file.media_type.partition("/")[0]


def recording_body(row: BotRow, history: BotHistory) -> dict[str, Any] | None:
    """Return a meeting's recording, None where nothing was recorded."""
    files = media_of(row, history)
    if not files:
        return None
    done = history.ended
    return {
        "id": row.number,
        "meeting_id": row.number,
        "user_id": row.user_id,
        "session_uid": row.bot_id,
        "source": "bot",
        "status": "completed" if done else "in_progress",
        "error_message": None,
        "created_at": zulu(history.recording_at or row.created_at),
        "completed_at": zulu(history.ended_at) if history.ended_at else None,
        "media_files": [_media(number, file) for number, file in enumerate(files, 1)],
    }


def _media(number: int, file: ArtifactWritten) -> dict[str, Any]:
    return {
        "id": number,
        "type": _kind(file),
        "format": PurePosixPath(file.path).suffix.removeprefix("."),
        "content_type": file.media_type,
        "file_size_bytes": file.size_bytes,
        "duration_seconds": file.duration_s,
        "created_at": zulu(file.at),
    }


class RecordingRoutes:
    """Handlers of the routes under /recordings.

    Args:
        lookup: The way in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return the routes."""
        media = "/recordings/{recording_id}/media/{media_id}"
        return [
            Route("GET", "/recordings", self.list),
            Route("GET", "/recordings/{recording_id}", self.get),
            Route("DELETE", "/recordings/{recording_id}", self.delete),
            Route("GET", "/recordings/{recording_id}/master", self.master),
            Route("GET", f"{media}/raw", self.raw),
            Route("GET", f"{media}/download", self.download),
        ]

    async def list(self, request: Request) -> Reply:
        """List recordings, newest first."""
        client = await self._lookup.client(request, Scope.READ)
        args = request.args
        limit = integer(["query", "limit"], args.get("limit", "50"), low=1, high=200)
        offset = integer(["query", "offset"], args.get("offset", "0"), low=0)
        wanted = args.get("meeting_id")
        meeting = None if wanted is None else integer(["query", "meeting_id"], wanted, low=0)
        found: list[dict[str, Any]] = []
        async with aclosing(bots_of(self._service, client, BotQuery(dialect=NAME))) as rows:
            async for row in rows:
                if meeting not in (None, row.number):
                    continue
                if row.in_call_at is not None and row.deleted_at is None:
                    body = recording_body(row, await history_of(self._service, row))
                    found += [body] if body else []
                if len(found) == offset + limit:
                    break
        return Reply(json={"recordings": found[offset : offset + limit]})

    async def get(self, request: Request) -> Reply:
        """Return one recording."""
        row, history = await self._found(request)
        body = recording_body(row, history)
        if body is None:
            raise Refusal(404, "Recording not found")
        return Reply(json=body)

    async def delete(self, request: Request) -> Reply:
        """Delete the files of a recording; its transcript stays."""
        await self._lookup.client(request, Scope.WRITE)
        row, history = await self._found(request)
        if not history.ended:
            raise Refusal(409, "Recording is in flight and cannot be deleted yet.")
        await delete_recordings(self._service, row)
        await self._service.put_extras(row, {**row.extras, "recording_deleted": True})
        return Reply(json={"status": "deleted", "recording_id": row.number})

    async def master(self, request: Request) -> Reply:
        """Return where the one file of the whole meeting is."""
        client = await self._lookup.client(request, Scope.READ)
        row, history = await self._found(request)
        wanted = request.args.get("type", "audio")
        master = {"audio": "audio.mix", "video": "video"}.get(wanted)
        for number, file in enumerate(media_of(row, history), 1):
            if file.kind == master:
                raw = f"/recordings/{row.number}/media/{number}/raw"
                body = {
                    **_media(number, file),
                    "recording_id": row.number,
                    "media_file_id": number,
                    "raw_url": raw,
                    **self._link(request, client, row, file),
                }
                return Reply(json=body)
        raise Refusal(404, f"There is no {wanted[:20]} master for this recording")

    async def raw(self, request: Request) -> Reply:
        """Send a file."""
        row, file = await self._media_of(request)
        name = PurePosixPath(file.path).name
        return Reply(
            file=await bot_file(self._service, row, file.path),
            media_type=file.media_type,
            headers={"Content-Disposition": f'inline; filename="{name}"'},
        )

    async def download(self, request: Request) -> Reply:
        """Return a link to a file that works without a key for an hour; in E4 the file itself."""
        caller = await self._lookup.caller(request)
        if caller.variant is Variant.E4:
            return await self.raw(request)
        row, file = await self._media_of(request)
        return Reply(
            json={
                **self._link(request, caller.client, row, file),
                "content_type": file.media_type,
                "file_size_bytes": file.size_bytes,
            }
        )

    def _link(
        self, request: Request, client: Client, row: BotRow, file: ArtifactWritten
    ) -> dict[str, Any]:
        """Return a link to a file that works without a key, under both of its names."""
        meeting, suffix = meeting_of(row), PurePosixPath(file.path).suffix
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in meeting.native_id)
        filename = f"{meeting.platform}_{stem}_{row.number}{suffix}"
        url = self._service.media_url(
            request.origin_url,
            row,
            file.path,
            client=client,
            expires_s=LINK_LASTS_S,
            filename=filename,
        )
        return {
            "url": url,
            "download_url": url,
            "filename": filename,
            "expires_in": int(LINK_LASTS_S),
        }

    async def _found(self, request: Request) -> tuple[BotRow, BotHistory]:
        client: Client = await self._lookup.client(request, Scope.READ)
        try:
            row = await self._lookup.numbered(client, request.params["recording_id"])
        except Refusal as error:
            if error.status != 404:
                raise
            raise Refusal(404, "Recording not found") from error
        history = await history_of(self._service, row)
        if not media_of(row, history):
            raise Refusal(404, "Recording not found")
        return row, history

    async def _media_of(self, request: Request) -> tuple[BotRow, ArtifactWritten]:
        row, history = await self._found(request)
        number = integer(["path", "media_id"], request.params["media_id"], low=0)
        files = media_of(row, history)
        if not 1 <= number <= len(files):
            raise Refusal(404, "Media file not found")
        return row, files[number - 1]
