"""Bots in a FastAPI application: order one, follow it as server-sent events, have it leave.

    pip install fastapi uvicorn
    python examples/embed_in_fastapi.py 8000
    curl -X POST 'http://127.0.0.1:8000/bots?link=LINK'
    curl -N http://127.0.0.1:8000/bots/ID/events

A stream of events ends with its bot, and uvicorn runs the end of `lifespan`, in which the bots
leave, only when no stream is left. Without a limit for that, Ctrl-C would wait for the end of a
meeting; `timeout_graceful_shutdown` is the limit.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import StreamingResponse

import meetcore
from meetcore.from_asyncio import Bot, Fleet, open_fleet

STREAMS_END_WITHIN_S = 2


def make_app(
    config: meetcore.BotConfig | None = None, plugins: meetcore.Plugins | None = None
) -> FastAPI:
    """Return the application; its bots share one fleet that lives as long as it does."""
    fleets: list[Fleet] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_fleet(config or meetcore.load_config(), plugins=plugins) as fleet:
            fleets.append(fleet)
            yield

    app = FastAPI(lifespan=lifespan)

    def found(bot_id: str) -> Bot:
        bot = fleets[0].get(bot_id)
        if not isinstance(bot, Bot):
            raise HTTPException(404, f"There is no bot {bot_id!r}, or it has ended.")
        return bot

    @app.post("/bots", status_code=201)
    async def send(link: str, name: str = "Notes") -> dict[str, str]:
        try:
            bot = await fleets[0].start(link, name=name)
        except meetcore.MeetcoreError as error:
            raise HTTPException(422, str(error)) from error
        return {"id": bot.id}

    @app.get("/bots/{bot_id}/events")
    async def follow(bot_id: str, after: int = 0) -> Response:
        bot = found(bot_id)

        async def stream() -> AsyncIterator[str]:
            async for event in bot.events(after=after):
                yield f"id: {event.seq}\nevent: {event.type}\ndata: {event.to_json()}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.delete("/bots/{bot_id}", status_code=202)
    async def leave(bot_id: str) -> None:
        await found(bot_id).stop("asked over HTTP")

    return app


def serve(app: FastAPI, port: int) -> None:
    """Serve it; Ctrl-C has the bots leave."""
    uvicorn.run(app, port=port, timeout_graceful_shutdown=STREAMS_END_WITHIN_S)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python examples/embed_in_fastapi.py PORT")
    serve(make_app(), int(sys.argv[1]))
