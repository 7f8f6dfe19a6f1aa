"""The example of house rules is held by every bot, in a simulated meeting."""

from __future__ import annotations

from pathlib import Path

import pytest

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated

RULES = Path(__file__).parents[2] / "examples" / "house_rules.py"
MEETING = """
title = "House rules"
seed = 5
[[people]]
id = "ada"
name = "Ada"
host = true
[[lines]]
who = "ada"
at_s = 1.0
text = "My number is 030 1234567 and that is all"
[end]
at_s = 6.0
"""


@pytest.fixture
def plugins() -> meetcore.Plugins:
    return meetcore.Plugins(only=[], files=[RULES])


def test_no_bot_stays_longer_than_the_house_allows(plugins):
    for wished_s, given_s in ((None, 3600.0), (60.0, 60.0), (9000.0, 3600.0)):
        leave = meetcore.AutomaticLeave(max_duration_s=wished_s)
        config = plugins.configure(meetcore.BotConfig(automatic_leave=leave))
        assert config.automatic_leave.max_duration_s == given_s


def test_numbers_are_in_no_transcript_and_states_are_told(tmp_path, capsys):
    meeting = SimMeeting(MEETING)

    events = run_simulated(
        meeting,
        out_dir=tmp_path,
        plugins=meeting.plugins(files=[RULES]),
        transcriber=ScriptedTranscriber(meeting.script),
    )
    said = [e.segment.text for e in events if isinstance(e, meetcore.SegmentFinalized)]
    text = " ".join(said)
    assert "[number]" in text
    assert "1234567" not in text
    assert "sim-5: recording" in capsys.readouterr().out
