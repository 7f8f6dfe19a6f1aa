"""The transcriber's worker process is killed in mid-meeting: it comes back, and no word is lost."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import trio
import trio.testing

import meetcore
import meetcore_rehearsal
from meetcore.testing import LeakGuard, SimMeeting, parse_script

from .conftest import end_of, kinds

FOLDER = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning"
SCRIPT = """
title = "Two lines"
[admission]
after_s = 0.1
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 0.5
text = "Good morning everyone and thank you for coming."
audio = "ada-1.wav"
[[lines]]
who = "ben"
at_s = 4.5
text = "The first version is ready and everything is working very well."
audio = "ben-1.wav"
[end]
at_s = 10.5
"""


def workers() -> list[int]:
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # one that has just ended has no command line any more
            if "meetcore_pocketsphinx" in " ".join(child.cmdline()):
                found.append(child.pid)
    return found


def test_a_killed_worker_costs_no_word(tmp_path):
    meeting = SimMeeting(parse_script(SCRIPT, folder=FOLDER))
    plugins = meetcore.Plugins(only=["pocketsphinx"], objects={"sim": meeting.plugin()})
    # A machine that is slow costs no word either: the decoder has all the time it wants.
    patience = dict.fromkeys(("patience_s", "final_timeout_s", "answer_timeout_s"), 300.0)
    killed: list[int] = []
    config = meetcore.BotConfig(
        out_dir=tmp_path, drain_timeout_s=300, plugins={"pocketsphinx": patience}
    )

    async def attend() -> list[meetcore.Event]:
        async with meeting.open_bot(
            tmp_path, transcriber="pocketsphinx", plugins=plugins, config=config
        ) as bot:
            async for item in bot.events(drafts=True):
                if isinstance(item, meetcore.SegmentDraft) and not killed:
                    killed.extend(workers())
                    for pid in killed:
                        os.kill(pid, signal.SIGKILL)
        return list(meetcore.read_journal(bot.journal.path))

    guard = LeakGuard()
    events = trio.run(attend, clock=trio.testing.MockClock(rate=2.0))
    guard.check()
    assert len(killed) == 1
    restarts = kinds(events, meetcore.TranscriberRestarted)
    assert restarts
    assert "SIGKILL" in restarts[0].detail
    assert end_of(events).reason == "meeting_ended"
    assert not kinds(events, meetcore.TranscriptionGap)
    said = " ".join(e.segment.text for e in kinds(events, meetcore.SegmentFinalized))
    for word in ("morning", "coming", "version", "working"):
        assert word in said
    (ledger,) = kinds(events, meetcore.LedgerClosed)
    assert ledger.balanced
    assert not [entry for entry in ledger.entries if entry.lost]
