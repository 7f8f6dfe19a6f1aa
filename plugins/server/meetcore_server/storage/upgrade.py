"""Brings a database to the tables of this version; refuses one of a later version."""

from __future__ import annotations

import threading
from importlib.resources import files
from typing import TYPE_CHECKING

import sqlalchemy as sa

from meetcore_server.storage.errors import DatabaseTooNew

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["NEWEST", "alembic_config", "upgrade", "version_of"]

NEWEST = "0005"
"""The last of the migrations."""

_ONE_AT_A_TIME = threading.Lock()  # Alembic's environment is a module's global
_LOCK_NUMBER = 6_386_003
_VERSIONS = sa.table("alembic_version", sa.column("version_num"))  # where Alembic notes them


def alembic_config(connection: sa.Connection) -> Config:
    """Return Alembic's configuration for our migrations over a connection."""
    from alembic.config import Config

    config = Config()
    folder = files("meetcore_server.storage").joinpath("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: sa.Connection, shown: str) -> None:
    """Run the migrations that are missing, within the transaction that the caller has begun.

    Args:
        connection: In a transaction.
        shown: The database as it may be named in an error.

    Raises:
        DatabaseTooNew: A later version wrote it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_NUMBER)))
    if _is_of_this_version(connection):
        return
    # A server that starts anew needs none of it, and it takes as long to import as SQLAlchemy.
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = alembic_config(connection)
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    present = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := present - known:
        raise DatabaseTooNew(
            f"The database {shown} is of version {', '.join(sorted(unknown))}, which this meetcore "
            "does not know.",
            "Use the newer meetcore that wrote it, or name another with --database.",
        )
    if present != set(script.get_heads()):
        with _ONE_AT_A_TIME:
            command.upgrade(config, "head")


def version_of(connection: sa.Connection) -> str | None:
    """Return the last migration that a database with tables has seen."""
    found: str | None = connection.scalar(sa.select(_VERSIONS.c.version_num))
    return found


def _is_of_this_version(connection: sa.Connection) -> bool:
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return False
    return list(connection.scalars(sa.select(_VERSIONS.c.version_num))) == [NEWEST]
