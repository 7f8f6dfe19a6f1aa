"""Real weights on real speech: what is said comes out, what is not does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from meetcore.audio.chunk import Pcm
from meetcore.testing.scoring import word_errors
from meetcore_whisper.engine import WhisperEngine
from meetcore_whisper.models import find_model
from meetcore_whisper.voice_gate import VoiceGate, levelled

from .conftest import SAID

RATE = 16_000


@pytest.fixture(scope="module")
def base() -> WhisperEngine:
    return WhisperEngine(str(find_model("base").folder), "cpu", "int8", 1)


@pytest.fixture(scope="module")
def gate() -> VoiceGate:
    return VoiceGate(get_vad_model())


def floats(pcm: Pcm) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32768.0)


def test_what_people_say_comes_out(base: WhisperEngine, recording: Callable[[str], Pcm]) -> None:
    said, heard = [], []
    for name in sorted(SAID)[:8]:
        said.append(SAID[name])
        heard.append(base.recognise(floats(recording(name)), language="en").text)
    assert word_errors(" ".join(said), " ".join(heard)).rate <= 0.05


def test_words_have_times_in_order_within_the_piece(
    base: WhisperEngine, recording: Callable[[str], Pcm], gate: VoiceGate
) -> None:
    samples = floats(recording("ben-1"))
    heard = base.recognise(samples, language="en")
    starts = [word.start_s for word in heard.words]
    assert len(heard.words) == len(heard.text.split())
    assert starts == sorted(starts)
    assert all(word.start_s <= word.end_s <= len(samples) / RATE + 0.3 for word in heard.words)
    assert all(0 <= (word.confidence or 0) <= 1 for word in heard.words)
    span = gate.span(samples)
    assert span is not None
    assert abs(span.start_s - starts[0]) < 0.4


def test_it_finds_out_that_it_is_english(
    base: WhisperEngine, recording: Callable[[str], Pcm]
) -> None:
    ranked: list[tuple[str, float]] = []

    def choose(likely: object) -> str:
        ranked.extend(likely.ranked)  # type: ignore[attr-defined]
        return ranked[0][0]

    heard = base.recognise(floats(recording("ben-1")), language=choose)
    assert ranked[0][0] == heard.language == "en"
    assert ranked[0][1] > 0.8


def test_a_term_of_the_vocabulary_is_spelt_as_it_was_given(
    base: WhisperEngine, recording: Callable[[str], Pcm]
) -> None:
    samples = floats(recording("ben-1"))
    assert base.recognise(samples, language="en", terms=["meetcore", "Skribby"]).text


def noises() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(7)
    t = np.arange(3 * RATE) / RATE
    white = random.normal(0, 1, len(t))
    spectrum = np.fft.rfft(white) / np.maximum(1, np.arange(len(t) // 2 + 1)) ** 0.5
    pink = np.fft.irfft(spectrum, len(t))
    clicks = np.zeros(len(t))
    clicks[random.integers(0, len(t) - 200, 20)] = 1
    clicks = np.convolve(clicks, np.exp(-np.arange(200) / 30) * random.normal(0, 1, 200), "same")
    beat = 1 + np.sin(2 * np.pi * 2 * t)
    chord = sum(np.sin(2 * np.pi * pitch * t) * beat for pitch in (262, 330, 392))
    ring = np.sin(2 * np.pi * 440 * t) * np.sin(2 * np.pi * 480 * t) * (np.mod(t, 1.5) < 0.5)
    made = {
        "silence": np.zeros(len(t)),
        "white noise at -50 dB": white * 0.003,
        "white noise at -25 dB": white * 0.056,
        "pink noise": pink / np.max(np.abs(pink)) * 0.2,
        "key clicks": clicks * 0.3,
        "a hum of the mains": 0.05 * np.sin(314.16 * t) + 0.02 * np.sin(942.48 * t),
        "hold music": np.asarray(chord) / 8,
        "a ring tone": 0.2 * ring,
    }
    return {name: sound.astype(np.float32) for name, sound in made.items()}


@pytest.mark.parametrize("name", sorted(noises()))
def test_there_is_no_voice_in_a_noise(gate: VoiceGate, name: str) -> None:
    assert gate.span(noises()[name]) is None


def test_a_soft_voice_is_a_voice(gate: VoiceGate, recording: Callable[[str], Pcm]) -> None:
    samples = floats(recording("ben-1"))
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    soft = samples * np.float32(10 ** (-50 / 20) / loudness)
    assert gate.span(soft) is not None
    assert float(np.max(np.abs(levelled(soft)))) > 0.05
    assert np.array_equal(levelled(samples * 3), samples * 3)
