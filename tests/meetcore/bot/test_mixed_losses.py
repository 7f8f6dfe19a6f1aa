"""Losses where all tracks are mixed into one stream: each sample is in the account once."""

from __future__ import annotations

import pytest

import meetcore
from tests.meetcore.bot.test_fallback import Engine, plugins_of
from tests.meetcore.conftest import Stage, events_of, kinds


@pytest.mark.parametrize("streams", ["tracks", "mix"])
@pytest.mark.parametrize("ended", [False, True], ids=["in the call", "ended"])
async def test_what_is_lost_at_the_end_of_tracks_leaves_the_account_balanced(
    tmp_path, autojump_clock, streams, ended
):
    stage = Stage()
    async with stage.bot(
        tmp_path,
        plugins=plugins_of(stage, Engine("first")),
        transcriber="first",
        transcription={"streams": streams},
    ) as bot:
        stage.admit()
        for who in ("ada", "bob"):
            stage.join(who)
            stage.track(who, who)
        await stage.live(2, "ada", "bob", voice=True)
        if ended:
            evidence = meetcore.Evidence("page", "the room was closed")
            stage.events.observe(meetcore.CallEnded(meetcore.EndReason.MEETING_ENDED, evidence))
        for who in ("ada", "bob"):
            stage.events.declare_lost(who, 32_000, 48_000, "page_behind")
            stage.events.observe(meetcore.TrackGone(who))
        await stage.live(1)
    (closed,) = kinds(events_of(bot), meetcore.LedgerClosed)
    assert closed.balanced
    assert {entry.lost for entry in closed.entries if entry.track_id in ("ada", "bob")} >= {48_000}
    assert not kinds(events_of(bot), meetcore.PluginFailed)
