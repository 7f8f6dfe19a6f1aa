"""What a bot has to tell, over HTTP: events, transcript, people, speech, chat, recordings."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

import trio
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream

from meetcore import ConfigError, Event, Segment, SendChat, to_json
from meetcore.gateway import BotRow, Client
from meetcore.model import event_to_wire
from meetcore_server.native.cues import cue_text
from meetcore_server.native.models import (
    ChatMessage,
    ChatSend,
    EventPage,
    ParticipantOut,
    Recording,
    SegmentOut,
    SpeechOut,
    Transcript,
)
from meetcore_server.native.people import participants_of, speech_of
from meetcore_server.native.streaming import ClosingStream
from meetcore_server.seen import Seen
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_MEDIA_S = 3600.0
_KEEP_ALIVE_S = 15.0
_LOOK_EVERY_S = 0.2
_SENT_AT_ONCE_BYTES = 32 * 1024
_FORMATS = {
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


@get("/bots/{bot_id:str}/events", summary="Its journal", operation_id="list_events")
async def list_events(
    bot_id: FromPath[str],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
) -> EventPage:
    """Return events after a `seq`; ask again with `next_after` until `ended`."""
    row = await service.bot(reader, bot_id)
    events: list[Event] = []
    async with aclosing(service.events(row, after=after)) as found:
        async for event in found:
            events.append(event)
            if len(events) == limit:
                break
    upto = events[-1].seq if events else after
    ended = row.ended and upto >= (await service.history(row)).last_seq
    wire = [event_to_wire(event) for event in events]
    return EventPage(events=wire, next_after=upto, ended=ended)


@get(
    "/bots/{bot_id:str}/events/stream",
    summary="Its journal, live, as server-sent events",
    operation_id="stream_events",
    media_type="text/event-stream",
)
async def stream_events(
    bot_id: FromPath[str],
    request: Request[Any, Any, Any],
    service: NamedDependency[BotService],
    reader: NamedDependency[Client],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
) -> Stream:
    """Send the events after a `seq`, then those that happen, until the bot has ended.

    Each has its `seq` as its id, so a browser's `EventSource` goes on by itself where it was.
    """
    row = await service.bot(reader, bot_id)
    last = request.headers.get("last-event-id", "")
    begin = max(after, int(last)) if last.isdigit() and len(last) < 19 else after
    await service.history(row)  # raises where there is nothing any more
    headers = {"cache-control": "no-store"}
    return ClosingStream(
        _stream(service, row, begin), media_type="text/event-stream", headers=headers
    )


async def _stream(service: BotService, row: BotRow, after: int) -> AsyncGenerator[bytes, None]:
    quiet_s = 0.0
    while True:
        live = service.live.get(row.bot_id)
        async with aclosing(service.events(row, after=after)) as events:
            async for event in events:
                after, quiet_s = event.seq, 0.0
                text = to_json(event_to_wire(event))
                yield f"id: {event.seq}\nevent: {event.type}\ndata: {text}\n\n".encode()
        if live is None:
            return
        await _more(service, row, after)
        quiet_s += _LOOK_EVERY_S
        if quiet_s >= _KEEP_ALIVE_S:
            yield b": still here\n\n"
            quiet_s = 0.0


async def _more(service: BotService, row: BotRow, after: int) -> None:
    """Return when there may be something after a number; soon in any case."""
    with trio.move_on_after(_KEEP_ALIVE_S):
        while (live := service.live.get(row.bot_id)) is not None:
            if live.history.last_seq > after:
                return
            await trio.sleep(_LOOK_EVERY_S)


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
    import attrs

    first = True
    yield f'{{"bot_id":{json.dumps(row.bot_id)},"segments":['.encode()
    async with aclosing(segments):
        async for segment in segments:
            out = to_json(attrs.asdict(SegmentOut.of(segment)))
            yield (out if first else f",{out}").encode()
            first = False
    yield b"]}"


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


@get("/bots/{bot_id:str}/chat", summary="The chat", operation_id="list_chat")
async def list_chat(
    bot_id: FromPath[str], service: NamedDependency[BotService], reader: NamedDependency[Client]
) -> list[ChatMessage]:
    """Return every chat message."""
    history = await service.history(await service.bot(reader, bot_id))
    return [
        ChatMessage(
            id=line.message_id,
            seq=line.seq,
            at=line.at,
            meeting_s=line.meeting_s,
            sender=line.sender_name,
            sender_id=line.sender_id,
            text=line.text,
            by_bot=line.by_bot,
        )
        for line in history.chat
    ]


@post(
    "/bots/{bot_id:str}/chat", status_code=200, summary="Send to the chat", operation_id="send_chat"
)
async def send_chat(
    bot_id: FromPath[str],
    data: JSONBody[ChatSend],
    service: NamedDependency[BotService],
    writer: NamedDependency[Client],
) -> dict[str, bool]:
    """Send a chat message to everybody; answers when it is there, after 30 s at most."""
    if not data.text.strip() or len(data.text) > 4096:
        raise ConfigError("A chat message has 1 to 4096 characters.")
    await service.perform(await service.bot(writer, bot_id), SendChat(data.text))
    return {"ok": True}


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


HANDLERS: list[Any] = [
    list_events,
    stream_events,
    get_transcript,
    list_participants,
    get_speaker_timeline,
    list_chat,
    send_chat,
    list_recordings,
]
