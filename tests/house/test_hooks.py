"""Every hook leads somewhere: the core calls it, and something of ours implements it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from meetcore.plugin.hooks import HookSpecs

ROOT = Path(__file__).parents[2]
HOOKS = sorted(name for name in vars(HookSpecs) if name.startswith("meetcore_"))
OURS = sorted([*ROOT.glob("plugins/*/meetcore_*/plugin.py"), *ROOT.glob("examples/*.py")])
CORE = sorted(ROOT.glob("meetcore/**/*.py"))


def implemented(path: Path) -> set[str]:
    """Return the names of the functions at the top of a module."""
    body = ast.parse(path.read_text("utf-8")).body
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in body if isinstance(node, functions)}


def test_every_hook_is_implemented_by_something_of_ours():
    found = set[str]().union(*map(implemented, OURS))
    assert set(HOOKS) - found == set()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_called_by_the_core(hook):
    """By its name; what `register_*` hooks registered is asked for in its registry."""
    kind = hook.removeprefix("meetcore_register_")
    names = {f'"{hook}"', f"hook.{hook}", f'("{kind}", self.{kind}'}
    homes = [*CORE, *ROOT.glob("plugins/server/**/*.py")]
    calling = [path for path in homes if any(n in path.read_text("utf-8") for n in names)]
    assert calling, hook
