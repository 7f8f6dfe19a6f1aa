"""Law 4: killed at any moment, a bot's journal and recording are kept, and recovery ends them.

The recorder's own part (files cut at any byte) is tested with the `files` plugin; here the whole
bot is a process that gets SIGKILL in the middle of a meeting.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import av
import pytest
import trio

import meetcore
from meetcore.log.folders import bot_folders, journal_path

pytestmark = pytest.mark.law(4)

PROGRAM = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import trio
    from meetcore.model.config import BotConfig
    from meetcore.plugin.registry import Plugins
    from meetcore.testing import ScriptedTranscriber, SimMeeting

    MEETING = '''
    title = "Killed"
    [admission]
    after_s = 0.1
    [[people]]
    id = "ada"
    name = "Ada"
    [[lines]]
    who = "ada"
    at_s = 0.2
    text = "one two three four five six seven eight nine ten"
    [end]
    at_s = 60
    '''

    async def main():
        meeting = SimMeeting(MEETING)
        plugins = Plugins(only=["files"], objects={"sim": meeting.plugin()})
        out = Path(sys.argv[1])
        async with meeting.open_bot(
            out,
            plugins=plugins,
            config=BotConfig(out_dir=out, sinks=("files",)),
            transcriber=ScriptedTranscriber(meeting.script),
        ) as bot:
            async for event in bot.events():
                print(event.seq, event.type, flush=True)

    trio.run(main)
    """
)


def wait_for_line(child: subprocess.Popen[str], wanted: str) -> list[str]:
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if wanted in line:
            return lines
    raise AssertionError(f"The child ended before {wanted!r}: {lines}")


def decoded_seconds(path: Path) -> float:
    with av.open(str(path)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
        rate = container.streams.audio[0].rate
    return samples / rate


@pytest.mark.parametrize("round_number", range(4))
def test_a_bot_killed_while_recording_is_recovered(tmp_path, round_number):
    chance = random.Random(round_number)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        shown = len(wait_for_line(child, "capture.started"))
        recorded_since = time.monotonic()
        # The moment of death has to be a matter of chance, so this sleeps on the wall clock.
        time.sleep(2.5 + chance.random() * 2)
        os.kill(child.pid, signal.SIGKILL)
        recorded_s = time.monotonic() - recorded_since
        assert child.stdout is not None
        shown += len(child.stdout.readlines())
    (folder,) = bot_folders(tmp_path)
    before = list(meetcore.read_journal(journal_path(folder)))
    assert len(before) >= shown

    (done,) = trio.run(recover_all, tmp_path)
    assert done.ended
    assert done.trouble == []
    after = list(meetcore.read_journal(journal_path(folder)))
    assert after[: len(before)] == before
    terminal = next(e for e in after[len(before) :] if isinstance(e, meetcore.StateChanged))
    assert (terminal.state, terminal.reason) == ("completed", "crashed")
    audio = [p for p in folder.rglob("*") if p.suffix in (".ogg", ".opus", ".flac")]
    assert audio
    for path in audio:
        assert decoded_seconds(path) >= recorded_s - 2.0

    assert trio.run(recover_all, tmp_path) == [], "a second recovery finds nothing to do"


async def recover_all(out_dir: Path) -> list:
    return await meetcore.recover(out_dir, plugins=meetcore.Plugins(only=["files"]))
