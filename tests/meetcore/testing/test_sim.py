"""SimMeeting: an hour in a moment, the same journal for the same seed, trouble on order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

import meetcore
from meetcore.testing import (
    ScriptedTranscriber,
    SimMeeting,
    parse_script,
    run_simulated,
)
from tests.meetcore.conftest import check_journal, end_of, kinds

PEOPLE = """
title = "T"
seed = {seed}
[admission]
after_s = 1
[[people]]
id = "ada"
name = "Ada"
host = true
[[people]]
id = "ben"
name = "Ben"
"""


def attend(tmp_path: Path, script: str, seed: int = 4, **settings) -> list[meetcore.Event]:
    meeting = SimMeeting(PEOPLE.format(seed=seed) + script)
    settings.setdefault("transcriber", ScriptedTranscriber(meeting.script))
    return run_simulated(meeting, out_dir=tmp_path, **settings)


def line(who: str, at_s: float, text: str = "good morning everyone") -> str:
    return f'[[lines]]\nwho = "{who}"\nat_s = {at_s}\ntext = "{text}"\n'


def hour() -> str:
    said = "".join(line("ada" if i % 2 else "ben", 10 + i * 58) for i in range(60))
    return said + "[end]\nat_s = 3600\n"


class Steps(trio.abc.Instrument):
    def __init__(self) -> None:
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


def test_a_meeting_of_an_hour_takes_a_moment(tmp_path, monkeypatch):
    steps = Steps()
    really = trio.run
    monkeypatch.setattr(trio, "run", lambda *a, **k: really(*a, **k, instruments=[steps]))
    began = time.process_time()
    events = attend(tmp_path, hour())
    used_s = time.process_time() - began
    print(f"\nan hour, 60 lines: {used_s:.2f} s of CPU, {steps.count} task steps")
    check_journal(events)
    assert len(kinds(events, meetcore.SegmentFinalized)) == 60
    assert end_of(events).meeting_s == pytest.approx(3600, abs=0.1)
    assert steps.count < 40_000, "what an hour costs grew"


def test_the_same_seed_gives_the_same_journal_byte_for_byte(tmp_path):
    script = hour().replace("3600", "120").split("[[lines]]")
    short = "[[lines]]".join(script[:3]) + "[end]\nat_s = 120\n"
    crash = {"crash_at_s": (11.0, 12.0)}
    journals = []
    for attempt in range(3):
        meeting = SimMeeting(PEOPLE.format(seed=4) + short)
        out = tmp_path / str(attempt)
        transcriber = ScriptedTranscriber(meeting.script, **crash)
        run_simulated(meeting, out_dir=out, transcriber=transcriber)
        journals.append((out / "sim-4" / "journal.jsonl").read_bytes())
    assert journals[0] == journals[1] == journals[2]
    assert b"transcriber.restarted" in journals[0]


def test_another_process_writes_the_same_journal_too(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from meetcore.testing import *\n"
        "m = SimMeeting(sys.argv[2])\n"
        "t = ScriptedTranscriber(m.script)\n"
        "run_simulated(m, out_dir=Path(sys.argv[1]), transcriber=t)\n"
    )
    script = PEOPLE.format(seed=4) + line("ada", 1) + line("ben", 1.2) + "[end]\nat_s = 5\n"
    written = set()
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-c", program, str(out), script],
            env={**os.environ, "PYTHONHASHSEED": seed}, check=True, timeout=60,
        )  # fmt: skip
        written.add((out / "sim-4" / "journal.jsonl").read_bytes())
    assert len(written) == 1


def test_another_seed_is_another_bot(tmp_path):
    end = "[end]\nat_s = 2\n"
    assert {attend(tmp_path, end, seed)[0].bot_id for seed in (1, 2)} == {"sim-1", "sim-2"}


@pytest.mark.parametrize(
    ("decision", "state", "reason"),
    [("deny", "failed", "denied"), ("ignore", "failed", "admission_timeout")],
)
def test_the_host_denies_or_ignores(tmp_path, decision, state, reason):
    script = PEOPLE.format(seed=1).replace("after_s = 1", f'after_s = 1\ndecision = "{decision}"')
    end = end_of(run_simulated(SimMeeting(script), out_dir=tmp_path))
    assert (end.state, end.reason) == (state, reason)


def test_without_a_waiting_room_nobody_knocks(tmp_path):
    script = PEOPLE.format(seed=1) + "[room]\nwaiting_room = false\n[end]\nat_s = 2\n"
    events = run_simulated(SimMeeting(script), out_dir=tmp_path)
    states = [e.state.value for e in kinds(events, meetcore.StateChanged)]
    assert states[1:4] == ["joining", "in_call", "recording"]


def test_somebody_is_kicked_and_comes_back(tmp_path):
    kick = '[[kicks]]\nwho = "ben"\nat_s = 2\n[end]\nat_s = 4\n'
    events = attend(tmp_path, kick)
    (left,) = kinds(events, meetcore.ParticipantLeft)
    assert (left.name, round(left.meeting_s)) == ("Ben", 2)
    script = PEOPLE.format(seed=1) + "leaves_s = 2\nrejoins_s = 4\n" + line("ben", 5)
    events = run_simulated(
        SimMeeting(script + "[end]\nat_s = 8\n"),
        out_dir=tmp_path / "again",
        transcriber=ScriptedTranscriber(parse_script(script)),
    )
    assert [e.track_id for e in kinds(events, meetcore.TrackOpened)] == ["ada", "ben", "ben.2"]
    (said,) = [e.segment for e in kinds(events, meetcore.SegmentFinalized)]
    assert (said.speaker_name, said.track_id) == ("Ben", "ben.2")


def test_the_bot_is_removed(tmp_path):
    events = attend(tmp_path, line("ada", 1) + '[end]\nat_s = 5\nhow = "removes_bot"\n')
    assert (end_of(events).state, end_of(events).reason) == ("completed", "removed")


def test_crosstalk_is_two_people_at_once(tmp_path):
    both = line("ada", 1) + line("ben", 1.3) + "[end]\nat_s = 6\n"
    events = attend(tmp_path, both)
    spans = {
        e.segment.speaker_name: (e.segment.start_s, e.segment.end_s)
        for e in kinds(events, meetcore.SegmentFinalized)
    }
    assert spans["Ada"][0] < spans["Ben"][0] < spans["Ada"][1] < spans["Ben"][1]


def test_what_is_said_on_a_muted_microphone_is_not_heard(tmp_path):
    mute = '[[mutes]]\nwho = "ada"\nat_s = 0.5\nuntil_s = 4\n'
    events = attend(tmp_path, mute + line("ada", 1) + line("ada", 5) + "[end]\nat_s = 8\n")
    (said,) = kinds(events, meetcore.SegmentFinalized)
    assert said.segment.start_s > 4.5
    muted = [e.participant.muted for e in kinds(events, meetcore.ParticipantUpdated)]
    assert muted == [True, False]


def test_dropped_audio_is_declared(tmp_path):
    drop = '[[faults]]\nkind = "dropped_audio"\nwho = "ada"\nat_s = 2\nfor_s = 1\n'
    events = attend(
        tmp_path, drop + line("ada", 1, "one two three four five six") + "[end]\nat_s = 8\n"
    )
    lost = kinds(events, meetcore.AudioLost)
    assert sum(e.samples for e in lost) == pytest.approx(16_000, abs=3200)
    assert {(e.track_id, e.cause) for e in lost} == {("ada", "gap")}
    assert kinds(events, meetcore.LedgerClosed)[0].balanced


@pytest.mark.parametrize("what", ["join", "leave", "send_chat"])
def test_a_call_fails_where_the_script_says_so(tmp_path, what):
    fault = f'[[faults]]\nkind = "failing_call"\nwhat = "{what}"\n[end]\nat_s = 5\n'
    refused: list[str] = []

    async def chat(bot: meetcore.Bot) -> None:
        if what == "send_chat":
            async for event in bot.events():
                if isinstance(event, meetcore.ParticipantJoined):
                    break

            with pytest.raises(meetcore.CommandFailed) as caught:
                await bot.send_chat("hello")
            refused.append(str(caught.value))
        await bot.wait_ended()

    events = attend(tmp_path, fault, during=chat)
    end = end_of(events)
    if what == "join":
        assert (end.state, end.reason) == ("failed", "client_never_loaded")
    else:
        assert end.reason == "meeting_ended"
    assert bool(refused) == (what == "send_chat")
    assert bool(kinds(events, meetcore.PluginFailed)) == (what == "leave")


def test_a_link_of_another_meeting_is_not_taken(tmp_path):
    meeting = SimMeeting(PEOPLE.format(seed=1), "mine")
    with pytest.raises(meetcore.UnknownMeetingUrl):
        meeting.plugins().platform_for("sim:other", meetcore.BotConfig())


SHORT = """
seed = 3
[[people]]
id = "ada"
name = "Ada"
[end]
at_s = 2
"""


class Clumsy(meetcore.Sink):
    """Raises each time."""

    name = "clumsy"

    async def deliver(self, event):
        raise NameError("name 'X' is not defined")


def test_a_run_in_which_a_plugin_failed_does_not_pass(tmp_path):
    meeting = SimMeeting(SHORT)
    with pytest.raises(AssertionError, match=r"'clumsy' failed in deliver at .*sim.py:\d+ del"):
        run_simulated(meeting, out_dir=tmp_path / "a", sinks=[Clumsy()])
    events = run_simulated(meeting, out_dir=tmp_path / "b", sinks=[Clumsy()], allow_failures=True)
    assert events[-1].state == "completed"


def test_what_a_plugin_raised_is_the_cause(tmp_path, caplog):
    with pytest.raises(AssertionError) as told:
        run_simulated(SimMeeting(SHORT), out_dir=tmp_path, sinks=[Clumsy()])
    assert isinstance(told.value.__cause__, NameError)
    logged = [r for r in caplog.records if r.name == "meetcore.plugins"]
    assert f"{__file__}:" in logged[0].getMessage(), "with the file and the line"
    assert "Traceback" in logged[0].getMessage()


def test_plugin_files_can_be_given_to_a_simulated_meeting(tmp_path):
    file = tmp_path / "tiny.py"
    file.write_text(
        "import meetcore\n\n@meetcore.hookimpl\ndef meetcore_on_event(event):\n    NoSuchName\n"
    )
    meeting = SimMeeting(SHORT)
    with pytest.raises(AssertionError, match=r"'tiny' failed in meetcore_on_event at .*tiny.py:5"):
        run_simulated(meeting, out_dir=tmp_path, plugins=meeting.plugins(files=[file]))


@pytest.mark.parametrize("files", ["tiny.py", object()])
def test_what_is_no_list_of_files_is_refused(files):
    with pytest.raises(meetcore.PluginError, match="no list of plugin files"):
        SimMeeting(SHORT).plugins(files=files)


def test_an_object_without_a_hook_is_refused():
    with pytest.raises(meetcore.PluginError, match=r"mine=\[1\] implements no hook"):
        SimMeeting(SHORT).plugins(mine=[1])


def test_an_installed_plugin_that_is_named_is_loaded_and_no_other(tmp_path):
    script = line("ada", 2) + "[end]\nat_s = 6\n"
    assert end_of(attend(tmp_path, script, synthesizer="flite")).reason == "meeting_ended"
    plugins = SimMeeting(PEOPLE.format(seed=1) + script).plugins(installed=["files"])
    assert {info.name for info in plugins.infos} == {"files", "sim"}
