"""Who runs a bot: whoever holds its journal, and what they left about themselves."""

from __future__ import annotations

import pytest

from meetcore.log.journal import Journal
from meetcore.log.who_runs import is_running, note_runner, runner_of
from meetcore.plugin.store import Runner


def test_nobody_runs_a_bot_that_is_not_there_or_whose_journal_is_free(tmp_path):
    assert runner_of(tmp_path / "none") is None
    Journal(tmp_path / "journal.jsonl", "b", fsync=False).close()
    note_runner(tmp_path, Runner(pid=7))
    assert runner_of(tmp_path) is None


def test_the_holder_of_the_journal_runs_it(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", "b", fsync=False)
    assert is_running(tmp_path)
    assert runner_of(tmp_path) == Runner()
    note_runner(tmp_path, Runner(pid=7, max_duration_s=60.0))
    assert runner_of(tmp_path) == Runner(pid=7, max_duration_s=60.0)
    journal.close()
    assert runner_of(tmp_path) is None


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"pid": null}', '{"pid": "x"}', "null"])
def test_a_note_that_cannot_be_read_says_nothing(tmp_path, note):
    journal = Journal(tmp_path / "journal.jsonl", "b", fsync=False)
    (tmp_path / "process.json").write_text(note)
    assert runner_of(tmp_path) == Runner()
    journal.close()
