"""Who said what, over HTTP: as JSON, subtitles or text; and the recording transcribed again."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import attrs
from litestar import get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from meetcore import ConfigError, Segment, to_json
from meetcore.gateway import BotRow, Client, TranscriptionRequest
from meetcore_server.native.cues import cue_text
from meetcore_server.native.models import (
    SegmentOut,
    Transcript,
)
from meetcore_server.native.streaming import ClosingStream
from meetcore_server.native.transcript_models import (
    TranscriberOut,
    TranscriptCreate,
    TranscriptOut,
)
from meetcore_server.responses import begun
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
    revision: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Stream:
    """Return the finalized segments, as JSON (`Transcript`) or as subtitles or text.

    Sent while it is read: a long meeting costs the server no memory. `revision` is the number of
    another transcript than the live one; see `list_transcripts`. `after_seq` is for the live one.
    """
    row = await service.bot(reader, bot_id)
    await service.history(row)
    if revision and after_seq:
        raise ConfigError("after_seq is for the live transcript.", "Leave it out, or revision.")
    if revision:
        segments = _listed(await service.transcriptions.segments(row, revision))
    else:
        segments = service.live_segments(row, after_seq)
    if file_format == "json":
        return ClosingStream(await begun(_json(row, segments)), media_type="application/json")
    number = f"-{revision}" if revision else ""
    name = f'attachment; filename="{row.bot_id}{number}.{file_format}"'
    return ClosingStream(
        await begun(cue_text(segments, file_format)),
        media_type=_FORMATS[file_format],
        headers={"content-disposition": name},
    )


@get("/bots/{bot_id:str}/transcripts", summary="Its transcripts", operation_id="list_transcripts")
async def list_transcripts(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[TranscriptOut]:
    """Return the transcripts of a bot: the one made live, and those of its recording."""
    row = await service.bot(reader, bot_id)
    return [TranscriptOut.of(made) for made in await service.transcripts(row)]


@post(
    "/bots/{bot_id:str}/transcripts",
    status_code=202,
    summary="Transcribe its recording once more",
    operation_id="create_transcript",
)
async def create_transcript(
    bot_id: FromPath[str],
    data: JSONBody[TranscriptCreate],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> TranscriptOut:
    """Have the recording of a bot that has ended transcribed once more, when there is room.

    The transcript gets a number of its own, and the others stay. One is made per bot at a time.
    The webhooks `transcript.ready` and `transcript.failed` say what came of it.
    """
    row = await service.bot(writer, bot_id)
    asked = TranscriptionRequest(
        transcriber=data.transcriber or "default",
        language=data.language,
        vocabulary=tuple(data.vocabulary),
        diarize=data.diarize,
    )
    return TranscriptOut.of(await service.transcribe_again(row, asked))


@get("/transcribers", summary="Who can transcribe", operation_id="list_transcribers")
async def list_transcribers(
    service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[TranscriberOut]:
    """Return the transcribers that can take a recording, and what is missing for the others."""
    del reader
    found = await service.supervisor.in_thread(service.specs.listening)
    return [TranscriberOut.of(name, ready) for name, ready in found]


async def _listed(segments: list[Segment]) -> AsyncGenerator[Segment, None]:
    for segment in segments:
        yield segment


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


HANDLERS: list[Any] = [get_transcript, list_transcripts, create_transcript, list_transcribers]
