"""What a webhook format makes of a journal, without a service."""

from __future__ import annotations

import json
from typing import Any

import trio

from meetcore import BotRequested, Event, State
from meetcore.gateway import BotRow, Moment, WebhookFormat, WebhookTarget
from meetcore.model.history import BotHistory

__all__ = ["bodies_of"]


def bodies_of(webhooks: WebhookFormat, journal: list[Event], **data: Any) -> list[Any]:
    """Return the bodies of all that is POSTed about a journal, to a target with that `data`."""
    told: list[Any] = trio.run(_bodies, webhooks, journal, data)
    return told


async def _bodies(webhooks: WebhookFormat, journal: list[Event], data: dict[str, Any]) -> list[Any]:
    history = BotHistory()
    told: list[Any] = []
    begun = journal[0]
    assert isinstance(begun, BotRequested)
    for event in journal:
        history.take(event)
        row = BotRow(
            number=1,
            bot_id=begun.bot_id,
            user_id=1,
            key_id="k",
            dialect=webhooks.name,
            platform=begun.platform,
            native_id=begun.native_id,
            public_url=begun.public_url,
            url=begun.public_url,
            name=begun.display_name,
            state=history.state or State.REQUESTED,
            created_at=begun.at,
            updated_at=event.at,
            transcriber=begun.transcriber,
        )
        target = WebhookTarget(format=webhooks.name, data=data)
        moment = Moment(row=row, event=event, history=history, target=target)
        told += [json.loads(each.body) for each in await webhooks.messages(moment)]
    return told
