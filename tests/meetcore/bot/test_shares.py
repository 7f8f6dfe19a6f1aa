"""Screens that somebody shares, as events."""

from __future__ import annotations

import meetcore
from meetcore.model.signals import ShareSeen
from meetcore.testing import SimMeeting, run_simulated
from tests.meetcore.conftest import events_of, kinds

MEETING = """
[admission]
after_s = 0.5
[[people]]
id = "ada"
name = "Ada"
host = true
[[shares]]
who = "ada"
at_s = 1
until_s = 3
[[shares]]
who = "ada"
at_s = 4
[end]
at_s = 6
"""


def test_who_shares_is_told_with_the_time(tmp_path) -> None:
    events = run_simulated(SimMeeting(MEETING), out_dir=tmp_path)
    found = [
        (e.type, e.share_id, e.participant_id, e.name, round(e.meeting_s or 0.0, 1))
        for e in events
        if isinstance(e, meetcore.ShareStarted | meetcore.ShareStopped)
    ]
    began = found[0][4]
    assert found == [
        ("share.started", "share-1", "ada", "Ada", began),
        ("share.stopped", "share-1", "ada", "Ada", began + 2.0),
        ("share.started", "share-2", "ada", "Ada", began + 3.0),
    ]


async def test_what_was_told_before_is_nothing_new(tmp_path, stage, autojump_clock) -> None:
    async with stage.bot(tmp_path) as bot:
        stage.admit()
        stage.join("ada")
        for sharing in (False, True, True, False, False):
            stage.events.observe(ShareSeen("x", "ada", sharing))
        stage.events.observe(ShareSeen("y", None, True))
    events = events_of(bot)
    assert [e.share_id for e in kinds(events, meetcore.ShareStarted)] == ["x", "y"]
    assert [e.name for e in kinds(events, meetcore.ShareStopped)] == ["Ada"]
