"""A PostgreSQL of the tests' own, from Debian's binaries: on a local socket, gone at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

from tests.plugins.server.empty_tables import migrate

HOMES = Path("/usr/lib/postgresql")
TOOL_WITHIN_S = 60.0


class PostgresMissing(Exception):
    """The tests need PostgreSQL's binaries, and an unprivileged user to run them as."""


class Postgres:
    """A running server. `start` and `stop` may be called again and again."""

    def __init__(self) -> None:
        homes = sorted(HOMES.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
        if not homes:
            raise PostgresMissing(
                f"There is no {HOMES}/*/bin/pg_ctl. Install it: apt-get install postgresql"
            )
        self.bin = homes[-1].parent
        self.user = self._user()
        # Not below the run's own temporary folder: another user has to reach it.
        self.folder = Path(tempfile.mkdtemp(prefix="meetcore-pg-", dir="/tmp"))
        self.data, self.numbers = self.folder / "data", count(1)
        self._migrated = False
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        try:
            self._tool("initdb", "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8")
            self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _user() -> str | None:
        if os.getuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name).pw_name
            except KeyError:
                continue
        raise PostgresMissing("PostgreSQL does not run as root, and there is no user `postgres`.")

    def _tool(self, name: str, *args: str) -> None:
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            done = subprocess.run(
                [str(self.bin / name), "-D", str(self.data), *args],
                user=self.user, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, timeout=TOOL_WITHIN_S, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise PostgresMissing(f"{name} failed: {Path(log.name).read_text()[-2000:]}")

    def start(self) -> None:
        options = f"-c listen_addresses= -k {self.folder} -c fsync=off -c max_connections=40"
        self._tool("pg_ctl", "-w", "-o", options, "start")

    def stop(self) -> None:
        self._tool("pg_ctl", "-w", "-m", "immediate", "stop")

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder.parent / f"{self.folder.name}.log").unlink(missing_ok=True)

    def url(self, database: str) -> str:
        return f"postgresql://tests@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(
            host=str(self.folder), user="tests", dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, template: str = "template1") -> str:
        """Return the URL of a fresh database, without a table unless the template has some."""
        name = f"t{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def new_database_with_tables(self) -> str:
        """Return the URL of a fresh database with the tables that the migrations make."""
        if not self._migrated:
            self.execute("CREATE DATABASE migrated")
            migrate(self.url("migrated"))
            self._migrated = True
        return self.new_database("migrated")
