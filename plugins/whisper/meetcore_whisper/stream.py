"""One track of a bot at the worker: utterances in, hypotheses out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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
from meetcore_whisper.connection import WorkerConnection

if TYPE_CHECKING:
    from meetcore import Chunk

__all__ = ["WhisperStream"]

RATE_HZ = 16_000


@define
class _Pending:
    """An utterance whose final has not come."""

    start_sample: int
    end_sample: int
    revision: int = 0
    ended: bool = False


class WhisperStream(TranscriberStream):
    """A track's stream. Nothing here waits for a decode but `flush`.

    Args:
        connection: The way to the worker.
        request: The track, and where results go.
        language: Whisper's code of the language that was asked for, None to find out.
        terms: Gives the names and terms to offer, of the moment.
        drafts: Whether there is text while somebody speaks.
    """

    def __init__(
        self,
        connection: WorkerConnection,
        request: StreamRequest,
        *,
        language: str | None,
        terms: Callable[[], tuple[str, ...]],
        drafts: bool,
    ) -> None:
        self._connection = connection
        self._request = request
        self._language = language
        self._terms = terms
        self._drafts = drafts
        self._pending: dict[str, _Pending] = {}
        self._current: str | None = None
        self._trouble: TranscriberError | None = None
        self._changed = trio.Event()
        self.broken = trio.Event()
        """Set when there is trouble, so that who holds the stream ends it."""
        self._track = connection.add_track(self._on_news)

    @property
    def trouble(self) -> TranscriberError | None:
        """What is wrong, None while nothing is."""
        return self._trouble

    def close(self) -> None:
        """Let the worker forget the track."""
        self._connection.remove_track(self._track)

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        """Speech begins.

        Raises:
            TranscriberError: The worker is gone.
        """
        await self._go_on()
        self._pending[utterance_id] = _Pending(start_sample, start_sample)
        self._current = utterance_id
        self._post(
            "begin",
            utterance=utterance_id,
            start=start_sample,
            language=self._language,
            terms=list(self._terms()),
            drafts=self._drafts and self._request.wants_drafts(),
        )

    async def feed(self, chunk: Chunk) -> None:
        """Send audio to the worker.

        Raises:
            TranscriberError: The worker is gone, or there is no utterance.
        """
        await self._go_on()
        utterance = self._pending.get(self._current or "")
        if utterance is None:
            raise TranscriberError(
                "protocol", f"audio at sample {chunk.start_sample} of no utterance", retryable=True
            )
        utterance.end_sample = max(utterance.end_sample, chunk.end_sample)
        pcm = chunk.pcm.astype("<i2", copy=False).tobytes()
        self._connection.post(WorkerAudio(self._track, chunk.start_sample, pcm))

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        """Speech ended; its final comes when the worker has decoded it.

        Raises:
            TranscriberError: The worker is gone, or there is no such utterance.
        """
        del cause
        await self._go_on()
        utterance = self._pending.get(utterance_id)
        if utterance is None or self._current != utterance_id:
            raise TranscriberError(
                "protocol", f"utterance {utterance_id!r} ends but was not begun", retryable=True
            )
        utterance.end_sample = max(utterance.end_sample, end_sample)
        utterance.ended = True
        self._current = None
        self._post("end", utterance=utterance_id)

    async def flush(self) -> None:
        """Return when every utterance that ended has its final."""
        await self._go_on()
        while any(each.ended for each in self._pending.values()):
            await self._changed.wait()
            await self._go_on()

    async def _go_on(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._trouble is not None:
            raise self._trouble

    def _post(self, op: str, **fields: Any) -> None:
        self._connection.post(WorkerMessage({"op": op, "track": self._track, **fields}))

    def _on_news(self, news: Mapping[str, Any] | None) -> None:
        if news is None:
            self._break(self._connection.lost)
        else:
            self._take(news)
        self._changed.set()
        self._changed = trio.Event()

    def _break(self, trouble: TranscriberError | None) -> None:
        self._trouble = self._trouble or trouble
        self.broken.set()

    def _take(self, news: Mapping[str, Any]) -> None:
        event, key = news["event"], news["utterance"]
        if event == "language":
            self._request.notice(
                "language",
                f"found to be spoken: {news['language']} ({news['probability']:.0%} sure)",
            )
            return
        utterance = self._pending.get(key)
        if utterance is None:
            return
        if event == "draft":
            self._draft(key, utterance, news)
        elif event == "final":
            del self._pending[key]
            self._final(key, utterance, news)
        elif event == "given_up":
            del self._pending[key]
            self._request.emit(
                UntranscribedAudio(
                    start_sample=utterance.start_sample,
                    end_sample=utterance.end_sample,
                    cause="transcriber_behind",
                )
            )
        elif event == "failed":
            self._break(
                TranscriberError(
                    "server", f"Whisper failed on an utterance: {news['message']}", retryable=True
                )
            )

    def _draft(self, key: str, utterance: _Pending, news: Mapping[str, Any]) -> None:
        utterance.revision += 1
        self._request.emit(
            Hypothesis(
                utterance_id=key,
                revision=utterance.revision,
                text=str(news["text"]),
                language=news["language"],
                start_s=utterance.start_sample / RATE_HZ,
                end_s=int(news["end"]) / RATE_HZ,
                stable_words=int(news["stable"]),
            )
        )

    def _final(self, key: str, utterance: _Pending, news: Mapping[str, Any]) -> None:
        words = tuple(Word(text, start, end, sure) for text, start, end, sure in news["words"])
        known = [word.confidence for word in words if word.confidence is not None]
        self._request.emit(
            Hypothesis(
                utterance_id=key,
                revision=utterance.revision + 1,
                text=str(news["text"]),
                words=words,
                final=True,
                confidence=sum(known) / len(known) if known else None,
                language=news["language"],
                start_s=utterance.start_sample / RATE_HZ,
                end_s=utterance.end_sample / RATE_HZ,
            )
        )
