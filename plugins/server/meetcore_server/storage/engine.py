"""From a URL to an engine: which databases there are, and how each is set up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from meetcore import ConfigError
from meetcore_server.storage.columns import storable
from meetcore_server.storage.errors import DatabaseUnavailable

__all__ = ["DEFAULT_DATABASE_URL", "DatabaseLocation", "find_place", "shared_by_servers"]

DEFAULT_DATABASE_URL = "sqlite:///meetings/server.db"

_BUSY_MS = 10_000
_SQLITE = (
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is acknowledged survives a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten
)
_POSTGRESQL_OPTIONS = (
    f"-c timezone=UTC -c statement_timeout=20000 -c lock_timeout={_BUSY_MS} "
    "-c idle_in_transaction_session_timeout=5000"  # a server that stands still holds up no other
)
_REMEDY = "Give sqlite:///path/to/file.db or postgresql://user@host/name."


@frozen
class DatabaseLocation:
    """Where a database is.

    Attributes:
        engine: Makes connections.
        shown: The URL as it may be shown.
        file: The file, for SQLite.
    """

    engine: sa.Engine = field(repr=False)
    shown: str
    file: Path | None = None

    def make_file(self) -> None:
        """Make the file that SQLite will use: what it holds is for its owner alone.

        Raises:
            DatabaseUnavailable: It cannot be made.
        """
        if self.file is None:
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise DatabaseUnavailable(
                f"The database {self.shown} cannot be opened: {error.strerror}.",
                "Name another with --database.",
            ) from error

    @property
    def lock_file(self) -> Path | None:
        """The file by which a server holds the database; None where there is no path."""
        return self.file.with_name(f"{self.file.name}.lock") if self.file is not None else None

    def identity(self) -> tuple[int, int] | None:
        """Return which file lies at the path; None where there is no path."""
        if self.file is None:
            return None
        try:
            status = os.stat(self.file)
        except OSError:
            return (0, 0)
        return status.st_dev, status.st_ino


def find_place(url: str) -> DatabaseLocation:
    """Return the place that a URL names; nothing is opened.

    Raises:
        ConfigError: It is of no kind we know, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("The database's URL cannot be read.", _REMEDY) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(parsed)
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return _postgresql(parsed)
    raise ConfigError(f"There is no database of kind {parsed.drivername!r}.", _REMEDY)


def shared_by_servers(url: str) -> bool:
    """Return whether several servers may share a database: each of them is in one place of many.

    Raises:
        ConfigError: It is of no kind we know, or its driver is not installed.
    """
    return find_place(url).engine.dialect.name == "postgresql"


def _to_json(value: Any) -> str:
    return storable(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _sqlite(url: URL) -> DatabaseLocation:
    engine = sa.create_engine(
        url.set(query={}),
        poolclass=sa.pool.NullPool if url.database else None,
        hide_parameters=True,  # an error goes to the log, and they may be secret
        json_serializer=_to_json,
    )

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, and it is IMMEDIATE
        for statement in _SQLITE:
            connection.execute(statement)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    in_memory = not url.database or url.database == ":memory:"
    file = None if in_memory else Path(str(url.database))
    return DatabaseLocation(engine, f"sqlite:///{url.database or ''}", file)


def _postgresql(url: URL) -> DatabaseLocation:
    options = f"{_POSTGRESQL_OPTIONS} {url.query.get('options', '')}".strip()
    settings: dict[str, Any] = {
        "application_name": "meetcore",
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "target_session_attrs": "read-write",  # of several hosts the one that takes what is written
        **{name: _joined(value) for name, value in url.query.items() if name != "options"},
        "options": options,
    }
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg", query={}),
            poolclass=sa.pool.NullPool,
            hide_parameters=True,
            json_serializer=_to_json,
            connect_args=settings,
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            "PostgreSQL needs the library psycopg, which is not installed.",
            "pip install 'meetcore-server[postgresql]'",
        ) from error
    place = {name: _joined(url.query[name]) for name in ("host", "port") if name in url.query}
    shown = URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, query=place
    )
    return DatabaseLocation(engine, shown.render_as_string())


def _joined(value: str | tuple[str, ...]) -> str:
    """Return a setting as libpq takes it: what is named several times is a list, for hosts."""
    return value if isinstance(value, str) else ",".join(value)
