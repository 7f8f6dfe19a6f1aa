"""How far each webhook target is served: the cursors of the delivery engine.

There is no queue of events: whatever a bot's journal holds after a target's cursor is owed. Only
what belongs to no event waits in the table `deliveries`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from attrs import field, frozen

from meetcore.gateway import BotRow, WebhookTarget
from meetcore_server.storage import bot_rows, target_rows
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.bot_rows import bot_row
from meetcore_server.storage.database import Database
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.storage.tables import bots, deliveries, endpoints, targets
from meetcore_server.storage.target_rows import WITH_ENDPOINTS, webhook_target

__all__ = [
    "MOST_QUEUED",
    "Attempt",
    "Cursors",
    "DeliveryResult",
    "DueTarget",
    "HeldElsewhere",
    "Position",
    "QueuedMessage",
    "Work",
]

MOST_QUEUED = 100


class HeldElsewhere(Exception):
    """Another server serves a target; `server` is its number."""

    def __init__(self, server: int) -> None:
        super().__init__(server)
        self.server = server


@frozen(kw_only=True)
class DueTarget:
    """A target that may be owed something.

    Attributes:
        host: Whom it shares with targets of the same place.
        at: Before that nothing is tried; None for at once.
    """

    target_id: int
    bot_id: str
    host: str
    at: datetime | None = None


@frozen(kw_only=True)
class QueuedMessage:
    """A message that waits by itself: it belongs to no event, or is asked for `again`.

    Attributes:
        event_seq: The event it was made of, 0 for none.
        part: Which of that event's messages.
        after_seq: It goes after this event.
        body: What is sent; None where it is made of the event, or was deleted.
    """

    id: int
    kind: str
    event_seq: int
    part: int
    after_seq: int
    again: bool
    attempts: int
    next_try_at: datetime | None
    message_id: str | None
    url: str | None = field(repr=False)
    headers: dict[str, str] | None = field(repr=False)
    body: bytes | None = field(repr=False)


@frozen(kw_only=True)
class Position:
    """Where a target stands in a bot's journal.

    Attributes:
        cursor: Every event up to this one is settled.
        part: So many messages of the next event are settled, too.
        attempts: How often the message after those was tried.
        next_try_at: Before that it is not tried again.
    """

    cursor: int = 0
    part: int = 0
    attempts: int = 0
    next_try_at: datetime | None = None


@frozen(kw_only=True)
class Work:
    """All that is known of a target.

    Attributes:
        over: It is told nothing more, except again what somebody asks for.
        queued_messages: What waits by itself, the oldest first; not necessarily all.
    """

    row: BotRow
    target: WebhookTarget
    position: Position
    over: bool
    queued_messages: tuple[QueuedMessage, ...] = ()


class DeliveryResult(Enum):
    """What became of a message."""

    DELIVERED = "delivered"
    HELD = "held"
    GIVEN_UP = "given up"


@frozen(kw_only=True)
class Attempt:
    """One attempt to send a message.

    Attributes:
        number: Counts from 1.
        next_try_at: When it is tried again, for `HELD`.
    """

    kind: str
    message_id: str | None = None
    event_seq: int = 0
    part: int = 0
    number: int = 1
    delivery_result: DeliveryResult
    status: int | None = None
    error: str | None = None
    next_try_at: datetime | None = None


@frozen
class Cursors:
    """The targets of all bots."""

    database: Database
    now: Callable[[], datetime] = utc_now
    holder: Holder = field(factory=Holder)

    async def owing(self) -> list[DueTarget]:
        """Return every target that may be owed something."""
        journal = sa.and_(
            targets.c.ended_at.is_(None),
            bots.c.deleted_at.is_(None),
            sa.or_(targets.c.settled.is_(False), targets.c.cursor < bots.c.last_seq),
        )
        waiting = sa.select(deliveries.c.target_id).where(deliveries.c.waiting.is_(True))
        which = sa.or_(journal, targets.c.id.in_(waiting))
        return await self.database.do(lambda c: _due_targets(c, _DUE_TARGETS.where(which)))

    async def owes(self, bot_id: str) -> bool:
        """Return whether a target of a bot that has ended is owed something of its journal."""
        return bool(await self.database.do(lambda c: c.scalar(_OWES, {"this": bot_id})))

    async def due_targets(self, bot_ids: Collection[str]) -> list[DueTarget]:
        """Return the targets of bots, except those that are told nothing more."""
        asked = {"these": list(bot_ids)}
        return await self.database.do(lambda c: _due_targets(c, _OF_BOTS, asked))

    async def due_target(self, target_id: int) -> DueTarget | None:
        """Return one target, whatever its state."""
        found = await self.database.do(lambda c: _due_targets(c, _DUE_TARGET, {"this": target_id}))
        return found[0] if found else None

    async def of_endpoint(self, endpoint_id: str) -> list[DueTarget]:
        """Return the targets of an endpoint that may be owed something."""
        which = sa.and_(
            targets.c.endpoint_id == endpoint_id,
            targets.c.ended_at.is_(None),
            targets.c.settled.is_(False),
        )
        return await self.database.do(lambda c: _due_targets(c, _DUE_TARGETS.where(which)))

    async def targets(self, bot_id: str) -> list[WebhookTarget]:
        """Return a bot's targets, except those that are told nothing more."""
        query = (
            sa.select(*target_rows.SHOWN)
            .select_from(WITH_ENDPOINTS)
            .where(targets.c.bot_id == bot_id, targets.c.ended_at.is_(None))
            .order_by(targets.c.id)
        )
        return await self.database.do(lambda c: [webhook_target(row) for row in c.execute(query)])

    async def load(self, target_id: int) -> Work | None:
        """Return all that is known of a target, which is this server's from then on.

        None for no such target.

        Raises:
            HeldElsewhere: Another server serves it.
        """

        def load(c: sa.Connection) -> Work | None:
            self._take(c, target_id)
            return _load(c, target_id)

        return await self.database.do(load)

    def _take(self, c: sa.Connection, target_id: int) -> None:
        """Serve a target from now on; it is free again when it is settled."""
        if self.holder.number is None:
            return
        held = sa.select(targets.c.held_by).where(targets.c.id == target_id)
        holder = c.scalar(held)
        if holder == self.holder.number:
            return
        self.holder.check(c, "A webhook target")
        free = sa.and_(targets.c.id == target_id, self.holder.may_take(targets.c.held_by))
        if not c.execute(
            sa.update(targets).where(free).values(held_by=self.holder.number)
        ).rowcount:
            holder = c.scalar(held)
            if holder is not None:
                raise HeldElsewhere(holder)

    async def record(
        self, work: Work, attempt: Attempt, position: Position, *, gone: bool = False
    ) -> None:
        """Note an attempt to send a message of an event, and where the target stands now.

        With `gone` the target is told nothing more, and its endpoint is switched off.

        Raises:
            NotHeld: Another server serves it meanwhile. Nothing was noted.
        """
        target_id, now = work.target.id, self.now()

        def record(c: sa.Connection) -> None:
            self._check(c, target_id)
            _note(c, work, attempt, now)
            _move(c, target_id, position)
            if gone:
                _end(c, target_id, now)

        await self.database.do(record)

    async def record_parcel(
        self, work: Work, queued: QueuedMessage, attempt: Attempt, *, gone: bool = False
    ) -> None:
        """Note an attempt to send what waits by itself."""
        now = self.now()
        change = sa.update(deliveries).where(deliveries.c.id == queued.id)
        values = {
            **_outcome(attempt, now),
            "waiting": attempt.delivery_result is DeliveryResult.HELD,
        }

        def record(c: sa.Connection) -> None:
            self._check(c, work.target.id)
            c.execute(change.values(values))
            if gone:
                _end(c, work.target.id, now)

        await self.database.do(record)

    async def move(self, target_id: int, position: Position, *, settled: bool) -> None:
        """Note where a target stands, and whether its bot has nothing more to tell."""

        def move(c: sa.Connection) -> None:
            self._check(c, target_id)
            _move(c, target_id, position, settled=settled)

        await self.database.do(move)

    def _check(self, c: sa.Connection, target_id: int) -> None:
        if self.holder.number is None:
            return
        if c.scalar(_HELD_BY, {"this": target_id}) != self.holder.number:
            raise NotHeld("A webhook target")

    async def skip_journal(self, bot_id: str) -> None:
        """Note that a bot's journal is gone: nothing of it is owed to anybody any more."""
        last = sa.select(bots.c.last_seq).where(bots.c.bot_id == bot_id).scalar_subquery()
        change = (
            sa.update(targets)
            .where(targets.c.bot_id == bot_id)
            .values(cursor=last, part=0, attempts=0, next_try_at=None, settled=True)
        )

        def skip(c: sa.Connection) -> None:
            c.execute(change)

        await self.database.do(skip)


