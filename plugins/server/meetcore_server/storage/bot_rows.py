"""Between rows of the table `bots` and `BotRow`; and which rows a query means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from meetcore import TERMINAL, EndReason, State
from meetcore.gateway import BotQuery, BotRequest, BotRow
from meetcore_server.storage.columns import LARGEST_NUMBER
from meetcore_server.storage.order_json import order_to_json
from meetcore_server.storage.tables import bots

__all__ = ["SHOWN", "UNFINISHED", "BotFacts", "bot_row", "digest", "matching", "ordered_values"]

UNFINISHED = tuple(state.value for state in State if state not in TERMINAL)

_KEPT_TO_OURSELVES = {
    "native_hash",
    "keep_s",
    "order",
    "last_seq",
    "idempotency_hash",
    "exclusive_hash",
    "held_by",
    "launching",
}
SHOWN = [column for column in bots.c if column.name not in _KEPT_TO_OURSELVES]
"""The columns that `bot_row` takes."""


@frozen(kw_only=True)
class BotFacts:
    """What the server found out about an order before it takes it.

    Attributes:
        public_url: The link without its secrets.
        name: The name the bot shows.
        transcriber: The plugin, None for no transcript.
        state: `SCHEDULED` or `REQUESTED`.
        keep_s: How long its data is kept after its end if the order does not say so; None for ever.
    """

    platform: str
    native_id: str
    public_url: str
    name: str
    transcriber: str | None
    state: State
    scheduled_for: datetime | None = None
    keep_s: float | None = None


def digest(text: str | None) -> str | None:
    """Return what stands for a text of any length in an index."""
    if text is None:
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def bot_row(row: sa.Row[Any]) -> BotRow:
    """Return a row of the table as our clients know it."""
    values: dict[str, Any] = dict(row._mapping)
    values["state"] = State(values["state"])
    values["reason"] = EndReason(values["reason"]) if values["reason"] is not None else None
    return BotRow(**values)


def ordered_values(order: BotRequest, facts: BotFacts) -> Mapping[str, Any]:
    """Return the columns that follow from an order."""
    return {
        "dialect": order.dialect,
        "platform": facts.platform,
        "native_id": facts.native_id,
        "native_hash": digest(facts.native_id),
        "public_url": facts.public_url,
        "url": order.url,
        "name": facts.name,
        "state": facts.state.value,
        "scheduled_for": facts.scheduled_for,
        "keep_s": facts.keep_s if order.keep_s is None else order.keep_s,
        "transcriber": facts.transcriber,
        "metadata": dict(order.metadata),
        "extras": dict(order.extras),
        "order": order_to_json(order),
        "exclusive_hash": digest(order.exclusive),
    }


def matching(query: BotQuery, user_id: int | None) -> sa.Select[Any]:
    """Return the statement that lists the bots a query means."""
    c = bots.c
    statement = sa.select(*SHOWN)
    if user_id is not None:
        statement = statement.where(c.user_id == min(user_id, LARGEST_NUMBER))
    for name in ("dialect", "platform", "public_url"):
        wanted = getattr(query, name)
        if wanted is not None:
            statement = statement.where(c[name] == wanted)
    if query.native_id is not None:
        statement = statement.where(c.native_hash == digest(query.native_id))
    if query.states is not None:
        statement = statement.where(c.state.in_(sorted(s.value for s in query.states)))
    if query.created_after is not None:
        statement = statement.where(c.created_at >= query.created_after)
    if query.created_before is not None:
        statement = statement.where(c.created_at < query.created_before)
    if query.ended_after is not None:
        statement = statement.where(c.ended_at >= query.ended_after)
    if query.before is not None:
        cursor = max(0, min(query.before, LARGEST_NUMBER))
        further = c.number > cursor if query.oldest_first else c.number < cursor
        statement = statement.where(further)
    if query.limit is not None:
        statement = statement.limit(max(0, min(query.limit, LARGEST_NUMBER)))
    return statement.order_by(c.number if query.oldest_first else c.number.desc())
