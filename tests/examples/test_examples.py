"""Every example is run as a person would run it, against a real rehearsal.

The bot starts its own Chromium, as ever; the people it meets play in that of the tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from meetcore.testing.script_toml import parse_script
from meetcore_rehearsal import open_rehearsal

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = Path(__file__).parents[2] / "plugins/rehearsal/meetcore_rehearsal/scripts/planning"
SHORT = """
title = "Short"
[admission]
after_s = 0.5
by = "ada"
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 0.5
text = "Now we will see what the machine can do."
audio = "ada-3.wav"
[[lines]]
who = "ben"
at_s = 3.4
text = "The machine heard every word of it."
audio = "ben-3.wav"
[end]
at_s = 6.4
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@asynccontextmanager
async def short_rehearsal() -> AsyncIterator[str]:
    script = parse_script(SHORT, source="short", folder=SCRIPTS)
    async with open_rehearsal(script) as rehearsal:
        yield rehearsal.link


async def run(*command: str) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "COLUMNS": "100"}
    with trio.fail_after(120):
        return await trio.run_process(
            [sys.executable, *command],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=env,
        )


@pytest.mark.usefixtures("lent_to_the_cast")
@pytest.mark.long
async def test_the_reference_bot_attends_and_writes_its_files(tmp_path):
    async with short_rehearsal() as link:
        done = await run(str(EXAMPLES / "reference_bot.py"), link, str(tmp_path))
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert re.search(r"Ada: \w+ \w+", text)
    assert re.search(r"Ben: \w+ \w+", text)
    assert "completed: meeting_ended" in text
    for name in ("transcript.srt", "transcript.vtt", "transcript.txt", "transcript.json"):
        assert list(tmp_path.rglob(name))


@pytest.mark.usefixtures("lent_to_the_cast")
@pytest.mark.long
async def test_the_same_works_inside_an_asyncio_program(tmp_path):
    async with short_rehearsal() as link:
        done = await run(str(EXAMPLES / "embed_in_asyncio.py"), link, str(tmp_path))
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert re.search(r"Ada: \w+ \w+", text)
    assert "-- completed" in text


@pytest.mark.usefixtures("lent_to_the_cast")
@pytest.mark.long
async def test_the_plugin_in_one_file_is_loaded_by_join(tmp_path):
    async with short_rehearsal() as link:
        done = await run(
            "-m",
            "meetcore",
            "join",
            link,
            "--plain",
            "--plugin",
            str(EXAMPLES / "custom_sink.py"),
            "--sink",
            "floor",
            "--transcriber",
            "pocketsphinx",
            "--out",
            str(tmp_path),
        )
    text = done.stdout.decode()
    assert done.returncode == 0, text + done.stderr.decode()
    assert re.search(r"Ada said \d+ words", text)


def test_an_example_without_a_link_says_how_it_is_used():
    for name in ("reference_bot.py", "embed_in_asyncio.py"):
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert f"python examples/{name} LINK" in done.stderr
