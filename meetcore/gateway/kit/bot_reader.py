"""What is read of a bot, also after its data was deleted; and bots, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from attrs import evolve

from meetcore.gateway.http import BotFile
from meetcore.gateway.records import BotGone, BotQuery, BotRow, Client, RevisionState
from meetcore.gateway.service import Service
from meetcore.model.events import ArtifactWritten
from meetcore.model.history import BotHistory
from meetcore.model.transcript import Segment

__all__ = [
    "bot_file",
    "bots_of",
    "delete_recordings",
    "history_of",
    "mixed_audio",
    "newest_revision",
    "page_of_bots",
    "pictures_of",
    "segments_of",
    "video_of",
]

T = TypeVar("T")
_SOUND = (".opus", ".flac", ".mp3", ".m4a", ".wav")
_PICTURE = (".mp4", ".png", ".jpg", ".jpeg", "shares.json")
_RECORDED = (*_SOUND, *_PICTURE, ".info.json")
_ROWS_AT_ONCE = 200
_ROWS_LOOKED_AT = 5_000


async def history_of(service: Service, row: BotRow) -> BotHistory:
    """Return a bot's history as of now; an empty one where its data was deleted."""
    try:
        return await service.history(row)
    except BotGone:
        return BotHistory()


async def segments_of(
    service: Service, row: BotRow, *, revision: int = 0
) -> AsyncGenerator[Segment, None]:
    """Yield a transcript of a bot as it reads now; nothing more where its data was deleted.

    Args:
        service: Has it.
        row: The bot.
        revision: Which transcript, 0 for the one that was made live.
    """
    try:
        async with aclosing(service.segments(row, revision=revision)) as segments:
            async for segment in segments:
                yield segment
    except BotGone:
        return


async def newest_revision(service: Service, row: BotRow) -> int:
    """Return the number of the newest transcript that is done, 0 for the one made live.

    It is 0, too, where the bot's data was deleted. It is for whoever shows one transcript of a bot,
    as most vendors do.
    """
    if not row.ended:
        return 0
    try:
        made = await service.transcripts(row)
    except BotGone:
        return 0
    return max((each.revision for each in made if each.state is RevisionState.DONE), default=0)


def mixed_audio(history: BotHistory) -> str | None:
    """Return where the newest recording of everybody lies, as in `BotHistory.artifacts`."""
    mixes = [file.path for file in history.artifacts.values() if file.kind == "audio.mix"]
    return mixes[-1] if mixes else None


def video_of(history: BotHistory) -> ArtifactWritten | None:
    """Return the newest recording with a picture, None for none."""
    videos = [file for file in history.artifacts.values() if file.kind == "video"]
    return videos[-1] if videos else None


def pictures_of(history: BotHistory) -> list[ArtifactWritten]:
    """Return the pictures that were taken: of the bot's page, and of screens that were shared."""
    kinds = ("screenshot", "still.share")
    return [file for file in history.artifacts.values() if file.kind in kinds]


async def bot_file(service: Service, row: BotRow, name: str) -> BotFile:
    """Return a file of a bot, for `Reply.file`.

    Args:
        service: Has it.
        row: The bot.
        name: Its name, as in `BotHistory.artifacts`.

    Raises:
        BotGone: There is none, or not any more.
    """
    media = await service.media(row)
    about = await media.stat(name)
    if about is None:
        raise BotGone(f"There is no file {name[:200]!r} of bot {row.bot_id} any more.")
    return BotFile(media, about)


async def delete_recordings(service: Service, row: BotRow) -> int:
    """Delete what a bot that has ended recorded of sound and picture; return how many files.

    Transcripts stay. It is for vendors whose clients delete a recording alone; for everything there
    is `Service.delete_data`.

    Raises:
        BotGone: Everything was deleted already.
    """
    media = await service.media(row)
    async with aclosing(media.files()) as files:
        names = [file.name async for file in files]
    recorded = [name for name in names if name.endswith(_RECORDED)]
    return sum([await media.delete(name) for name in recorded])


async def bots_of(
    service: Service, client: Client, query: BotQuery
) -> AsyncGenerator[BotRow, None]:
    """Yield all bots that a query finds, newest first, some 200 at a time."""
    more = True
    query = evolve(query, limit=_ROWS_AT_ONCE)
    while more:
        rows = await service.bots(client, query)
        for row in rows:
            yield row
        more = len(rows) == _ROWS_AT_ONCE
        if more:
            query = evolve(query, before=rows[-1].number)


async def page_of_bots(
    service: Service,
    client: Client,
    query: BotQuery,
    choose: Callable[[BotRow], Awaitable[T | None]],
    limit: int,
) -> tuple[list[T], int | None]:
    """Return a page of bots, newest first, and the `before` of the next page.

    Args:
        service: Has them.
        client: Whose bots.
        query: Which; its `before` is where the page begins.
        choose: Returns what stands in the page for a bot, None to pass it over. At most 5,000 bots
            are looked at for a page, which may have fewer then, and yet a next one.
        limit: How many there are in a page.
    """
    chosen: list[tuple[int, T]] = []
    looked_at = 0
    following: int | None = None
    async with aclosing(bots_of(service, client, query)) as rows:
        async for row in rows:
            looked_at += 1
            shown = await choose(row)
            if shown is not None:
                chosen.append((row.number, shown))
            if len(chosen) > limit:
                following = chosen[limit - 1][0]
                break
            if looked_at == _ROWS_LOOKED_AT:
                following = row.number
                break
    return [shown for _, shown in chosen[:limit]], following
