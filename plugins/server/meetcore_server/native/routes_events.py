"""A bot's journal over HTTP: a page at a time, or live as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import trio
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from meetcore import Event
from meetcore.gateway import BotRow, Client
from meetcore.model import event_to_wire
from meetcore_server.live import LiveBot
from meetcore_server.native.models import (
    EventPage,
)
from meetcore_server.native.streaming import ClosingStream
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]

_KEEP_ALIVE_S = 15.0
_LOOK_EVERY_S = 0.2


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

    Each has its `seq` as its id, so a browser's `EventSource` goes on by itself where it was. A
    server that is drained ends the stream earlier: ask another with `after`.
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
    live = await service.attend(row)
    while True:
        async with aclosing(service.events(row, after=after)) as events:
            async for event in events:
                after, quiet_s = event.seq, 0.0
                text = event.to_json()
                yield f"id: {event.seq}\nevent: {event.type}\ndata: {text}\n\n".encode()
        if live is None:
            return
        if service.draining.closed:
            yield b": this server is draining\n\n"
            return
        live = await _more(service, row, after)
        quiet_s += _LOOK_EVERY_S
        if quiet_s >= _KEEP_ALIVE_S:
            yield b": still here\n\n"
            quiet_s = 0.0


async def _more(service: BotService, row: BotRow, after: int) -> LiveBot | None:
    """Return the bot when there may be something after a number; soon in any case.

    None when it is gone: what its log has then is all.
    """
    with trio.move_on_after(_KEEP_ALIVE_S):
        while (live := service.live.get(row.bot_id)) is not None:
            if live.history.last_seq > after or service.draining.closed:
                return live
            await trio.sleep(_LOOK_EVERY_S)
    return service.live.get(row.bot_id)


HANDLERS: list[Any] = [list_events, stream_events]
