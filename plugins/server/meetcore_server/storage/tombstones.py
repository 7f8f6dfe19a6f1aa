"""What stays of a bot whose data was deleted: counts and times; and how the rest goes for good.

A row is overwritten when its bot's data is deleted. Its webhook targets have to be known until the
message that says so is delivered or given up; then they are overwritten, too, and what was sent.

SQLite overwrites what it frees (`secure_delete`), and what its write-ahead log still holds goes
when the log is cut off. PostgreSQL keeps old versions of rows in its files until `VACUUM` and new
rows have taken their place, and in its own log and archives as long as these are kept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from attrs import frozen

from meetcore.orders import BotOrder
from meetcore_server.storage.database import Database
from meetcore_server.storage.order_json import order_to_json
from meetcore_server.storage.tables import bots, deliveries, targets

__all__ = ["NOTHING_LEFT", "Tombstones"]

NOTHING_LEFT: dict[str, Any] = {
    "native_id": "",
    "native_hash": "",
    "public_url": "",
    "url": "",
    "name": "",
    "metadata": {},
    "extras": {},
    "order": order_to_json(BotOrder(url="")),
    "exclusive_hash": None,
}
"""The columns of a bot that say what meeting it was, and for whom."""


@frozen
class Tombstones:
    """The rows of bots whose data was deleted."""

    database: Database

    async def clean(self) -> bool:
        """Forget the webhooks of deleted bots that are owed nothing any more.

        Returns:
            Whether nothing is left of what was forgotten, so far as the database can promise it.
        """

        def clean(c: sa.Connection) -> None:
            deleted = sa.select(bots.c.bot_id).where(bots.c.deleted_at.is_not(None))
            owed = sa.select(deliveries.c.target_id).where(deliveries.c.waiting.is_(True))
            data = sa.cast(targets.c.data, sa.Text)
            known = sa.or_(targets.c.url.is_not(None), targets.c.secret.is_not(None), data != "{}")
            forget = targets.c.bot_id.in_(deleted), targets.c.id.not_in(owed), known
            ids = sa.select(targets.c.id).where(*forget)
            sent = sa.update(deliveries).where(
                deliveries.c.bot_id.in_(deleted), deliveries.c.target_id.in_(ids)
            )
            c.execute(sent.values(url=None, headers=None, body=None, error=None))
            now_over = {"ended_at": sa.func.coalesce(targets.c.ended_at, _ended_of())}
            gone: dict[str, Any] = {"url": None, "secret": None, "data": {}, "settled": True}
            c.execute(sa.update(targets).where(*forget).values(**gone, **now_over))

        return await self.database.do_without_trace(clean)


def _ended_of() -> sa.ScalarSelect[Any]:
    """Return when the bot of a target was deleted."""
    query = sa.select(bots.c.deleted_at).where(bots.c.bot_id == targets.c.bot_id)
    return query.scalar_subquery()
