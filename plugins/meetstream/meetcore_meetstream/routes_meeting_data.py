"""The REST routes that only read."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from meetcore import BotHistory
from meetcore.gateway import (
    BotQuery,
    BotRow,
    Client,
    Refusal,
    Reply,
    Request,
    RevisionState,
    Route,
    Scope,
    TranscriptRevision,
    format_ms,
    mixed_audio,
    newest_revision,
    page_of_bots,
    pictures_of,
    video_of,
)
from meetcore_meetstream.bot_object import (
    bot_and_revision,
    chats,
    detail,
    listed,
    participants,
    speaker_timeline,
    transcript_id,
    transcript_id_of,
)
from meetcore_meetstream.errors import wrong
from meetcore_meetstream.lookup import NAME, Lookup, everywhere
from meetcore_meetstream.recordings import separate_streams, shared_screens, video_info
from meetcore_meetstream.statuses import media_status, status_of
from meetcore_meetstream.transcripts import Lines, raw_line
from meetcore_meetstream.variants import Variant, attributes_of

__all__ = ["MeetingDataRoutes"]

_AUDIO_LINK_S = 3600.0
_VIDEO_LINK_S = 600.0
_PAGE = 50
_LONGEST_PAGE = 200
_CUSTOM = "custom_attr["
_PLATFORMS = {"gmeet": "google_meet", "zoom": "zoom", "teams": "teams"}


class MeetingDataRoutes:
    """Answers what clients want to know.

    Args:
        lookup: The service, and who comes in.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._service = lookup.service

    def routes(self) -> list[Route]:
        """Return its routes."""
        paths = {
            "/bots": self.bots,
            "/bots/{id}/status": self.status,
            "/bots/{id}/detail": self.detail,
            "/bots/{id}/details": self.detail,
            "/bots/{id}/summary": self.detail,
            "/bots/{id}/get_audio": self.audio,
            "/bots/{id}/get_video": self.video,
            "/bots/{id}/get_audio_streams": self.audio_streams,
            "/bots/{id}/get_recording_streams": self.recording_streams,
            "/bots/{id}/get_speaker_timeline": self.timeline,
            "/bots/{id}/get_chats": self.chats,
            "/bots/{id}/get_screenshots": self.screenshots,
            "/bots/{id}/get_participants": self.participants,
            "/bots/{id}/transcriptions": self.transcriptions,
            "/bots/{id}/get_transcript": self.transcript,
            "/transcript/{id}/get_transcript": self.transcript,
        }
        return [
            route
            for template, handler in paths.items()
            for route in everywhere("GET", template, handler)
        ]

    # --- bots ------------------------------------------------------------------------------

    async def status(self, request: Request) -> Reply:
        """Return where a bot is."""
        row = await self._lookup.bot(request)
        return Reply(
            json={
                "bot_id": row.bot_id,
                "status": status_of(row, self._lookup.of_bot(request, row)),
                "custom_attributes": attributes_of(row.extras),
            }
        )

    async def detail(self, request: Request) -> Reply:
        """Return everything about a bot."""
        row = await self._lookup.bot(request)
        variant = self._lookup.of_bot(request, row)
        history = await self._lookup.history(row)
        return Reply(json={"bot_details": detail(row, history, variant, transcript_id(row))})

    async def bots(self, request: Request) -> Reply:
        """List bots, newest first."""
        client = await self._lookup.client(request, Scope.READ)
        args = request.args
        limit = _whole(args, ("limit", "page_size"), _PAGE)
        limit = min(max(limit or _PAGE, 1), _LONGEST_PAGE)
        before = _whole(args, ("cursor", "nextCursor", "next_cursor"), None)
        wanted = _filters(args)

        async def choose(row: BotRow) -> dict[str, Any] | None:
            shown = listed(row, self._lookup.of_bot(request, row))
            return shown if _fits(row, shown, args.get("status"), wanted) else None

        query = _query(args, before)
        page, cursor = await page_of_bots(self._service, client, query, choose, limit)
        return Reply(
            json={
                "bots": page,
                "hasNextPage": cursor is not None,
                "nextCursor": None if cursor is None else str(cursor),
            }
        )

    # --- media -----------------------------------------------------------------------------

    async def audio(self, request: Request) -> Reply:
        """Return a link to the recording."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        if not row.ended:
            return _pending("Audio")
        url = await self._audio_url(request, row, history)
        if not url:
            raise Refusal(404, "No audio is available for this bot")
        return Reply(json={"audio_url": url})

    async def video(self, request: Request) -> Reply:
        """Return a link to the video, and what it is like."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        video = video_of(history)
        if not row.ended and row.extras.get("video"):
            return _pending("Video")
        if video is None or not row.ended:
            raise Refusal(404, "No video is available for this bot")
        info = await video_info(self._service, row, video)
        client = await self._lookup.client(request, Scope.READ)
        link = self._link(request, client, row, video.path, _VIDEO_LINK_S)
        return Reply(json={"video_url": link, "video_info": info})

    async def audio_streams(self, request: Request) -> Reply:
        """Return the recordings of single participants."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        if not row.ended:
            body = {"audio_status": "in_progress", "message": "The meeting is still in progress"}
            return Reply(status=202, json=body)
        url = await self._audio_url(request, row, history)
        client = await self._lookup.client(request, Scope.READ)
        people = []
        if row.extras.get("audio") is not False:
            people = await separate_streams(
                self._service,
                row,
                history,
                lambda path: self._link(request, client, row, path, _AUDIO_LINK_S),
            )
        streams = sum(len(each["streams"]) for each in people)
        return Reply(
            json={
                "bot_id": row.bot_id,
                "audio_status": media_status(row, bool(url)),
                "audio_available": bool(url),
                "participants": people,
                "summary": {
                    "total_participants": len(people),
                    "total_streams": streams,
                    "total_segments": streams,
                },
            }
        )

    async def recording_streams(self, request: Request) -> Reply:
        """Return the videos of the screens that were shared; single participants have none."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        if not row.ended:
            body = {"video_status": "in_progress", "message": "The meeting is still in progress"}
            return Reply(status=202, json=body)
        client = await self._lookup.client(request, Scope.READ)
        shares = await shared_screens(
            self._service,
            row,
            history,
            lambda path: self._link(request, client, row, path, _VIDEO_LINK_S),
        )
        streams = sum(len(each["streams"]) for each in shares)
        return Reply(
            json={
                "bot_id": row.bot_id,
                "video_status": media_status(row, True) if shares else None,
                "video_available": bool(shares),
                "participants": [],
                "screenshares": shares,
                "summary": {
                    "total_participants": 0,
                    "total_streams": streams,
                    "total_segments": streams,
                },
            }
        )

    async def screenshots(self, request: Request) -> Reply:
        """Return links to the pictures that were taken of a bot's page and of shared screens."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        client = await self._lookup.client(request, Scope.READ)
        shown = [
            {
                "filename": PurePosixPath(file.path).name,
                "url": self._link(request, client, row, file.path, _VIDEO_LINK_S),
                "timestamp": format_ms(file.at),
            }
            for file in pictures_of(history)
        ]
        body = {"bot_id": row.bot_id, "screenshots_count": len(shown), "screenshots": shown}
        return Reply(json=body)

    # --- the meeting -----------------------------------------------------------------------

    async def timeline(self, request: Request) -> Reply:
        """Return who spoke when."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        url = await self._audio_url(request, row, history) if row.ended else ""
        return Reply(json=speaker_timeline(history, url))

    async def chats(self, request: Request) -> Reply:
        """Return the chat."""
        row = await self._lookup.bot(request)
        return Reply(json=chats(row, await self._service.history(row)))

    async def participants(self, request: Request) -> Reply:
        """Return who is or was there."""
        row = await self._lookup.bot(request)
        return Reply(json=participants(await self._service.history(row)))

    # --- transcripts -------------------------------------------------------------------------

    async def transcriptions(self, request: Request) -> Reply:
        """List a bot's transcriptions: the live one, and those of its recording."""
        row = await self._lookup.bot(request)
        history = await self._service.history(row)
        listed = []
        for made in await self._service.transcripts(row):
            if made.revision:
                listed.append(_transcription(request, row, made))
            elif row.transcriber is not None:
                listed.append(_live_transcription(request, row, history))
        return Reply(json={"bot_id": row.bot_id, "transcriptions": listed})

    async def transcript(self, request: Request) -> Reply:
        """Return a transcript, however long, without holding the live one in memory."""
        client = await self._lookup.client(request, Scope.READ)
        bot_id, number = bot_and_revision(request.params["id"])
        row = await self._service.bot(client, bot_id)
        history = await self._service.history(row)
        if not number and row.transcriber is None:
            number = await newest_revision(self._service, row)
            if not number:
                raise Refusal(404, "Transcript not found")
        provider = row.extras.get("provider") or NAME
        if number:
            made = await self._made(row, number)
            if not made.ended:
                return _pending("Transcript")
            if made.error is not None:
                raise Refusal(404, f"Transcript processing error: {made.error}")
            provider = _provider_of(made)
        elif not row.ended:
            return _pending("Transcript")
        raw = request.args.get("raw", "").strip().lower() in ("true", "1")
        stream = self._raw(row, number, provider) if raw else self._lines(row, number, history)
        return Reply(stream=stream, media_type="application/json")

    async def _made(self, row: BotRow, number: int) -> TranscriptRevision:
        for made in await self._service.transcripts(row):
            if made.revision == number:
                return made
        raise Refusal(404, "Transcript not found")

    async def _lines(
        self, row: BotRow, number: int, history: BotHistory
    ) -> AsyncGenerator[bytes, None]:
        lines = Lines(history.in_call_at)
        yield b"["
        async with aclosing(self._pieces(row, number, lines.line)) as pieces:
            async for piece in pieces:
                yield piece
        yield b"]"

    async def _raw(self, row: BotRow, number: int, provider: str) -> AsyncGenerator[bytes, None]:
        head = {"transcript_id": transcript_id_of(row, number), "provider": provider}
        yield json.dumps(head, ensure_ascii=False)[:-1].encode("utf-8", "replace")
        yield b', "segments": ['
        async with aclosing(self._pieces(row, number, raw_line)) as pieces:
            async for piece in pieces:
                yield piece
        yield b"]}"

    async def _pieces(self, row: BotRow, number: int, write: Any) -> AsyncGenerator[bytes, None]:
        first = True
        async with aclosing(self._service.segments(row, revision=number)) as segments:
            async for segment in segments:
                piece = json.dumps(write(segment), ensure_ascii=False)
                yield ("" if first else ",").encode() + piece.encode("utf-8", "replace")
                first = False

    # --- how it is done ------------------------------------------------------------------

    async def _audio_url(self, request: Request, row: BotRow, history: BotHistory) -> str:
        mix = mixed_audio(history)
        if mix is None or row.extras.get("audio") is False:
            return ""
        client = await self._lookup.client(request, Scope.READ)
        return self._link(request, client, row, mix, _AUDIO_LINK_S)

    def _link(
        self, request: Request, client: Client, row: BotRow, path: str, expires_s: float
    ) -> str:
        return self._service.media_url(
            request.origin_url, row, path, client=client, expires_s=expires_s
        )


