"""Speech or not, frame by frame, however the stream is cut."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.vad import FRAME_SAMPLES, VoiceDetector
from meetcore.testing import synthetic_voice

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
