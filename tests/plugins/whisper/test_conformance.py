"""The transcriber keeps what the core relies on."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from attrs import evolve

from meetcore.audio.chunk import Pcm
from meetcore.plugin.transcriber import StreamRequest, Transcriber, TranscriberStream
from meetcore.testing.conformance import TranscriberConformance
from meetcore.testing.provider_conformance import Misbehaviour, ProviderConformance
from meetcore.testing.voice import read_wav
from meetcore_whisper import connection as connections
from meetcore_whisper.options import WhisperOptions
from meetcore_whisper.transcriber import WhisperTranscriber

from .conftest import SCRIPT, TINY, end_worker

SIGNALLED = evolve(TINY, niceness=1)
"""Options of their own: the worker that gets signals is nobody else's."""


@pytest.fixture(scope="module", autouse=True)
def no_worker_left() -> Iterator[None]:
    yield
    end_worker(TINY)
    end_worker(SIGNALLED)


async def worker_pid(transcriber: WhisperTranscriber) -> int:
    assert transcriber._finder is not None
    return int((await transcriber._finder.connection()).about["pid"])


@pytest.fixture(autouse=True)
def short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PING_S", 0.2)
    monkeypatch.setattr(connections, "SILENT_S", 3.0)
    monkeypatch.setattr(connections, "GREETED_WITHIN_S", 6.0)


class SignalledWhisper(WhisperTranscriber):
    """Its worker gets a signal as soon as somebody speaks."""

    def __init__(self, signum: signal.Signals) -> None:
        super().__init__(SIGNALLED)
        self._signum = signum

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        async with super().stream(request) as stream:
            os.kill(await worker_pid(self), self._signum)
            yield stream


class TestWhisper(TranscriberConformance):
    def make_transcriber(self) -> Transcriber:
        return WhisperTranscriber(TINY)

    def speech(self) -> tuple[Pcm, str]:
        return read_wav(SCRIPT.parent / "ben-1.wav"), "version"

    @asynccontextmanager
    async def break_provider(self, how: str) -> AsyncIterator[Transcriber]:
        """Its provider is its worker: killed, stopped, or one that refuses its options."""
        if how == "refuses":
            yield WhisperTranscriber(WhisperOptions(model="small"))
        else:
            yield SignalledWhisper(signal.SIGKILL if how == "fails" else signal.SIGSTOP)

    @pytest.mark.trio
    async def test_a_refusal_says_so_and_is_not_to_be_tried_again(self, tmp_path: Path) -> None:
        """There are no credentials here: what is refused is a model that is not there."""
        error = await self._trouble("refuses", tmp_path)
        assert (error.kind, error.retryable) == ("bad_request", False)
        assert error.remedy


class WhisperKilledOnce(WhisperTranscriber):
    """Its worker is killed in the middle of the second utterance."""

    def __init__(self) -> None:
        super().__init__(SIGNALLED)
        self._begun = 0

    @asynccontextmanager
    async def stream(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        async with super().stream(request) as stream:
            begin = stream.begin_utterance

            async def begin_utterance(utterance_id: str, start_sample: int) -> None:
                await begin(utterance_id, start_sample)
                self._begun += 1
                if self._begun == 2:
                    os.kill(await worker_pid(self), signal.SIGKILL)

            stream.begin_utterance = begin_utterance  # type: ignore[method-assign]
            yield stream


class TestWhisperWorkerThatMisbehaves(ProviderConformance):
    """Its provider is its worker, which can die; that it stands still is tried above, quicker."""

    misbehaviours = frozenset({"disconnect"})
    speed = 4.0

    def clock(self) -> None:
        return None

    def speech(self) -> Pcm:
        return read_wav(SCRIPT.parent / "ben-1.wav")

    @asynccontextmanager
    async def misbehave(self, how: Misbehaviour) -> AsyncIterator[Transcriber]:
        assert how == "disconnect"
        yield WhisperKilledOnce()
