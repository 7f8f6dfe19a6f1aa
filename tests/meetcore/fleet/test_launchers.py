"""Launchers by name."""

from __future__ import annotations

from pathlib import Path

import pytest

import meetcore
from meetcore.fleet import ChildProcessLauncher, InProcessLauncher, launcher_of


def config(**settings: object) -> meetcore.BotConfig:
    return meetcore.load_config(None, settings, environ={})


def test_the_two_that_are_built_in_have_names_and_options() -> None:
    plugins = meetcore.Plugins(entry_points=False)
    assert isinstance(launcher_of(config(), plugins), InProcessLauncher)
    assert isinstance(launcher_of(config(launcher="in_process"), plugins), InProcessLauncher)
    table = {"child_process": {"stop_with_launcher": False, "unresponsive_limit_s": "none"}}
    chosen = config(launcher="child_process", plugins=table)
    plugins.check_namespaces(chosen)
    launcher = launcher_of(chosen, plugins)
    assert isinstance(launcher, ChildProcessLauncher)
    assert (launcher.stop_with_launcher, launcher.unresponsive_limit_s) == (False, None)


def test_what_cannot_be_is_named_with_what_can() -> None:
    plugins = meetcore.Plugins(entry_points=False)
    with pytest.raises(meetcore.UnknownOption, match="unresponsive_limit_s"):
        wrong = {"child_process": {"unresponsive_limit": 5}}
        launcher_of(config(launcher="child_process", plugins=wrong), plugins)
    with pytest.raises(meetcore.UnknownPlugin, match="kubernetes"):
        launcher_of(config(launcher="kubernetes"), plugins)


async def test_a_fleet_takes_the_one_that_its_configuration_names(tmp_path: Path) -> None:
    named = config(launcher="child_process", out_dir=str(tmp_path))
    plugins = meetcore.Plugins(entry_points=False)
    async with meetcore.open_fleet(named, plugins=plugins) as fleet:
        assert isinstance(fleet.launcher, ChildProcessLauncher)
        assert fleet.launcher.store is fleet.store
        assert await fleet.launcher.list() == []
        assert await fleet.launcher.capacity() is None
