"""One track of a bot in the worker: utterances in, hypotheses out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from attrs import define

from meetcore import (
    Hypothesis,
    StreamRequest,
    TranscriberError,
    TranscriberStream,
    UntranscribedAudio,
    Word,
    WorkerAudio,
    WorkerMessage,
)
from meetcore_pocketsphinx.process import WorkerProcess, refusal
from meetcore_pocketsphinx.settings import SAMPLE_RATE_HZ
from meetcore_pocketsphinx.utterance import WordJson

if TYPE_CHECKING:
    from meetcore import Chunk

__all__ = ["PocketsphinxStream"]


@define
class _OpenUtterance:
    """What is known of the utterance at hand."""

    utterance_id: str
    start_sample: int
    end_sample: int
    revision: int = 0
    finished: bool = False


class PocketsphinxStream(TranscriberStream):
    """A track's stream.

    At most `window_s` of its audio is on its way to the worker: beyond that `feed` waits, which
    is how the core learns that the worker is behind. Audio that waited in vain for `patience_s`
    is given up and declared.

    Args:
        worker: The bot's worker.
        request: The track, and where results go.
        language: Tag to put on results, None where the model's language is unknown.
        window_s: How much audio may be on its way.
        patience_s: How long to wait for room.
        final_timeout_s: How long to wait for an utterance's final result.
    """

    def __init__(
        self,
        worker: WorkerProcess,
        request: StreamRequest,
        language: str | None,
        window_s: float,
        patience_s: float,
        final_timeout_s: float,
    ) -> None:
        self._worker = worker
        self._request = request
        self._language = language
        self._window_samples = int(window_s * SAMPLE_RATE_HZ)
        self._patience_s = patience_s
        self._final_timeout_s = final_timeout_s
        self._unheard_samples = 0
        self._utterance: _OpenUtterance | None = None
        self._given_up: tuple[int, int] | None = None
        self._trouble: TranscriberError | None = None
        self._news = trio.Event()
        self._track = worker.add_track(self._on_news)

    def close(self) -> None:
        """Let the worker forget the track."""
        self._worker.remove_track(self._track)

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        """Speech begins; a decoder is found for it.

        Raises:
            TranscriberError: The worker is gone.
        """
        await trio.lowlevel.checkpoint()
        self._raise_trouble()
        self._utterance = _OpenUtterance(utterance_id, start_sample, start_sample)
        self._worker.post(
            WorkerMessage({"op": "begin", "track": self._track, "utterance": utterance_id})
        )

    async def feed(self, chunk: Chunk) -> None:
        """Send audio to the worker, waiting for room; what finds none is declared untranscribed.

        Raises:
            TranscriberError: The worker is gone, or there is no utterance.
        """
        await trio.lowlevel.checkpoint()
        utterance = self._utterance
        if utterance is None:
            raise TranscriberError(
                "protocol", f"audio at sample {chunk.start_sample} of no utterance", retryable=True
            )
        utterance.end_sample = max(utterance.end_sample, chunk.end_sample)
        if not await self._has_room(chunk.samples):
            start = self._given_up[0] if self._given_up else chunk.start_sample
            self._given_up = (start, chunk.end_sample)
            return
        self._declare_given_up()
        self._unheard_samples += chunk.samples
        pcm = chunk.pcm.astype("<i2", copy=False).tobytes()
        self._worker.post(WorkerAudio(self._track, chunk.start_sample, pcm))

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        """End the utterance and wait for its final result; one that takes too long is given up.

        Raises:
            TranscriberError: The worker is gone or could not decode the utterance.
        """
        del cause
        await trio.lowlevel.checkpoint()
        utterance = self._utterance
        if utterance is None or utterance.utterance_id != utterance_id:
            raise TranscriberError(
                "protocol", f"utterance {utterance_id!r} ends but was not begun", retryable=True
            )
        utterance.end_sample = max(utterance.end_sample, end_sample)
        self._raise_trouble()
        self._declare_given_up()
        self._worker.post(
            WorkerMessage({"op": "end", "track": self._track, "utterance": utterance_id})
        )
        with trio.move_on_after(self._final_timeout_s):
            while not utterance.finished:
                self._raise_trouble()
                await self._news.wait()
        if not utterance.finished:
            self._give_up(utterance)

    def _give_up(self, utterance: _OpenUtterance) -> None:
        self._utterance = None
        self._worker.post(WorkerMessage({"op": "close", "track": self._track}))
        self._request.emit(
            UntranscribedAudio(
                start_sample=utterance.start_sample,
                end_sample=utterance.end_sample,
                cause="transcriber_behind",
            )
        )

    async def flush(self) -> None:
        """Return at once: every utterance that ended has its final result already."""
        await trio.lowlevel.checkpoint()
        self._raise_trouble()

    async def _has_room(self, samples: int) -> bool:
        if self._given_up is None:
            with trio.move_on_after(self._patience_s):
                while self._is_full(samples):
                    self._raise_trouble()
                    await self._news.wait()
        self._raise_trouble()
        return not self._is_full(samples)

    def _is_full(self, samples: int) -> bool:
        return self._unheard_samples > 0 and (
            self._unheard_samples + samples > self._window_samples
        )

    def _declare_given_up(self) -> None:
        if self._given_up is not None:
            start, end = self._given_up
            self._given_up = None
            self._request.emit(
                UntranscribedAudio(start_sample=start, end_sample=end, cause="transcriber_behind")
            )

    def _raise_trouble(self) -> None:
        if self._trouble is not None:
            raise self._trouble

    def _on_news(self, news: WorkerMessage | None) -> None:
        if news is None:
            self._trouble = self._trouble or self._worker.lost
        else:
            self._take(news)
        self._news.set()
        self._news = trio.Event()

    def _take(self, news: WorkerMessage) -> None:
        body = news.body
        event = body["event"]
        if event == "heard":
            self._unheard_samples -= int(body["samples"])
            return
        utterance = self._utterance
        if utterance is None or body["utterance"] != utterance.utterance_id:
            return  # of an utterance that was given up
        if event == "partial":
            self._emit(utterance, body["words"], final=False)
        elif event == "final":
            self._emit(utterance, body["words"], final=True)
            utterance.finished = True
            self._utterance = None
        elif event == "refused":
            self._trouble = refusal(body)
        elif event == "failed":
            self._trouble = TranscriberError(
                "server", f"pocketsphinx failed on an utterance: {body['message']}", retryable=True
            )

    def _emit(self, utterance: _OpenUtterance, words: list[WordJson], *, final: bool) -> None:
        utterance.revision += 1
        known = [word["confidence"] for word in words if word["confidence"] is not None]
        self._request.emit(
            Hypothesis(
                utterance_id=utterance.utterance_id,
                revision=utterance.revision,
                text=" ".join(word["text"] for word in words),
                words=tuple(
                    Word(word["text"], word["start_s"], word["end_s"], word["confidence"])
                    for word in words
                ),
                final=final,
                confidence=round(sum(known) / len(known), 4) if known else None,
                language=self._language,
                start_s=utterance.start_sample / SAMPLE_RATE_HZ,
                end_s=utterance.end_sample / SAMPLE_RATE_HZ,
            )
        )
