"""Recordings that are transcribed once more, as they are kept, in either kind of database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from meetcore.gateway.records import (
    BotGone,
    LimitReached,
    RevisionState,
    TranscriptionRequest,
    TranscriptionUnderWay,
    TranscriptRevision,
    WebhookTarget,
)
from meetcore.model.lifecycle import State
from meetcore_server.storage.bots import BotRows
from meetcore_server.storage.cursors import Cursors
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.transcriptions import TranscriptionRows
from tests.plugins.server.storage.orders_of_tests import insert

ASKED = TranscriptionRequest(vocabulary=("Wieselburg",), diarize=True, extras={"a": [1]})


async def ended_bot(database: Database) -> str:
    bots = BotRows(database)
    row = await insert(bots)
    await bots.update(row.bot_id, state=State.COMPLETED, ended_at=datetime.now(UTC), last_seq=7)
    return row.bot_id


async def ask(
    rows: TranscriptionRows,
    bot_id: str,
    asked: TranscriptionRequest = ASKED,
    *,
    highest: int = 0,
    most: int = 9,
) -> TranscriptRevision:
    return await rows.insert(
        bot_id, asked, transcriber="quick", language="de", highest=highest, most_waiting=most
    )


async def test_each_has_a_number_above_all_that_there_are(database_url: str) -> None:
    async with open_database(database_url) as database:
        rows, bot_id = TranscriptionRows(database), await ended_bot(database)
        first = await ask(rows, bot_id)
        assert (first.revision, first.state) == (2, RevisionState.QUEUED)
        assert (tuple(first.vocabulary), first.diarize) == (("Wieselburg",), True)
        assert dict(first.extras) == {"a": [1]}
        with pytest.raises(TranscriptionUnderWay) as caught:
            await ask(rows, bot_id)
        assert caught.value.revision == 2
        await rows.began(first)
        with pytest.raises(TranscriptionUnderWay):
            await ask(rows, bot_id)
        await rows.ended(first, "it has had enough")
        assert (await ask(rows, bot_id, highest=8)).revision == 9
        failed, waiting = await rows.of_bot(bot_id)
        assert (failed.state, failed.error) == (RevisionState.FAILED, "it has had enough")
        assert failed.started_at is not None
        assert failed.ended_at is not None
        assert waiting.state is RevisionState.QUEUED


async def test_they_wait_in_their_order_and_no_more_than_may(database_url: str) -> None:
    async with open_database(database_url) as database:
        rows = TranscriptionRows(database)
        first, second, third = [await ended_bot(database) for _ in range(3)]
        made = await ask(rows, first)
        await ask(rows, second)
        with pytest.raises(LimitReached):
            await ask(rows, third, most=2)
        await rows.began(made)
        assert [each.bot_id for each in await rows.waiting([], 5)] == [first, second]
        assert [each.bot_id for each in await rows.waiting([first], 5)] == [second]
        assert [each.bot_id for each in await rows.waiting([], 1)] == [first]
        await rows.ended(made, None)
        assert [each.bot_id for each in await rows.untold()] == [first]
        await rows.told(made)
        assert await rows.untold() == []
        await ask(rows, third, most=2)


async def test_the_target_of_one_is_owed_nothing_of_the_journal(database_url: str) -> None:
    async with open_database(database_url) as database:
        rows, bot_id = TranscriptionRows(database), await ended_bot(database)
        hook = WebhookTarget(format="spoke", url="https://a.test/hook", secret="s" * 9)
        made = await ask(rows, bot_id, TranscriptionRequest(webhook=hook))
        (target,) = await Cursors(database).targets(bot_id)
        assert (target.id, target.url) == (made.target_id, hook.url)
        work = await Cursors(database).load(target.id)
        assert work is not None
        assert work.position.cursor == 7
        assert target.id not in [each.target_id for each in await Cursors(database).owing()]


async def test_they_go_with_the_data_of_their_bot(database_url: str) -> None:
    async with open_database(database_url) as database:
        rows, bot_id = TranscriptionRows(database), await ended_bot(database)
        other = await ended_bot(database)
        await ask(rows, bot_id)
        await ask(rows, other)
        assert await BotRows(database).mark_deleted(bot_id)
        assert await rows.of_bot(bot_id) == []
        with pytest.raises(BotGone):
            await ask(rows, bot_id)
        await rows.delete(other)
        assert await rows.of_bot(other) == []
