"""Somebody begins to speak while the bot does: it stops, is quieter, or goes on, as it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio

import meetcore
import meetcore.testing as meetcore_testing
from meetcore.model.errors import CommandRefused, ConfigError
from meetcore.plugin.platform import Capability
from meetcore.testing.sim_speech import SimSpeech
from tests.meetcore.conftest import Stage, events_of, kinds

RATE = 8_000
TEXT = "one two three four five six seven eight nine ten"


def tone(seconds: float, level: int = 8000, rate_hz: int = RATE) -> bytes:
    """Return a sound that is as loud all the time."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * 400 * at)).astype("<i2").tobytes()


class Room(Stage):
    """A stage on which the bot is heard, and its loudspeakers too where they are said to be."""

    def __init__(self) -> None:
        super().__init__(capabilities=[Capability.SPEAK])
        self.outputs: list[SimSpeech] = []
        self.noise = np.random.default_rng(3)

    @asynccontextmanager
    async def talking(self, out_dir, **settings) -> AsyncIterator[meetcore.Bot]:
        async with self.bot(out_dir, **settings) as bot:
            bot.call.open_speech = self.open_speech
            self.admit()
            self.events.observe(
                meetcore.ParticipantAppeared(
                    meetcore.Participant(id="me", name="meetcore bot", is_self=True)
                )
            )
            self.join("ada")
            self.join("ben")
            self.track("t-ada", "ada")
            await self.live(1.0, "t-ada")
            yield bot

    def sound(self, track_id, seconds, *, voice=True):
        """Hand in what an open microphone gives: where nobody speaks, a little noise."""
        pcm = self.noise.normal(0, 6, round(seconds * 16_000)).astype(np.int16)
        if voice:
            pcm += meetcore_testing.synthetic_voice(seconds)
        start = self.at.get(track_id, 0)
        self.events.hear(meetcore.Chunk(track_id, start, pcm))
        self.at[track_id] = start + len(pcm)

    @asynccontextmanager
    async def open_speech(self, rate_hz):
        output = SimSpeech(rate_hz, 0.0)
        self.outputs.append(output)
        try:
            yield output
        finally:
            self.heard = output.said()


@pytest.fixture
def room() -> Room:
    return Room()


def interrupted(bot) -> list[meetcore.SpeechInterrupted]:
    return kinds(events_of(bot), meetcore.SpeechInterrupted)


async def test_it_stops_at_once_and_the_event_says_who_spoke_and_what_was_said(
    room, tmp_path, autojump_clock
):
    async with room.talking(tmp_path, speech={"barge_in": "stop"}) as bot:
        speech = bot.say(tone(10), sample_rate_hz=RATE, text=TEXT)
        follows = bot.say(tone(1), sample_rate_hz=RATE, text="and that was all")
        await room.live(4.0, "t-ada")
        began = trio.current_time()
        while not kinds(events_of(bot), meetcore.SpeakingStarted):
            await room.live(0.1, "t-ada", voice=True)
        noticed = trio.current_time()
        assert [await speech.wait(), await follows.wait()] == [False, False]
        assert trio.current_time() - noticed <= 0.1, "silent as soon as it is known"
        assert noticed - began <= 0.5
    follows, first = interrupted(bot)
    assert (first.speech_id, follows.speech_id) == ("speech-1", "speech-2")
    assert (first.cause, first.participant_id) == ("barge_in", "ada")
    assert first.position_s == pytest.approx(4.0, abs=0.5)
    assert TEXT.startswith(first.said)
    assert first.said.split()[-1] in ("four", "five")
    assert (follows.said, follows.cause) == ("", "barge_in")
    assert room.heard.duration_s == pytest.approx(first.position_s, abs=0.01)


async def test_it_goes_on_where_it_was_told_so_and_what_waits_goes_by_its_own_policy(
    room, tmp_path, autojump_clock
):
    async with room.talking(tmp_path) as bot:
        assert bot.config.speech.barge_in == "go_on"
        notice = bot.say(tone(4), sample_rate_hz=RATE)
        with pytest.raises(CommandRefused, match="barge_in is 'perhaps', not one of stop, duck"):
            bot.say(b"12", barge_in="perhaps")
        await room.live(1.0, "t-ada")
        await room.live(1.5, "t-ada", voice=True)
        assert await notice.wait()
        await bot.perform(meetcore.Speak(tone(3), RATE, barge_in="stop"))
        await room.live(1.0, "t-ada")
        await room.live(1.0, "t-ada", voice=True)
        await room.live(1.0, "t-ada")
    assert [(e.speech_id, e.cause) for e in interrupted(bot)] == [("speech-2", "barge_in")]


