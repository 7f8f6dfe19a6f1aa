"""The bots of a server: ordered, found, followed, ended, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from attrs import evolve, field, frozen

from meetcore import TERMINAL, EndReason, State
from meetcore.gateway import (
    AlreadyThere,
    BotQuery,
    BotRequest,
    BotRow,
    LimitOf,
    LimitReached,
    NoSuchBot,
    NotNow,
)
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.bot_rows import (
    SHOWN,
    UNFINISHED,
    BotFacts,
    bot_row,
    digest,
    matching,
    ordered_values,
)
from meetcore_server.storage.columns import LARGEST_NUMBER
from meetcore_server.storage.database import Database
from meetcore_server.storage.holding import Holder, NotHeld
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.order_json import order_from_json
from meetcore_server.storage.tables import (
    bots,
    deliveries,
    keys,
    targets,
    transcriptions,
    users,
)
from meetcore_server.storage.target_rows import insert_targets, replace_targets
from meetcore_server.storage.tombstones import NOTHING_LEFT

__all__ = ["BotLimits", "BotRows"]

_RUNNING = tuple(state for state in UNFINISHED if state != State.SCHEDULED)
_MOST_ASKED = 500
_MOST_DUE = 100

# What is asked often is built once: to build a statement takes longer than to run it.
_INSERT = sa.insert(bots).returning(*SHOWN)
_BY_ID = sa.select(*SHOWN).where(bots.c.bot_id == sa.bindparam("this"))
_BY_NUMBER = sa.select(*SHOWN).where(bots.c.number == sa.bindparam("this"))
_KEPT = (
    sa.select(*SHOWN, bots.c.last_seq, bots.c.keep_s)
    .where(bots.c.bot_id == sa.bindparam("this"))
    .with_for_update()
)
_CHANGE = sa.update(bots).where(bots.c.bot_id == sa.bindparam("this")).returning(*SHOWN)
_USER = sa.select(users.c.id, users.c.max_bots).where(users.c.id == sa.bindparam("this"))
_KEY = sa.select(keys.c.max_bots).where(keys.c.id == sa.bindparam("this"))


@frozen(kw_only=True)
class BotLimits:
    """How many bots there may be. None for as many as anybody likes.

    Attributes:
        per_user: At once, for users who have no limit of their own.
        per_key: At once, of those ordered with one key, for keys that have no limit of their own.
        total: At once, of all users.
        scheduled_per_user: Waiting for their time; they count for nothing else.
    """

    per_user: int | None = None
    per_key: int | None = None
    total: int | None = None
    scheduled_per_user: int | None = None


@frozen
class BotRows:
    """The bots. Every method is one operation: done whole, or not at all."""

    database: Database
    now: Callable[[], datetime] = utc_now
    holder: Holder = field(factory=Holder)

    # --- ordering -----------------------------------------------------------------------

    async def insert(
        self,
        order: BotRequest,
        facts: BotFacts,
        *,
        bot_id: str,
        user_id: int,
        key_id: str,
        limits: BotLimits | None = None,
    ) -> BotRow:
        """Keep an order; return the bot, or with `replayed` the one its idempotency key made.

        Raises:
            NoSuchBot: There is no such user.
            AlreadyThere: The order is exclusive, and there is one.
            LimitReached: There are as many as there may be.
            NotHeld: This server was taken for dead.
        """
        limits = limits or BotLimits()

        def insert(c: sa.Connection) -> BotRow:
            one_at_a_time(c, "bots")
            self.holder.check(c, f"Bot {bot_id}")
            made = _made_before(c, user_id, order)
            if made is not None:
                return evolve(made, replayed=True)
            _refuse_second(c, user_id, order.exclusive)
            _refuse_too_many(c, user_id, key_id, facts.state, limits)
            now = self.now()
            values = {
                **ordered_values(order, facts),
                "bot_id": bot_id,
                "user_id": user_id,
                "key_id": key_id,
                "created_at": now,
                "updated_at": now,
                "last_seq": 0,
                "idempotency_hash": digest(order.idempotency_key),
                "held_by": self.holder.number,
            }
            row = bot_row(c.execute(_INSERT, values).one())
            insert_targets(c, bot_id, order.webhooks)
            return row

        return await self.database.do(insert)

    async def forget(self, bot_id: str) -> bool:
        """Forget an order that was never acknowledged; return whether there was one.

        A bot of which anything was noted since is no such order, and stays.
        """
        untouched = sa.and_(bots.c.bot_id == bot_id, bots.c.last_seq == 0)

        def forget(c: sa.Connection) -> bool:
            if c.scalar(sa.select(bots.c.number).where(untouched)) is None:
                return False
            c.execute(sa.delete(deliveries).where(deliveries.c.bot_id == bot_id))
            c.execute(sa.delete(targets).where(targets.c.bot_id == bot_id))
            c.execute(sa.delete(bots).where(untouched))
            return True

        return await self.database.do(forget)

    async def replace_order(self, bot_id: str, order: BotRequest, facts: BotFacts) -> BotRow:
        """Give a bot that is still scheduled another order, and other webhook targets.

        Raises:
            NoSuchBot: There is no such bot.
            NotNow: It is not scheduled any more.
        """
        about_to_join = sa.select(bots.c.launching).where(bots.c.bot_id == bot_id)

        def replace(c: sa.Connection) -> BotRow:
            one_at_a_time(c, "bots")
            present = _one(c, _BY_ID, bot_id)
            if present is None:
                raise NoSuchBot(f"There is no bot {bot_id}.")
            if present.state is not State.SCHEDULED:
                raise NotNow(present.state, f"Bot {bot_id} is {present.state}, not scheduled.")
            if c.scalar(about_to_join.with_for_update()):
                raise NotNow(present.state, f"Bot {bot_id} is about to join.")
            values = {**ordered_values(order, facts), "updated_at": self.now()}
            update = sa.update(bots).where(bots.c.bot_id == bot_id).values(values)
            row = bot_row(c.execute(update.returning(*SHOWN)).one())
            replace_targets(c, bot_id, order.webhooks)
            return row

        return await self.database.do(replace)

    # --- who looks after them -------------------------------------------------------------

    async def take(self, bot_id: str) -> bool:
        """Look after a bot that no other server looks after; return whether that is so."""
        take = sa.update(bots).where(bots.c.bot_id == bot_id, self.holder.may_take(bots.c.held_by))

        def try_it(c: sa.Connection) -> bool:
            self.holder.check(c, f"Bot {bot_id}")
            return c.execute(take.values(held_by=self.holder.number)).rowcount > 0

        return await self.database.do(try_it)

    async def let_go(self, bot_id: str) -> None:
        """Look after a bot no more: there is nothing left to look after."""
        mine = sa.update(bots).where(bots.c.bot_id == bot_id, self.holder.is_mine(bots.c.held_by))

        def let_go(c: sa.Connection) -> None:
            c.execute(mine.values(held_by=None, launching=False))

        await self.database.do(let_go)

    async def held_by(self, bot_id: str) -> int | None:
        """Return which server looks after a bot, None for none."""
        query = sa.select(bots.c.held_by).where(bots.c.bot_id == bot_id)
        return await self.database.do(lambda c: c.scalar(query))

    async def may_launch(self, bot_id: str) -> BotRow:
        """Note that a bot is about to be launched: its order stands.

        Raises:
            NotHeld: Another server looks after it.
        """
        return await self._launching(bot_id, launching=True)

    async def launches_later(self, bot_id: str) -> BotRow:
        """Note that a bot is not about to be launched after all; raise `NotHeld`."""
        return await self._launching(bot_id, launching=False)

    async def _launching(self, bot_id: str, *, launching: bool) -> BotRow:
        mine = sa.update(bots).where(bots.c.bot_id == bot_id, self.holder.is_mine(bots.c.held_by))
        change = mine.values(launching=launching).returning(*SHOWN)
        row = await self.database.do(lambda c: c.execute(change).one_or_none())
        if row is None:
            raise NotHeld(f"Bot {bot_id}")
        return bot_row(row)

    async def newer_than(self, number: int) -> Sequence[BotRow]:
        """Return the bots ordered after one, by number; up to 100."""
        query = sa.select(*SHOWN).where(bots.c.number > number).order_by(bots.c.number)
        return await self.database.do(lambda c: _rows(c, query.limit(_MOST_DUE)))

    async def newest(self) -> int:
        """Return the number of the newest bot, 0 for none."""
        query = sa.select(sa.func.max(bots.c.number))
        return await self.database.do(lambda c: c.scalar(query) or 0)

    async def order(self, bot_id: str) -> BotRequest:
        """Return the order a bot was made by; raise `NoSuchBot`."""
        query = sa.select(bots.c.order).where(bots.c.bot_id == bot_id)
        raw = await self.database.do(lambda c: c.scalar(query))
        if raw is None:
            raise NoSuchBot(f"There is no bot {bot_id}.")
        return order_from_json(raw)

    async def count_running(self, user_id: int | None = None) -> int:
        """Return how many bots, of a user or of all, have neither ended nor wait for their time."""
        mine = () if user_id is None else (bots.c.user_id == user_id,)
        return await self.database.do(lambda c: _count(c, _RUNNING, *mine))

    # --- finding ------------------------------------------------------------------------

    async def get(self, bot_id: str, *, user_id: int | None = None) -> BotRow:
        """Return a bot by its id; raise `NoSuchBot` for none, or one of another user."""
        return await self._get(_BY_ID, bot_id, user_id)

    async def get_numbered(self, number: int, *, user_id: int | None = None) -> BotRow:
        """Return a bot by its number; raise `NoSuchBot` for none, or one of another user."""
        in_range = number if 0 < number <= LARGEST_NUMBER else 0
        return await self._get(_BY_NUMBER, in_range, user_id, shown=str(number))

    async def _get(
        self,
        query: sa.Select[Any],
        this: object,
        user_id: int | None,
        *,
        shown: str | None = None,
    ) -> BotRow:
        row = await self.database.do(lambda c: _one(c, query, this))
        if row is None or (user_id is not None and row.user_id != user_id):
            raise NoSuchBot(f"There is no bot {shown or this}.")
        return row

    async def list(self, query: BotQuery, *, user_id: int | None = None) -> list[BotRow]:
        """Return the bots a query means, of one user or of all."""
        statement = matching(query, user_id)
        return await self.database.do(lambda c: _rows(c, statement))

    async def unfinished(self) -> Sequence[BotRow]:
        """Return every bot that has not ended, by number."""
        query = sa.select(*SHOWN).where(bots.c.state.in_(UNFINISHED)).order_by(bots.c.number)
        return await self.database.do(lambda c: _rows(c, query))

    async def last_seq(self, bot_id: str) -> int:
        """Return the `last_seq` that `update` was told last; 0 for none."""
        query = sa.select(bots.c.last_seq).where(bots.c.bot_id == bot_id)
        return await self.database.do(lambda c: c.scalar(query) or 0)

    # --- following ----------------------------------------------------------------------

    async def update(
        self,
        bot_id: str,
        *,
        state: State | None = None,
        reason: EndReason | None = None,
        in_call_at: datetime | None = None,
        ended_at: datetime | None = None,
        last_seq: int | None = None,
    ) -> BotRow:
        """Note what the journal says now; None leaves what is there.

        A bot that has ended stays as it ended, `in_call_at` stays the first, and an event that
        is older than the last one noted changes nothing: it does not matter which servers note it,
        nor how late. With `ended_at` it is settled when its data has to go.

        Raises:
            NoSuchBot: There is no such bot.
        """

        def update(c: sa.Connection) -> BotRow:
            found = c.execute(_KEPT, {"this": bot_id}).one_or_none()
            if found is None:
                raise NoSuchBot(f"There is no bot {bot_id}.")
            values: dict[str, Any] = {"updated_at": self.now()}
            if found.in_call_at is None and in_call_at is not None:
                values["in_call_at"] = in_call_at
            old = last_seq is not None and last_seq < found.last_seq
            if last_seq is not None and not old:
                values["last_seq"] = last_seq
            if State(found.state) not in TERMINAL and not old:
                if state is not None:
                    values["state"] = state.value
                if reason is not None:
                    values["reason"] = reason.value
                if ended_at is not None:
                    values |= {"ended_at": ended_at, "delete_after": _due(ended_at, found.keep_s)}
            return bot_row(c.execute(_CHANGE, {"this": bot_id, **values}).one())

        return await self.database.do(update)

    async def put_extras(self, bot_id: str, extras: Mapping[str, Any]) -> BotRow:
        """Replace what the dialect keeps with a bot; raise `NoSuchBot`."""
        values = {"extras": dict(extras), "updated_at": self.now()}
        change = sa.update(bots).where(bots.c.bot_id == bot_id).values(values).returning(*SHOWN)
        row = await self.database.do(lambda c: c.execute(change).one_or_none())
        if row is None:
            raise NoSuchBot(f"There is no bot {bot_id}.")
        return bot_row(row)

    # --- deleting -----------------------------------------------------------------------

    async def due_for_deletion(self, now: datetime) -> Sequence[BotRow]:
        """Return bots whose data has been kept long enough, the longest due first; up to 100."""
        query = (
            sa.select(*SHOWN)
            .where(bots.c.delete_after <= now, bots.c.deleted_at.is_(None))
            .order_by(bots.c.delete_after)
            .limit(_MOST_DUE)
        )
        return await self.database.do(lambda c: _rows(c, query))

    async def next_deletion(self) -> datetime | None:
        """Return when the next data has to go, None for never."""
        query = sa.select(sa.func.min(bots.c.delete_after)).where(bots.c.deleted_at.is_(None))
        return await self.database.do(lambda c: c.scalar(query))

    async def delete_soon(
        self, *, key_id: str | None = None, user_id: int | None = None
    ) -> Sequence[BotRow]:
        """Note that all data of a key's bots, or of a user's, is due now; return those bots.

        That of one which has not ended is due when it has.
        """
        whose = bots.c.user_id == user_id if key_id is None else bots.c.key_id == key_id
        its = sa.and_(whose, bots.c.deleted_at.is_(None))

        def note(c: sa.Connection) -> Sequence[BotRow]:
            c.execute(sa.update(bots).where(its).values(keep_s=0.0))
            ended = sa.and_(its, bots.c.ended_at.is_not(None))
            c.execute(sa.update(bots).where(ended).values(delete_after=self.now()))
            return _rows(c, sa.select(*SHOWN).where(its))

        return await self.database.do(note)

    async def deleted_among(self, bot_ids: Sequence[str]) -> Sequence[str]:
        """Return those of some bots whose data was deleted."""
        found: list[str] = []
        for first in range(0, len(bot_ids), _MOST_ASKED):
            asked = bots.c.bot_id.in_(bot_ids[first : first + _MOST_ASKED])
            query = sa.select(bots.c.bot_id).where(asked, bots.c.deleted_at.is_not(None))
            found += await self.database.do(partial(_ids, query))
        return found

    async def delete_later(self, bot_id: str, when: datetime) -> None:
        """Note that a bot's data is still to be deleted, for what it was tried in vain."""
        later = sa.update(bots).where(bots.c.bot_id == bot_id, bots.c.deleted_at.is_(None))
        await self.database.do(lambda c: c.execute(later.values(delete_after=when)).rowcount)

    async def mark_deleted(self, bot_id: str) -> bool:
        """Note that a bot's data is gone; return whether it was not before.

        The row keeps its times and how it ended, and forgets what meeting it was, what was ordered
        and for whom. `Tombstones.clean` has its webhooks forgotten, when the last is delivered.
        """
        now = self.now()
        change = (
            sa.update(bots)
            .where(bots.c.bot_id == bot_id, bots.c.deleted_at.is_(None))
            .values(deleted_at=now, updated_at=now, held_by=None, **NOTHING_LEFT)
        )
        # What was delivered or given up is not to be sent again; what is owed still has its body.
        forget = (
            sa.update(deliveries)
            .where(deliveries.c.bot_id == bot_id, deliveries.c.waiting.is_(False))
            .values(body=None)
        )

        asked = sa.delete(transcriptions).where(transcriptions.c.bot_id == bot_id)

        def mark(c: sa.Connection) -> bool:
            c.execute(forget)
            c.execute(asked)
            return c.execute(change).rowcount > 0

        return await self.database.do(mark)


