"""A store from outside keeps what every store has to keep."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import trio

import meetcore
from examples.row_store import RowStore, RowStoreOptions
from meetcore.fleet.launching.worker import run, spec_from_json, spec_to_json
from meetcore.log.workplaces import CARRIED
from meetcore.model.events import StateChanged
from meetcore.model.lifecycle import EndReason, State
from meetcore.plugin.store import BotStore
from meetcore.testing.simulated_meetings import PLUGIN_FILE
from meetcore.testing.store_conformance import StoreConformance, attend

from .blobs import blob_server

ROOT = Path(__file__).parents[2]


class TestRowStore(StoreConformance):
    def _open(self, place: Path, work: str) -> BotStore:
        place.mkdir(exist_ok=True)
        mine = hashlib.sha256(str(place).encode()).hexdigest()[:12]
        options = RowStoreOptions(blobs=f"{blob_server()}/{mine}", workplaces=place / work)
        return RowStore(f"rows://{place}/bots.db", options)

    def open_store(self, place: Path) -> BotStore:
        return self._open(place, "here")

    def open_elsewhere(self, place: Path) -> BotStore:
        return self._open(place, "there")


async def test_a_bot_that_lost_its_lease_ends_itself_and_writes_nothing_more(
    tmp_path: Path,
) -> None:
    """Another took it over, as after a partition: the log is the other's from then on."""
    place = f"{tmp_path}/bots.db"
    plugins = meetcore.Plugins(
        entry_points=False, files=[ROOT / "examples" / "row_store.py", PLUGIN_FILE]
    )
    options = {"blobs": f"{blob_server()}/lease", "workplaces": f"{tmp_path}/work"}
    with trio.fail_after(60):
        async with meetcore.open_bot(
            "simulated:stay",
            config=meetcore.BotConfig(
                store={"url": f"rows://{place}"}, plugins={"rows": options}, transcriber="scripted"
            ),
            plugins=plugins,
        ) as bot:
            async for event in bot.events():
                if isinstance(event, StateChanged) and event.state is State.RECORDING:
                    break
            while await rows_of(place, bot.id) < event.seq:  # noqa: ASYNC110  another's rows
                await trio.sleep(0.01)
            with closing(sqlite3.connect(place)) as other:
                other.execute(
                    "UPDATE leases SET number = number + 1, holder = 'another', until = ?",
                    (time.time() + 600,),
                )
                other.commit()
            stored = await rows_of(place, bot.id)
            await bot.wait_ended()
    assert bot.ending.reason is EndReason.STOP_REQUESTED
    assert await rows_of(place, bot.id) == stored
    with closing(sqlite3.connect(place)) as other:
        assert other.execute("SELECT holder FROM leases").fetchall() == [("another",)]


async def rows_of(place: str, bot_id: str) -> int:
    """Return the number of the newest event that the store has of a bot."""
    newest = "SELECT max(seq) FROM lines WHERE bot_id = ?"

    def ask() -> int:
        with closing(sqlite3.connect(place)) as connection:
            return int(connection.execute(newest, (bot_id,)).fetchone()[0] or 0)

    return await trio.to_thread.run_sync(ask)


async def test_a_store_that_was_away_has_everything_when_it_is_there_again(tmp_path: Path) -> None:
    """The bot goes on meanwhile, and ends; what it wrote and recorded is carried then."""
    place = f"{tmp_path}/bots.db"
    store = RowStore(
        f"rows://{place}",
        RowStoreOptions(blobs=f"{blob_server()}/away", workplaces=tmp_path / "work"),
    )
    kit = TestRowStore()
    with trio.fail_after(60), closing(sqlite3.connect(place, isolation_level=None)) as other:
        async with kit.running(store) as journal:
            while await rows_of(place, "b-1") < 2:  # noqa: ASYNC110  another's rows
                await trio.sleep(0.01)
            other.execute("BEGIN IMMEDIATE")  # nobody else can write
            attend(journal, store.workplace("b-1"))
            await trio.sleep(store.carry_every_s * 3)
            assert await rows_of(place, "b-1") == 2
            other.execute("ROLLBACK")
        assert await rows_of(place, "b-1") == journal.last_seq
        assert await store.media("b-1").stat("files/mix.bin") is not None


async def test_a_copy_stays_where_a_bot_worked_until_it_is_cleared(tmp_path: Path) -> None:
    kit = TestRowStore()
    here, there = kit.open_store(tmp_path / "p"), kit.open_elsewhere(tmp_path / "p")
    with trio.fail_after(60):
        async with kit.running(here) as journal:
            attend(journal, here.workplace("b-1"))
        assert list(await there.left_here()) == []
        assert await there.delete("b-1") == meetcore.Deletion(2)
        assert list(await here.left_here()) == ["b-1"]
        assert await here.clear_here("b-1") == ""
    assert list(await here.left_here()) == []
    assert not here.workplace("b-1").exists()


@pytest.mark.parametrize("leaves_nothing", [False, True])
async def test_a_machine_of_its_own_keeps_no_copy_of_what_the_store_has(
    tmp_path: Path, leaves_nothing: bool
) -> None:
    options = {"blobs": f"{blob_server()}/none-{leaves_nothing}", "workplaces": "/of/the/server"}
    settings = {
        "store": {"url": f"rows://{tmp_path}/bots.db"},
        "plugins": {"rows": options},
        "transcriber": "scripted",
    }
    files = (str(ROOT / "examples" / "row_store.py"), str(PLUGIN_FILE))
    spec = meetcore.BotSpec(
        bot_id="b-1",
        url="simulated:short",
        settings=settings,
        plugin_files=files,
        leaves_nothing=leaves_nothing,
    ).placed_in(str(tmp_path / "work"))
    with trio.fail_after(60):
        await run(spec_from_json(spec_to_json(spec)))
    assert await rows_of(f"{tmp_path}/bots.db", "b-1") > 3
    assert (tmp_path / "work" / "b-1").exists() is not leaves_nothing


async def test_a_file_from_before_the_store_was_the_bots_is_carried_and_not_deleted(
    tmp_path: Path,
) -> None:
    """As where a server is given another store, and bots were killed under the one before."""
    kit = TestRowStore()
    here, there = kit.open_store(tmp_path / "p"), kit.open_elsewhere(tmp_path / "p")
    with trio.fail_after(60):
        async with kit.running(here) as journal:
            attend(journal, here.workplace("b-1"))
        (here.workplace("b-1") / CARRIED).unlink()
        assert await there.media("b-1").delete("files/mix.bin")
        async with here.checkout("b-1") as folder:
            assert (folder / "files" / "mix.bin").exists()
        assert await there.media("b-1").stat("files/mix.bin") is not None
