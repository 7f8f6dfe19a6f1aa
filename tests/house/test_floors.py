"""A floor of meetcore is a folder: a module imports only from its own folder and those below it.

Imports for the type checker alone count too: what a reader has to know is what a module names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "meetcore"
FLOORS = ("model", "audio", "plugin", "log", "bot", "fleet", "gateway", "testing", "cli")
FACES = {"__init__", "__main__", "blocking", "from_asyncio"}
NO_WAITING = ("trio", "asyncio", "threading")

# The version is a name of the package itself, which imports nothing before it is asked.
OF_THE_PACKAGE = {("log/journal_head.py", "meetcore"), ("cli/group.py", "meetcore")}


def modules() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a file's place, as it is read: `bot/hearing.py`."""
    return path.relative_to(CORE).as_posix()


def is_module(dotted: str) -> bool:
    path = CORE.parent.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the modules that a module imports, anywhere in it and for any reason."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "meetcore imports by full names"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                own = (node.module or "").split(".")[0] == "meetcore"
                yield inner if own and is_module(inner) else node.module or ""


def used_by(path: Path) -> set[str]:
    found = set(imports(ast.parse(path.read_text("utf-8"))))
    return {name for name in found if name.split(".")[0] == "meetcore"}


def floor(dotted: str) -> str:
    """Return the folder that a module of meetcore is in, or its own name if it is in none."""
    return [*dotted.split("."), ""][1]


def test_a_floor_is_a_folder_and_beside_them_stand_only_the_faces():
    found = {path.stem for path in CORE.iterdir() if path.suffix == ".py"}
    assert found == FACES
    assert {path.name for path in CORE.iterdir() if (path / "__init__.py").is_file()} == {*FLOORS}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_its_floor_and_below(path: Path):
    own = path.relative_to(CORE).parts[0]
    if own not in FLOORS:
        return
    for used in used_by(path):
        if (name_of(path), used) in OF_THE_PACKAGE:
            continue
        assert floor(used) in FLOORS, f"{name_of(path)} imports the face {used}"
        assert FLOORS.index(floor(used)) <= FLOORS.index(own), f"{name_of(path)} imports {used}"


def test_every_exception_is_needed():
    used = {(name_of(path), name) for path in modules() for name in used_by(path)}
    assert used >= OF_THE_PACKAGE


@pytest.mark.parametrize("lowest", ["model", "audio"])
def test_the_two_lowest_floors_wait_for_nothing(lowest: str):
    for path in sorted((CORE / lowest).rglob("*.py")):
        used = set(imports(ast.parse(path.read_text("utf-8"))))
        waiting = [name for name in used if name.split(".")[0] in NO_WAITING]
        assert not waiting, f"{path.name} imports {waiting}"


def test_a_check_of_the_check():
    """An import inside a function counts, and one for the type checker too."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from meetcore.bot.bot import Bot\n"
        "def f():\n    from meetcore.fleet import recovery\n"
        "from meetcore import __version__\n"
    )
    assert set(imports(tree)) == {
        "typing",
        "meetcore.bot.bot",
        "meetcore.fleet.recovery",
        "meetcore",
    }
