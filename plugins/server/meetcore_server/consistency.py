"""Whether the database and the store say the same, and making a bot's row anew from its log.

The log is the truth about a bot. Its row follows it, and has besides what the log never has: who
ordered it, with which key, and the order with its secrets. So a row can be brought up to date, and
a bot without a row found again; what was ordered in detail stays lost with the row.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from attrs import evolve, frozen

from meetcore import BotHistory, BotStore, State
from meetcore.gateway import BotQuery, BotRequest, BotRow, NoSuchBot
from meetcore_server.storage.bot_rows import BotFacts
from meetcore_server.storage.bots import BotRows

__all__ = ["REBUILT_KEY", "Difference", "differences", "rebuild"]

REBUILT_KEY = "rebuilt"
"""Stands for the key of a bot whose row was made of its log."""


@frozen
class Difference:
    """Where the two do not agree.

    Attributes:
        bot_id: The bot.
        detail: What is different, in words.
        rebuildable: Whether `rebuild` makes them agree.
    """

    bot_id: str
    detail: str
    rebuildable: bool


async def differences(rows: BotRows, store: BotStore) -> AsyncGenerator[Difference, None]:
    """Yield where the database and the store do not agree; a running server may be at work.

    A bot that runs, or whose order was just taken, is left out: its row is on its way.
    """
    known: set[str] = set()
    for row in await rows.list(BotQuery(limit=None, oldest_first=True)):
        known.add(row.bot_id)
        found = await _difference(row, store)
        if found is not None:
            yield found
    async with aclosing(store.records()) as records:
        async for record in records:
            if record.bot_id not in known and await _row_of(rows, record.bot_id) is None:
                yield Difference(record.bot_id, "it has no row in the database", rebuildable=True)


async def _row_of(rows: BotRows, bot_id: str) -> BotRow | None:
    try:
        return await rows.get(bot_id)
    except NoSuchBot:
        return None


async def _difference(row: BotRow, store: BotStore) -> Difference | None:
    there = await store.log(row.bot_id).exists()
    if row.deleted_at is not None:
        words = "its data was deleted, and the store has some of it"
        return Difference(row.bot_id, words, rebuildable=False) if there else None
    if not there:
        if row.state is State.REQUESTED and not row.ended:
            return None  # it is being ordered
        return Difference(row.bot_id, "the store has nothing of it", rebuildable=False)
    if await store.runner(row.bot_id) is not None:
        return None
    history = await store.log(row.bot_id).history()
    if row.ended and not history.ended:
        words = f"its row says {row.state}, its log has no end"
        return Difference(row.bot_id, words, rebuildable=False)
    if not history.ended:
        return None  # whoever serves sees to its end, or did not yet begin it
    if (row.state, row.reason) == (history.state, history.reason):
        return None
    words = f"its row says {_said(row.state, row.reason)}"
    words += f", its log {_said(history.state, history.reason)}"
    return Difference(row.bot_id, words, rebuildable=not row.ended)


def _said(state: object, reason: object) -> str:
    return f"{state} ({reason})" if reason is not None else str(state)


async def rebuild(
    rows: BotRows, store: BotStore, difference: Difference, *, user_id: int
) -> BotRow:
    """Make a bot's row say what its log says; a bot without a row gets one.

    Args:
        rows: The database.
        store: Where the log is.
        difference: What `differences` found, with `rebuildable`.
        user_id: Whose a bot becomes that has no row: the log does not say whose it was.

    Raises:
        NoSuchBot: There is no such user, or the log does not say which meeting it was.
    """
    history = await store.log(difference.bot_id).history()
    if await _row_of(rows, difference.bot_id) is None:
        await _insert(rows, history, difference.bot_id, user_id)
    return await rows.update(
        difference.bot_id,
        state=history.state,
        reason=history.reason,
        in_call_at=history.in_call_at,
        ended_at=history.ended_at,
        last_seq=history.last_seq,
    )


async def _insert(rows: BotRows, history: BotHistory, bot_id: str, user_id: int) -> None:
    begun = history.requested
    if begun is None:
        raise NoSuchBot(f"The log of {bot_id} does not begin with a request: no row can be made.")
    order = BotRequest(
        url=begun.public_url,
        native_id=begun.native_id,
        name=begun.display_name,
        transcriber=begun.transcriber,
        metadata=dict(begun.metadata),
    )
    facts = BotFacts(
        platform=begun.platform,
        native_id=begun.native_id,
        public_url=begun.public_url,
        name=begun.display_name,
        transcriber=begun.transcriber,
        state=State.SCHEDULED if begun.scheduled_for else State.REQUESTED,
        scheduled_for=begun.scheduled_for,
    )
    then = evolve(rows, now=lambda: begun.at)
    await then.insert(order, facts, bot_id=bot_id, user_id=user_id, key_id=REBUILT_KEY)
