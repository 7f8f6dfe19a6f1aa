"""Against a real server of other people's with real weights, on loopback and the real clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import trio

import meetcore
import meetcore_rehearsal
from meetcore.testing.scoring import word_errors
from meetcore.testing.script_toml import load_script
from meetcore.testing.voice import read_wav
from meetcore_openai.plugin import meetcore_check_health
from tests.meetcore.conftest import Stage, check_journal, events_of, kinds
from tests.plugins.openai.conftest import made, silence, streaming, utter
from tests.plugins.openai.whisper_server import serving

SCRIPT = Path(meetcore_rehearsal.__file__).parent / "scripts" / "planning" / "script.toml"
LINES = [line for line in load_script(SCRIPT).lines if line.audio is not None][:4]
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (url, _):
        yield url


def sound_of(line: Any) -> Any:
    return read_wav(SCRIPT.parent / line.audio)


async def test_real_speech_becomes_its_words_in_the_order_it_was_said(
    tmp_path: Path, server: str
) -> None:
    results: list[Any] = []
    with trio.fail_after(150):
        async with streaming(made(server, request_timeout_s=120.0), tmp_path, results) as stream:
            for number, line in enumerate(LINES):
                await utter(stream, f"u{number}", number * 320_000, sound_of(line))
            await utter(stream, "silence", 3_200_000, silence(1.0))
            await stream.flush()
    assert [r.utterance_id for r in results] == ["u0", "u1", "u2", "u3", "silence"]
    assert results[-1].text == "", "what the model makes of silence is dropped"
    errors = said = 0
    for line, result in zip(LINES, results, strict=False):
        counted = word_errors(line.text, result.text)
        errors, said = errors + counted.errors, said + counted.reference
        assert result.language == "en"
        assert 0.2 < result.confidence <= 1.0
    assert errors / said <= 0.1, [result.text for result in results]


def play(stage: Stage, track_id: str, line: Any) -> None:
    """Hand in a recording at once, and quiet after it."""
    start = stage.at.get(track_id, 0)
    pcm = np.concatenate([sound_of(line), silence(2.0)])
    for at in range(0, len(pcm), 1600):
        stage.events.hear(meetcore.Chunk(track_id, start + at, pcm[at : at + 1600]))
    stage.at[track_id] = start + len(pcm)


async def finals(bot: meetcore.Bot, count: int) -> None:
    with trio.fail_after(150):
        async for event in bot.events():
            count -= isinstance(event, meetcore.SegmentFinalized)
            if count == 0:
                return


async def test_a_server_that_is_killed_and_comes_back_costs_no_word(tmp_path: Path) -> None:
    """The whole way: a bot, a server with real weights, `kill -9`, a server at the same port."""
    stage = Stage()
    with serving(tmp_path) as (url, first):
        async with stage.bot(tmp_path, transcriber=made(url, request_timeout_s=120.0)) as bot:
            stage.admit()
            stage.track("ada")
            play(stage, "ada", LINES[0])
            await finals(bot, 1)
            first.kill()
            first.wait(10)
            play(stage, "ada", LINES[1])
            with trio.fail_after(60):
                async for event in bot.events():
                    if isinstance(event, meetcore.TranscriberRestarted):
                        break
            with serving(tmp_path, urlsplit(url).port or 0):
                await finals(bot, 2)
                await bot.stop()
    events = events_of(bot)
    check_journal(events)
    texts = [event.segment.text for event in kinds(events, meetcore.SegmentFinalized)]
    # A lost word would be missing; what the model hears as another one is its own affair.
    for line, text in zip(LINES[:2], texts, strict=True):
        counted = word_errors(line.text, text)
        assert counted.missing == counted.inserted == 0, text
        assert counted.substituted <= 0.4 * counted.reference, text
    assert not kinds(events, meetcore.TranscriptionGap)


def test_doctor_asks_the_endpoint_that_is_named_and_no_other(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")

    def finding(**settings: Any) -> Any:
        report = meetcore.HealthReport({"openai": settings} if settings else {})
        meetcore_check_health(report)
        (only,) = report.findings
        return only

    asked = finding(base_url=server)
    assert asked.ok
    assert "127.0.0.1 transcribed 0.3 s of silence" in asked.detail
    assert finding().ok
    assert "nothing was asked" in finding().detail
    away = finding(base_url="http://127.0.0.1:9/v1")
    assert (away.ok, "base_url" in away.remedy) == (False, True)
    wrong = finding(base_url=server.removesuffix("/v1"))
    assert (wrong.ok, "404" in wrong.detail) == (False, True)
    assert not finding(modle="x").ok
    monkeypatch.delenv("OPENAI_API_KEY")
    keyless = finding(model="whisper-1")
    assert (keyless.ok, "OPENAI_API_KEY" in keyless.remedy) == (False, True)
