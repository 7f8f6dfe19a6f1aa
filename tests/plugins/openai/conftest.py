"""What the tests of `openai` share: speech-like sound, and streams of one track."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio.testing

from meetcore import Chunk, Pcm, Redactor, StreamRequest, Transcriber, TranscriberContext
from meetcore.testing import synthetic_voice
from meetcore_openai.options import OpenAIOptions
from meetcore_openai.transcriber import OpenAITranscriber


@pytest.fixture
def mock_clock() -> trio.testing.MockClock:
    """A clock that jumps over every wait in which nothing came over a socket for 20 ms."""
    return trio.testing.MockClock(autojump_threshold=0.02)


def made(url: str, **options: Any) -> OpenAITranscriber:
    return OpenAITranscriber(OpenAIOptions(base_url=url, **options))


@asynccontextmanager
async def streaming(
    transcriber: Transcriber, folder: Path, results: list[Any], **request: Any
) -> AsyncIterator[Any]:
    request.setdefault("track_id", "ada")
    redactor = request.pop("redactor", Redactor())
    context = TranscriberContext(bot_id="b", folder=folder, redactor=redactor)
    async with transcriber.open(context):
        wanted = StreamRequest(bot_id="b", emit=results.append, **request)
        async with transcriber.stream(wanted) as stream:
            yield stream


async def utter(stream: Any, name: str, start: int = 0, pcm: Pcm | None = None) -> None:
    sound = synthetic_voice(1.0) if pcm is None else pcm
    await stream.begin_utterance(name, start)
    for at in range(0, len(sound), 1600):
        await stream.feed(Chunk("ada", start + at, sound[at : at + 1600]))
    await stream.end_utterance(name, start + len(sound), "silence")


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * 16_000), np.int16)
