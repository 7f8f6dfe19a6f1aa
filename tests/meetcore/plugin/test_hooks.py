"""The hook specifications: few, documented, and called with what they say."""

from __future__ import annotations

import inspect

import pluggy

import meetcore
from meetcore.plugin.hooks import API_VERSION, DROP, Drop, HookSpecs
from meetcore.plugin.registry import Plugins


def specs() -> dict[str, object]:
    return {n: f for n, f in vars(HookSpecs).items() if n.startswith("meetcore_")}


def test_there_are_at_most_fifteen_and_each_says_what_it_is_for():
    assert 0 < len(specs()) <= 15
    for name, function in specs().items():
        doc = inspect.getdoc(function)
        assert doc, name
        assert doc[0].isupper(), name


def test_every_specification_is_known_to_the_plugin_manager():
    hook = Plugins(entry_points=False).manager.hook
    for name in specs():
        assert getattr(hook, name).spec is not None


def test_one_who_implements_everything_is_taken():
    class Everything:
        pass

    for name, function in specs().items():
        arguments = ", ".join(list(inspect.signature(function).parameters)[1:])
        scope: dict[str, object] = {}
        exec(f"def {name}(self, {arguments}): return None", scope)
        setattr(Everything, name, meetcore.hookimpl(scope[name]))
    plugins = Plugins(entry_points=False, objects={"everything": Everything()})
    assert sorted(plugins.infos[0].hooks) == sorted(specs())


def test_marks_of_another_project_are_not_ours():
    class Other:
        @pluggy.HookimplMarker("datasette")
        def meetcore_on_event(self, event):
            raise AssertionError

    plugins = Plugins(entry_points=False, objects={"other": Other()})
    assert plugins.implementations("meetcore_on_event") == []


def test_the_version_and_the_mark_for_dropping_are_public():
    major, minor = API_VERSION.split(".")
    assert (int(major), int(minor)) >= (1, 0)
    assert DROP is Drop.DROP is meetcore.DROP
