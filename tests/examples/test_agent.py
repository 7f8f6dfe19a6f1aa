"""The agent that answers when its name is said: with flite's voice, in a simulated meeting."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import trio

import meetcore
from meetcore.testing import ScriptedTranscriber, SimMeeting

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent.py"
SCRIPT = """
[admission]
after_s = 0
[[people]]
id = "ada"
name = "Ada"
[[people]]
id = "ben"
name = "Ben"
[[lines]]
who = "ada"
at_s = 0.5
text = "shall we begin"
[[lines]]
who = "ada"
at_s = 2.5
text = "notes who is here"
[[lines]]
who = "ben"
at_s = 8.0
text = "and what do you do notes"
[end]
at_s = 16
"""


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("agent", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_it_answers_to_its_name_and_not_to_itself(tmp_path):
    agent, meeting = example(), SimMeeting(SCRIPT)
    transcriber = ScriptedTranscriber(meeting.script)
    with trio.fail_after(60):
        async with meeting.open_bot(
            tmp_path, name="Notes", transcriber=transcriber, **agent.SETTINGS
        ) as bot:
            await agent.attend(bot)
    events = list(meetcore.read_journal(bot.journal.path))
    said = [event.text for event in events if isinstance(event, meetcore.SpeechFinished)]
    assert said == ["I see Ada and Ben.", "I am Notes. I take notes. Ask me who is here."]
    assert len(meeting.said) == 2
    assert all(np.abs(np.frombuffer(each.pcm, "<i2")).max() > 1000 for each in meeting.said)
    own = [segment for segment in bot.transcript.segments if segment.by_bot]
    assert [segment.text for segment in own] == said
    assert {segment.speaker_name for segment in own} == {"Notes"}
