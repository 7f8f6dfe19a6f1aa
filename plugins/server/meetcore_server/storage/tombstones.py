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

from meetcore.gateway import BotRequest
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
    "order": order_to_json(BotRequest(url="")),
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
            c.execute(_FORGET_SENT)
            c.execute(_FORGET_TARGETS)

        return await self.database.do_without_trace(clean)


def _forget_sent() -> sa.Update:
    sent = sa.update(deliveries).where(
        deliveries.c.bot_id.in_(_deleted()),
        deliveries.c.target_id.in_(sa.select(targets.c.id).where(*_to_forget())),
    )
    return sent.values(url=None, headers=None, body=None, error=None)


def _forget_targets() -> sa.Update:
    ended = sa.select(bots.c.deleted_at).where(bots.c.bot_id == targets.c.bot_id)
    now_over = {"ended_at": sa.func.coalesce(targets.c.ended_at, ended.scalar_subquery())}
    gone: dict[str, Any] = {"url": None, "secret": None, "data": {}, "settled": True}
    return sa.update(targets).where(*_to_forget()).values(**gone, **now_over)


def _to_forget() -> tuple[sa.ColumnElement[bool], ...]:
    """Return what holds for the targets of deleted bots that are owed nothing and still known."""
    owed = sa.select(deliveries.c.target_id).where(deliveries.c.waiting.is_(True))
    data = sa.cast(targets.c.data, sa.Text)
    known = sa.or_(targets.c.url.is_not(None), targets.c.secret.is_not(None), data != "{}")
    return targets.c.bot_id.in_(_deleted()), targets.c.id.not_in(owed), known


def _deleted() -> sa.Select[Any]:
    return sa.select(bots.c.bot_id).where(bots.c.deleted_at.is_not(None))


# Built once: to build them takes longer than to run them.
_FORGET_SENT, _FORGET_TARGETS = _forget_sent(), _forget_targets()
