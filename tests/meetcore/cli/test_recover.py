"""`meetcore recover`: finishes what a killed process left, and says what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

import meetcore
from meetcore.testing import SimMeeting, run_simulated
from tests.laws.conftest import MEETING
from tests.meetcore.conftest import end_of


@pytest.fixture
def ended(tmp_path):
    events = run_simulated(SimMeeting(MEETING), out_dir=tmp_path / "out")
    return tmp_path / "out" / events[0].bot_id


def test_where_all_is_well_there_is_nothing_to_do(meetcore_command, ended):
    before = (ended / "journal.jsonl").read_bytes()
    result = meetcore_command("recover", ended.parent)
    assert (result.exit_code, result.output) == (0, "Nothing to recover.\n")
    assert (ended / "journal.jsonl").read_bytes() == before


def test_an_empty_folder_is_well(meetcore_command, tmp_path):
    (tmp_path / "empty").mkdir()
    assert meetcore_command("recover", tmp_path / "empty").output == "Nothing to recover.\n"


def test_a_folder_one_level_too_high_is_refused_and_the_right_one_named(meetcore_command, ended):
    journal = ended / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:12]))
    above = ended.parent.parent
    (above / "another").mkdir()
    result = meetcore_command("recover", above)
    assert result.exit_code == 2
    assert f"There is no bot's folder in {above}." in result.stderr
    assert f"There are some in {ended.parent}." in result.stderr
    (above / "another" / "deep").mkdir()
    result = meetcore_command("recover", above / "another")
    assert result.exit_code == 2
    assert "There are some" not in result.stderr


def test_bots_of_which_only_numbers_were_kept_are_bots(meetcore_command, tmp_path):
    (tmp_path / "bots" / "one").mkdir(parents=True)
    (tmp_path / "bots" / "one" / "tombstone.json").write_text("{}")
    assert meetcore_command("recover", tmp_path / "bots").exit_code == 0


def test_a_killed_bots_journal_is_ended_and_its_torn_line_cut(meetcore_command, ended):
    journal = ended / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:12]) + lines[12][:20])
    result = meetcore_command("recover", ended)
    assert result.exit_code == 0
    assert f"{ended.name}  ({ended})" in result.output
    assert "cut off 20 bytes of a torn last line" in result.output
    assert "ended with reason 'crashed'" in result.output
    assert end_of(meetcore.read_journal(journal)).evidence.signal == "recovery"
    assert meetcore_command("recover", ended).output == "Nothing to recover.\n"


def test_a_damaged_journal_is_trouble_and_the_others_are_done(meetcore_command, ended):
    broken = ended.parent / "broken"
    broken.mkdir()
    lines = (ended / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (broken / "journal.jsonl").write_bytes(b"garbage\n" + b"".join(lines[1:]))
    (ended / "journal.jsonl").write_bytes(b"".join(lines[:12]))
    result = meetcore_command("recover", ended.parent)
    assert result.exit_code == 1
    assert "1 events are lost" in result.stderr
    assert (broken / "journal.damaged-1").read_bytes().startswith(b"garbage\n")
    assert f"{ended.name}  ({ended})" in result.stdout
    assert end_of(meetcore.read_journal(ended / "journal.jsonl")).reason == "crashed"


def test_a_folder_that_is_not_there_is_named(meetcore_command, tmp_path):
    result = meetcore_command("recover", tmp_path / "gone")
    assert result.exit_code == 1
    assert f"There is no folder {tmp_path / 'gone'}." in result.stderr


@pytest.mark.parametrize("option", ["--transcriber", "--sink", "--out", "--name", "--json"])
def test_options_that_would_do_nothing_are_not_there(meetcore_command, ended, option):
    assert meetcore_command("recover", ended, option, "x").exit_code == 2


def test_without_a_folder_the_store_of_the_configuration_is_gone_through(meetcore_command, ended):
    journal = ended / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:12]))
    result = meetcore_command("recover", "--set", f"store.url=folder://{ended.parent}")
    assert result.exit_code == 0
    assert "ended with reason 'crashed'" in result.output
    assert end_of(meetcore.read_journal(journal)).evidence.signal == "recovery"


def test_a_workplace_is_not_ended_behind_the_back_of_its_store(meetcore_command, ended, tmp_path):
    """The store would never hear of it."""
    journal = ended / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:12]))
    before = journal.read_bytes()
    example = Path(__file__).parents[3] / "examples" / "row_store.py"
    store = ["--plugin", example, "--set", f"store.url=rows://{tmp_path}/bots.db"]
    result = meetcore_command("recover", ended.parent, *store)
    assert result.exit_code == 1
    assert "are in the store 'rows', not in a folder" in result.output
    assert journal.read_bytes() == before


OWING = """
import meetcore

class Owing(meetcore.Sink):
    name = "owing"

    async def recover(self, context):
        context.unfinished.append("2 events are still owed.")
        return ("2 events are still owed.",)

@meetcore.hookimpl
def meetcore_register_sinks(register):
    register(Owing)
"""


class Owing(meetcore.Sink):
    name = "owing"


class TimerAtOnce:
    """What is to be done later is done when it is started."""

    def __init__(self, _: float, then):
        self.start = then

    def cancel(self) -> None:
        """It is over."""


def test_what_is_still_owed_is_no_success_and_it_says_what_it_waits_for(
    meetcore_command, tmp_path, write_plugin, monkeypatch
):
    monkeypatch.setattr("meetcore.cli.recover.threading.Timer", TimerAtOnce)
    run_simulated(SimMeeting(MEETING), out_dir=tmp_path / "out", sinks=[Owing()])
    plugin = write_plugin("owing_sink", OWING)
    result = meetcore_command("recover", tmp_path / "out", "--plugin", plugin)
    assert result.exit_code == 1
    assert "owing: 2 events are still owed." in result.stdout
    assert "Waiting for sinks" in result.stderr
