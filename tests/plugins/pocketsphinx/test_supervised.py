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
from meetcore.bot.context import BotContext
from meetcore.bot.tracks import BeginUtterance, EndUtterance
from meetcore.bot.transcriber_runner import TranscriberRunner
from meetcore.log.journal import Journal
from meetcore.log.mailbox import Wake
from meetcore.model.config import BotConfig
from meetcore.model.errors import MeetcoreError
from meetcore.model.events import (
    Event,
    TranscriberRestarted,
    TranscriptionGap,
    TranscriptionStopped,
)
from meetcore.model.secrets import Redactor
from meetcore.model.transcript import Hypothesis
from meetcore.plugin.transcriber import TranscriberContext
from meetcore_pocketsphinx.transcriber import PocketsphinxTranscriber


class Heard:
    """Keeps what the session says: its results, and the events of its bot's journal."""

    def __init__(self, folder: Path) -> None:
        self.events: list[Event] = []
        self.hypotheses: list[Hypothesis] = []
        self.news = trio.Event()
        self.bot = BotContext(
            id="b",
            folder=folder,
            config=BotConfig(),
            journal=Journal(folder / "journal.jsonl", "b", fsync=False),
            redactor=Redactor(),
            random=Random(1),
            cannot_write=self._failed,
        )
        self.bot.journal.listen(self._event)

    def take_hypothesis(self, track_id: str, hypothesis: Hypothesis) -> None:
        assert track_id == "t1"
        self.hypotheses.append(hypothesis)
        self._wake()

    def _event(self, event: Event) -> None:
        self.events.append(event)
        self._wake()

    def _failed(self, error: MeetcoreError) -> None:
        raise AssertionError(str(error))

    def _wake(self) -> None:
        self.news.set()
        self.news = trio.Event()


@pytest.mark.parametrize("deaths", [1, 2])
async def test_an_utterance_is_replayed_after_one_death_and_declared_after_two(
    tmp_path: Path, deaths: int, recording: Callable[[str], Pcm]
) -> None:
    pcm = recording("ben-1")
    transcriber, heard = PocketsphinxTranscriber(), Heard(tmp_path)
    runner = TranscriberRunner(
        [transcriber],
        heard.bot,
        TranscriberContext(bot_id="b", folder=tmp_path),
        take_hypothesis=heard.take_hypothesis,
        meeting_time=lambda sample: sample / 16_000,
        failed=heard._failed,
        changed=Wake(),
    )

    async def kill_at_each_first_draft() -> None:
        for restarts in range(deaths):
            drafts = len(heard.hypotheses)
            while len(heard.hypotheses) == drafts:
                await heard.news.wait()
            assert transcriber._keeper is not None
            worker = transcriber._keeper.current
            assert worker is not None
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            while sum(isinstance(e, TranscriberRestarted) for e in heard.events) == restarts:
                await heard.news.wait()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill_at_each_first_draft)
            nursery.start_soon(runner.run)
            track = runner.begin("t1", nursery)
            track.put(BeginUtterance("u1", 0))
            for at in range(0, len(pcm), 1_600):
                track.put(Chunk("t1", at, pcm[at : at + 1_600]))
            track.put(EndUtterance("u1", len(pcm), "silence"))
            while not any(h.final for h in heard.hypotheses) and not any(
                isinstance(e, TranscriptionGap) for e in heard.events
            ):
                await heard.news.wait()
            track.close()
            while runner.busy:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    heard.bot.journal.close()
    finals = [h.text for h in heard.hypotheses if h.final]
    gaps = [e for e in heard.events if isinstance(e, TranscriptionGap)]
    assert not [e for e in heard.events if isinstance(e, TranscriptionStopped)]
    if deaths == 1:
        assert "version" in finals[0]
        assert gaps == []
    else:
        assert not any(finals), "at most an empty one, for what was left of the utterance"
        (gap,) = gaps
        assert gap.start_s == 0.0
        assert gap.end_s == pytest.approx(len(pcm) / 16_000, abs=0.2)
    revisions = [h.revision for h in heard.hypotheses]
    assert revisions == sorted(set(revisions))
