"""The REST routes that only read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

from meetcore.gateway.http import Listed, Reply, Request, json_pieces
from meetcore.gateway.records import BotGone, BotQuery, BotRow, Client, Scope
from meetcore.gateway.service import Service
from meetcore.model.history import BotHistory
from meetcore.model.meeting import without_query
from meetcore.model.plain import parse_time
from meetcore_spoke.mp4 import audio_path, mp4_path
from meetcore_spoke.records import RecentBot, duration_s, fits_extra, recent_bot, recorded_bot
from meetcore_spoke.refusals import Refusal
from meetcore_spoke.statuses import timestamp
from meetcore_spoke.transcripts import StoredLine, StoredLines, speakers
from meetcore_spoke.webhooks import MEDIA_S, read_segments

__all__ = ["BotRoutes"]

_PAGE = 10
_LONGEST_PAGE = 250
_ROWS_AT_ONCE = 200
_ROWS_LOOKED_AT = 5_000
_SHOWN_TO_S = 0.001
"""To what a time is shown: 'at or before' means until the end of that millisecond."""

ClientOf = Callable[[Request, Scope], Awaitable[Client]]


class BotRoutes:
    """Answers what Spoke's clients want to know.

    Args:
        service: The bots.
        client_of: Says whose key a request has.
    """

    def __init__(self, service: Service, client_of: ClientOf) -> None:
        self._service = service
        self._client_of = client_of

    async def meeting_data(self, request: Request) -> Reply:
        """Return recording and transcript of a bot; what is not there is an empty text."""
        client = await self._client_of(request, Scope.READ)
        bot_id = request.args.get("bot_id")
        if not bot_id:
            raise Refusal(400, "InvalidRequest", "bot_id is required in the query.")
        row = await self._service.bot(client, bot_id)
        history = await self._history(row)
        wanted = request.args.get("include_transcripts", "true").lower() not in ("false", "0")
        targets = await self._service.targets(row)
        webhook_url = next((target.url for target in targets if target.url), None)
        mp4 = await mp4_path(self._service, row, history) if row.ended else None
        audio = audio_path(history) if row.ended else None
        body = {
            "mp4": self._link(request, client, row, mp4),
            "audio": self._link(request, client, row, audio),
            "duration": duration_s(row, history),
            "bot_data": {
                "bot": recorded_bot(row, history, webhook_url),
                "event_uuid": None,
                "transcripts": Listed(self._lines(row)) if wanted else [],
            },
            "speaker_diarization_file": "",
            "speaker_diarization_file_network": "",
            "meeting_participants_file": "",
        }
        return Reply(stream=json_pieces(body), media_type="application/json")

    async def _lines(self, row: BotRow) -> AsyncGenerator[StoredLine, None]:
        lines = StoredLines(row.number)
        async with aclosing(read_segments(self._service, row)) as segments:
            async for segment in segments:
                yield lines.line(segment)

    async def bots_with_metadata(self, request: Request) -> Reply:
        """List bots, newest first."""
        client = await self._client_of(request, Scope.READ)
        args = request.args
        limit = _limit(args)
        before = _cursor(args)
        chosen: list[RecentBot] = []
        looked_at = 0
        more = True
        while more and len(chosen) <= limit and looked_at < _ROWS_LOOKED_AT:
            rows = await self._service.bots(client, _query(args, before))
            more = len(rows) == _ROWS_AT_ONCE
            for row in rows:
                looked_at += 1
                before = row.number
                bot = await self._if_wanted(row, args)
                if bot is not None:
                    chosen.append(bot)
                if len(chosen) > limit:
                    break
        page = chosen[:limit]
        following = str(page[-1]["id"]) if len(chosen) > limit and page else None
        if following is None and more and looked_at >= _ROWS_LOOKED_AT:
            following = str(before)
        _sort(page, args.get("sort_by_extra"))
        return Reply(
            json={
                "bots": page,
                "recent_bots": page,
                "next_cursor": following,
                "last_updated": timestamp(self._service.now()),
            }
        )

    async def screenshots(self, request: Request) -> Reply:
        """Return a bot's screenshots: none are taken."""
        client = await self._client_of(request, Scope.READ)
        await self._service.bot(client, request.params["uuid"])
        return Reply(json=[])

    async def _if_wanted(self, row: BotRow, args: Mapping[str, str]) -> RecentBot | None:
        extra = args.get("filter_by_extra")
        if not _within(args.get("bot_name"), row.name):
            return None
        if not _is_at(row, args.get("meeting_url")):
            return None
        if extra and not fits_extra(row.extras.get("extra"), extra):
            return None
        history = await self._history(row)
        names = speakers(history)
        wanted = args.get("speaker_name")
        if wanted and not any(_within(wanted, name) for name in names):
            return None
        return recent_bot(row, history, names)

    async def _history(self, row: BotRow) -> BotHistory:
        try:
            return await self._service.history(row)
        except BotGone:
            return BotHistory()

    def _link(self, request: Request, client: Client, row: BotRow, relative: str | None) -> str:
        if relative is None:
            return ""
        return self._service.media_url(
            request.origin_url, row, relative, client=client, expires_s=MEDIA_S
        )


def _within(wanted: str | None, text: str) -> bool:
    """Whether a text has what is wanted anywhere in it, in any case; nothing is in every text."""
    return (wanted or "").lower() in text.lower()


def _is_at(row: BotRow, wanted: str | None) -> bool:
    """Whether a bot's link has what is wanted in it, or is the same but for what its query says."""
    if wanted is None or _within(wanted, row.url):
        return True
    try:
        return without_query(row.url) == without_query(wanted)
    except ValueError:
        return False


def _query(args: Mapping[str, str], before: int | None) -> BotQuery:
    return BotQuery(
        dialect="spoke",
        created_after=_time(args, "created_after"),
        created_before=_time(args, "created_before", and_s=_SHOWN_TO_S),
        ended_after=_time(args, "ended_after"),
        before=before,
        limit=_ROWS_AT_ONCE,
    )


def _time(args: Mapping[str, str], name: str, *, and_s: float = 0.0) -> datetime | None:
    text = args.get(name)
    if not text:
        return None
    try:
        at = parse_time(text.replace(" ", "+")) + timedelta(seconds=and_s)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Refusal(400, "InvalidRequest", f"{name} must be an ISO 8601 time.") from error


def _limit(args: Mapping[str, str]) -> int:
    text = args.get("limit") or str(_PAGE)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise Refusal(400, "InvalidRequest", "limit must be a whole number above 0.")
    return min(int(text), _LONGEST_PAGE)


def _cursor(args: Mapping[str, str]) -> int | None:
    text = args.get("cursor")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Refusal(400, "InvalidRequest", "cursor must be a `next_cursor` of an earlier answer.")
    return int(text)


def _sort(page: list[RecentBot], wanted: str | None) -> None:
    """Sort a page by a key of `extra`: `key`, `key:asc` or `key:desc`; others come last."""
    if not wanted:
        return
    name, _, direction = wanted.partition(":")

    def key(bot: RecentBot) -> str:
        extra: Any = bot["extra"]
        return str(extra.get(name, "")) if isinstance(extra, Mapping) else ""

    page.sort(key=key, reverse=direction.lower() == "desc")
    page.sort(key=lambda bot: not key(bot))
