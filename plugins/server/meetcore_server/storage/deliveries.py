"""What was delivered, what is to be delivered again, and messages that belong to no event."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from meetcore.gateway import BotRow, DeliveryRow, Outgoing, WebhookTarget
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.columns import LARGEST_NUMBER
from meetcore_server.storage.database import Database
from meetcore_server.storage.tables import bots, deliveries, targets

__all__ = ["Deliveries"]

_MOST_SHOWN = 1000
_PRUNED_AT_ONCE = 5000
_SHOWN = [
    deliveries.c[name]
    for name in (
        "id",
        "bot_id",
        "target_id",
        "kind",
        "event_seq",
        "attempts",
        "delivered_at",
        "given_up_at",
        "next_try_at",
        "status",
        "error",
    )
]


@frozen
class Deliveries:
    """The history of all targets."""

    database: Database
    now: Callable[[], datetime] = utc_now

    async def history(
        self,
        *,
        bot_id: str | None = None,
        endpoint_id: str | None = None,
        user_id: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[DeliveryRow]:
        """Return what was delivered, or tried, newest first.

        Args:
            bot_id: About this bot.
            endpoint_id: To this endpoint.
            user_id: About bots of this user.
            before: Only deliveries with a lower id: the cursor.
            limit: At most so many; never more than 1,000.
        """
        query = sa.select(*_SHOWN).order_by(deliveries.c.id.desc())
        if bot_id is not None:
            query = query.where(deliveries.c.bot_id == bot_id)
        if endpoint_id is not None:
            to = sa.select(targets.c.id).where(targets.c.endpoint_id == endpoint_id)
            query = query.where(deliveries.c.target_id.in_(to))
        if user_id is not None:
            of = sa.select(bots.c.bot_id).where(bots.c.user_id == min(user_id, LARGEST_NUMBER))
            query = query.where(deliveries.c.bot_id.in_(of))
        if before is not None:
            query = query.where(deliveries.c.id < max(0, min(before, LARGEST_NUMBER)))
        query = query.limit(max(0, min(limit, _MOST_SHOWN)))
        return await self.database.do(lambda c: [_delivery(row) for row in c.execute(query)])

    async def delivery(self, delivery_id: int) -> DeliveryRow | None:
        """Return one delivery."""
        if not 0 < delivery_id <= LARGEST_NUMBER:
            return None
        query = sa.select(*_SHOWN).where(deliveries.c.id == delivery_id)
        row = await self.database.do(lambda c: c.execute(query).one_or_none())
        return _delivery(row) if row is not None else None

    async def post(self, row: BotRow, target: WebhookTarget, outgoing: Outgoing) -> DeliveryRow:
        """Keep a message that belongs to no event until it is delivered, or given up.

        It goes after the events there are now. To a target that is told nothing more it is given
        up at once.
        """
        now = self.now()
        values: dict[str, Any] = {
            "bot_id": row.bot_id,
            "target_id": target.id,
            "kind": outgoing.kind,
            "event_seq": 0,
            "part": 0,
            "again": False,
            "attempts": 0,
            "created_at": now,
            "message_id": outgoing.id or str(uuid.uuid4()),
            "url": outgoing.url,
            "headers": dict(outgoing.headers),
            "body": outgoing.body,
        }

        def post(c: sa.Connection) -> DeliveryRow:
            last = c.scalar(sa.select(bots.c.last_seq).where(bots.c.bot_id == row.bot_id))
            over = c.scalar(sa.select(targets.c.ended_at).where(targets.c.id == target.id))
            delivery_result: dict[str, Any] = {"waiting": over is None, "after_seq": last or 0}
            if over is not None:
                delivery_result |= {"given_up_at": now, "error": "the target is told nothing more"}
            new = sa.insert(deliveries).values({**values, **delivery_result})
            return _delivery(c.execute(new.returning(*_SHOWN)).one())

        return await self.database.do(post)

    async def again(self, delivery_id: int) -> DeliveryRow | None:
        """Have a message delivered once more; return the new delivery, None for no such message."""
        now = self.now()
        kept = ("bot_id", "target_id", "kind", "event_seq", "part", "after_seq", "message_id")
        sent = ("url", "headers", "body")

        def copy(c: sa.Connection) -> DeliveryRow | None:
            row = c.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).first()
            if row is None:
                return None
            values = {name: row._mapping[name] for name in (*kept, *sent)}
            values |= {"again": True, "waiting": True, "attempts": 0, "created_at": now}
            new = sa.insert(deliveries).values(values)
            return _delivery(c.execute(new.returning(*_SHOWN)).one())

        if not 0 < delivery_id <= LARGEST_NUMBER:
            return None
        return await self.database.do(copy)

    async def prune(self, before: datetime) -> int:
        """Forget older deliveries, except those under way; return how many, up to 5,000."""
        held = sa.and_(deliveries.c.delivered_at.is_(None), deliveries.c.given_up_at.is_(None))
        old = (
            sa.select(deliveries.c.id)
            .where(deliveries.c.created_at < before, sa.not_(held))
            .limit(_PRUNED_AT_ONCE)
        )
        forget = sa.delete(deliveries).where(deliveries.c.id.in_(old))
        return await self.database.do(lambda c: c.execute(forget).rowcount)


def _delivery(row: sa.Row[Any]) -> DeliveryRow:
    return DeliveryRow(**row._mapping)
