"""The database's thread: takes what waits, runs it in one transaction, commits, tells who waits."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import sqlalchemy as sa
from attrs import define, field
from outcome import Error, Outcome, Value, capture
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from meetcore_server.storage.engine import DatabaseLocation
from meetcore_server.storage.errors import DatabaseUnavailable
from meetcore_server.storage.upgrade import upgrade

__all__ = ["DatabaseWorker", "Operation", "Settled"]

_MOST_AT_ONCE = 512
_LONGEST_BATCH_S = 0.05
_MOST_CONFLICTS = 5
_AFTER_CONFLICT_S = 0.02
_CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a transaction that was in another's way, and was undone for it."""

_OF_NO_USE = ("25006", "57P01", "57P02", "57P03", "57P05", "25P03")
"""SQLSTATEs of a connection to a server that writes nothing, or goes: another may be the one."""


@define(eq=False)
class Operation:
    """Something to do in the database.

    Attributes:
        without_trace: What was there before is to be nowhere afterwards; gives whether that is so.
        given_up: Nobody waits for it any more; not begun yet, it is left out.
    """

    fn: Callable[[sa.Connection], Any]
    settle: Callable[[Outcome[Any]], None]
    without_trace: bool = False
    given_up: bool = False


Settled: TypeAlias = list[tuple[Operation, Outcome[Any]]]


class _Undone(Exception):
    """Nothing of a batch was committed, for a reason of which it is not to blame: `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class _Broken(_Undone):
    """The connection broke before the COMMIT was sent, or is of no use."""


class _Deadlocked(_Undone):
    """Another server's transaction was in the way."""


