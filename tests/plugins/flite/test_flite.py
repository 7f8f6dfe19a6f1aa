"""The real program speaks, what it says is heard in a meeting, and wrong settings are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import trio

from meetcore import ConfigError, HealthReport, MeetcoreError, SynthesisRequest
from meetcore.log.scratch import scratch_in
from meetcore_flite.plugin import meetcore_check_health
from meetcore_flite.synthesizer import VOICES, FliteOptions, FliteSynthesizer


async def say(text: str, **options: object) -> tuple[bytes, int]:
    synthesizer = FliteSynthesizer(FliteOptions(**options))  # type: ignore[arg-type]
    request = SynthesisRequest(bot_id="bot", text=text)
    with trio.fail_after(90):
        given = [piece async for piece in synthesizer.synthesize(request)]
    assert not given or isinstance(given[0], str), "what it says in words comes before it"
    pieces = [piece for piece in given if isinstance(piece, bytes)]
    assert all(0 < len(piece) <= synthesizer.sample_rate_hz // 10 * 2 for piece in pieces)
    return b"".join(pieces), synthesizer.sample_rate_hz


@pytest.mark.parametrize("voice", VOICES)
async def test_every_voice_speaks(voice: str) -> None:
    pcm, rate = await say("Good morning, everybody.", voice=voice)
    samples = np.frombuffer(pcm, np.int16).astype(float)
    assert 1.0 < len(samples) / rate < 3.0
    assert np.sqrt(np.mean(samples**2)) > 500


async def test_a_higher_rate_is_faster() -> None:
    slow, _ = await say("One two three four five.", rate=0.8)
    fast, _ = await say("One two three four five.", rate=1.6)
    assert len(fast) < 0.6 * len(slow)


async def test_a_text_without_words_is_silence_and_no_error() -> None:
    for text in ("", "  \n", "*** …", "😀"):
        assert (await say(text))[0] == b""


async def test_what_is_said_lies_where_the_store_wants_it_and_is_not_left_there(
    tmp_path: Path,
) -> None:
    with scratch_in(tmp_path / "memory"), pytest.raises(FileNotFoundError, match="memory"):
        await say("Hello. It's a secret.")
    with scratch_in(tmp_path):
        await say("Hello. It's a secret.")
    assert os.listdir(tmp_path) == []


async def test_without_the_program_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeetcoreError, match="apt-get install flite"):
        await say("Hello")


async def test_a_program_that_fails_or_hangs_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "flite"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o700)
    with pytest.raises(MeetcoreError, match="exit code 3"):
        await say("Hello")
    monkeypatch.setattr("meetcore_flite.synthesizer.SENTENCE_TIMEOUT_S", 0.2)
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(MeetcoreError, match="did not speak within"):
        await say("Hello")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"voice": "nobody"}, "slt, rms, awb"), ({"rate": 3.0}, "from 0.5 to 2")],
)
def test_wrong_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FliteSynthesizer(FliteOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("config", "ok"), [({}, True), ({"flite": {"voice": "slt"}}, False)])
def test_a_voice_that_nobody_asked_for_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: dict[str, object], ok: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = HealthReport(config)
    meetcore_check_health(report)
    (finding,) = report.findings
    assert finding.ok is ok
    assert "apt-get install flite" in finding.detail + finding.remedy
