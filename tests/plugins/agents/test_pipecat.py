"""A bot as a transport of pipecat: a real pipeline, in its own environment, hears and answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

import meetcore
from meetcore import Secret
from tests.own_environment import own_environment

from .test_agent_socket import RATE, attending

SCRIPT = """
[admission]
after_s = 0
[[people]]
id = "ada"
name = "Ada"
[[lines]]
who = "ada"
at_s = 5
text = "good morning notes"
[[lines]]
who = "ada"
at_s = 9
text = "tell us more notes"
[[lines]]
who = "ada"
at_s = 13
text = "that will do notes"
[end]
at_s = 600
"""
TOKEN = "a-token-of-the-agent"
AGENT = Path(__file__).with_name("pipecat_agent.py")
PLUGIN = Path(__file__).parents[3] / "plugins" / "agents"

pytestmark = pytest.mark.timeout(150)


class Lines:
    """What the program says, line by line."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.told: list[dict[str, Any]] = []
        self._begun = b""

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """Return the next thing it says that has these values."""
        assert self.process.stdout is not None
        while True:
            while b"\n" in self._begun:
                line, _, self._begun = self._begun.partition(b"\n")
                self.told.append(json.loads(line))
                if wanted.items() <= self.told[-1].items():
                    return self.told[-1]
            more = await self.process.stdout.receive_some()
            assert more, self.told
            self._begun += more


@asynccontextmanager
async def pipecat(url: str, token: str) -> AsyncIterator[Lines]:
    """Run the program."""
    command = [own_environment("pipecat") / "python", AGENT, url, token]
    process = await trio.lowlevel.open_process(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
    )
    try:
        yield Lines(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def test_a_pipeline_hears_is_told_answers_and_is_cut_short(tmp_path: Path) -> None:
    options = {"token": Secret(TOKEN), "port": 0}
    async with (
        attending(tmp_path, SCRIPT, within_s=120, **options) as (meeting, bot, sink),
        pipecat(sink.urls[0], TOKEN) as program,
    ):
        await program.until(connected=True)
        called = await program.until(transcript="good morning notes")
        assert called["who"] == "ada"
        assert called["heard"]["ada"] >= 0.5 * RATE  # while she spoke, it came as hers
        assert called["heard"].get("", 0) > 0
        started = await program.until(message="speech.started")
        assert started["data"]["by"] == "agent"
        finished = (await program.until(message="speech.finished"))["data"]
        assert finished["text"] == "answer 1"
        assert finished["duration_s"] == pytest.approx(0.5, abs=0.1)
        await program.until(transcript="tell us more notes")
        await program.until(message="speech.started")
        await program.until(transcript="that will do notes")
        cut = (await program.until(message="speech.interrupted"))["data"]
        assert cut["cause"] == "interrupted"
        assert cut["position_s"] < 15
        await bot.stop()
        await program.until(disconnected=True)
        assert await program.process.wait() == 0
    said = np.frombuffer(meeting.said[0].pcm, "<i2")
    assert meeting.said[0].sample_rate_hz == RATE
    assert 4000 < np.abs(said).max() < 9000
    changes = [e.state for e in bot.journal.read() if isinstance(e, meetcore.StateChanged)]
    assert changes[-1] is meetcore.State.COMPLETED