def _due(ended_at: datetime, keep_s: float | None) -> datetime | None:
    if keep_s is None:
        return None
    try:
        return ended_at + timedelta(seconds=max(0.0, keep_s))
    except OverflowError:
        return None


def _one(c: sa.Connection, query: sa.Select[Any], this: object) -> BotRow | None:
    row = c.execute(query, {"this": this}).one_or_none()
    return bot_row(row) if row is not None else None


def _ids(query: sa.Select[Any], c: sa.Connection) -> Sequence[str]:
    return c.scalars(query).all()


def _rows(c: sa.Connection, query: sa.Select[Any]) -> list[BotRow]:
    return [bot_row(row) for row in c.execute(query)]


def _made_before(c: sa.Connection, user_id: int, order: BotRequest) -> BotRow | None:
    if order.idempotency_key is None:
        return None
    same = bots.c.idempotency_hash == sa.bindparam("this")
    query = sa.select(*SHOWN).where(bots.c.user_id == user_id, same)
    return _one(c, query, digest(order.idempotency_key))


def _refuse_second(c: sa.Connection, user_id: int, exclusive: str | None) -> None:
    if exclusive is None:
        return
    query = sa.select(*SHOWN).where(
        bots.c.user_id == user_id,
        bots.c.exclusive_hash == digest(exclusive),
        bots.c.state.in_(UNFINISHED),
    )
    row = c.execute(query.order_by(bots.c.number.desc()).limit(1)).one_or_none()
    if row is not None:
        raise AlreadyThere(bot_row(row))


