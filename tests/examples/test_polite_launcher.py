"""The example of a launcher runs a bot at the priority that was asked for."""

from __future__ import annotations

import os
from pathlib import Path

import trio

import meetcore
from meetcore.testing import LauncherConformance

LAUNCHER = Path(__file__).parents[2] / "examples" / "polite_launcher.py"


async def test_a_bot_runs_in_a_process_of_its_own_with_less_priority(tmp_path: Path) -> None:
    plugins = meetcore.Plugins(only=[], files=[LAUNCHER])
    config = meetcore.BotConfig(launcher="polite", plugins={"polite": {"niceness": 7}})
    launcher = plugins.launcher("polite", config)
    spec = LauncherConformance().spec(tmp_path, "stay")
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            bot = await launcher.launch(spec, nursery)
            own = os.getpriority(os.PRIO_PROCESS, 0)
            given = os.getpriority(os.PRIO_PROCESS, bot.pid)  # type: ignore[attr-defined]
            assert given == min(19, own + 7)
            bot.abandon()
            await bot.gone()
            nursery.cancel_scope.cancel()
