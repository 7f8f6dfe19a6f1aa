"""One thread that owns the database, and commits for many at once.

No driver for SQLite or PostgreSQL runs on plain Trio, and a commit that is on the disk costs
between a fraction of a millisecond and many. So one thread has the one connection, takes whatever
operations wait, runs them in one transaction, and wakes those who wait after the COMMIT: the more
there is to do, the less each one costs. An operation that fails is rolled back to its savepoint
and leaves its neighbours alone.

An operation is a function of a connection. It must change nothing but the database: where the
connection breaks before the COMMIT it is run a second time on a new one.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar, cast

import sqlalchemy as sa
import trio
from outcome import Outcome

from meetcore_server.storage.engine import DEFAULT_DATABASE_URL, find_place
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.server_lock import held_file
from meetcore_server.storage.worker import DatabaseWorker, Operation, Settled

__all__ = ["DEFAULT_DATABASE_URL", "Database", "open_database"]

T = TypeVar("T")

_ANSWER_WITHIN_S = 30.0
_CLOSE_WITHIN_S = 10.0


@asynccontextmanager
async def open_database(
    url: str = DEFAULT_DATABASE_URL, *, alone: bool = False
) -> AsyncIterator[Database]:
    """Open a database, bring its tables up to date, and hold it; up to 30 s.

    What is under way when the block ends is still committed.

    Args:
        url: `sqlite:///path` or `postgresql://user@host/name`.
        alone: Whether no other server may hold it meanwhile; several share a PostgreSQL.

    Raises:
        ConfigError: The URL is of no kind we know, or its driver is not installed.
        AlreadyServed: Another server holds it.
        DatabaseUnavailable: It cannot be opened.
        DatabaseTooNew: A later version wrote it.
    """
    database = Database(url, alone=alone)
    with database.held():
        try:
            await database.open()
            yield database
        finally:
            await database.close()


class Database:
    """An open database. Made by `open_database`.

    Attributes:
        shown: Its URL as it may be shown.
        kind: `sqlite` or `postgresql`.
        file: The file of a SQLite that is on a disk.
    """

    def __init__(self, url: str, *, alone: bool = False) -> None:
        place = find_place(url)
        self._lock_file = place.lock_file if alone else None
        self.shown = place.shown
        self.kind: str = place.engine.dialect.name
        self.file = place.file
        self._token = trio.lowlevel.current_trio_token()
        self._worker = DatabaseWorker(place, self._tell)
        self._thread: threading.Thread | None = None
        self._over = trio.Event()
        self._closed = False

    def held(self) -> AbstractContextManager[None]:
        """Hold the lock file where there is one to hold, while the block runs."""
        if self._lock_file is None:
            return nullcontext()
        return held_file(self._lock_file, f"The database {self.shown}")

    async def do(
        self, fn: Callable[[sa.Connection], T], *, within_s: float = _ANSWER_WITHIN_S
    ) -> T:
        """Run `fn(connection)` in the database's thread; return its result after the COMMIT.

        Once begun it is not cancelled: whoever waits would not know whether it was done.

        Raises:
            DatabaseUnavailable: The database went away, takes no more, or did not answer in time.
        """
        return cast(T, await self._do(fn, within_s))

    async def do_without_trace(self, fn: Callable[[sa.Connection], None]) -> bool:
        """Run `fn(connection)` so that what it overwrites or deletes is nowhere afterwards.

        Returns:
            Whether that is so; otherwise somebody else reads in the database: ask again later.

        Raises:
            DatabaseUnavailable: As for `do`.
        """
        return bool(await self._do(fn, _ANSWER_WITHIN_S, without_trace=True))

    async def _do(
        self, fn: Callable[[sa.Connection], Any], within_s: float, *, without_trace: bool = False
    ) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise DatabaseUnavailable(f"The database {self.shown} is closed.")
        operation, wait = self._operation(fn)
        operation.without_trace = without_trace
        self._worker.put(operation)
        return (await wait(within_s)).unwrap()

    async def open(self) -> None:
        """Start the thread and have it open the database."""
        opened, wait = self._operation(lambda _: None)
        self._thread = threading.Thread(
            target=self._live, args=(opened,), name="meetcore-database", daemon=True
        )
        self._thread.start()
        (await wait(_ANSWER_WITHIN_S)).unwrap()

    async def close(self) -> None:
        """Have the thread finish what it was given, and end; up to 10 s."""
        self._closed = True
        self._worker.stop()
        if self._thread is not None:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_WITHIN_S):
                await self._over.wait()
                self._thread.join()

    def _operation(
        self, fn: Callable[[sa.Connection], Any]
    ) -> tuple[Operation, Callable[[float], Any]]:
        done = trio.Event()
        outcomes: list[Outcome[Any]] = []

        def settle(outcome: Outcome[Any]) -> None:
            outcomes.append(outcome)
            done.set()

        operation = Operation(fn, settle)

        async def wait(within_s: float) -> Outcome[Any]:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + within_s):
                await done.wait()
            if not outcomes:
                operation.given_up = True
                raise DatabaseUnavailable(
                    f"The database {self.shown} did not answer within {within_s:g} s.",
                    "What was asked of it may still be done.",
                )
            return outcomes.pop()

        return operation, wait

    def _live(self, opened: Operation) -> None:
        try:
            self._worker.live(opened)
        finally:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._over.set)

    def _tell(self, settled: Settled) -> None:
        def settle_all() -> None:
            for operation, outcome in settled:
                operation.settle(outcome)

        with suppress(trio.RunFinishedError):  # the run has ended: nobody waits
            self._token.run_sync_soon(settle_all)
