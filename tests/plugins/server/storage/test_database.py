"""One thread, one transaction for many, each on its own; what is acknowledged is there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio
import trio.testing
from sqlalchemy.exc import IntegrityError

from meetcore.model.errors import ConfigError
from meetcore_server.storage import worker
from meetcore_server.storage.database import Database, open_database
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.tables import server_secrets as table
from tests.plugins.server.postgres import Postgres

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def put(name: str, value: bytes = b"") -> sa.Insert:
    return sa.insert(table).values(name=name, value=value, created_at=NOON)


async def names(database: Database) -> set[str]:
    return await database.do(lambda c: set(c.scalars(sa.select(table.c.name))))


async def test_what_an_operation_returns_comes_back_and_stays(database_url: str) -> None:
    async with open_database(database_url) as database:
        await database.do(lambda c: c.execute(put("a")))
        assert await database.do(lambda c: 1 + 1) == 2
    async with open_database(database_url) as database:
        assert await names(database) == {"a"}


async def test_one_that_fails_leaves_its_neighbours_alone(database_url: str) -> None:
    failed: list[str] = []
    gate = threading.Event()

    async with open_database(database_url) as database:

        def fail_after_writing(c: sa.Connection) -> None:
            c.execute(put("half done"))
            raise RuntimeError("no")

        async def insert(name: str) -> None:
            try:
                await database.do(lambda c: c.execute(put(name)))
            except IntegrityError:
                failed.append(name)

        async def raise_() -> None:
            with pytest.raises(RuntimeError, match="no"):
                await database.do(fail_after_writing)

        async with trio.open_nursery() as nursery:
            # The first holds the thread, so that all others are in one transaction with it.
            nursery.start_soon(database.do, lambda c: gate.wait(10))
            await trio.testing.wait_all_tasks_blocked()
            for name in ("a", "b", "a", "c", "b", "d"):
                nursery.start_soon(insert, name)
                nursery.start_soon(raise_)
            await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert await names(database) == {"a", "b", "c", "d"}
        assert sorted(failed) == ["a", "b"]


async def test_the_first_of_a_batch_may_fail_too(database_url: str) -> None:
    gate = threading.Event()

    def wait_and_fail(c: sa.Connection) -> None:
        gate.wait(10)
        c.execute(put("undone"))
        raise KeyError("first")

    async with open_database(database_url) as database:

        async def first() -> None:
            with pytest.raises(KeyError):
                await database.do(wait_and_fail)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(database.do, lambda c: c.execute(put("second")))
            await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert await names(database) == {"second"}


async def test_many_wait_for_one_commit(sqlite_url: str) -> None:
    commits = 0
    gate = threading.Event()
    async with open_database(sqlite_url) as database:

        def count(_: object) -> None:
            nonlocal commits
            commits += 1

        def listen(c: sa.Connection) -> None:
            sa.event.listen(c.engine, "commit", count)
            gate.wait(10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.do, listen)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(100):
                nursery.start_soon(database.do, lambda c, n=number: c.execute(put(str(n))))
            await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert commits <= 5
        assert len(await names(database)) == 100


async def test_sixty_four_tasks_write_at_once_and_nothing_is_lost(database_url: str) -> None:
    async def write(database: Database, who: int) -> None:
        for number in range(10):
            await database.do(lambda c, n=number: c.execute(put(f"{who}-{n}")))  # type: ignore[misc]
            assert f"{who}-{number}" in await names(database)

    async with open_database(database_url) as database:
        async with trio.open_nursery() as nursery:
            for who in range(64):
                nursery.start_soon(write, database, who)
        assert len(await names(database)) == 640


async def test_one_who_is_cancelled_waits_for_the_commit(database_url: str) -> None:
    gate = threading.Event()

    def slow(c: sa.Connection) -> str:
        gate.wait(10)
        c.execute(put("kept"))
        return "done"

    async with open_database(database_url) as database:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.do, slow)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            gate.set()
        assert await names(database) == {"kept"}


async def test_one_who_was_cancelled_before_does_nothing(database_url: str) -> None:
    async with open_database(database_url) as database:
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.do(lambda c: c.execute(put("never")))
        assert await names(database) == set()


async def test_who_gets_no_answer_in_time_is_told_and_what_was_not_begun_is_left_out(
    sqlite_url: str,
) -> None:
    gate = threading.Event()
    async with open_database(sqlite_url) as database, trio.open_nursery() as nursery:
        nursery.start_soon(database.do, lambda c: gate.wait(10))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(DatabaseUnavailable, match="did not answer within"):
            await database.do(lambda c: c.execute(put("late")), within_s=0.01)
        gate.set()
        assert await names(database) == set()


async def test_what_is_under_way_at_the_end_is_committed_and_no_thread_remains(
    database_url: str,
) -> None:
    async with open_database(database_url) as database, trio.open_nursery() as nursery:
        nursery.start_soon(database.do, lambda c: c.execute(put("last")))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not [t for t in threading.enumerate() if t.name == "meetcore-database"]
    with pytest.raises(DatabaseUnavailable, match="is closed"):
        await database.do(lambda c: None)
    async with open_database(database_url) as database:
        assert await names(database) == {"last"}


async def test_an_error_in_the_block_comes_out_as_it_is(sqlite_url: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_database(sqlite_url):
            1 / 0


# --- databases that cannot be used ----------------------------------------------------------


async def opened(url: str) -> None:
    async with open_database(url):
        pass


@pytest.mark.parametrize("url", ["mysql://h/x", "nonsense", "", "postgresql+asyncpg://h/x"])
async def test_a_url_of_no_kind_we_know_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///path"):
        await opened(url)


async def test_a_file_that_cannot_be_made_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match=r"file/x\.db"):
        await opened(f"sqlite:///{tmp_path}/file/x.db")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("something else " * 1000)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await opened(f"sqlite:///{tmp_path}/x.db")


async def test_a_server_that_is_not_there_is_an_error_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        await opened(f"postgresql://u:hunter22@/x?host={tmp_path}")
    assert "hunter22" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


async def test_the_file_is_for_its_owner_alone_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "server.db"
    async with open_database(f"sqlite:///{path}") as database:
        await database.do(lambda c: c.execute(put("a")))
        for name in os.listdir(path.parent):
            assert (path.parent / name).stat().st_mode & 0o077 == 0


async def test_sqlite_is_set_to_keep_what_it_acknowledged(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        mode = await database.do(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar())
        safety = await database.do(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar())
    assert (mode, safety) == ("wal", 2)


# --- databases that go away -----------------------------------------------------------------


async def test_a_file_that_was_removed_takes_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_database(f"sqlite:///{path}") as database:
        for name in ("x.db", "x.db-wal", "x.db-shm"):
            os.unlink(tmp_path / name)
        with pytest.raises(DatabaseUnavailable, match="was removed"):
            await database.do(lambda c: c.execute(put("lost")))


async def test_a_file_that_somebody_else_holds_is_an_error_and_then_works_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.db"
    async with open_database(f"sqlite:///{path}") as database:
        await database.do(lambda c: c.exec_driver_sql("PRAGMA busy_timeout = 50") and None)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await database.do(lambda c: c.execute(put("a")))
        other.execute("ROLLBACK")
        other.close()
        await database.do(lambda c: c.execute(put("b")))
        assert await names(database) == {"b"}


async def test_a_connection_that_was_cut_is_made_anew_and_nobody_notices(
    postgres: Postgres,
) -> None:
    url = postgres.new_database()
    async with open_database(url) as database:
        await database.do(lambda c: c.execute(put("before")))
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'meetcore'"
        )
        await database.do(lambda c: c.execute(put("after")))
        assert await names(database) == {"before", "after"}


async def test_a_connection_that_became_one_to_a_standby_is_not_used_again(
    postgres: Postgres,
) -> None:
    """As after a failover: the connection is as good as before, and writes nothing."""
    url = postgres.new_database()
    async with open_database(url) as database:
        await database.do(lambda c: c.execute(put("before")))
        read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        await database.do(lambda c: c.exec_driver_sql(read_only) and None)
        await database.do(lambda c: c.execute(put("after")))
        assert await names(database) == {"before", "after"}


async def test_a_server_that_only_reads_is_told_from_one_that_writes_when_it_is_connected_to(
    postgres: Postgres,
) -> None:
    url = postgres.new_database()
    name = url.partition("@/")[2].partition("?")[0]
    async with open_database(url) as database:
        postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        await database.do(lambda c: c.exec_driver_sql(read_only) and None)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            await database.do(lambda c: c.execute(put("lost")))
        postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await database.do(lambda c: c.execute(put("kept")))
        assert await names(database) == {"kept"}


async def test_of_several_hosts_the_one_that_answers_is_taken(
    postgres: Postgres, tmp_path: Path
) -> None:
    url = postgres.new_database()
    here = url.partition("host=")[2]
    head = url.partition("?")[0]
    for both in (f"host={tmp_path},{here}", f"host={tmp_path}&host={here}"):
        async with open_database(f"{head}?{both}") as database:
            assert tmp_path.name in database.shown
            assert await database.do(lambda c: 1 + 1) == 2


async def test_of_two_who_are_in_each_others_way_both_are_done(postgres: Postgres) -> None:
    """PostgreSQL undoes one of them: with all that was to be committed with it."""
    url = postgres.new_database()
    met = threading.Barrier(2)
    been: set[bytes] = set()

    async with open_database(url) as one, open_database(url) as other:
        for name in ("a", "b"):
            await one.do(lambda c, name=name: c.execute(put(name)))  # type: ignore[misc]

        def write(c: sa.Connection, name: str, by: bytes) -> None:
            c.execute(sa.update(table).where(table.c.name == name).values(value=by))

        def both(c: sa.Connection, names: tuple[str, str], by: bytes) -> None:
            c.exec_driver_sql("SET LOCAL deadlock_timeout = '50ms'")
            write(c, names[0], by)
            if by not in been:
                been.add(by)
                met.wait(10)
            write(c, names[1], by)

        async def have(database: Database, names: tuple[str, str], by: bytes) -> None:
            gate = threading.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.do, lambda c: gate.wait(10))
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(database.do, lambda c: both(c, names, by))
                nursery.start_soon(database.do, lambda c: c.execute(put(by.decode())))
                await trio.testing.wait_all_tasks_blocked()
                gate.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(have, one, ("a", "b"), b"one")
            nursery.start_soon(have, other, ("b", "a"), b"other")
        assert await names(one) == {"a", "b", "one", "other"}


async def test_a_conflict_that_never_ends_is_an_error_after_some_tries(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    class InTheWay(Exception):
        sqlstate = "40001"

    def fail(c: sa.Connection) -> None:
        nonlocal tries
        tries += 1
        raise sa.exc.OperationalError("UPDATE", {}, InTheWay("could not serialize access"))

    monkeypatch.setattr(worker, "_AFTER_CONFLICT_S", 0.0)
    async with open_database(sqlite_url) as database:
        with pytest.raises(DatabaseUnavailable, match="serialize"):
            await database.do(fail)
        assert tries == 1 + worker._MOST_CONFLICTS
        await database.do(lambda c: c.execute(put("next")))
        assert await names(database) == {"next"}


async def test_a_server_that_goes_away_in_the_middle_is_an_error_and_its_return_is_found(
    postgres: Postgres,
) -> None:
    url = postgres.new_database()
    begun, gate = threading.Event(), threading.Event()

    def in_the_middle(c: sa.Connection) -> None:
        c.execute(put("half"))
        begun.set()
        gate.wait(30)
        c.execute(put("other half"))

    async def refused(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable, match="cannot be used"):
            await database.do(in_the_middle)

    async with open_database(url) as database:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused, database)
            assert await trio.to_thread.run_sync(begun.wait, 10)
            await trio.to_thread.run_sync(postgres.stop)
            gate.set()
        with pytest.raises(DatabaseUnavailable, match="cannot be used"):
            await database.do(lambda c: c.execute(put("nobody there")))
        await trio.to_thread.run_sync(postgres.start)
        await database.do(lambda c: c.execute(put("back")))
        assert await names(database) == {"back"}


# --- killed ---------------------------------------------------------------------------------

WRITER = """
import sys, trio, sqlalchemy as sa
from datetime import datetime, UTC
from meetcore_server.storage.database import open_database
from meetcore_server.storage.tables import server_secrets as table

