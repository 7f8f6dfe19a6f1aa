"""The chat over HTTP: read, and written to."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from meetcore import ConfigError, SendChat
from meetcore.gateway import Client
from meetcore_server.native.models import (
    ChatMessage,
    ChatSend,
)
from meetcore_server.service import BotService

__all__ = ["HANDLERS"]


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
            direct=line.direct,
            to=line.to_name,
            to_id=line.to_id,
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
    """Send a chat message to everybody, or to one; answers when it is there, in 30 s at most."""
    if not data.text.strip() or len(data.text) > 4096:
        raise ConfigError("A chat message has 1 to 4096 characters.")
    await service.perform(await service.bot(writer, bot_id), SendChat(data.text, data.to))
    return {"ok": True}


HANDLERS: list[Any] = [list_chat, send_chat]
