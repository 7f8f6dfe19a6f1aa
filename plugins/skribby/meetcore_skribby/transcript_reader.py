"""What a bot's journal says, read from the server: all but the transcript, and the transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from meetcore import Segment
from meetcore.gateway import BotGone, BotRow, Service, segments_of
from meetcore_skribby.bot_object import model_of
from meetcore_skribby.journal_summary import JournalSummary
from meetcore_skribby.models import is_batch
from meetcore_skribby.transcripts import RestSegment, rest_segment

__all__ = ["numbered_segments", "read_summary", "transcript"]


async def read_summary(
    service: Service, row: BotRow, *, speaker_events: bool = False
) -> JournalSummary:
    """Return what a bot's journal says now; empty where it was deleted.

    Args:
        service: Has it.
        row: The bot.
        speaker_events: Whether what participants did is kept.
    """
    batch = is_batch(model_of(row))
    summary = JournalSummary(batch, speaker_events)
    try:
        async with aclosing(service.events(row)) as events:
            async for event in events:
                summary.take(event)
    except BotGone:
        return JournalSummary(batch, speaker_events)
    return summary


async def numbered_segments(
    service: Service, row: BotRow, summary: JournalSummary
) -> AsyncGenerator[tuple[Segment, int], None]:
    """Yield the segments a summary knows, as they read now, with their speakers' numbers.

    None where they were deleted meanwhile.
    """
    async with aclosing(segments_of(service, row)) as segments:
        async for segment in segments:
            number = summary.speaker_of(segment)
            if number is not None:
                yield segment, number


async def transcript(
    service: Service, row: BotRow, summary: JournalSummary
) -> AsyncGenerator[RestSegment, None]:
    """Yield the transcript as in the bot object, each segment as it reads now."""
    async with aclosing(numbered_segments(service, row, summary)) as segments:
        async for segment, number in segments:
            yield rest_segment(segment, number)
