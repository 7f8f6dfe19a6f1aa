"""Whether a bot may record: what is wanted, and what the meeting allows."""

from __future__ import annotations

import pytest

from meetcore.model.recording import RecordingRules


@pytest.mark.parametrize(
    ("wanted", "pending", "may"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_it_records_what_is_wanted_and_allowed(wanted: bool, pending: bool, may: bool) -> None:
    assert RecordingRules(wanted, pending).may_record is may


def test_permission_does_not_undo_a_pause() -> None:
    rules = RecordingRules()
    rules.permission_pending = True
    rules.wanted = False
    rules.permission_pending = False
    assert not rules.may_record
