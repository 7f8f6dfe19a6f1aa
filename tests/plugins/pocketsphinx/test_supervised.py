"""The transcriber under the core's own supervisor: a killed worker costs no words."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import trio

from meetcore.audio.chunk import Chunk, Pcm
from meetcore.audio.ledger import Account
from meetcore.bot.tracks import BeginUtterance, EndUtterance
from meetcore.bot.transcribing import TrackTranscription
from meetcore.model.errors import TranscriberError
from meetcore.model.events import (
    Event,
    TranscriberRestarted,
    TranscriptionGap,
    TranscriptionStopped,
)
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.contracts import TranscriberContext
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber


class Host:
    """Keeps what the session says."""

    def __init__(self) -> None:
        self.random = Random(1)
        self.events: list[Event] = []
        self.hypotheses: list[Hypothesis] = []
        self.news = trio.Event()

    def record(self, event: Event) -> Event:
        self.events.append(event)
        self._wake()
        return event

    def take_hypothesis(self, track_id: str, hypothesis: Hypothesis) -> None:
        assert track_id == "t1"
        self.hypotheses.append(hypothesis)
        self._wake()

    def meeting_time(self, sample: int) -> float:
        return sample / 16_000

    def transcription_stopped(self, track_id: str, error: TranscriberError) -> None:
        raise AssertionError(f"{track_id}: {error}")

    def _wake(self) -> None:
        self.news.set()
        self.news = trio.Event()


@pytest.mark.parametrize("deaths", [1, 2])
async def test_an_utterance_is_replayed_after_one_death_and_declared_after_two(
    tmp_path: Path, deaths: int, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    transcriber, host, ready = PocketsphinxTranscriber(), Host(), trio.Event()
    ready.set()
    track = TrackTranscription(
        "t1", transcriber, host, Account("t1", "pocketsphinx"),
        bot_id="b", language=None, ready=ready,
    )  # fmt: skip

    async def kill_at_each_first_draft() -> None:
        for restarts in range(deaths):
            drafts = len(host.hypotheses)
            while len(host.hypotheses) == drafts:
                await host.news.wait()
            assert transcriber._keeper is not None
            worker = transcriber._keeper.current
            assert worker is not None
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            while sum(isinstance(e, TranscriberRestarted) for e in host.events) == restarts:
                await host.news.wait()

    with trio.fail_after(60):
        context = TranscriberContext(bot_id="b", folder=tmp_path)
        async with transcriber.open(context), trio.open_nursery() as nursery:
            nursery.start_soon(kill_at_each_first_draft)
            nursery.start_soon(track.run)
            track.put(BeginUtterance("u1", 0))
            for at in range(0, len(pcm), 1_600):
                track.put(Chunk("t1", at, pcm[at : at + 1_600]))
            track.put(EndUtterance("u1", len(pcm), "silence"))
            while not any(h.final for h in host.hypotheses) and not any(
                isinstance(e, TranscriptionGap) for e in host.events
            ):
                await host.news.wait()
            track.close()
    finals = [h.text for h in host.hypotheses if h.final]
    gaps = [e for e in host.events if isinstance(e, TranscriptionGap)]
    assert not [e for e in host.events if isinstance(e, TranscriptionStopped)]
    if deaths == 1:
        assert "version" in finals[0]
        assert gaps == []
    else:
        assert not any(finals), "at most an empty one, for what was left of the utterance"
        (gap,) = gaps
        assert gap.start_s == 0.0
        assert gap.end_s == pytest.approx(len(pcm) / 16_000, abs=0.2)
    revisions = [h.revision for h in host.hypotheses]
    assert revisions == sorted(set(revisions))
