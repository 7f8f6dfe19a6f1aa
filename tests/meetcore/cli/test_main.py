"""The command group: help of everything, plugins' own commands, errors without tracebacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

import meetcore
from meetcore.cli import main
from meetcore.cli.ends import EXIT_MEANINGS
from meetcore.cli.join import join
from meetcore.plugin.registry import Plugins


def test_every_command_has_help_that_says_what_it_does(meetcore_command):
    result = meetcore_command("--help", installed=True)
    assert result.exit_code == 0
    names = main.list_commands(click.Context(main))
    assert {"join", "plugins", "doctor", "replay", "recover", "demo", "rehearse"} <= set(names)
    for name in names:
        if main.get_command(click.Context(main), name).hidden:
            continue
        assert name in result.output
        shown = meetcore_command(name, "--help", installed=True)
        assert shown.exit_code == 0
        command = main.get_command(click.Context(main), name)
        assert command.help.splitlines()[0].split(".")[0][:40] in shown.output
        silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
        assert silent == [], f"options of {name} without a word of help"


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_it_runs_as_a_module_and_says_its_version(option):
    done = subprocess.run(
        [sys.executable, "-m", "meetcore", option],
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
    assert main.get_command(click.Context(main), "join") is join


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("demo", "--transcriber", "deepgram"), "deepgram cannot transcribe here: no key is set."),
        (("demo", "--transcriber", "nobody"), "There is no transcriber named 'nobody'"),
        (("join", "https://meet.google.com/abc-defg-hij", "--leave-silence", "soon"),
         "silence_s in automatic_leave in the configuration is 'soon', but must be a number."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_before_anything_is_started(
    meetcore_command, monkeypatch, arguments, said
):
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    result = meetcore_command(*arguments, installed=True)
    assert result.exit_code == 1
    assert said in result.output.replace("\n", " ")
    assert "is coming" not in result.output


@pytest.mark.parametrize("command", [[], ["join"], ["demo"]])
def test_help_says_what_the_exit_codes_mean(meetcore_command, command):
    shown = meetcore_command(*command, "--help", installed=True).output
    for code, meaning in EXIT_MEANINGS.items():
        assert f"{code}  {meaning}" in " ".join(shown.replace("\n", " ").split("  ")).replace(
            f"{code} {meaning}", f"{code}  {meaning}"
        )


PIPED = """
import sys, click
from meetcore.cli import main

@main.command()
def chatty():
    for number in range({lines}):
        {say}
    sys.exit(0)

main(["chatty"], prog_name="meetcore")
"""
SAYINGS = {
    "print": "print('x' * 100)",
    "click": "click.echo('x' * 100)",
    "rich": "from meetcore.cli.ends import OutputConsole; OutputConsole().print('x' * 100)",
    "within trio": "import trio; trio.run(trio.sleep, 0); print('x' * 100, flush=True)",
}


@pytest.mark.parametrize("lines", [1, 5_000])
@pytest.mark.parametrize("say", SAYINGS.values(), ids=SAYINGS)
def test_a_command_whose_reader_is_gone_ends_quietly(say, lines):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", PIPED.format(say=say, lines=min(lines, 200))],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["doctor", "plugins"])
def test_a_list_whose_reader_is_gone_ends_quietly(command, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "meetcore", command],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        env={**os.environ, "MEETCORE_LOAD": "files"}, cwd=tmp_path,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_broken_pipe_that_is_not_the_output_is_not_hidden(monkeypatch, meetcore_command):
    @click.command()
    def wrong():
        raise ExceptionGroup("several", [BrokenPipeError("a socket")])

    monkeypatch.setitem(main.commands, "wrong", wrong)
    assert isinstance(meetcore_command("wrong").exception, ExceptionGroup)


@pytest.mark.parametrize("inside_a_group", [False, True])
def test_ctrl_c_in_any_command_is_130_and_no_traceback(
    monkeypatch, meetcore_command, inside_a_group
):
    @click.command()
    def wrong():
        if inside_a_group:
            raise BaseExceptionGroup("several", [KeyboardInterrupt()])
        raise KeyboardInterrupt

    monkeypatch.setitem(main.commands, "wrong", wrong)
    result = meetcore_command("wrong")
    assert (result.exit_code, result.output) == (130, "")


SLOW_IMPORT = """
import os, sys, builtins
really = builtins.__import__

def slow(name, *rest):
    if name == "trio":
        os.write(1, b"importing\\n")
        while True:
            pass
    return really(name, *rest)

builtins.__import__ = slow
from meetcore.cli import main
main()
"""


@pytest.mark.parametrize("command", ["join", "demo", "--help"])
def test_ctrl_c_while_imports_run_leaves_no_traceback(command):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_IMPORT, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"importing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (-signal.SIGINT, b"")


def test_a_shell_is_offered_the_names_of_plugins(meetcore_command):
    def offered(*words: str) -> list[str]:
        complete = ShellComplete(main, {}, "meetcore", "_MEETCORE_COMPLETE")
        *before, begun = words
        return [item.value for item in complete.get_completions(before, begun)]

    transcribers = offered("join", "--transcriber", "")
    assert transcribers == sorted(transcribers)
    assert {"auto", "captions", "none", "pocketsphinx", "whisper"} <= set(transcribers)
    assert "files" in offered("join", "--sink", "f")
    assert "rehearsal" in offered("join", "--without", "re")
    assert offered("demo", "--script", "pl") == ["planning"]
    assert "rehearse" in offered("re")