_STATUSES = {
    RevisionState.QUEUED: "Processing",
    RevisionState.RUNNING: "Processing",
    RevisionState.DONE: "Success",
    RevisionState.FAILED: "Failed",
}


def _provider_of(made: TranscriptRevision) -> str:
    """Return who transcribed, as the client named it."""
    return str(made.extras.get("provider") or made.transcriber or NAME)


def _urls(request: Request, identity: str, status: str) -> dict[str, str] | None:
    if status != "Success":
        return None
    return {"transcript": f"{request.base_url}/api/v1/transcript/{identity}/get_transcript"}


def _live_transcription(request: Request, row: BotRow, history: BotHistory) -> dict[str, Any]:
    status = "Processing"
    if row.ended:
        heard = history.recording_at is not None and history.transcription_trouble is None
        status = "Success" if heard else "Failed"
    return {
        "transcript_id": row.bot_id,
        "provider": row.extras.get("provider") or NAME,
        "status": status,
        "created_at": format_ms(row.created_at),
        "config": row.extras.get("provider_settings", {}),
        "download_urls": _urls(request, row.bot_id, status),
    }


def _transcription(request: Request, row: BotRow, made: TranscriptRevision) -> dict[str, Any]:
    identity, status = transcript_id_of(row, made.revision), _STATUSES[made.state]
    return {
        "transcript_id": identity,
        "provider": _provider_of(made),
        "status": status,
        "created_at": format_ms(made.requested_at or made.ended_at or row.created_at),
        "config": dict(made.extras.get("settings") or {}),
        "download_urls": _urls(request, identity, status),
    }


