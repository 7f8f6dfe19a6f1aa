"""The command line in this process, and plugins in one file for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from meetcore.cli import main

SIM = '''
"""A simulated meeting as a plugin in one file."""
from meetcore.testing import SimMeeting
import meetcore

meeting = SimMeeting("""
title = "CLI"
[admission]
after_s = 0.05
[[people]]
id = "ada"
name = "Ada"
{more}""", "cli")
inner = meeting.plugin()

@meetcore.hookimpl
def meetcore_register_platforms(register):
    inner.meetcore_register_platforms(register)
'''


@pytest.fixture
def write_plugin(tmp_path: Path) -> Callable[..., Path]:
    """Write a plugin in one file; by default a meeting `sim:cli` of half a second."""

    def write(name: str = "sim_plugin", text: str | None = None, more: str = "[end]\nat_s = 0.5\n"):
        path = tmp_path / f"{name}.py"
        path.write_text(SIM.format(more=more) if text is None else text)
        return path

    return write


@pytest.fixture
def meetcore_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in an empty folder, with no plugin installed unless asked for."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*arguments: object, installed: bool = False) -> Result:
        if not installed:
            monkeypatch.setattr("meetcore.plugin.registry.entry_points", lambda group: ())
        main.__dict__.pop("_with_plugins", None)  # each command is a process of its own
        return CliRunner().invoke(main, [str(a) for a in arguments])

    return run


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MEETCORE_CONFIG", "MEETCORE_NAME", "MEETCORE_LOAD", "MEETCORE_WITHOUT"):
        monkeypatch.delenv(variable, raising=False)
