"""What a bot's journal says, read from the server: all but the transcript, and the transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from meetcore import Segment
from meetcore.gateway import BotGone, BotRow, Service, segments_of
from meetcore_skribby.bot_object import model_of
from meetcore_skribby.chronicle import Chronicle
from meetcore_skribby.models import is_batch
from meetcore_skribby.transcripts import RestSegment, rest_segment

__all__ = ["numbered_segments", "read_chronicle", "transcript"]


async def read_chronicle(
    service: Service, row: BotRow, *, speaker_events: bool = False
) -> Chronicle:
    """Return what a bot's journal says now; empty where it was deleted.

    Args:
        service: Has it.
        row: The bot.
        speaker_events: Whether what participants did is kept.
    """
    batch = is_batch(model_of(row))
    chronicle = Chronicle(batch, speaker_events)
    try:
        async with aclosing(service.events(row)) as events:
            async for event in events:
                chronicle.take(event)
    except BotGone:
        return Chronicle(batch, speaker_events)
    return chronicle


async def numbered_segments(
    service: Service, row: BotRow, chronicle: Chronicle
) -> AsyncGenerator[tuple[Segment, int], None]:
    """Yield the segments a chronicle knows, as they read now, with their speakers' numbers.

    None where they were deleted meanwhile.
    """
    async with aclosing(segments_of(service, row)) as segments:
        async for segment in segments:
            number = chronicle.speaker_of(segment)
            if number is not None:
                yield segment, number


async def transcript(
    service: Service, row: BotRow, chronicle: Chronicle
) -> AsyncGenerator[RestSegment, None]:
    """Yield the transcript as in the bot object, each segment as it reads now."""
    async with aclosing(numbered_segments(service, row, chronicle)) as segments:
        async for segment, number in segments:
            yield rest_segment(segment, number)
