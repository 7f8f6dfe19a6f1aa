"""Who was there, and who spoke when, over HTTP."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from meetcore.gateway import Client
from meetcore_server.native.models import (
    ParticipantOut,
    SpeechOut,
)
from meetcore_server.native.people import participants_of, speech_of
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]


@get("/bots/{bot_id:str}/participants", summary="Who was there", operation_id="list_participants")
async def list_participants(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[ParticipantOut]:
    """Return everybody who was in the meeting, except the bot."""
    return participants_of(await service.history(await service.bot(reader, bot_id)))


@get(
    "/bots/{bot_id:str}/speaker-timeline",
    summary="Who spoke when",
    operation_id="get_speaker_timeline",
)
async def get_speaker_timeline(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[SpeechOut]:
    """Return every stretch of speech."""
    return speech_of(await service.history(await service.bot(reader, bot_id)))


HANDLERS: list[Any] = [list_participants, get_speaker_timeline]
