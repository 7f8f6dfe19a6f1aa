"""Recordings that are transcribed once more: what was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen

from meetcore import State
from meetcore.gateway import (
    BotGone,
    LimitOf,
    LimitReached,
    RevisionState,
    TranscriptionRequest,
    TranscriptionUnderWay,
    TranscriptRevision,
)
from meetcore_server.storage.accounts import utc_now
from meetcore_server.storage.database import Database
from meetcore_server.storage.holding import Holder
from meetcore_server.storage.locking import one_at_a_time
from meetcore_server.storage.tables import bots, transcriptions
from meetcore_server.storage.target_rows import insert_late_target

__all__ = ["TranscriptionRows"]

_OPEN = (RevisionState.QUEUED.value, RevisionState.RUNNING.value)
_SHOWN = [column for column in transcriptions.c if column.name not in ("id", "told", "held_by")]
_FIRST = 2


@frozen
class TranscriptionRows:
    """The requests. Every method is one operation: done whole, or not at all."""

    database: Database
    now: Callable[[], datetime] = utc_now
    holder: Holder = field(factory=Holder)

    async def insert(
        self,
        bot_id: str,
        asked: TranscriptionRequest,
        *,
        transcriber: str,
        language: str | None,
        highest: int,
        most_waiting: int,
    ) -> TranscriptRevision:
        """Keep a request.

        Args:
            bot_id: The bot.
            asked: What was asked for.
            transcriber: Who transcribes.
            language: What is listened for.
            highest: The highest number of a transcript that is there; the new one is higher.
            most_waiting: So many of all bots may be waiting or under way.

        Raises:
            BotGone: The bot's data was deleted.
            TranscriptionUnderWay: One of this bot is waiting or under way.
            LimitReached: As many wait as may.
        """

        def insert(c: sa.Connection) -> TranscriptRevision:
            one_at_a_time(c, "transcriptions")
            query = sa.select(bots.c.deleted_at, bots.c.state).where(bots.c.bot_id == bot_id)
            bot = c.execute(query).one()
            if bot.deleted_at is not None:
                raise BotGone(f"The data of bot {bot_id} was deleted.")
            mine = transcriptions.c.bot_id == bot_id
            waiting = transcriptions.c.state.in_(_OPEN)
            number = sa.select(transcriptions.c.revision)
            under_way = c.scalar(number.where(mine, waiting).limit(1))
            if under_way is not None:
                raise TranscriptionUnderWay(State(bot.state), under_way)
            count = sa.select(sa.func.count()).select_from(transcriptions).where(waiting)
            if (c.scalar(count) or 0) >= most_waiting:
                raise LimitReached(
                    most_waiting,
                    f"{most_waiting} recordings wait to be transcribed already.",
                    "Try again when some of them are done.",
                    of=LimitOf.ALL,
                )
            last = c.scalar(sa.select(sa.func.max(transcriptions.c.revision)).where(mine))
            target = None
            if asked.webhook is not None:
                target = insert_late_target(c, bot_id, asked.webhook)
            values = {
                "bot_id": bot_id,
                "revision": max(last or 0, highest, _FIRST - 1) + 1,
                "state": RevisionState.QUEUED.value,
                "transcriber": transcriber,
                "language": language,
                "vocabulary": list(asked.vocabulary),
                "diarize": asked.diarize,
                "dialect": asked.dialect,
                "extras": dict(asked.extras),
                "target_id": target,
                "requested_at": self.now(),
                "told": False,
            }
            new = sa.insert(transcriptions).values(values).returning(*_SHOWN)
            return _revision(c.execute(new).one())

        return await self.database.do(insert)

    async def of_bot(self, bot_id: str) -> list[TranscriptRevision]:
        """Return what was asked for of a bot, by number."""
        query = (
            sa.select(*_SHOWN)
            .where(transcriptions.c.bot_id == bot_id)
            .order_by(transcriptions.c.revision)
        )
        return await self._many(query)

    async def waiting(self, besides: Sequence[str], limit: int) -> list[TranscriptRevision]:
        """Return those that wait or were begun, the oldest first, of other bots than some.

        What another server does is not among them.
        """
        query = (
            sa.select(*_SHOWN)
            .where(
                transcriptions.c.state.in_(_OPEN),
                transcriptions.c.bot_id.not_in(besides),
                self.holder.may_take(transcriptions.c.held_by),
            )
            .order_by(transcriptions.c.id)
            .limit(limit)
        )
        return await self._many(query)

    async def untold(self) -> list[TranscriptRevision]:
        """Return those that have ended and of which webhooks were not told, the oldest first."""
        query = (
            sa.select(*_SHOWN)
            .where(transcriptions.c.told.is_(False), transcriptions.c.state.not_in(_OPEN))
            .order_by(transcriptions.c.id)
        )
        return await self._many(query)

    async def began(self, made: TranscriptRevision) -> bool:
        """Note that one is under way, here; return whether it is this server's to do."""
        values = {
            "state": RevisionState.RUNNING.value,
            "started_at": self.now(),
            "held_by": self.holder.number,
        }
        take = _row_of(made).where(self.holder.may_take(transcriptions.c.held_by)).values(values)

        def began(c: sa.Connection) -> bool:
            self.holder.check(c, f"The transcription of bot {made.bot_id}")
            return c.execute(take).rowcount > 0

        return await self.database.do(began)

    async def ended(self, made: TranscriptRevision, error: str | None) -> None:
        """Note what came of one; an error is why it failed. Of one of another server: nothing."""
        state = RevisionState.DONE if error is None else RevisionState.FAILED
        values = {"state": state.value, "ended_at": self.now(), "error": error, "held_by": None}
        mine = _row_of(made).where(self.holder.is_mine(transcriptions.c.held_by)).values(values)
        await self.database.do(lambda c: c.execute(mine).rowcount)

    async def let_go(self, made: TranscriptRevision) -> None:
        """Do one no more: whoever has room begins it again."""
        mine = _row_of(made).where(self.holder.is_mine(transcriptions.c.held_by))
        await self.database.do(lambda c: c.execute(mine.values(held_by=None)).rowcount)

    async def done_by(self, bot_id: str) -> int | None:
        """Return the server that transcribes a bot's recording now, None for none."""
        query = sa.select(transcriptions.c.held_by).where(
            transcriptions.c.bot_id == bot_id, transcriptions.c.held_by.is_not(None)
        )
        return await self.database.do(lambda c: c.scalar(query.limit(1)))

    async def told(self, made: TranscriptRevision) -> None:
        """Note that its outcome is in the queues of the bot's webhook targets."""
        await self._change(made, told=True)

    async def delete(self, bot_id: str) -> None:
        """Forget what was asked for of a bot."""
        mine = sa.delete(transcriptions).where(transcriptions.c.bot_id == bot_id)
        await self.database.do(lambda c: c.execute(mine).rowcount)

    async def _change(self, made: TranscriptRevision, **values: Any) -> None:
        change = _row_of(made).values(values)
        await self.database.do(lambda c: c.execute(change).rowcount)

    async def _many(self, query: sa.Select[Any]) -> list[TranscriptRevision]:
        return await self.database.do(lambda c: [_revision(row) for row in c.execute(query)])


def _row_of(made: TranscriptRevision) -> sa.Update:
    return sa.update(transcriptions).where(
        transcriptions.c.bot_id == made.bot_id, transcriptions.c.revision == made.revision
    )


def _revision(row: sa.Row[Any]) -> TranscriptRevision:
    values = dict(row._mapping)
    values["state"] = RevisionState(values["state"])
    return TranscriptRevision(**values)
