"""Denied, ignored, removed, cut off: each has its reason, and what was heard before is kept."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

import meetcore
from meetcore.cli import PlainView
from meetcore.testing import ScriptedTranscriber, SimMeeting

from .conftest import TALK, end_of, kinds


def attend(
    tmp_path: Path, script: str, *, into_files: bool = False
) -> tuple[list[meetcore.Event], str]:
    """Return the journal and what a person read; files need a clock that does not jump."""
    meeting = SimMeeting(script)
    out = io.StringIO()
    paths: list[Path] = []

    async def main() -> None:
        async with meeting.open_bot(
            tmp_path,
            transcriber=ScriptedTranscriber(meeting.script),
            sinks=["files"] if into_files else [],
            plugins=meetcore.Plugins(only=["files"], objects={"sim": meeting.plugin()}),
            automatic_leave={"everyone_left_s": 5},
        ) as bot:
            paths.append(bot.journal.path)
            await PlainView(out).show(bot)

    clock = MockClock(rate=8) if into_files else MockClock(autojump_threshold=0)
    trio.run(main, clock=clock)
    return list(meetcore.read_journal(paths[0])), out.getvalue()


@pytest.mark.parametrize(
    ("decision", "reason", "line"),
    [
        ("deny", "denied", "denied: the script denies"),
        ("ignore", "admission_timeout", "admission timeout: in the waiting room for 600 s"),
    ],
)
def test_a_bot_that_is_not_let_in_fails_with_the_reason(tmp_path, decision, reason, line):
    script = TALK.replace("after_s = 1", f'after_s = 1\ndecision = "{decision}"')
    events, shown = attend(tmp_path, script)
    end = end_of(events)
    assert (end.state, end.reason) == ("failed", reason)
    assert f"leaving ({line})" in shown
    assert shown.count(line) == 1


@pytest.mark.parametrize(
    ("how", "reason", "line"),
    [
        ("removes_bot", "removed", "removed: the host removed the bot"),
        ("host_ends", "meeting_ended", "meeting ended: the host ended the meeting"),
        ("everyone_leaves", "everyone_left", "everyone left: nobody else in the call for 5 s"),
    ],
)
def test_a_bot_whose_meeting_is_over_completes_with_all_it_heard(tmp_path, how, reason, line):
    # The end comes in the middle of a line: what was said of it up to then counts, too.
    text = "and now a long line that nobody hears the end of because it is all over before"
    long = f'[[lines]]\nwho = "ada"\nat_s = 7\ntext = "{text}"\nduration_s = 5\n'
    script = TALK + long + f'[end]\nat_s = 12\nhow = "{how}"\n'
    events, shown = attend(tmp_path, script, into_files=True)
    end = end_of(events)
    assert (end.state, end.reason) == ("completed", reason)
    assert shown.count(line) == 1
    said = [e.segment.text for e in kinds(events, meetcore.SegmentFinalized)]
    assert said[:2] == ["good morning everyone", "shall we begin with the plan"]
    assert said[2].startswith("and now a long line")
    (ledger,) = kinds(events, meetcore.LedgerClosed)
    assert ledger.balanced
    assert [entry.lost for entry in ledger.entries] == [0] * len(ledger.entries)
    recordings = [e for e in kinds(events, meetcore.ArtifactWritten) if e.duration_s]
    assert recordings
    # A machine that is slow sees the end late on the script's clock; what was captured is recorded.
    heard_s = max(entry.captured for entry in ledger.entries) / 16_000
    assert heard_s >= 11.7
    # A file begins with the recording; the first sound may come later.
    (capture,) = kinds(events, meetcore.CaptureStarted)
    whole_s = heard_s + max(0.0, capture.offset_s)
    assert [e.duration_s for e in recordings] == pytest.approx([whole_s] * len(recordings), abs=0.3)


def test_a_lost_connection_completes_with_what_was_heard(tmp_path):
    cut = '[[faults]]\nkind = "connection_lost"\nat_s = 6\n'
    events, shown = attend(tmp_path, TALK + cut)
    end = end_of(events)
    assert (end.state, end.reason) == ("completed", "connection_lost")
    assert "connection lost: the script cuts the line" in shown
    assert len(kinds(events, meetcore.SegmentFinalized)) == 2
