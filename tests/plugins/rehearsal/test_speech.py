"""The bundled script: it can be played, has what it promises, and can be understood."""

from __future__ import annotations

import wave
from typing import Any

import pytest

from meetcore.testing.scoring import WordErrors, word_errors
from meetcore.testing.script import Line
from meetcore_pocketsphinx.decoders import build_decoder
from meetcore_pocketsphinx.settings import WorkerSettings
from meetcore_rehearsal.cast import check_playable
from meetcore_rehearsal.scripts import bundled_scripts, find_script

FLITE_VOICES = ("ada", "ben", "callum")


def decode(decoder: Any, line: Line) -> str:
    assert line.audio is not None
    with wave.open(str(line.audio), "rb") as wav:
        pcm = wav.readframes(wav.getnframes())
    decoder.start_utt()
    for start in range(0, len(pcm), 640):
        decoder.process_raw(pcm[start : start + 640])
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def test_every_bundled_script_can_be_played() -> None:
    assert bundled_scripts()
    for name in bundled_scripts():
        check_playable(find_script(name))


def test_the_bundled_script_has_what_a_rehearsal_needs() -> None:
    script = find_script("planning")
    assert 35 <= script.duration_s <= 45
    assert {line.who for line in script.lines} == {*FLITE_VOICES, "robin"}
    assert sum(overlap.end_s - overlap.start_s for overlap in script.overlaps()) > 1
    assert script.person("robin").joins_s > 0
    assert len(script.chat) >= 3
    assert script.mutes
    assert script.host is not None


@pytest.mark.long
def test_each_flite_voice_is_understood_with_the_default_model() -> None:
    errors: dict[str, WordErrors] = {}
    decoders: dict[str, Any] = {}
    for _, line in find_script("planning").audible_lines():
        if line.who not in decoders:
            decoders[line.who] = build_decoder(WorkerSettings())
        heard = decode(decoders[line.who], line)
        errors[line.who] = errors.get(line.who, WordErrors()) + word_errors(line.text, heard)
    for voice in FLITE_VOICES:
        assert errors[voice].rate <= 0.06, voice
    assert errors["robin"].rate <= 0.25
