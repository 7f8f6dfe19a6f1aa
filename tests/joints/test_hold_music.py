"""Hold music keeps no bot in an empty meeting, where the transcriber can tell it from speech."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import evolve

from meetcore import (
    Chunk,
    EndReason,
    Hypothesis,
    StreamRequest,
    Transcriber,
    TranscriberCapabilities,
    TranscriberStream,
)
from tests.meetcore.conftest import Stage, end_of, events_of


class NoWords(Transcriber):
    """Finds no words in anything."""

    name = "no_words"
    capabilities = TranscriberCapabilities(partials=False, tells_speech=True)

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        yield NoWordsStream(request)


class NoWordsStream(TranscriberStream):
    def __init__(self, request: StreamRequest) -> None:
        self.request = request

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        await trio.lowlevel.checkpoint()

    async def feed(self, chunk: Chunk) -> None:
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        await trio.lowlevel.checkpoint()
        self.request.emit(Hypothesis(utterance_id=utterance_id, revision=1, text="", final=True))


@pytest.mark.parametrize("tells", [True, False])
async def test_sound_without_words_keeps_the_bot_only_where_that_cannot_be_told(
    tmp_path: Path, autojump_clock: trio.abc.Clock, tells: bool
) -> None:
    stage = Stage()
    transcriber = NoWords()
    transcriber.capabilities = evolve(NoWords.capabilities, tells_speech=tells)  # type: ignore[misc]
    leave = {"silence_s": 60.0, "max_duration_s": 300.0}
    async with stage.bot(tmp_path, transcriber=transcriber, automatic_leave=leave) as bot:
        stage.admit()
        stage.join("ada")
        stage.track("t", "ada")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play_music, stage)
            await bot.wait_ended()
            nursery.cancel_scope.cancel()
    wanted = EndReason.SILENCE if tells else EndReason.MAX_DURATION
    assert end_of(events_of(bot)).reason == wanted


async def play_music(stage: Stage) -> None:
    while True:
        stage.sound("t", 0.5)
        await trio.sleep(0.5)