# What is asked often is built once: to build a statement takes longer than to run it.
_DUE_TARGETS = (
    sa.select(
        targets.c.id,
        targets.c.bot_id,
        targets.c.format,
        targets.c.next_try_at,
        sa.func.coalesce(endpoints.c.url, targets.c.url).label("url"),
        bots.c.user_id,
    )
    .select_from(WITH_ENDPOINTS.join(bots, bots.c.bot_id == targets.c.bot_id))
    .order_by(targets.c.id)
)
_DUE_TARGET = _DUE_TARGETS.where(targets.c.id == sa.bindparam("this"))
_OF_BOTS = _DUE_TARGETS.where(
    targets.c.bot_id.in_(sa.bindparam("these", expanding=True)), targets.c.ended_at.is_(None)
)
_OWES = (
    sa.select(sa.func.count())
    .select_from(WITH_ENDPOINTS.join(bots, bots.c.bot_id == targets.c.bot_id))
    .where(
        targets.c.bot_id == sa.bindparam("this"),
        sa.or_(targets.c.settled.is_(False), targets.c.cursor < bots.c.last_seq),
        targets.c.ended_at.is_(None),
        endpoints.c.disabled_at.is_(None),
    )
)
_TARGET = (
    sa.select(
        *target_rows.SHOWN,
        targets.c.bot_id,
        targets.c.cursor,
        targets.c.part,
        targets.c.attempts,
        targets.c.next_try_at,
        targets.c.ended_at,
        endpoints.c.disabled_at,
    )
    .select_from(WITH_ENDPOINTS)
    .where(targets.c.id == sa.bindparam("this"))
)
_BOT = sa.select(*bot_rows.SHOWN).where(bots.c.bot_id == sa.bindparam("this"))
_QUEUED = (
    sa.select(*[deliveries.c[name.name] for name in QueuedMessage.__attrs_attrs__])
    .where(deliveries.c.waiting.is_(True), deliveries.c.target_id == sa.bindparam("this"))
    .order_by(deliveries.c.id)
    .limit(MOST_QUEUED)
)
_HELD_BY = sa.select(targets.c.held_by).where(targets.c.id == sa.bindparam("this"))
_NOTE = sa.insert(deliveries)
_MOVE = sa.update(targets).where(
    targets.c.id == sa.bindparam("this"), targets.c.cursor <= sa.bindparam("to")
)


