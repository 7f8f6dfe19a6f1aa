"""The long course meets its quotas, whatever the dice say."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from meetcore import EndReason
from tests.soak.__main__ import CUT, EACH_KIND, KILLED, course, endless
from tests.soak.visits import VISITS

ALL = 200


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_three_times_and_enough_browsers_and_networks(seed: int) -> None:
    plan = course(VISITS, ALL, random.Random(seed))
    assert len(plan) == ALL
    times = Counter(map(str, plan))
    assert len(set(map(str, plan[: len(VISITS)]))) == len(VISITS), "first every kind once"
    assert set(times) == {str(visit) for visit in VISITS}
    assert min(times.values()) >= EACH_KIND
    assert sum(visit.kills for visit in plan) >= KILLED
    assert sum(visit.cuts for visit in plan) >= CUT


def test_every_end_that_a_joiner_knows_is_brought_about() -> None:
    ours = {"crashed", "internal_error", "transcription_failed", "invalid_meeting_url"}
    asked = {"recording_permission_denied"}  # no joiner has a host who is asked yet
    brought = {reason for visit in VISITS for reason in visit.reasons}
    assert {reason.value for reason in EndReason} - ours - asked == brought - {"crashed"}


def test_without_time_there_is_no_visit() -> None:
    assert list(endless(VISITS, random.Random(1), 0.0)) == []
