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
        assert floor(used) in FLOORS, f"{name_of(path)} imports the face {used}"
        assert FLOORS.index(floor(used)) <= FLOORS.index(own), f"{name_of(path)} imports {used}"


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return what hangs together in a circle, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        open_.append(name)
        for used in sorted(graph.get(name, ())):
            if used not in index:
                visit(used)
                low[name] = min(low[name], low[used])
            elif used in open_:
                low[name] = min(low[name], index[used])
        if low[name] == index[name]:
            at = open_.index(name)
            circle, open_[at:] = open_[at:], []
            if len(circle) > 1:
                found.append(sorted(circle))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def test_no_modules_import_each_other_in_a_circle():
    graph = {}
    for path in modules():
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        graph[name] = used_by(path) - {name}
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


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
