"""A plugin file for tests: a transcriber that tells two voices apart on each track."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

import meetcore


class _Voices(meetcore.TranscriberStream):
    def __init__(self, request: meetcore.StreamRequest) -> None:
        self._request = request
        self._start_s = 0.0

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        await trio.lowlevel.checkpoint()
        self._start_s = start_sample / 16_000

    async def feed(self, chunk: meetcore.Chunk) -> None:
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        await trio.lowlevel.checkpoint()
        words = tuple(
            meetcore.Word(f"w{n}", self._start_s + n, self._start_s + n + 1, 0.9, str(n // 4))
            for n in range(8)
        )
        self._request.emit(
            meetcore.Hypothesis(
                utterance_id=utterance_id,
                revision=1,
                text=" ".join(word.text for word in words),
                words=words,
                final=True,
            )
        )


class TwoVoices(meetcore.Transcriber):
    name = "two_voices"

    @asynccontextmanager
    async def stream(
        self, request: meetcore.StreamRequest
    ) -> AsyncIterator[meetcore.TranscriberStream]:
        yield _Voices(request)


@meetcore.hookimpl
def meetcore_register_transcribers(
    register: Callable[[type[meetcore.Transcriber]], None],
) -> None:
    register(TwoVoices)
