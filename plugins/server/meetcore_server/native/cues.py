"""Subtitles and text of a transcript while it is read: nothing waits for the end of the meeting."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from meetcore import Segment
from meetcore.model import (
    VTT_HEAD,
    Cue,
    CueQueue,
    ParagraphFlow,
    srt_block,
    txt_paragraph,
    vtt_block,
)

__all__ = ["cue_text"]


async def cue_text(
    segments: AsyncGenerator[Segment, None], file_format: str
) -> AsyncGenerator[bytes, None]:
    """Yield a transcript as `srt`, `vtt` or `txt`, from segments in the order of speech."""
    if file_format == "vtt":
        yield VTT_HEAD.encode()
    queue, flow, number = CueQueue(), ParagraphFlow(), 0
    async with aclosing(segments):
        async for segment in segments:
            if file_format == "txt":
                for paragraph in flow.take(segment):
                    yield txt_paragraph(paragraph).encode()
                continue
            for cue in queue.take(segment):
                number += 1
                yield _block(number, cue, file_format)
    for paragraph in flow.rest():
        yield txt_paragraph(paragraph).encode()
    for number, cue in enumerate(queue.rest(), number + 1):  # noqa: B020  goes on counting
        yield _block(number, cue, file_format)


def _block(number: int, cue: Cue, file_format: str) -> bytes:
    return (srt_block(number, cue) if file_format == "srt" else vtt_block(cue)).encode()
