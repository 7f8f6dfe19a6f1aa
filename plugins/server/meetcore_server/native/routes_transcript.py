"""Who said what, over HTTP: as JSON, as subtitles or as text, sent while it is read."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import attrs
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from meetcore import Segment, to_json
from meetcore.gateway import BotRow, Client
from meetcore_server.native.cues import cue_text
from meetcore_server.native.models import (
    SegmentOut,
    Transcript,
)
from meetcore_server.native.streaming import ClosingStream
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_SENT_AT_ONCE_BYTES = 32 * 1024
_FORMATS = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


@get(
    "/bots/{bot_id:str}/transcript",
    summary="Who said what",
    operation_id="get_transcript",
    responses={
        200: ResponseSpec(
            data_container=Transcript, generate_examples=False, description="Who said what."
        )
    },
)
async def get_transcript(
    bot_id: FromPath[str],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    file_format: Annotated[
        Literal["json", "srt", "vtt", "txt"], QueryParameter(name="format")
    ] = "json",
    after_seq: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Stream:
    """Return the finalized segments, as JSON (`Transcript`) or as subtitles or text.

    Sent while it is read: a long meeting costs the server no memory.
    """
    row = await service.bot(reader, bot_id)
    await service.history(row)
    segments = service.segments(row, after_seq=after_seq)
    if file_format == "json":
        return ClosingStream(_gathered(_json(row, segments)), media_type="application/json")
    name = f'attachment; filename="{row.bot_id}.{file_format}"'
    return ClosingStream(
        _gathered(cue_text(segments, file_format)),
        media_type=_FORMATS[file_format],
        headers={"content-disposition": name},
    )


async def _gathered(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the same bytes in fewer pieces: each that is sent costs as much as a segment's text."""
    waiting = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            waiting += piece
            if len(waiting) >= _SENT_AT_ONCE_BYTES:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)


async def _json(
    row: BotRow, segments: AsyncGenerator[Segment, None]
) -> AsyncGenerator[bytes, None]:
    first = True
    yield f'{{"bot_id":{json.dumps(row.bot_id)},"segments":['.encode()
    async with aclosing(segments):
        async for segment in segments:
            out = to_json(attrs.asdict(SegmentOut.of(segment)))
            yield (out if first else f",{out}").encode()
            first = False
    yield b"]}"


HANDLERS: list[Any] = [get_transcript]
