"""The end of a bot where the store is away, or takes its time: nothing is given up for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

import meetcore
from meetcore.model.errors import (
    EncryptionKeyMissing,
    FileDamaged,
    JournalError,
    StorageUnavailable,
)
from meetcore.model.lifecycle import EndReason, State
from meetcore_server import bot_supervision as supervision
from meetcore_server.bot_supervision import Supervision
from meetcore_server.live import LiveBot
from meetcore_server.troubles import StoreAbsence

from .running import STAY, http, ordered, serving, until
from .test_supervision import (
    Trouble,
    let_it_befall,
    recording,
    row_without_a_server,
    three_siblings,
)


class TroubleAtTheEnd(Trouble):
    """Befalls a bot from when its end is told."""

    live: LiveBot

    async def strike(self, where: str, bot_id: str) -> None:
        if bot_id in self.kinds and self.live.history.ended:
            await super().strike(where, bot_id)


async def test_a_store_that_is_away_when_a_bot_has_ended_is_waited_for_however_long(
    tmp_path, monkeypatch, short_limits
):
    """Its end is told already: nothing else may be written, and nothing is given up."""
    trouble = TroubleAtTheEnd("catch_up")
    let_it_befall(trouble, monkeypatch)
    async with three_siblings(tmp_path) as (server, client, siblings):
        bot_id = (await ordered(client, STAY))["id"]
        await until(client, bot_id, "recording")
        its = server.service.supervisor._supervisions[bot_id]
        trouble.live = its.live
        trouble.befall(bot_id, "OSError")
        await client.post(f"/v1/bots/{bot_id}/stop")
        with trio.fail_after(90):
            while its._pauses <= supervision.MOST_TRIES + 1:  # noqa: ASYNC110
                await trio.sleep(0.01)
        trouble.healed = True
        row = await until(client, bot_id, "completed")
        assert row["reason"] == "stop_requested"
        with trio.fail_after(60):
            while (await client.get("/ready")).status_code != 200:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert bot_id not in server.service.supervisor._supervisions
        assert recording(server, siblings)


async def test_a_store_that_is_away_when_a_bots_process_has_died_is_waited_for_too(
    tmp_path, monkeypatch, short_limits
):
    """Its row ended alone would leave its journal without an end, and its recording uncarried."""
    trouble = Trouble("recover_bot")
    let_it_befall(trouble, monkeypatch)
    async with serving(tmp_path) as server, http(server) as client:
        its = server.service
        row = await row_without_a_server(server, trouble, "store away", state=State.JOINING)
        await its.supervisor.resume([row])
        seen = its.supervisor._supervisions[row.bot_id]
        with trio.fail_after(90):
            while seen._pauses <= supervision.MOST_TRIES + 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
        assert not (await its.stores.bots.get(row.bot_id)).ended
        assert "does not answer" in (await client.get("/ready")).json()["detail"]
        trouble.healed = True
        assert (await until(client, row.bot_id, "failed"))["reason"] == "crashed"
        kept = await its.store.log(row.bot_id).history()
        assert kept.reason is EndReason.CRASHED


async def test_a_trouble_that_stays_is_not_waited_for_for_ever(autojump_clock):
    """The bot would count against every limit, and could not be deleted."""
    absence, away = StoreAbsence(), StorageUnavailable("The bucket does not answer.")
    assert absence.takes(away)
    await trio.sleep(23 * 3600)
    assert absence.takes(ExceptionGroup("several", [away]))
    absence.over()
    await trio.sleep(23 * 3600)
    assert absence.takes(trio.TooSlowError())
    await trio.sleep(25 * 3600)
    assert not absence.takes(away)
    for stays in (
        FileDamaged("The file is cut off."),
        EncryptionKeyMissing("No key that is named is the one."),
        OSError(28, "No space left on device"),
        JournalError("The journal takes no end."),
    ):
        assert not StoreAbsence().takes(stays)


class Lingering:
    """A bot that has ended and whose process is there still, under a store of the test's own."""

    def __init__(self, *, lags: bool = True) -> None:
        self.lags, self.held_until, self.away = lags, float("inf"), False
        self.gone, self.abandoned_at = trio.Event(), None
        its = SimpleNamespace(store=self, finish_within_s=1000.0)
        live = SimpleNamespace(row=SimpleNamespace(bot_id="bot"))
        self.bot_id, self.supervision = "bot", Supervision(cast(Any, its), cast(Any, live))

    async def runner(self, bot_id: str) -> meetcore.Runner | None:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise StorageUnavailable("The bucket does not answer.")
        return meetcore.Runner() if trio.current_time() < self.held_until else None

    def abandon(self) -> None:
        self.abandoned_at = trio.current_time()

    async def parted_with(self) -> float:
        """Return after how many seconds it is let go."""
        began = trio.current_time()
        await self.supervision._part_with(cast(Any, self), self.gone)
        return trio.current_time() - began


async def test_a_process_that_carries_its_recording_after_its_last_word_gets_the_time_for_it(
    autojump_clock,
):
    bot = Lingering()
    async with trio.open_nursery() as nursery:

        async def carry() -> None:
            await trio.sleep(700.0)
            bot.gone.set()

        nursery.start_soon(carry)
        assert await bot.parted_with() == 700.0
    assert bot.abandoned_at is None


async def test_a_process_that_carries_nothing_any_more_has_a_minute(autojump_clock):
    bot = Lingering()
    bot.held_until = trio.current_time() + 100.0  # it has given up its lease then
    assert await bot.parted_with() == 120.0
    assert bot.abandoned_at is not None
    alone = Lingering(lags=False)  # what it writes is where it is kept
    assert await alone.parted_with() == 60.0
    assert alone.abandoned_at is not None


@pytest.mark.parametrize("away", [False, True])
async def test_a_process_that_never_goes_is_ended_when_the_servers_limit_has_come(
    autojump_clock, away
):
    bot = Lingering()
    bot.away = away  # it waits for the store, as the server does
    assert 1000.0 <= await bot.parted_with() <= 1060.0
    assert bot.abandoned_at is not None
