"""A release only adds to the tables: servers of the one before go on over them for a while."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path

import pytest

ADDING = {"add_column", "create_table", "create_index", "execute", "get_bind", "batch_alter_table"}
# Before any release: nobody ran two versions.
BEFORE = {"v0001_first.py", "v0002_limits_of_keys.py", "v0003_transcriptions.py",
          "v0004_bots_by_id.py", "v0005_several_servers.py"}  # fmt: skip


def faults(source: str) -> list[str]:
    """Return what in a migration an older server could not live with."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or node.name != "upgrade":
            continue
        for call in ast.walk(node):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            owner = call.func.value
            is_operation = isinstance(owner, ast.Name) and owner.id in ("op", "batch", "batch_op")
            if is_operation and call.func.attr not in ADDING:
                found.append(call.func.attr)
            if call.func.attr == "Column":
                given = {word.arg: word.value for word in call.keywords}
                needed = getattr(given.get("nullable"), "value", True) is False
                if needed and "server_default" not in given and not _in_new_table(node, call):
                    found.append("a column that old servers do not write")
    return found


def _in_new_table(function: ast.FunctionDef, column: ast.Call) -> bool:
    tables = (
        call
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "create_table"
    )
    return any(column in ast.walk(table) for table in tables)


def test_each_migration_since_the_first_release_only_adds():
    folder = files("meetcore_server.storage").joinpath("migrations", "versions")
    there = {path.name: path for path in folder.iterdir() if path.name.startswith("v")}
    assert set(there) >= BEFORE
    for name, path in there.items():
        if name not in BEFORE:
            assert faults(Path(str(path)).read_text("utf-8")) == [], name


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("op.add_column('bots', sa.Column('mood', sa.Text()))", []),
        ("op.add_column('bots', sa.Column('a', sa.Text(), nullable=False, server_default=''))", []),
        ("op.create_table('moods', sa.Column('a', sa.Text(), nullable=False))", []),
        ("op.drop_column('bots', 'mood')", ["drop_column"]),
        ("batch.alter_column('mood')", ["alter_column"]),
        ("op.add_column('bots', sa.Column('a', sa.Text(), nullable=False))",
         ["a column that old servers do not write"]),
    ],
)  # fmt: skip
def test_what_takes_something_away_is_found(line, fault):
    assert faults(f"def upgrade():\n    {line}\n") == fault