async def write(database, who):
    for number in range(100_000):
        name = f"{who}-{number}"
        row = sa.insert(table).values(name=name, value=b"x" * 200, created_at=datetime.now(UTC))
        await database.do(lambda c: c.execute(row))
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()

async def main():
    async with open_database(sys.argv[1]) as database, trio.open_nursery() as nursery:
        for who in range(16):
            nursery.start_soon(write, database, who)

trio.run(main)
"""


def write_until_killed(url: str, lines: int) -> list[str]:
    """Have a process write; kill it when it has told of so many; return all it told of."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    return acknowledged


async def test_what_a_killed_process_had_acknowledged_is_there(database_url: str) -> None:
    acknowledged = await trio.to_thread.run_sync(write_until_killed, database_url, 500)
    whole = {line.strip() for line in acknowledged if line.endswith("\n")}
    assert len(whole) >= 500
    async with open_database(database_url) as database:
        assert whole <= await names(database)


@pytest.mark.parametrize(
    ("kind", "its_own"),
    [
        (sa.exc.DatabaseError, True),
        (sa.exc.OperationalError, True),
        (sa.exc.InternalError, True),
        (sa.exc.InterfaceError, True),
        (sa.exc.ProgrammingError, True),
        (sa.exc.IntegrityError, False),
        (sa.exc.DataError, False),
    ],
)
async def test_whatever_the_database_itself_cannot_do_is_unavailable(
    sqlite_url: str, kind: type[sa.exc.DBAPIError], its_own: bool
) -> None:
    def fail(c: sa.Connection) -> None:
        raise kind("SELECT", {}, sqlite3.DatabaseError("database disk image is malformed"))

    async with open_database(sqlite_url) as database:
        with pytest.raises(DatabaseUnavailable if its_own else kind, match="malformed"):
            await database.do(fail)


async def test_an_error_of_the_database_does_not_say_what_was_to_be_written(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await database.do(lambda c: c.execute(put("a", b"hidden1")))
        with pytest.raises(IntegrityError) as raised:
            await database.do(lambda c: c.execute(put("a", b"hidden2")))
    assert "hidden2" not in str(raised.value)
