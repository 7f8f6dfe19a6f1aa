"""A plugin imports meetcore and its own libraries, never another plugin; the core names none."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.test_public_face import FACES

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
MAY_STAND_ON = {
    "agents": {"websocket"},
    "assemblyai": {"speech_api"},
    "deepgram": {"speech_api"},
    "easyrtc": {"browser"},
    "janus": {"browser"},
    "meet": {"browser"},
    "rehearsal": {"browser"},
    "rtmp": {"files", "websocket"},
    "teams": {"browser"},
    "server": {"websocket", "webhook"},
    "meetstream": {"files", "webhook", "websocket"},
    "spoke": {"websocket"},
    "zoom": {"browser"},
}

NOT_HERE = {"pipecat": "pipecat-ai"}
"""Of what only an environment of its own has: the distribution of a module."""


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


def others_named(text: str, plugin: str) -> set[str]:
    """Return the plugins that a module imports, or names where it imports by name."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            named.add(node.module or "")
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            named |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    tops = {str(name).partition(".")[0] for name in named}
    return {top.removeprefix("meetcore_") for top in tops if top.startswith("meetcore_")} - {plugin}


@pytest.mark.parametrize(
    "text",
    [
        "import meetcore_files",
        "def f():\n    from meetcore_files.sink import FilesSink",
        "import_module('meetcore_files.sink')",
    ],
)
def test_an_import_of_another_plugin_is_found(text):
    assert others_named(text, "websocket") == {"files"}
    assert others_named(text, "files") == set()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_imports_no_other_plugin_but_what_it_may_stand_on(plugin):
    """And each permission is used, and declared as what the plugin needs."""
    used: set[str] = set()
    for path in files_of(plugin):
        others = others_named(path.read_text("utf-8"), plugin)
        not_allowed = others - MAY_STAND_ON.get(plugin, set())
        assert not not_allowed, f"{path.relative_to(ROOT)} imports {not_allowed}"
        used |= others
    assert used == MAY_STAND_ON.get(plugin, set())
    assert {f"meetcore-{name.replace('_', '-')}" for name in used} <= required(plugin)


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
            dists = {
                dist.lower().replace("_", "-")
                for dist in homes.get(name, [NOT_HERE.get(name, name)])
            }
            assert dists & declared, f"{path.relative_to(ROOT)} imports {name}: {dists}"


def private_names(text: str) -> list[str]:
    """Return what a module imports of meetcore that no public face has."""
    faces = {face.__name__: face for face in FACES}
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            found += [name for name in names if name.startswith("meetcore.") and name not in faces]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "meetcore":
            face = faces.get(node.module or "")
            public = {*face.__all__, "__version__"} if face is not None else set()
            found += [f"{node.module}.{a.name}" for a in node.names if a.name not in public]
    return found


@pytest.mark.parametrize("plugin", PLUGINS)
def test_our_own_plugins_import_public_names_only(plugin):
    """What they need, the author of another plugin needs too."""
    for path in files_of(plugin):
        found = private_names(path.read_text("utf-8"))
        assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_an_import_of_a_private_name_is_found():
    text = (
        "from meetcore import Sink, __version__\n"
        "from meetcore.gateway import Mount\n"
        "import meetcore.testing\n"
        "def f():\n    from meetcore.gateway.http import Mount\n    import meetcore.bot.bot\n"
        "from meetcore.model import no_such_name\n"
    )
    assert sorted(private_names(text)) == [
        "meetcore.bot.bot",
        "meetcore.gateway.http.Mount",
        "meetcore.model.no_such_name",
    ]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_core_names_no_plugin(plugin):
    for path in sorted((ROOT / "meetcore").rglob("*.py")):
        assert f"meetcore_{plugin}" not in path.read_text("utf-8"), path


LOADED = [
    plugin
    for plugin in PLUGINS
    if "entry-points"
    in tomllib.loads((ROOT / f"plugins/{plugin}/pyproject.toml").read_text())["project"]
]


def test_only_what_others_stand_on_is_no_plugin_itself():
    assert set(PLUGINS) - set(LOADED) == {"speech_api"}


@pytest.mark.parametrize("plugin", LOADED)
def test_a_plugin_says_which_hook_api_it_was_written_for(plugin):
    text = (ROOT / "plugins" / plugin / f"meetcore_{plugin}" / "plugin.py").read_text("utf-8")
    assert re.search(r'^meetcore_api_version = "\d+\.\d+"$', text, re.MULTILINE)
