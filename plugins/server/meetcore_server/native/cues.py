"""Subtitles and text of a transcript while it is read: nothing waits for the end of the meeting."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from meetcore.subtitles import VTT_HEAD, cues_of, srt_block, txt_line, vtt_block
from meetcore.transcript import Segment

__all__ = ["cue_text"]


async def cue_text(
    segments: AsyncGenerator[Segment, None], file_format: str
) -> AsyncGenerator[bytes, None]:
    """Yield a transcript as `srt`, `vtt` or `txt`, segment by segment."""
    number = 0
    if file_format == "vtt":
        yield VTT_HEAD.encode()
    async with aclosing(segments):
        async for segment in segments:
            if file_format == "txt":
                yield txt_line(segment).encode()
                continue
            for cue in cues_of([segment]):
                number += 1
                yield (srt_block(number, cue) if file_format == "srt" else vtt_block(cue)).encode()