def _pending(what: str) -> Reply:
    message = f"{what} is still being processed. Current status: Processing"
    return Reply(status=202, json={"message": message})


def _whole(args: Mapping[str, str], names: tuple[str, ...], default: int | None) -> int | None:
    for name in names:
        value = args.get(name)
        if value:
            if not value.isascii() or not value.isdigit() or len(value) > 15:
                raise wrong(f"{name} must be a whole number")
            return int(value)
    return default


def _filters(args: Mapping[str, str]) -> dict[str, str]:
    """Return the custom attributes asked for: `custom_attr[key]=value`."""
    return {
        name[len(_CUSTOM) : -1]: value
        for name, value in args.items()
        if name.startswith(_CUSTOM) and name.endswith("]")
    }


def _fits(row: BotRow, shown: Mapping[str, Any], status: str | None, wanted: Any) -> bool:
    if status and status.lower() not in (
        str(shown["Status"]).lower(),
        status_of(row, Variant.CURRENT).lower(),
    ):
        return False
    attributes = attributes_of(row.extras)
    return all(_same(attributes.get(name), value) for name, value in wanted.items())


def _same(value: Any, asked: str) -> bool:
    return value == asked if isinstance(value, str) else json.dumps(value) == asked


def _query(args: Mapping[str, str], before: int | None) -> BotQuery:
    platform = args.get("platform") or None
    if platform is not None and not platform.isprintable():
        raise wrong("platform must be one of GMeet, Zoom, Teams")
    return BotQuery(
        dialect=NAME,
        platform=None if platform is None else _PLATFORMS.get(platform.lower(), platform),
        created_after=_day(args, "from", timedelta(0)),
        created_before=_day(args, "to", timedelta(days=1)),
        before=before,
    )


def _day(args: Mapping[str, str], name: str, later: timedelta) -> datetime | None:
    """Return a day's beginning, or with `later` its end."""
    given = args.get(name)
    if not given:
        return None
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC) + later
    except (ValueError, OverflowError) as error:
        raise wrong(f"{name} must be a date, YYYY-MM-DD") from error
