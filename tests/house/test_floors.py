"""A module of meetcore imports only from floors below it, or from its own floor.

The table is section 2 of the architecture. Imports for the type checker alone do not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "meetcore"
FLOORS: dict[int, str] = {
    0: "addresses commands config dialect errors events languages lifecycle links meeting orders "
    "printable roster secrets settings signals story subtitles transcript wire",
    1: "audio",
    2: "contracts doors folders hooks journal mailbox plugin_failures plugin_options plugins "
    "salvage scratch service subscription",
    3: "beginning bot control delivery leaving listening logs observing opening revising tracks "
    "transcribing",
    4: "children fleet launchers recovery storage",
    5: "__init__ __main__ blocking bot_proxy cli from_asyncio trio_thread",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}
BESIDE = "testing"
NO_WAITING = ("trio", "asyncio", "threading")

# The public door hands out every name lazily; it imports nothing before it is asked. The version
# is the one name that others take from it.
THE_DOOR = {("beginning", "__init__"), ("cli", "__init__")}


def modules() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def room(path: Path) -> str:
    """Return the top-level name a file belongs to: `journal`, `audio`, `cli`."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def is_for_types(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names a module imports when it runs, functions included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and is_for_types(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "meetcore imports by full names"
            if node.module == "meetcore":
                yield from (f"meetcore.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""
        else:
            yield from imports(node)


def rooms_used(path: Path) -> Iterator[str]:
    for name in imports(ast.parse(path.read_text("utf-8"))):
        parts = name.split(".")
        if parts[0] != "meetcore":
            continue
        second = parts[1] if len(parts) > 1 else "__init__"
        yield (
            second if (CORE / second).is_dir() or (CORE / f"{second}.py").is_file() else "__init__"
        )


def test_every_module_has_a_floor():
    assert {room(path) for path in modules()} == {*FLOOR_OF, BESIDE}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(CORE)))
def test_a_module_imports_only_from_its_floor_and_below(path):
    own = room(path)
    if own == BESIDE:
        return
    for used in rooms_used(path):
        if used == own or (own, used) in THE_DOOR:
            continue
        assert used != BESIDE, f"{own} is for production, {used} is for tests"
        assert FLOOR_OF[used] <= FLOOR_OF[own], f"{own} imports {used} from a floor above"


@pytest.mark.parametrize("floor", [0, 1])
def test_the_two_lowest_floors_wait_for_nothing(floor):
    for path in modules():
        if FLOOR_OF.get(room(path)) == floor:
            used = set(imports(ast.parse(path.read_text("utf-8"))))
            waiting = [name for name in used if name.split(".")[0] in NO_WAITING]
            assert not waiting, f"{path.name} imports {waiting}"


def test_a_check_of_the_check(tmp_path):
    """An import inside a function counts, one for the type checker does not."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from meetcore.bot import Bot\n"
        "def f():\n    from meetcore.fleet import Fleet\n"
        "from meetcore import __version__\n"
    )
    assert list(imports(tree)) == ["typing", "meetcore.fleet", "meetcore.__version__"]
