"""The tables as the migrations make them, made once: a test of something else starts from a copy.

What the migrations do, and that a server makes its own database, have tests of their own.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from meetcore_server.storage.engine import find_place
from meetcore_server.storage.upgrade import upgrade


def migrate(url: str) -> None:
    place = find_place(url)
    place.make_file()
    with place.engine.connect() as connection, connection.begin():
        upgrade(connection, place.shown)
    place.engine.dispose()


@cache
def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite:///{file}")
        return file.read_bytes()


def with_tables(file: Path) -> str:
    """Put a SQLite database with the tables there, unless one is; return its URL."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as made:
            made.write(_sqlite())
    return f"sqlite:///{file}"
