"""`meetcore models …` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from meetcore_whisper import fetch
from meetcore_whisper.cli import models
from meetcore_whisper.models import cache_folder


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(models, arguments)
    return result.exit_code, result.output


def test_list_says_where_each_is_and_which_is_used() -> None:
    code, output = run("list")
    assert code == 0
    lines = {line.split()[0]: line for line in output.splitlines() if line.strip()}
    assert "English" in lines["tiny.en"]
    assert "an installed package" in lines["tiny.en"]
    assert "not here" in lines["small"]
    assert output.rstrip().endswith("Used where none is named: base")


def test_verify_says_that_every_byte_is_right_or_which_is_not(tmp_path: Path) -> None:
    code, output = run("verify", "tiny.en")
    assert (code, "every file is what it should be" in output) == (0, True)
    assert run("verify", "base")[0] == 0
    weights = cache_folder() / "base-d01c3014" / "model.bin"
    with weights.open("r+b") as file:
        first = file.read(1)
        file.seek(0)
        file.write(bytes([first[0] ^ 1]))
    try:
        code, output = run("verify", "base")
        assert code == 1
        assert "not the file that is known" in output
        assert "models fetch base" in output
    finally:
        with weights.open("r+b") as file:
            file.write(first)
    assert run("verify", "base")[0] == 0


@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_an_unknown_model_is_refused_with_those_there_are(command: str) -> None:
    code, output = run(command, "large")
    assert code == 1
    assert "There are: tiny.en, base, small." in output


def test_verify_of_one_that_is_not_here_says_how_to_get_it() -> None:
    code, output = run("verify", "small")
    assert (code, "meetcore models fetch small" in output) == (1, True)


def test_fetch_of_one_that_is_here_says_so() -> None:
    code, output = run("fetch", "tiny.en")
    assert (code, "is here already" in output) == (0, True)


def test_fetch_without_a_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_FIRST_PAUSE_S", 0.0)
    code, output = run("fetch", "small", "--endpoint", "http://127.0.0.1:9")
    assert code == 1
    assert "cannot be fetched" in output
    assert "--from FOLDER" in output
