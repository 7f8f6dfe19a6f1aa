"""Journals of every format that was ever written are read as they were meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import trio
from attrs import evolve
from click.testing import CliRunner

import meetcore
from meetcore.cli import main as cli
from meetcore.fleet.recovery import recover
from meetcore.log.journal import Journal
from meetcore.log.journal_head import FORMAT
from meetcore.log.salvage import salvage
from meetcore.model.events import EVENT_TYPES
from tests.golden import make
from tests.journals import problems

HERE = Path(__file__).parent
KEPT = sorted(HERE.glob("format-*/*.jsonl"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_journal_says_what_it_said(path):
    events = list(salvage(path))
    assert make.summary(events) == json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert not [event for event in events if isinstance(event, meetcore.UnknownEvent)]
    assert list(problems(path)) == []


@pytest.mark.parametrize("path", KEPT, ids=name)
def test_a_kept_journal_can_be_recovered_and_replayed(path, tmp_path):
    folder = tmp_path / "bot"
    folder.mkdir()
    shutil.copy(path, folder / "journal.jsonl")
    before = list(salvage(path))
    plugins = meetcore.Plugins(entry_points=False)
    trio.run(lambda: recover(tmp_path, plugins=plugins))
    after = list(meetcore.read_journal(folder / "journal.jsonl"))
    assert after[: len(before)] == before
    shown = CliRunner().invoke(cli, ["replay", str(folder), "--json"])
    assert shown.exit_code == 0, shown.output
    assert [json.loads(line)["seq"] for line in shown.stdout.splitlines()] == [
        event.seq for event in after
    ]


def test_a_journal_of_the_present_format_is_kept_for_each_type_of_event():
    """Until a format is released its journals are made anew where a type is added."""
    kept = HERE / f"format-{FORMAT}" / "every_event.jsonl"
    types = {event.type for event in meetcore.read_journal(kept)}
    missing = set(EVENT_TYPES) - {"unknown"} - types
    assert not missing, "rm -r tests/golden/format-N; python -m tests.golden.make SOME_FOLDER"


def test_what_makes_the_journals_still_does(tmp_path):
    made = make.journals(tmp_path)
    assert {each.stem for each in KEPT} == set(made)
    assert made["meeting"].count(b"\n") > 40


def test_a_journal_of_a_later_format_is_left_to_a_later_version(tmp_path):
    kept = next(meetcore.read_journal(HERE / "format-0" / "killed.jsonl"))
    folder = tmp_path / "bot"
    folder.mkdir()
    journal = Journal(folder / "journal.jsonl", "bot", fsync=False)
    journal.append(evolve(kept, format=FORMAT + 1))
    journal.close()
    before = (folder / "journal.jsonl").read_bytes()
    plugins = meetcore.Plugins(entry_points=False)
    (left,) = trio.run(lambda: recover(tmp_path, plugins=plugins))
    assert not left.ended
    assert f"format {FORMAT + 1}" in left.trouble[0]
    assert (folder / "journal.jsonl").read_bytes() == before
