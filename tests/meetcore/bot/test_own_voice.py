"""What the bot itself says: recorded as a track of its own, and taken for nobody's speech."""

from __future__ import annotations

from typing import ClassVar

import pytest
import trio

import meetcore
from meetcore.model.lifecycle import EndReason
from tests.meetcore.bot.test_fallback import Engine, plugins_of
from tests.meetcore.conftest import Stage, end_of, events_of, kinds


class Taker(meetcore.Sink):
    name = "people"
    wants_events: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True

    def __init__(self, options=None):
        super().__init__(options)
        self.heard: dict[str, int] = {}

    async def on_audio(self, chunk):
        await trio.lowlevel.checkpoint()
        self.heard[chunk.track_id] = self.heard.get(chunk.track_id, 0) + chunk.samples


class Recorder(Taker):
    name = "everything"
    wants_own_voice: ClassVar[bool] = True


@pytest.mark.parametrize("streams", ["tracks", "mix"])
async def test_it_is_recorded_and_neither_transcribed_nor_heard_by_who_listens_to_people(
    tmp_path, autojump_clock, streams
):
    stage, engine, people, everything = Stage(), Engine("first"), Taker(), Recorder()

    async with stage.bot(
        tmp_path,
        plugins=plugins_of(stage, engine),
        transcriber="first",
        transcription={"streams": streams},
        sinks=[people, everything],
    ) as bot:
        stage.admit()
        stage.join("bot", is_self=True)
        stage.join("ada")
        stage.track("a", "ada")
        stage.track("own", None, kind="own")
        await stage.live(3, "a")
        await stage.live(3, "own", voice=True)
        await stage.live(3, "a")
    assert everything.heard == {"a": 96_000, "own": 48_000}
    assert people.heard == {"a": 96_000}
    assert "own" not in engine.streams
    events = events_of(bot)
    assert not kinds(events, meetcore.SpeakingStarted)
    assert not kinds(events, meetcore.SegmentFinalized)
    (opened,) = [e for e in kinds(events, meetcore.TrackOpened) if e.track_id == "own"]
    assert (opened.kind, opened.participant_id) == ("own", "bot")
    (closed,) = kinds(events, meetcore.LedgerClosed)
    assert closed.balanced
    assert {e.consumer for e in closed.entries if e.track_id == "own"} == {"everything"}


async def test_it_is_no_sign_that_anybody_is_heard_or_speaks(tmp_path, autojump_clock):
    stage = Stage()
    config = meetcore.BotConfig(out_dir=tmp_path, fsync=False, automatic_leave={"silence_s": 120.0})
    async with stage.bot(tmp_path, config=config) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("own", None, kind="own")
        await stage.live(30, "own", voice=True)
        assert kinds(events_of(bot), meetcore.CaptureDegraded), "nobody else is heard"
        stage.track("a", "ada")
        await stage.live(200, "a", "own")
        stage.sound("own", 5)
        await trio.sleep(1)
    assert end_of(events_of(bot)).reason is EndReason.SILENCE
