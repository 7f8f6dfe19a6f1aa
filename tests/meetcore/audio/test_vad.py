"""Speech or not, frame by frame, however the stream is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.vad import FRAME_SAMPLES, VoiceDetector
from meetcore.testing import synthetic_voice
from meetcore.testing.voice import read_wav

SOUND = np.concatenate([np.zeros(4000, np.int16), synthetic_voice(1.0), np.zeros(4000, np.int16)])


@given(cuts=st.lists(st.integers(1, 5000), min_size=1))
def test_the_flags_do_not_depend_on_how_the_sound_was_cut(cuts):
    detector = VoiceDetector(gate_peak=0)
    flags: list[bool] = []
    at = turn = 0
    while at < len(SOUND):
        size = cuts[turn % len(cuts)]
        flags += detector.feed(SOUND[at : at + size])
        at, turn = at + size, turn + 1
    assert flags == VoiceDetector(gate_peak=0).feed(SOUND)
    assert len(flags) == len(SOUND) // FRAME_SAMPLES


def test_silence_and_faint_hum_are_not_speech_and_a_voice_is():
    hum = (40 * np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 120)).astype(np.int16)
    assert not any(VoiceDetector().feed(np.zeros(16_000, np.int16)))
    assert not any(VoiceDetector().feed(hum))
    assert sum(VoiceDetector().feed(synthetic_voice(1.0))) > 40


def test_an_unfinished_frame_is_forgotten_over_a_hole():
    detector = VoiceDetector()
    assert detector.feed(np.ones(FRAME_SAMPLES - 1, np.int16)) == []
    detector.reset()
    assert detector.feed(np.ones(1, np.int16)) == []
    assert detector.feed(np.ones(FRAME_SAMPLES - 1, np.int16)) == [False]


def lasting(sound: np.ndarray, dbfs: float) -> np.ndarray:
    return (sound / np.abs(sound).max() * 32767 * 10 ** (dbfs / 20)).astype(np.int16)


SECONDS = np.arange(20 * 16_000) / 16_000
STEADY = {
    "hum": sum(np.sin(2 * np.pi * 50 * n * SECONDS) / n for n in range(1, 20)),
    "a ringing tone": (np.sin(2 * np.pi * 440 * SECONDS) + np.sin(2 * np.pi * 480 * SECONDS))
    * (SECONDS % 6 < 2),
    "a short ringing tone": np.sin(2 * np.pi * 425 * SECONDS) * (SECONDS % 5 < 1),
    "a whistle": np.sin(2 * np.pi * 1000 * SECONDS),
}


def counted(sound: np.ndarray) -> list[bool]:
    """Return for each 100 ms whether any of it is speech that is not steady."""
    told: list[bool] = [False]
    detector = VoiceDetector(on_steady=told.append)
    return [
        any(detector.feed(sound[at : at + 1600])) and not told[-1]
        for at in range(0, len(sound), 1600)
    ]


@pytest.mark.parametrize("dbfs", [-6, -12, -20])
@pytest.mark.parametrize("name", STEADY)
def test_what_is_steady_for_a_second_is_told_and_known_again(name, dbfs):
    assert not any(counted(lasting(np.asarray(STEADY[name]), dbfs))[12:])


def test_a_voice_over_hum_counts_again_at_once():
    hum = lasting(np.asarray(STEADY["hum"])[: 5 * 16_000], -20)
    mixed = hum.copy()
    mixed[3 * 16_000 : 4 * 16_000] += synthetic_voice(1.0)
    heard = counted(mixed)
    assert not any(heard[12:30])
    assert sum(heard[30:40]) >= 8
    assert not any(heard[42:])


@pytest.mark.parametrize("level", [1.0, 0.3, 0.1])
def test_a_voice_that_goes_on_is_never_steady(level):
    told: list[bool] = []
    voice = (synthetic_voice(20.0) * level).astype(np.int16)
    VoiceDetector(on_steady=told.append).feed(voice)
    assert told == []


def test_none_of_the_bundled_voices_is_steady():
    folder = Path(__file__).parents[3] / "plugins/rehearsal/meetcore_rehearsal/scripts/planning"
    told: list[bool] = []
    detector = VoiceDetector(on_steady=told.append)
    for path in sorted(folder.glob("*.wav")):
        detector.feed(read_wav(path))
    assert told == []