async def test_who_spoke_already_when_the_bot_began_does_not_stop_it(
    room, tmp_path, autojump_clock
):
    async with room.talking(tmp_path, speech={"barge_in": "stop"}) as bot:
        await room.live(2.0, "t-ada", voice=True)
        speech = bot.say(tone(2), sample_rate_hz=RATE)
        await room.live(2.5, "t-ada", voice=True)
        assert await speech.wait()


async def test_the_bots_own_track_stops_nothing(room, tmp_path, autojump_clock):
    async with room.talking(tmp_path, speech={"barge_in": "stop"}) as bot:
        room.track("t-me", "me")
        speech = bot.say(tone(3), sample_rate_hz=RATE)
        await room.live(1.0, "t-me")
        await room.live(2.5, "t-me", voice=True)
        assert await speech.wait()


async def test_nobody_is_listened_to_while_the_recording_is_paused(room, tmp_path, autojump_clock):
    async with room.talking(tmp_path, speech={"barge_in": "stop"}) as bot:
        await bot.pause()
        speech = bot.say(tone(3), sample_rate_hz=RATE)
        await room.live(3.5, "t-ada", voice=True)
        assert await speech.wait()


async def test_it_is_quieter_while_somebody_speaks_and_as_loud_as_before_after(
    room, tmp_path, autojump_clock
):
    async with room.talking(tmp_path, speech={"barge_in": "duck", "duck_db": 20}) as bot:
        speech = bot.say(tone(8), sample_rate_hz=RATE)
        began = trio.current_time()
        await room.live(3.5, "t-ada")
        await room.live(1.5, "t-ada", voice=True)
        await room.live(2.9, "t-ada")
        assert await speech.wait()
        assert trio.current_time() - began == pytest.approx(8.0, abs=0.1), "it is not slower"
    heard = np.frombuffer(room.heard.pcm, "<i2").astype(float)
    assert len(heard) == 8 * RATE
    tenths = np.abs(heard.reshape(80, RATE // 10)).max(axis=1)
    low = [at for at, level in enumerate(tenths) if level == pytest.approx(800, abs=10)]
    assert low == list(range(low[0], low[-1] + 1))
    assert 37 <= low[0] <= 42
    assert 55 <= low[-1] <= 61, "until the voice is over, with its hangover"
    assert all(tenths[: low[0] - 1] > 7990)
    assert all(tenths[low[-1] + 2 :] > 7990)
    steps = np.abs(np.diff(heard))
    assert steps.max() <= 1.02 * np.abs(np.diff(heard[: 2 * RATE])).max(), "without a click"


async def test_a_call_that_plays_nothing_more_ends_a_quiet_speech_too(
    room, tmp_path, autojump_clock
):
    class Stalled(SimSpeech):
        played_s = 0.0

    @asynccontextmanager
    async def open_speech(rate_hz):
        yield Stalled(rate_hz, 0.0)

    async with room.talking(tmp_path, speech={"barge_in": "duck"}) as bot:
        bot.call.open_speech = open_speech
        began = trio.current_time()
        with pytest.raises(meetcore.CommandFailed, match="took nothing"):
            await bot.say(tone(3), sample_rate_hz=RATE).wait()
        assert trio.current_time() - began == pytest.approx(10, abs=1)


def test_how_it_is_written_in_a_configuration():
    config = meetcore.load_config(overrides={"speech": {"barge_in": "stop"}}, environ={})
    assert config.speech == meetcore.SpeechConfig(barge_in="stop")
    with pytest.raises(ConfigError, match="barge_in"):
        meetcore.load_config(overrides={"speech": {"barge_in": "shout"}}, environ={})
    with pytest.raises(ConfigError, match="duck_db"):
        meetcore.SpeechConfig(duck_db=-3)
