"""The bot's own voice where it comes back, told from somebody who speaks; with real speech."""

from __future__ import annotations

import subprocess
import wave
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.own_voice import BandMeter, OwnVoice, TrackVoice
from meetcore.audio.utterance import SpeechBegan, SpeechRules, UtteranceDetector
from meetcore.audio.vad import VoiceDetector

RATE = 16_000
OURS = (
    "Good morning everybody. I am the assistant and I take notes of this meeting, which you can "
    "read later on the page that was sent to you. Please tell me if anything should be left out."
)
THEIRS = (
    "Wait a moment, I think we should first talk about the budget for the next quarter before we "
    "start with anything else, because the numbers have changed since last week."
)
VOICES = ("slt", "rms", "awb")


@cache
def spoken(voice: str, text: str, folder: Path) -> np.ndarray:
    path = folder / f"{voice}-{len(text)}.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
    with wave.open(str(path), "rb") as file:
        assert file.getframerate() == RATE
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


@pytest.fixture(scope="module")
def say(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    return lambda voice, text: spoken(voice, text, folder)


def in_a_room(sound: np.ndarray, db: float, reverberation_s: float = 0.3) -> np.ndarray:
    """Return sound as a loudspeaker, a room and a narrow line make of it."""
    random = np.random.default_rng(5)
    length = round(reverberation_s * RATE)
    response = random.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    response[0] = 3
    response /= np.sqrt(np.square(response).sum())
    heard = np.convolve(sound, response)[: len(sound)]
    spectrum = np.fft.rfft(heard)
    hz = np.fft.rfftfreq(len(heard), 1 / RATE)
    spectrum[(hz < 300) | (hz > 3400)] *= 0.1
    return np.fft.irfft(spectrum, len(heard)) * 10 ** (db / 20)


def noticed(ours, heard, *, at_s: float = 0.0) -> tuple[float | None, str]:
    """Return how long after a time somebody is found to talk on a track, and the track's state."""
    own, random = OwnVoice(), np.random.default_rng(6)
    track, detector, utterances = (
        TrackVoice(own),
        VoiceDetector(3),
        UtteranceDetector(SpeechRules()),
    )
    length = max(len(ours), len(heard)) // 1600
    noise = random.normal(0, 6, length * 1600)
    noise[: len(heard)] += heard[: len(noise)]
    sound = np.clip(noise, -32768, 32767).astype(np.int16)
    own.begin(50)
    for at in range(length):
        now, piece = 50 + at / 10, slice(at * 1600, (at + 1) * 1600)
        own.play(ours[piece].astype(np.int16), now)
        track.hear(sound[piece], now + 0.1)
        for mark in utterances.feed(detector.feed(sound[piece])):
            track.voice(now + 0.1, began=isinstance(mark, SpeechBegan))
        if track.talking:
            return round(now + 0.1 - 50 - at_s, 3), track.state
    return None, track.state


def later(sound: np.ndarray, seconds: float) -> np.ndarray:
    return np.concatenate([np.zeros(round(seconds * RATE)), sound])


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize(("db", "lag_s"), [(-6, 0.15), (-15, 0.4), (-15, 1.2)])
def test_its_echo_is_nobody(say, voice, db, lag_s):
    ours = say(voice, OURS)
    assert noticed(ours, later(in_a_room(ours, db), lag_s)) == (None, "echoing")


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("other", VOICES)
def test_somebody_on_a_track_without_an_echo_is_noticed_as_soon_as_there_is_a_voice(
    say, voice, other
):
    after_s, state = noticed(say(voice, OURS), later(say(other, THEIRS), 4.0), at_s=4.0)
    assert after_s is not None
    assert (after_s <= 0.6, state) == (True, "clean")


@pytest.mark.parametrize("other", ["rms", "awb"])
def test_somebody_at_the_very_beginning_is_noticed_after_a_good_second(say, other):
    after_s, _ = noticed(say("slt", OURS), later(say(other, THEIRS), 0.5), at_s=0.5)
    assert after_s is not None
    assert after_s <= 1.6


@pytest.mark.parametrize(("voice", "other"), [("rms", "awb"), ("awb", "slt"), ("slt", "awb")])
def test_somebody_who_speaks_over_the_echo_is_noticed(say, voice, other):
    ours, theirs = say(voice, OURS), say(other, THEIRS)
    echo = later(in_a_room(ours, -15), 0.3)
    heard = later(theirs, 5.0)[: len(echo)]
    echo[: len(heard)] += heard
    after_s, state = noticed(ours, echo, at_s=5.0)
    assert state == "echoing"
    assert after_s is not None
    assert 0 < after_s <= 1.6


def test_with_nothing_said_everybody_is_somebody():
    track = TrackVoice(OwnVoice())
    track.voice(10.0, began=True)
    assert track.talking
    track.voice(11.0, began=False)
    assert not track.talking


def test_what_was_not_played_any_more_explains_nothing(say):
    ours = say("slt", OURS)[: 2 * RATE]
    own = OwnVoice()
    own.begin(50)
    own.play(ours.astype(np.int16), 50.0)
    rows = BandMeter().feed(ours.astype(np.int16))[:60]
    assert own.find(rows, 50.6)[0] > 0.95
    assert own.loud(50.2, 51.0)
    own.stop(50.0)
    assert own.find(rows, 50.6)[0] == 0
    assert not own.loud(50.2, 51.0)
    assert not own.over(53.0)
    assert own.over(56.0)


@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 3000), st.floats(0, 20), st.booleans()), min_size=1, max_size=30
    )
)
def test_pieces_of_any_length_at_any_time_do_no_harm(pieces):
    own, random = OwnVoice(), np.random.default_rng(7)
    track = TrackVoice(own)
    own.begin(0)
    for samples, at_s, began in pieces:
        pcm = random.integers(-3000, 3000, samples).astype(np.int16)
        own.play(pcm, at_s)
        track.hear(pcm, at_s)
        track.voice(at_s, began=began)
        track.hear(pcm, at_s)
        if samples % 5 == 0:
            track.deaf()
            own.stop(at_s)
    assert track.state in ("unknown", "clean", "echoing")
