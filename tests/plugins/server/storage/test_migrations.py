"""The migrations make the tables that the code believes in; a later version's are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from meetcore.gateway.records import LimitOf, LimitReached
from meetcore_server.storage.bots import BotLimits, BotRows
from meetcore_server.storage.database import open_database
from meetcore_server.storage.engine import find_place
from meetcore_server.storage.errors import DatabaseTooNew
from meetcore_server.storage.keys import Keys
from meetcore_server.storage.tables import METADATA
from meetcore_server.storage.upgrade import NEWEST, alembic_config
from tests.plugins.server.storage.orders_of_tests import insert

PLUGIN = Path(__file__).parents[4] / "plugins" / "server"


async def test_the_migrations_and_the_tables_agree(new_database_url: str) -> None:
    def differences(c: sa.Connection) -> list[object]:
        context = MigrationContext.configure(
            c, opts={"compare_type": True, "target_metadata": METADATA}
        )
        return list(compare_metadata(context, METADATA))

    async with open_database(new_database_url) as database:
        assert await database.do(differences) == []


def test_the_last_migration_is_the_one_that_a_database_is_asked_for() -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        script = ScriptDirectory.from_config(alembic_config(connection))
    assert script.get_heads() == [NEWEST]


async def test_every_foreign_key_and_name_is_as_the_tables_say(new_database_url: str) -> None:
    def reflected(c: sa.Connection) -> dict[str, set[str | None]]:
        there = sa.MetaData()
        there.reflect(c)
        return {name: {str(i.name) for i in table.indexes} for name, table in there.tables.items()}

    async with open_database(new_database_url) as database:
        indexes = await database.do(reflected)
    for name, table in METADATA.tables.items():
        assert {index.name for index in table.indexes} <= indexes[name]


async def test_a_database_of_a_later_version_is_refused(new_database_url: str) -> None:
    async with open_database(new_database_url) as database:
        await database.do(
            lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        )
    with pytest.raises(DatabaseTooNew, match="9999"):
        async with open_database(new_database_url):
            pass


def source_columns(columns: list[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """Return those that the newest version has, too."""
    return [column for column in columns if column.name != "folder"]


def copy_at(version: str, source_url: str, url: str) -> None:
    """Make a database as a version of the migrations had it, with keys and bots of another."""
    source, copy = find_place(source_url).engine, find_place(url).engine
    with source.connect() as reading, copy.begin() as connection:
        command.upgrade(alembic_config(connection), version)
        there = sa.MetaData()
        there.reflect(connection)
        assert "max_bots" not in there.tables["keys"].c
        for name in ("keys", "bots"):
            table = there.tables[name]
            columns = [column for column in table.c if column.name != "number"]
            for row in reading.execute(sa.select(*source_columns(columns))):
                values = {**row._asdict(), **({"folder": "/srv/b"} if name == "bots" else {})}
                connection.execute(sa.insert(table).values(values))


async def test_a_database_of_the_first_version_is_upgraded_with_its_keys_and_bots(
    database_url: str, new_database_url: str
) -> None:
    async with open_database(database_url) as database:
        key, secret = await Keys(database).create(1, label="crm", max_bots=7)
        ordered = await insert(BotRows(database), key_id=key.id)
    await trio.to_thread.run_sync(copy_at, "0001", database_url, new_database_url)
    async with open_database(new_database_url) as database:
        (kept,) = await Keys(database).keys()
        assert (kept.id, kept.label, kept.max_bots) == (key.id, "crm", None)
        assert await Keys(database).authenticate(secret) is not None
        assert await BotRows(database).get(ordered.bot_id) == ordered
        with pytest.raises(LimitReached) as caught:
            await insert(BotRows(database), key_id=key.id, limits=BotLimits(per_key=1))
        assert caught.value.of is LimitOf.KEY
        limited, _ = await Keys(database).create(1, max_bots=2)
        assert limited.max_bots == 2


async def test_a_database_that_two_open_at_once_is_made_once(new_database_url: str) -> None:
    async def open_and_close() -> None:
        async with open_database(new_database_url) as database:
            users = await database.do(lambda c: c.scalar(sa.text("SELECT count(*) FROM users")))
            assert users == 1

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(open_and_close)


def test_the_migrations_are_in_the_wheel(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(PLUGIN)).build(directory=str(tmp_path))
    names = zipfile.ZipFile(wheel).namelist()
    folder = "meetcore_server/storage/migrations"
    assert f"{folder}/env.py" in names
    assert f"{folder}/script.py.mako" in names
    assert f"{folder}/versions/v0001_first.py" in names
    assert f"{folder}/versions/v0002_limits_of_keys.py" in names
    assert f"{folder}/versions/v0003_transcriptions.py" in names
    assert f"{folder}/versions/v0004_bots_by_id.py" in names
