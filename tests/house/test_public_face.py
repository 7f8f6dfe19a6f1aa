"""One flat, sorted list of public names, looked up on first use; importing it costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import meetcore
import meetcore.cli
import meetcore.fleet
import meetcore.gateway
import meetcore.log
import meetcore.model
import meetcore.testing

HEAVY = ("playwright", "httpx2", "httpx", "av", "pocketsphinx", "numpy", "trio", "rich", "click")
FACES = [
    meetcore,
    meetcore.cli,
    meetcore.fleet,
    meetcore.gateway,
    meetcore.log,
    meetcore.model,
    meetcore.testing,
]


def type_checking_names(path: Path) -> dict[str, str]:
    """Return the names a package shows to the type checker, with the module each comes from."""
    found: dict[str, str] = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    for alias in inner.names:
                        assert alias.asname == alias.name, f"{alias.name} is not re-exported"
                        found[alias.name] = inner.module or ""
    return found


@pytest.mark.parametrize("face", FACES, ids=lambda d: d.__name__)
def test_the_list_is_sorted_and_every_name_on_it_is_there(face):
    assert face.__all__ == sorted(set(face.__all__))
    for name in face.__all__:
        assert getattr(face, name) is not None
        assert name in dir(face) or face is meetcore.cli


@pytest.mark.parametrize("face", FACES, ids=lambda d: d.__name__)
def test_the_type_checker_sees_the_same_names_from_the_same_places(face):
    shown = type_checking_names(Path(face.__file__))
    given = {
        name: f"{face.__name__}.{home}" for home, names in face._HOMES.items() for name in names
    }
    if face is meetcore:
        given |= dict.fromkeys(meetcore._FACES, "meetcore")
    assert shown == given
    assert set(shown) == set(face.__all__)


@pytest.mark.parametrize("face", FACES, ids=lambda d: d.__name__)
def test_a_public_name_is_public_at_home_too(face):
    for home, names in face._HOMES.items():
        module = import_module(f"{face.__name__}.{home}")
        assert set(names) <= set(module.__all__), home


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="open_bto"):
        meetcore.open_bto


def imported_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return set(out.stdout.split())


def test_importing_meetcore_brings_in_nothing_heavy():
    assert not imported_by("import meetcore") & set(HEAVY)


def test_loading_every_plugin_brings_in_no_browser_client_or_decoder():
    loaded = imported_by("import meetcore; meetcore.Plugins()")
    assert "meetcore_rehearsal" in loaded
    assert not loaded & {"playwright", "httpx2", "httpx", "av", "pocketsphinx"}


def test_the_packages_say_that_they_are_typed():
    root = Path(__file__).parents[2]
    packages = [root / "meetcore", *(p.parent for p in root.glob("plugins/*/*/plugin.py"))]
    assert len(packages) >= 6
    assert [str(p) for p in packages if not (p / "py.typed").is_file()] == []
