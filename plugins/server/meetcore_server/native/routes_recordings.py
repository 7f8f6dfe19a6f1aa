"""A bot's files over HTTP, each with a URL that is good for an hour."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from meetcore.gateway import Client
from meetcore_server.native.models import (
    ChapterOut,
    Recording,
)
from meetcore_server.seen import Seen
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_MEDIA_S = 3600.0
_WHOLE = frozenset({"video", "audio.mix"})


@get("/bots/{bot_id:str}/recordings", summary="Its files", operation_id="list_recordings")
async def list_recordings(
    bot_id: FromPath[str],
    request: Request[Any, Any, Any],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    seen: NamedDependency[Seen],
) -> list[Recording]:
    """Return the files of a bot, each with a URL that is good for an hour."""
    row = await service.bot(reader, bot_id)
    history = await service.history(row)
    origin = seen.origin(request.headers)
    return [
        Recording(
            kind=artifact.kind,
            path=artifact.path,
            media_type=artifact.media_type,
            size_bytes=artifact.size_bytes,
            duration_s=artifact.duration_s,
            url=service.media_url(origin, row, artifact.path, client=reader, expires_s=_MEDIA_S),
        )
        for artifact in history.artifacts.values()
    ]


@get("/bots/{bot_id:str}/chapters", summary="Its chapters", operation_id="list_chapters")
async def list_chapters(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[ChapterOut]:
    """Return what began when in the meeting, as a player of its recording lists it.

    A chapter begins with each state in the call, with each person who comes and with each topic
    that somebody set by the command `mark_topic`. They are there while the meeting goes on, and
    are written into its video and into the sound of everybody together.
    """
    history = await service.history(await service.bot(reader, bot_id))
    playable = [each for each in history.artifacts.values() if each.kind in _WHOLE]
    lengths = [each.duration_s for each in playable if each.duration_s is not None]
    return [
        ChapterOut(start_s=each.start_s, end_s=each.end_s, title=each.title)
        for each in history.chapters.until(max(lengths, default=None))
    ]


HANDLERS: list[Any] = [list_recordings, list_chapters]
