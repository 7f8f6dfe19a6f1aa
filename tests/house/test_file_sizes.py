"""Files are rooms: none above 600 lines, each says in its first line what it is for."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600
NO_ROOM = {"utils", "helpers", "helper", "manager", "base", "common", "misc"}


@cache
def ours() -> tuple[Path, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py", "*.js"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = listed.stdout.split("\n")
    return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())


def first_string(text: str) -> str:
    """Return a module's text up to the end of its first long string: all a docstring needs."""
    opened = text.find('"""')
    return text[: text.find('"""', opened + 3) + 3] if opened >= 0 else ""


def test_no_file_is_longer_than_a_reader_can_hold():
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in ours()}
    assert len(lengths) > 100
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("folder", ["meetcore", "plugins", "tests", "examples", "benchmarks"])
def test_the_first_line_of_a_module_says_what_it_does(folder):
    silent = []
    for path in ours():
        if path.suffix != ".py" or path.relative_to(ROOT).parts[0] != folder:
            continue
        text = path.read_text("utf-8")
        docstring = ast.get_docstring(ast.parse(first_string(text)))
        starts = text.startswith(('"""', 'r"""', "#!"))
        if text.strip() and not (docstring and starts and docstring.splitlines()[0].strip()):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_no_room_is_named_after_nothing():
    assert [str(p) for p in ours() if p.stem in NO_ROOM] == []


MARKS = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK:")
NOT_RUN = {"skip", "skipif", "xfail"}


def left_for_later(text: str, *, python: bool) -> list[int]:
    """Return the lines that say that something is still to be done, or raise that it is not."""
    lines = [
        n for n, line in enumerate(text.splitlines(), 1) if any(mark in line for mark in MARKS)
    ]
    if not python or not any(name in text for name in ("NotImplementedError", *NOT_RUN)):
        return lines
    for node in ast.walk(ast.parse(text)):
        missing = isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
        mark = isinstance(node, ast.Attribute) and node.attr in NOT_RUN
        if missing or (mark and ast.unparse(node).startswith("pytest.mark.")):
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(
    "text",
    [
        f"x = 1  # {MARKS[0]}: mend it",
        "def later():\n    raise NotImplementedError('soon')",
        "@pytest.mark.skip(reason='flaky')\ndef test_x(): ...",
        "@pytest.mark.xfail\ndef test_x(): ...",
    ],
)
def test_what_is_left_for_later_is_found(text):
    assert left_for_later(text, python=True)


def test_nothing_is_left_for_later():
    found = {
        str(path.relative_to(ROOT)): lines
        for path in ours()
        if (lines := left_for_later(path.read_text("utf-8"), python=path.suffix == ".py"))
    }
    assert found == {}