@define(eq=False)
class DatabaseWorker:
    """Owns the connection.

    Args:
        place: The database.
        tell: Called from the thread with what is settled.
    """

    place: DatabaseLocation
    tell: Callable[[Settled], None]
    _queue: queue.SimpleQueue[Operation | None] = field(factory=queue.SimpleQueue, init=False)
    _connection: sa.Connection | None = field(default=None, init=False)
    _identity: tuple[int, int] | None = field(default=None, init=False)
    _stopping: bool = field(default=False, init=False)

    def put(self, operation: Operation) -> None:
        """Have something done. From any thread."""
        self._queue.put(operation)

    def stop(self) -> None:
        """End when what waits is done. From any thread."""
        self._queue.put(None)

    def live(self, opened: Operation) -> None:
        """Open the database, settle `opened`, serve until told to stop; the thread's function."""
        try:
            result = capture(self._open)
            self.tell([(opened, result)])
            while isinstance(result, Value) and not self._stopping:
                if (first := self._taken(wait=True)) is not None:
                    self.tell(self._serve(first))
        finally:
            self._disconnect()
            self.place.engine.dispose()

    def _open(self) -> None:
        self.place.make_file()
        try:
            connection = self.place.engine.connect()
            with connection.begin():
                upgrade(connection, self.place.shown)
            self._take(connection)
        except SQLAlchemyError as error:
            raise self._unavailable(error) from error

    def _connect(self) -> sa.Connection:
        connection = self.place.engine.connect()
        self._take(connection)
        return connection

    def _take(self, connection: sa.Connection) -> None:
        """Use a connection from now on."""
        self._connection = connection
        self._identity = self.place.identity()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.close()

    def _taken(self, *, wait: bool) -> Operation | None:
        """Return the next operation; None for none, or for the word to stop."""
        try:
            operation = self._queue.get(block=wait)
        except queue.Empty:
            return None
        if operation is None:
            self._stopping = True
        return operation

    def _serve(self, first: Operation) -> Settled:
        batch = [first]
        try:
            results = self._transact_again(batch)
        except _Undone as undone:
            results = self._all_failed(batch, undone.cause)
        except Exception as error:  # noqa: BLE001  the thread goes on, whatever a driver raises
            results = self._all_failed(batch, error)
        return list(zip(batch, results, strict=True))

    def _transact_again(self, batch: list[Operation]) -> list[Outcome[Any]]:
        """Run a batch; once more on a new connection, and a few times where another is in its way.

        Of a batch that was in another's way no operation is to blame: what the others hold is held
        until all of it is undone.
        """
        broken = conflicts = 0
        while True:
            try:
                return self._transact(batch)
            except _Broken:
                broken += 1
                self._disconnect()
                if broken > 1:
                    raise
            except _Deadlocked:
                conflicts += 1
                if conflicts > _MOST_CONFLICTS:
                    raise
                time.sleep(conflicts * _AFTER_CONFLICT_S)

    def _all_failed(self, batch: Sequence[Operation], error: Exception) -> list[Outcome[Any]]:
        self._disconnect()
        return [Error(self._unavailable(error)) for _ in batch]

    def _transact(self, batch: list[Operation]) -> list[Outcome[Any]]:
        """Run a batch, and what comes meanwhile, which is added to it; return after the COMMIT."""
        try:
            connection = self._connection or self._connect()
            if self.place.identity() != self._identity:
                raise DatabaseUnavailable(f"The database {self.place.shown} was removed.")
            results = self._run(connection, batch)
        except DBAPIError as error:
            if _of_no_use(error):
                raise _Broken(error) from error
            if _state_of(error) in _CONFLICTS:
                raise _Deadlocked(error) from error
            raise
        self._commit(connection)
        if any(operation.without_trace for operation in batch):
            clean = self._cut_off_log(connection)
            for number, (operation, result) in enumerate(zip(batch, results, strict=True)):
                if operation.without_trace and isinstance(result, Value):
                    results[number] = Value(clean)
        return results

    def _commit(self, connection: sa.Connection) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            if _state_of(error) not in _CONFLICTS:  # whether it was committed may not be known
                raise
            with suppress(SQLAlchemyError):
                connection.rollback()
            raise _Deadlocked(error) from error

    def _cut_off_log(self, connection: sa.Connection) -> bool:
        """Cut off SQLite's write-ahead log; return False where somebody still reads in it."""
        if connection.dialect.name != "sqlite":
            return True
        try:
            raw: Any = connection.connection.driver_connection
            (busy, *_), *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except Exception:  # noqa: BLE001  what was asked is committed; this is tried again
            return False
        return not busy

    def _run(self, connection: sa.Connection, batch: list[Operation]) -> list[Outcome[Any]]:
        began = time.monotonic()
        results: list[Outcome[Any]] = []
        connection.begin()
        try:
            while len(results) < len(batch):
                # The first needs no savepoint: to undo it is to undo the transaction.
                alone = not any(isinstance(result, Value) for result in results)
                results.append(self._one(connection, batch[len(results)], alone=alone))
                in_time = time.monotonic() - began < _LONGEST_BATCH_S
                if len(results) == len(batch) < _MOST_AT_ONCE and in_time and not self._stopping:
                    following = self._taken(wait=False)
                    batch += [following] if following is not None else []
        except BaseException:
            with suppress(SQLAlchemyError):
                connection.rollback()
            raise
        return results

    def _one(self, connection: sa.Connection, operation: Operation, *, alone: bool) -> Outcome[Any]:
        if operation.given_up:
            return Error(DatabaseUnavailable("Nobody waited for this any more."))
        if not alone:
            connection.exec_driver_sql("SAVEPOINT operation")
        try:
            result = operation.fn(connection)
        except Exception as error:
            if isinstance(error, DBAPIError) and _concerns_all(error):
                raise
            if alone:
                connection.rollback()
                connection.begin()
            else:
                connection.exec_driver_sql("ROLLBACK TO SAVEPOINT operation")
            return Error(self._unavailable(error) if _of_database(error) else error)
        if not alone:
            connection.exec_driver_sql("RELEASE SAVEPOINT operation")
        return Value(result)

    def _unavailable(self, error: Exception) -> DatabaseUnavailable:
        if isinstance(error, DatabaseUnavailable):
            return error
        cause = error.orig if isinstance(error, DBAPIError) else error
        password = self.place.engine.url.password
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        said = lines[0].replace(str(password), "…") if password else lines[0]
        told = DatabaseUnavailable(f"The database {self.place.shown} cannot be used: {said}")
        told.__cause__ = error
        return told


def _of_database(error: Exception) -> bool:
    """Whether the database itself cannot do it now, and not these values alone."""
    its_values = isinstance(error, IntegrityError | DataError)
    return isinstance(error, DBAPIError) and not its_values


def _state_of(error: DBAPIError) -> str:
    """Return the SQLSTATE that PostgreSQL gave; empty for none."""
    return str(getattr(error.orig, "sqlstate", None) or "")


def _of_no_use(error: DBAPIError) -> bool:
    """Whether nothing more can be done over a connection; nothing was committed."""
    return error.connection_invalidated or _state_of(error) in _OF_NO_USE


def _concerns_all(error: DBAPIError) -> bool:
    """Whether an operation's error is that of its whole batch."""
    return _of_no_use(error) or _state_of(error) in _CONFLICTS
