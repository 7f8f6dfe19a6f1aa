"""The synthetic voice is taken for speech, and recordings are read as they are."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from meetcore.audio.vad import VoiceDetector
from meetcore.testing import synthetic_voice
from meetcore.testing.voice import read_wav


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("pitch_hz", [100.0, 130.0, 190.0, 250.0])
def test_a_detector_takes_it_for_speech_almost_all_the_time(mode, pitch_hz):
    flags = VoiceDetector(mode).feed(synthetic_voice(3.0, pitch_hz))
    assert len(flags) == 150
    assert sum(flags) > 140


def test_it_is_as_long_as_asked_and_not_too_loud():
    pcm = synthetic_voice(0.5)
    assert (len(pcm), pcm.dtype) == (8000, np.int16)
    assert 5_000 < np.abs(pcm).max() < 20_000


def test_a_recording_is_read_sample_by_sample(tmp_path):
    pcm = synthetic_voice(0.2)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm.tobytes())
    assert (read_wav(tmp_path / "a.wav") == pcm).all()
