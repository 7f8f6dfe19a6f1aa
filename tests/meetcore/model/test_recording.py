"""Whether a bot may record: what is wanted, and what the meeting allows."""

from __future__ import annotations

import pytest

from meetcore.model.errors import CommandRefused
from meetcore.model.recording import RecordingRules


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("allowed", [True, None, False])
def test_it_records_what_is_wanted_and_allowed(wanted: bool, allowed: bool | None) -> None:
    assert RecordingRules(wanted, allowed).may_record is (wanted and allowed is True)


def test_permission_does_not_undo_a_pause() -> None:
    rules = RecordingRules()
    rules.pause()
    rules.answered(None)
    rules.answered(True)
    assert not rules.may_record
    rules.resume()
    assert rules.may_record


@pytest.mark.parametrize("allowed", [None, False])
def test_nobody_resumes_what_the_meeting_does_not_allow(allowed: bool | None) -> None:
    rules = RecordingRules()
    rules.answered(allowed)
    with pytest.raises(CommandRefused, match="not given leave"):
        rules.resume()
    with pytest.raises(CommandRefused, match="nothing to pause"):
        rules.pause()
    assert not rules.may_record


def test_what_is_recorded_cannot_be_resumed() -> None:
    with pytest.raises(CommandRefused, match="already"):
        RecordingRules().resume()
