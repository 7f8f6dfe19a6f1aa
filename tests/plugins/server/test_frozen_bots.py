"""A bot whose process answers nothing: told where people look, and in its events once it can be."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import trio

from meetcore.fleet.launching import heartbeat as pulse
from meetcore.fleet.launching.child_process import ChildProcessLauncher

from .running import STAY, http, ordered, serving, until


def process_of(folder: Path) -> int:
    return int(json.loads((folder / "process.json").read_text())["pid"])


async def test_a_frozen_bot_says_so_in_its_notes_and_afterwards_in_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(pulse, "UNRESPONSIVE_AFTER_S", 0.5)
    launcher = ChildProcessLauncher(unresponsive_limit_s=None)
    async with serving(tmp_path, launcher=launcher) as server, http(server) as client:
        bot_id = (await ordered(client, STAY))["id"]
        path = f"/v1/bots/{bot_id}"
        await until(client, bot_id, "recording")

        async def noted(wanted: bool) -> None:
            with trio.fail_after(60):
                notes = None
                while notes is None or wanted != any("answered nothing" in note for note in notes):
                    notes = (await client.get(path)).json()["notes"]

        await noted(False)
        pid = process_of(tmp_path / "bots" / bot_id)
        os.kill(pid, signal.SIGSTOP)
        await noted(True)
        assert "meetcore_bots_unresponsive 1" in (await client.get("/metrics")).text
        os.kill(pid, signal.SIGCONT)
        await noted(False)
        await client.post(f"{path}/stop")
        await until(client, bot_id, "completed")
        events = (await client.get(f"{path}/events?limit=1000")).json()["events"]
        assert "bot.unresponsive" in {event["type"] for event in events}
