"""A plugin imports meetcore and its own libraries, never another plugin; the core names none."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
MAY_STAND_ON = {
    "rehearsal": {"browser"},
    "meet": {"browser"},
    "zoom": {"browser"},
    "teams": {"browser"},
    "janus": {"browser"},
    "server": {"websocket", "webhook"},
    "meetstream": {"websocket"},
    "spoke": {"websocket"},
}


def files_of(plugin: str) -> list[Path]:
    return sorted((ROOT / "plugins" / plugin / f"meetcore_{plugin}").rglob("*.py"))


def top_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


def test_there_are_plugins_to_look_at():
    assert {"browser", "files", "pocketsphinx", "rehearsal", "webhook"} <= set(PLUGINS)
    assert all(files_of(plugin) for plugin in PLUGINS)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_no_other_plugin(plugin):
    allowed = {f"meetcore_{name}" for name in {plugin, *MAY_STAND_ON.get(plugin, ())}}
    for path in files_of(plugin):
        others = {name for name in top_names(path) if name.startswith("meetcore_")} - allowed
        assert not others, f"{path.relative_to(ROOT)} imports {others}"


def required(plugin: str) -> set[str]:
    """Return the distributions a plugin declares, optional ones included, in lower case."""
    project = tomllib.loads((ROOT / "plugins" / plugin / "pyproject.toml").read_text())["project"]
    entries = list(project["dependencies"])
    for extra in project.get("optional-dependencies", {}).values():
        entries += extra
    return {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower().replace("_", "-") for entry in entries}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_declares_every_library_it_imports(plugin):
    homes = packages_distributions()
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    core_names = {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in core}
    declared = required(plugin) | core_names
    assert "meetcore" in declared
    for path in files_of(plugin):
        for name in top_names(path) - set(sys.stdlib_module_names) - {f"meetcore_{plugin}"}:
            dists = {dist.lower().replace("_", "-") for dist in homes.get(name, [name])}
            assert dists & declared, f"{path.relative_to(ROOT)} imports {name}: {dists}"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_core_names_no_plugin(plugin):
    for path in sorted((ROOT / "meetcore").rglob("*.py")):
        assert f"meetcore_{plugin}" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_says_which_hook_api_it_was_written_for(plugin):
    text = (ROOT / "plugins" / plugin / f"meetcore_{plugin}" / "plugin.py").read_text("utf-8")
    assert re.search(r'^meetcore_api_version = "\d+\.\d+"$', text, re.MULTILINE)
