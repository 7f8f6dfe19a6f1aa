"""Orders and bots for the tests of the storage."""

from __future__ import annotations

import uuid
from typing import Any

from meetcore.gateway.records import BotRequest, BotRow
from meetcore.model.lifecycle import State
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotLimits, BotRows

LINK = "https://meet.example/abc?pwd=secret"


def facts(**changes: Any) -> BotFacts:
    values: dict[str, Any] = {
        "platform": "meet",
        "native_id": "abc",
        "public_url": "https://meet.example/abc",
        "name": "Notes",
        "transcriber": "pocketsphinx",
        "state": State.REQUESTED,
    }
    return BotFacts(**{**values, **changes})


async def insert(
    bots: BotRows,
    *,
    user_id: int = 1,
    key_id: str = "k",
    limits: BotLimits | None = None,
    about: BotFacts | None = None,
    bot_id: str | None = None,
    **order: Any,
) -> BotRow:
    return await bots.insert(
        BotRequest(**{"url": LINK, **order}),
        about or facts(),
        bot_id=bot_id or str(uuid.uuid4()),
        user_id=user_id,
        key_id=key_id,
        limits=limits,
    )
