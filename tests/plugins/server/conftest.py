"""Databases for the tests: one of its own for each, of either kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from meetcore.cli import main
from meetcore.fleet.launching.in_process import InProcessLauncher
from meetcore_server import bot_supervision as supervision
from meetcore_server import live, supervisor
from meetcore_server.bot_supervision import Supervision
from tests.plugins.server.empty_tables import with_tables
from tests.plugins.server.postgres import Postgres

SHORT_LIMITS = {
    "_FIRST_PAUSE_S": 0.02, "_LONGEST_PAUSE_S": 0.1, "_STEP_WITHIN_S": 1.0,
    "_RECOVER_WITHIN_S": 1.0, "_SILENT_S": 0.2, "_LINGER_S": 1.0, "_AGAIN_AFTER_S": 0.1,
}  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under `TESTS_STORE=rows` all is kept elsewhere: what works on a folder is no test then."""
    if os.environ.get("TESTS_STORE") == "rows":
        here = str(Path(__file__).parent)
        alike = [
            each
            for each in items
            if not (str(each.path).startswith(here) and each.get_closest_marker("folder_store"))
        ]
        config.hook.pytest_deselected(items=[each for each in items if each not in alike])
        items[:] = alike


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL."""
    server = Postgres()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind_of_database(request: pytest.FixtureRequest) -> str:
    """Each test that takes a database runs over both kinds."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(kind_of_database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with its tables, and nothing in them."""
    if kind_of_database == "sqlite":
        return with_tables(tmp_path / "server.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database_with_tables()


@pytest.fixture
def new_database_url(kind_of_database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without any table."""
    if kind_of_database == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def another_database_url(
    kind_of_database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> str:
    """The URL of a second database of the same kind, with its tables and nothing in them."""
    if kind_of_database == "sqlite":
        return with_tables(tmp_path / "another.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database_with_tables()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return with_tables(tmp_path / "server.db")


@pytest.fixture(autouse=True)
def _each_command_loads_its_plugins() -> Iterator[None]:
    """Have no test find the plugins that another one let its command load."""
    yield
    main.__dict__.pop("_with_plugins", None)


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Supervisions that try again soon, and wait for nobody long."""
    for name, value in SHORT_LIMITS.items():
        monkeypatch.setattr(supervision, name, value)
    monkeypatch.setattr(Supervision._step, "__kwdefaults__", {"within_s": 1.0})
    monkeypatch.setattr(InProcessLauncher, "launch_within_s", 2.0)
    monkeypatch.setattr(supervisor, "_LOOKED_WITHIN_S", 1.0)
    monkeypatch.setattr(live, "_TELL_WITHIN_S", 0.5)
