"""One version for all distributions, an extra for each, and the licence in every one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import meetcore

ROOT = Path(__file__).parents[2]
CORE: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLUGINS: dict[str, dict[str, Any]] = {
    path.parent.name: tomllib.loads(path.read_text())["project"]
    for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))
}


def ours(requirements: list[str]) -> set[str]:
    """Requirements of the project's own distributions, as written."""
    return {each for each in requirements if re.match(r"meetcore\b", each)}


def extras_behind(name: str) -> set[str]:
    """The plugins that an extra brings, with the extras it stands on."""
    found: set[str] = set()
    for each in CORE["optional-dependencies"][name]:
        if inner := re.fullmatch(r"meetcore\[(.+)\]", each):
            found |= set().union(*(extras_behind(extra) for extra in inner[1].split(",")))
        elif plugin := re.match(r"meetcore-([\w-]+)", each):
            found.add(plugin[1].replace("-", "_"))
    return found


def test_there_is_one_version() -> None:
    versions = {name: project["version"] for name, project in PLUGINS.items()}
    assert set(versions.values()) | {CORE["version"]} == {meetcore.__version__}, versions


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_asks_for_the_core_and_its_siblings_of_its_own_version(name: str) -> None:
    asked = ours(PLUGINS[name]["dependencies"])
    assert any(each.startswith("meetcore==") for each in asked)
    assert all(each.endswith(f"=={meetcore.__version__}") for each in asked), asked


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_has_an_extra_of_its_name(name: str) -> None:
    extra = name.replace("_", "-")
    assert f"meetcore-{extra}=={meetcore.__version__}" in CORE["optional-dependencies"][extra]


def test_the_extra_all_brings_every_plugin() -> None:
    assert extras_behind("all") == set(PLUGINS)


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_carries_the_licence(name: str) -> None:
    assert (ROOT / "plugins" / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
