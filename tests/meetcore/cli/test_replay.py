"""`meetcore replay`: a journal again, on the terminal or into sinks."""

from __future__ import annotations

import json
import os

import pytest

from meetcore.testing import ScriptedTranscriber, SimMeeting, run_simulated
from tests.laws.conftest import MEETING

KEEPER = '''
from pathlib import Path
import meetcore

class Keeper(meetcore.Sink):
    """Writes the type of each event into a file of the bot's folder."""

    name = "keeper"

    async def deliver(self, event):
        self.types.append(event.type)

    async def finish(self):
        (self.context.folder / "types.txt").write_text(" ".join(self.types))

    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def open(self, context):
        self.types, self.context = [], context
        yield

@meetcore.hookimpl
def meetcore_register_sinks(register):
    register(Keeper)
'''


@pytest.fixture
def recorded(tmp_path):
    meeting = SimMeeting(MEETING)
    events = run_simulated(
        meeting, out_dir=tmp_path / "old", transcriber=ScriptedTranscriber(meeting.script)
    )
    return tmp_path / "old" / events[0].bot_id, events


def test_it_prints_what_was_said_and_what_happened(meetcore_command, recorded):
    folder, events = recorded
    result = meetcore_command("replay", folder)
    assert result.exit_code == 0
    assert "Ada: good morning everyone" in result.output
    assert "completed (meeting ended" in result.output
    assert "awaiting admission: ask the host to admit" in result.output
    assert len(result.output.splitlines()) == len(events)


def test_json_gives_the_events_as_they_are(meetcore_command, recorded):
    folder, events = recorded
    result = meetcore_command("replay", folder / "journal.jsonl", "--json")
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [line["seq"] for line in lines] == [event.seq for event in events]
    kept_lines = (folder / "journal.jsonl").read_bytes().splitlines()
    for line, written in zip(lines, kept_lines, strict=True):
        kept = json.loads(written)
        assert {**line, "crc": kept["crc"]} == kept


def test_into_a_sink_it_delivers_every_event_and_lets_it_finish(
    meetcore_command, recorded, write_plugin, tmp_path
):
    folder, events = recorded
    result = meetcore_command(
        "replay", folder, "--plugin", write_plugin("keeping", KEEPER), "--sink", "keeper",
        "--out", tmp_path / "new",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"Replayed {len(events)} events into keeper." in result.stderr
    (new,) = (tmp_path / "new").iterdir()
    assert (new / "types.txt").read_text().split() == [e.type for e in events]


@pytest.mark.parametrize("content", [None, b"", b"hello\nworld\n", b"\x00\xff" * 50])
def test_a_file_that_is_no_journal_is_named(meetcore_command, tmp_path, content):
    path = tmp_path / "wrong.bin"
    if content is not None:
        path.write_bytes(content)
    result = meetcore_command("replay", path)
    assert result.exit_code == 1
    assert str(path) in result.stderr
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.output


def test_a_sink_that_is_not_there_is_named(meetcore_command, recorded):
    result = meetcore_command("replay", recorded[0], "--sink", "nobody")
    assert result.exit_code == 1
    assert "There is no sink named 'nobody'." in result.stderr


def test_options_that_would_do_nothing_are_not_there(meetcore_command, recorded):
    for option in ("--transcriber", "--headed", "--name", "--plain"):
        assert meetcore_command("replay", recorded[0], option, "x").exit_code == 2


def test_a_sink_that_writes_nothing_leaves_no_folder(
    meetcore_command, recorded, write_plugin, tmp_path
):
    silent = KEEPER.replace(
        '(self.context.folder / "types.txt")', "type('', (), {'write_text': id})"
    )
    plugin = write_plugin("silent", silent)
    out = tmp_path / "deep" / "new"
    result = meetcore_command(
        "replay", recorded[0], "--plugin", plugin, "--sink", "keeper", "--out", out
    )
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "deep").exists()


def test_a_sink_that_raises_is_named_and_a_folder_that_was_there_stays(
    meetcore_command, recorded, write_plugin, tmp_path
):
    out = tmp_path / "mine"
    out.mkdir()
    plugin = write_plugin("failing", KEEPER.replace("self.types.append(event.type)", "1 / 0"))
    result = meetcore_command(
        "replay", recorded[0], "--plugin", plugin, "--sink", "keeper", "--out", out
    )
    assert result.exit_code == 1
    assert "The sink 'keeper' failed: ZeroDivisionError" in result.stderr
    assert "failing.py:" in result.stderr
    assert list(out.iterdir()) == []


def test_what_it_writes_is_its_owners_alone(meetcore_command, recorded, write_plugin, tmp_path):
    out, plugin = tmp_path / "new", write_plugin("keeping", KEEPER)
    before = os.umask(0o022)
    try:
        meetcore_command(
            "replay", recorded[0], "--plugin", plugin, "--sink", "keeper", "--out", out
        )
    finally:
        os.umask(before)
    (folder,) = out.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
