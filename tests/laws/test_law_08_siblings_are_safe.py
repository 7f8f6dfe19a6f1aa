"""Law 8: one bot's crash does not touch its siblings."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

import meetcore
from meetcore.plugin.platform import Platform
from meetcore.testing import SimMeeting
from tests.laws.conftest import MEETING, WitnessSink

pytestmark = pytest.mark.law(8)


class CrashingPlatform(Platform):
    name = "crashing"

    def parse(self, url):
        if url.startswith("crash:"):
            return meetcore.MeetingLink(platform="crashing", native_id=url[6:], url=url)
        return None

    @asynccontextmanager
    async def open_call(self, link, request, events):
        if link.native_id == "entering":
            raise RuntimeError("boom")
        if link.native_id == "refused":
            raise meetcore.MeetingRefused("meeting_not_found", "There is no such meeting.")
        events.observe(object())
        yield None


class CrashingPlugin:
    @meetcore.hookimpl
    def meetcore_register_platforms(self, register):
        register(CrashingPlatform)


async def test_bots_beside_a_crashing_one_go_on(tmp_path, autojump_clock):
    meeting = SimMeeting(MEETING)
    plugins = meeting.plugins(crashing=CrashingPlugin())
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False)
    witnesses = [WitnessSink(), WitnessSink()]
    async with meetcore.open_fleet(config, plugins=plugins) as fleet:
        good = [fleet.start(meeting.link, sinks=[witness]) for witness in witnesses]
        bad = [fleet.start(f"crash:{how}") for how in ("entering", "signalling", "refused")]
        await fleet.wait_empty()
    assert [bot.ending.reason for bot in good] == ["meeting_ended"] * 2
    assert all(w.heard == witnesses[0].heard > 0 for w in witnesses)
    assert [bot.ending.reason for bot in bad] == ["crashed", "crashed", "meeting_not_found"]
    assert all(bot.state == "failed" for bot in bad)
    for bot in (*good, *bad):
        events = list(meetcore.read_journal(bot.journal.path))
        assert any(getattr(e, "state", None) == bot.state for e in events)
