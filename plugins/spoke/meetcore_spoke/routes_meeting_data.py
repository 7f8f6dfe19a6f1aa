"""The REST routes that only read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from meetcore.gateway import (
    Authenticator,
    BotQuery,
    BotRow,
    Client,
    Listed,
    Refusal,
    Reply,
    Request,
    Route,
    Scope,
    format_ms,
    history_of,
    json_pieces,
    newest_revision,
    page_of_bots,
    parse_utc,
    pictures_of,
    segments_of,
)
from meetcore.model import without_query
from meetcore_spoke.bot_object import RecentBot, duration_s, fits_extra, recent_bot, recorded_bot
from meetcore_spoke.mp4 import audio_path, mp4_path
from meetcore_spoke.transcripts import StoredLine, StoredLines, speakers
from meetcore_spoke.webhooks import MEDIA_S

__all__ = ["MeetingDataRoutes"]

_PAGE = 10
_LONGEST_PAGE = 250
_SHOWN_TO_S = 0.001
"""To what a time is shown: 'at or before' means until the end of that millisecond."""


class MeetingDataRoutes:
    """Answers what Spoke's clients want to know.

    Args:
        authenticator: Knows who asks, and the service.
    """

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._service = authenticator.service

    def routes(self) -> list[Route]:
        """Return the routes; literal paths stand before templates."""
        return [
            Route("GET", "/bots/meeting_data", self.meeting_data),
            Route("GET", "/bots/bots_with_metadata", self.bots_with_metadata),
            Route("GET", "/bots/{uuid}/screenshots", self.screenshots),
        ]

    async def meeting_data(self, request: Request) -> Reply:
        """Return recording and transcript of a bot; what is not there is an empty text."""
        client = await self._authenticator.client(request, Scope.READ)
        bot_id = request.args.get("bot_id")
        if not bot_id:
            raise _wrong("bot_id is required in the query.")
        row = await self._service.bot(client, bot_id)
        history = await history_of(self._service, row)
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
        revision = await newest_revision(self._service, row)
        async with aclosing(segments_of(self._service, row, revision=revision)) as segments:
            async for segment in segments:
                yield lines.line(segment)

    async def bots_with_metadata(self, request: Request) -> Reply:
        """List bots, newest first."""
        client = await self._authenticator.client(request, Scope.READ)
        args = request.args
        limit = _limit(args)
        before = _cursor(args)
        wanted = partial(self._if_wanted, args=args)
        page, following = await page_of_bots(
            self._service, client, _query(args, before), wanted, limit
        )
        _sort(page, args.get("sort_by_extra"))
        return Reply(
            json={
                "bots": page,
                "recent_bots": page,
                "next_cursor": None if following is None else str(following),
                "last_updated": format_ms(self._service.now()),
            }
        )

    async def screenshots(self, request: Request) -> Reply:
        """Return links to the pictures that were taken of a bot's page and of shared screens."""
        client = await self._authenticator.client(request, Scope.READ)
        row = await self._service.bot(client, request.params["uuid"])
        shown = [
            {"url": self._link(request, client, row, file.path), "date": format_ms(file.at)}
            for file in pictures_of(await history_of(self._service, row))
        ]
        return Reply(json=shown)

    async def _if_wanted(self, row: BotRow, args: Mapping[str, str]) -> RecentBot | None:
        extra = args.get("filter_by_extra")
        if not _within(args.get("bot_name"), row.name):
            return None
        if not _is_at(row, args.get("meeting_url")):
            return None
        if extra and not fits_extra(row.extras.get("extra"), extra):
            return None
        history = await history_of(self._service, row)
        names = speakers(history)
        wanted = args.get("speaker_name")
        if wanted and not any(_within(wanted, name) for name in names):
            return None
        return recent_bot(row, history, names)

    def _link(self, request: Request, client: Client, row: BotRow, relative: str | None) -> str:
        if relative is None:
            return ""
        return self._service.media_url(
            request.origin_url, row, relative, client=client, expires_s=MEDIA_S
        )


def _wrong(text: str) -> Refusal:
    return Refusal(400, text, "InvalidRequest")


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
    )


def _time(args: Mapping[str, str], name: str, *, and_s: float = 0.0) -> datetime | None:
    text = args.get(name)
    if not text:
        return None
    try:
        return parse_utc(text.replace(" ", "+")) + timedelta(seconds=and_s)
    except (ValueError, OverflowError) as error:
        raise _wrong(f"{name} must be an ISO 8601 time.") from error


def _limit(args: Mapping[str, str]) -> int:
    text = args.get("limit") or str(_PAGE)
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise _wrong("limit must be a whole number above 0.")
    return min(int(text), _LONGEST_PAGE)


def _cursor(args: Mapping[str, str]) -> int | None:
    text = args.get("cursor")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise _wrong("cursor must be a `next_cursor` of an earlier answer.")
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