def _due_targets(
    c: sa.Connection, query: sa.Select[Any], asked: dict[str, Any] | None = None
) -> list[DueTarget]:
    return [
        DueTarget(
            target_id=row.id,
            bot_id=row.bot_id,
            host=_host(row.url) or f"{row.format} of user {row.user_id}",
            at=row.next_try_at,
        )
        for row in c.execute(query, asked)
    ]


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def _load(c: sa.Connection, target_id: int) -> Work | None:
    row = c.execute(_TARGET, {"this": target_id}).one_or_none()
    if row is None:
        return None
    bot = c.execute(_BOT, {"this": row.bot_id}).one()
    waiting = c.execute(_QUEUED, {"this": target_id})
    return Work(
        row=bot_row(bot),
        target=webhook_target(row),
        position=Position(
            cursor=row.cursor, part=row.part, attempts=row.attempts, next_try_at=row.next_try_at
        ),
        over=row.ended_at is not None or row.disabled_at is not None,
        queued_messages=tuple(QueuedMessage(**dict(found._mapping)) for found in waiting),
    )


def _outcome(attempt: Attempt, now: datetime) -> dict[str, Any]:
    return {
        "attempts": attempt.number,
        "status": attempt.status,
        "error": attempt.error,
        "next_try_at": attempt.next_try_at,
        "delivered_at": now if attempt.delivery_result is DeliveryResult.DELIVERED else None,
        "given_up_at": now if attempt.delivery_result is DeliveryResult.GIVEN_UP else None,
    }


def _note(c: sa.Connection, work: Work, attempt: Attempt, now: datetime) -> None:
    values = {**_outcome(attempt, now), "kind": attempt.kind, "message_id": attempt.message_id}
    place = {
        "target_id": work.target.id,
        "event_seq": attempt.event_seq,
        "part": attempt.part,
        "again": False,
    }
    if attempt.number > 1:
        same = [deliveries.c[name] == value for name, value in place.items()]
        if c.execute(sa.update(deliveries).where(*same).values(values)).rowcount:
            return
    new = {"bot_id": work.row.bot_id, "after_seq": 0, "created_at": now, "waiting": False}
    c.execute(_NOTE, {**values, **place, **new})


def _move(
    c: sa.Connection, target_id: int, position: Position, *, settled: bool | None = None
) -> None:
    """Move a target on; never back, as one would whose attempt ends after its journal is gone."""
    values: dict[str, Any] = {
        "cursor": position.cursor,
        "part": position.part,
        "attempts": position.attempts,
        "next_try_at": position.next_try_at,
    }
    if settled is not None:
        values["settled"] = settled
    if settled:
        values["held_by"] = None
    c.execute(_MOVE, {"this": target_id, "to": position.cursor, **values})


def _end(c: sa.Connection, target_id: int, now: datetime) -> None:
    c.execute(
        sa.update(targets)
        .where(targets.c.id == target_id, targets.c.ended_at.is_(None))
        .values(ended_at=now, settled=True, held_by=None)
    )
    c.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.target_id == target_id,
            deliveries.c.waiting.is_(True),
            deliveries.c.again.is_(False),
        )
        .values(waiting=False, given_up_at=now, next_try_at=None)
    )
    endpoint = sa.select(targets.c.endpoint_id).where(targets.c.id == target_id).scalar_subquery()
    c.execute(
        sa.update(endpoints)
        .where(endpoints.c.id == endpoint, endpoints.c.disabled_at.is_(None))
        .values(disabled_at=now)
    )