def _refuse_too_many(
    c: sa.Connection, user_id: int, key_id: str, state: State, limits: BotLimits
) -> None:
    known = 0 < user_id <= LARGEST_NUMBER
    user = c.execute(_USER, {"this": user_id}).one_or_none() if known else None
    if user is None:
        raise NoSuchBot(f"There is no user {user_id}.")
    of_user = bots.c.user_id == user_id
    if state is State.SCHEDULED:
        most = limits.scheduled_per_user
        if most is not None and _count(c, (State.SCHEDULED.value,), of_user) >= most:
            raise LimitReached(
                most,
                f"The limit of {most} scheduled bots of this user is reached.",
                "Call one of them off, or wait for one to begin.",
            )
        return
    per_user = user.max_bots if user.max_bots is not None else limits.per_user
    _refuse_at(_limit_of_key(c, key_id, limits), LimitOf.KEY, c, bots.c.key_id == key_id)
    _refuse_at(per_user, LimitOf.USER, c, of_user)
    _refuse_at(limits.total, LimitOf.ALL, c)


def _limit_of_key(c: sa.Connection, key_id: str, limits: BotLimits) -> int | None:
    """Return how many bots a key may have; a key without a row is the operator's: any number."""
    key = c.execute(_KEY, {"this": key_id}).one_or_none()
    if key is None:
        return None
    return limits.per_key if key.max_bots is None else int(key.max_bots)


def _refuse_at(
    limit: int | None, of: LimitOf, c: sa.Connection, *which: sa.ColumnElement[bool]
) -> None:
    if limit is not None and _count(c, _RUNNING, *which) >= limit:
        raise LimitReached(limit, of=of)


def _count(c: sa.Connection, states: Sequence[str], *which: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(bots).where(bots.c.state.in_(states), *which)
    return c.scalar(query) or 0
