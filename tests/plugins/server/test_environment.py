"""Every command starts with every variable it declares, and with those that others set."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import trio
from click.testing import CliRunner

from meetcore.cli import main
from meetcore.log.journal import Journal
from meetcore.model.events import BotRequested
from meetcore_server.assembly import ServeOptions

FOREIGN = {
    "MEETCORE_SERVICE_HOST": "10.0.0.1",
    "MEETCORE_SERVICE_PORT": "8080",
    "MEETCORE_PORT": "tcp://10.0.0.1:8080",
    "MEETCORE_PORT_8080_TCP": "tcp://10.0.0.1:8080",
}
ARGUMENTS = {
    "join": ["https://meet.google.com/abc-defg-hij"],
    "serve": [],
    "drain": [],
    "doctor": ["files"],
    "keys": ["create"],
    "replay": ["."],
    "demo": [],
    "name": ["http://127.0.0.1:9/v1/bots/b"],
    "check": [],
    "rebuild": [],
    "recover": ["."],
    "mcp": [],
    "move": ["--to", "folder:///tmp/elsewhere"],
    "clip": ["talk.wav", "--out", "clip.wav"],
    "transcribe": ["talk.wav", "--transcriber", "pocketsphinx"],
}


def declared() -> Iterator[tuple[str, str]]:
    """Every variable that a command declares."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        for group in (command, *getattr(command, "commands", {}).values()):
            for parameter in group.params:
                variables = parameter.envvar or ()
                for variable in [variables] if isinstance(variables, str) else variables:
                    yield name, variable


def test_the_variables_that_commands_declare_are_known() -> None:
    assert {("serve", "MEETCORE_API_KEY"), ("join", "MEETCORE_CONFIG")} <= set(declared())


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would run, instead of running it."""
    runs: list[tuple[Any, ...]] = []

    def run(_: Any, *arguments: Any, **__: Any) -> int:
        runs.append(arguments)
        return 0

    monkeypatch.setattr(trio, "run", run)
    return runs


@pytest.mark.parametrize(("command", "variable"), sorted(set(declared())))
def test_a_command_starts_with_a_variable_it_declares(
    command: str,
    variable: str,
    started: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "meetcore.toml"
    file.write_text('name = "Notes"\n')
    monkeypatch.chdir(tmp_path)
    journal = Journal(tmp_path / "journal.jsonl", "bot")
    journal.append(BotRequested(platform="x", native_id="x", public_url="x", display_name="x"))
    journal.close()
    with wave.open(str(tmp_path / "talk.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(3_200))
    values = {"MEETCORE_CONFIG": str(file), "MEETCORE_API_KEY": "k"}
    value = values.get(variable, "1")
    done = CliRunner().invoke(main, [command, *ARGUMENTS[command]], env={variable: value})
    if command == "name":  # which runs nothing here: it asks a server
        assert "cannot be reached" in done.output
        return
    if command == "doctor":  # which needs no Trio for one plugin
        assert done.output.startswith("ok"), done.output
        return
    if command == "clip":  # which needs no Trio
        assert (tmp_path / "clip.wav").is_file(), done.output
        return
    assert "Error" not in done.output
    assert len(started) == 1


@pytest.mark.parametrize("command", ["join", "serve"])
def test_a_command_starts_beside_variables_of_others(
    command: str, started: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    env = {**FOREIGN, "MEETCORE_API_KEY": "k"}
    done = CliRunner().invoke(main, [command, *ARGUMENTS[command]], env=env)
    assert done.exit_code == 0, done.output
    assert len(started) == 1


@pytest.mark.parametrize("key", ["k\n", " k", "k\r\n"])
def test_a_key_comes_without_what_a_file_put_around_it(key: str, started: list[Any]) -> None:
    for arguments, env in ([], {"MEETCORE_API_KEY": key}), (["--api-key", key], {}):
        assert CliRunner().invoke(main, ["serve", *arguments], env=env).exit_code == 0
        options = started.pop()[1]
        assert isinstance(options, ServeOptions)
        assert options.api_key == "k"
    assert ServeOptions(api_key=key).api_key == "k"


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_an_empty_key_is_refused_and_opens_nothing(key: str, started: list[Any]) -> None:
    done = CliRunner().invoke(main, ["serve", "--api-key", key])
    assert done.exit_code != 0
    assert "empty" in done.output
    assert not started
