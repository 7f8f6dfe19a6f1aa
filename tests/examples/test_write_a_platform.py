"""Every command of the tutorial 'Write a platform plugin' does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from meetcore.cli import main

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "write-a-platform.md"
ROOM = """<!-- saved from url=(0050)http://127.0.0.1:8000/videoroomtest.html?room=1234 -->
<div class="page-header"><h1>Video Room <button id="start">Stop</button></h1></div>
<div style="display:none"><input id="username" value="Notes"></div>
<div id="videos"><span id="remote1">Ada</span></div>"""

SAID = {
    "selectors check": "0 wrong",
    "doctor janus": "in_call, by panels by css=#videos",
    "plugins": "platform janus",
    "selectors list": "janus  2026-11-29",
}


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_there_are_commands():
    assert len(commands()) == len(SAID)


@pytest.mark.browser
@pytest.mark.parametrize("command", commands())
def test_a_command_does_what_the_tutorial_says(command, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(ROOT)
    page = tmp_path / "room.html"
    page.write_text(ROOM, encoding="utf-8")
    program, *arguments = shlex.split(command.replace("room.html", str(page)))
    assert program == "meetcore"
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    said = next(text for words, text in SAID.items() if " ".join(arguments).startswith(words))
    assert said in result.output
    if "doctor" in arguments:
        assert "Ada" in result.output
