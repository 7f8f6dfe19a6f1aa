"""The command group: help of everything, plugins' own commands, errors without tracebacks."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

import meetcore
from meetcore.cli import main
from meetcore.plugins import Plugins


def test_every_command_has_help_that_says_what_it_does(meetcore_command):
    result = meetcore_command("--help", installed=True)
    assert result.exit_code == 0
    names = main.list_commands(click.Context(main))
    assert {"join", "plugins", "doctor", "replay", "recover", "demo", "rehearse"} <= set(names)
    for name in names:
        assert name in result.output
        shown = meetcore_command(name, "--help", installed=True)
        assert shown.exit_code == 0
        command = main.get_command(click.Context(main), name)
        assert command.help.splitlines()[0].split(".")[0][:40] in shown.output
        silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert silent == [], f"options of {name} without a word of help"


def test_it_runs_as_a_module_and_says_its_version():
    done = subprocess.run(
        [sys.executable, "-m", "meetcore", "--version"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == f"meetcore, version {meetcore.__version__}\n"


def test_an_unknown_command_is_a_wrong_use(meetcore_command):
    result = meetcore_command("jion")
    assert result.exit_code == 2
    assert "No such command 'jion'" in result.stderr


@pytest.mark.parametrize("inside_a_group", [False, True])
def test_an_error_of_ours_is_two_lines_for_a_person(monkeypatch, meetcore_command, inside_a_group):
    error = meetcore.MeetcoreError("It is wrong.", "Do it right.")

    @click.command()
    def wrong():
        raise ExceptionGroup("several", [error]) if inside_a_group else error

    monkeypatch.setitem(main.commands, "wrong", wrong)
    result = meetcore_command("wrong")
    assert result.exit_code == 1
    assert result.stderr == "Error: It is wrong.\nDo it right.\n"


def test_a_group_without_an_error_of_ours_is_not_hidden(monkeypatch, meetcore_command):
    @click.command()
    def wrong():
        raise ExceptionGroup("several", [ZeroDivisionError()])

    monkeypatch.setitem(main.commands, "wrong", wrong)
    assert isinstance(meetcore_command("wrong").exception, ExceptionGroup)


def test_a_switch_that_names_no_plugin_is_said_on_every_command(meetcore_command, monkeypatch):
    monkeypatch.setenv("MEETCORE_LOAD", "fiels")
    result = meetcore_command("demo", installed=True)
    assert result.exit_code == 1
    assert "There is no plugin named 'fiels'." in result.stderr
    assert "Did you mean 'files'?" in result.stderr


def test_the_cores_own_commands_win_over_a_plugins():
    assert Plugins().implementations("meetcore_register_cli")
    assert main.get_command(click.Context(main), "join") is main.commands["join"]
