"""Any engine that transcribes whole recordings as a transcriber: it gets one utterance at a time.

Most engines take a piece of sound and give its text: an HTTP endpoint, a model on this machine, a
program. Their author writes `transcribe`; what a stream is made of stands here, once: utterances
are collected, several are on their way at once and never more than the engine takes, each track's
finals come in the order in which they were spoken, drafts yield to finals, and a call that fails
or hangs ends the stream. The core opens another one and says the utterances to it again that had
no final, so there is no retrying here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
import trio
from attrs import define, field, frozen

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.model.errors import TranscriberError
from meetcore.model.transcript import Hypothesis, Word
from meetcore.plugin.options import OptionsT
from meetcore.plugin.transcriber import (
    ProviderUsage,
    StreamRequest,
    Transcriber,
    TranscriberStream,
    UntranscribedAudio,
)

__all__ = ["UtteranceAudio", "UtteranceText", "UtteranceTranscriber"]

_NO_DRAFTS_S = 10.0
"""How long there are no drafts after one of them failed."""


@frozen(kw_only=True, eq=False)
class UtteranceAudio:
    """One utterance, or what has been said of it so far.

    Attributes:
        bot_id: The bot's id.
        track_id: The track it was heard on.
        utterance_id: Its id, unique within the track.
        start_sample: Where it begins on the call's clock, at 16 kHz.
        pcm: Its sound: int16, mono, 16 kHz, one-dimensional; never empty.
        language: BCP-47 tag wished for, None for the engine's own choice.
        vocabulary: Names and terms that are likely to be said; with `transcription.offer_names`,
            of those who are there, too.
        draft: Whether it is still being spoken: the result is shown, and replaced by the final.
    """

    bot_id: str
    track_id: str
    utterance_id: str
    start_sample: int
    pcm: Pcm = field(repr=lambda pcm: f"<{len(pcm)} samples>")
    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    draft: bool = False

    @property
    def end_sample(self) -> int:
        """Where it ends on the call's clock, at 16 kHz."""
        return self.start_sample + len(self.pcm)

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return len(self.pcm) / SAMPLE_RATE_HZ


@frozen(kw_only=True)
class UtteranceText:
    """What an engine made of an utterance.

    Attributes:
        text: Its text; empty where nothing was said.
        words: Its words, with times in seconds from the beginning of the utterance.
        confidence: 0 to 1, None where unknown.
        language: BCP-47 tag, None where unknown.
        usage: What it cost, None where the engine does not say.
    """

    text: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None
    usage: ProviderUsage | None = None


class _Places:
    """How many calls are on their way at once; finals take the places of drafts."""

    def __init__(self, most: int) -> None:
        self._limiter = trio.CapacityLimiter(most)
        self._drafts: dict[object, trio.CancelScope] = {}

    @asynccontextmanager
    async def final(self) -> AsyncIterator[None]:
        if not self._limiter.available_tokens:
            for scope in self._drafts.values():
                scope.cancel()
        holder = object()
        await self._limiter.acquire_on_behalf_of(holder)
        try:
            yield
        finally:
            self._limiter.release_on_behalf_of(holder)

    def draft(self, scope: trio.CancelScope) -> object | None:
        """Take a place for a draft, if one is free; it is given back with `done`."""
        holder = object()
        try:
            self._limiter.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            return None
        self._drafts[holder] = scope
        return holder

    def done(self, holder: object) -> None:
        del self._drafts[holder]
        self._limiter.release_on_behalf_of(holder)


class UtteranceTranscriber(Transcriber[OptionsT]):
    """A transcriber made of one method that turns an utterance into text.

        class Mine(UtteranceTranscriber[MyOptions]):
            name = "mine"
            capabilities = TranscriberCapabilities(partials=False)

            async def transcribe(self, utterance):
                return UtteranceText(text=await my_engine(utterance.pcm))

    Attributes:
        max_in_flight: How many calls are on their way at once, over all tracks of the bot.
        draft_every_s: How much speech lies between two drafts of an utterance, in seconds; None
            for no drafts. Each is a call with everything said so far; those for which there is no
            place are left out. Then `capabilities.partials` is to be True.
    """

    max_in_flight: int = 4
    draft_every_s: float | None = None
    _calls: _Places | None = None

    @abstractmethod
    async def transcribe(self, utterance: UtteranceAudio) -> UtteranceText | UntranscribedAudio:
        """Return what an utterance says.

        It is cancelled after `capabilities.call_timeout_s`.

        Returns:
            The text, or `UntranscribedAudio` for an utterance that the engine cannot take while it
            takes others.

        Raises:
            TranscriberError: It did not work. Where it is `retryable`, the core tries again.
        """

    def stream(self, request: StreamRequest) -> AbstractAsyncContextManager[TranscriberStream]:
        """Open a stream for one track: nothing is called before there is an utterance."""
        return self._collected(request)

    @asynccontextmanager
    async def _collected(self, request: StreamRequest) -> AsyncIterator[TranscriberStream]:
        if self._calls is None:
            self._calls = _Places(self.max_in_flight)
        async with trio.open_nursery() as nursery:
            yield _UtteranceStream(self, request, self._calls, nursery)
            nursery.cancel_scope.cancel()


@define(eq=False)
class _Collected:
    """An utterance that is being spoken."""

    utterance_id: str
    start_sample: int
    chunks: list[Chunk] = field(factory=list)
    revision: int = 0
    drafted_samples: int = 0
    draft: trio.CancelScope | None = None

    def pcm(self, end_sample: int | None = None) -> Pcm:
        """Return its sound up to now; where a chunk is missing there is silence."""
        if end_sample is None:
            end_sample = self.chunks[-1].end_sample if self.chunks else self.start_sample
        pcm = np.zeros(max(1, end_sample - self.start_sample), np.int16)
        for chunk in self.chunks:
            at = chunk.start_sample - self.start_sample
            skipped = max(0, -at)
            piece = chunk.pcm[skipped : len(pcm) - at]
            pcm[at + skipped : at + skipped + len(piece)] = piece
        return pcm


class _UtteranceStream(TranscriberStream):
    """One track: collects utterances and has them transcribed in tasks of its nursery."""

    def __init__(
        self,
        transcriber: UtteranceTranscriber[OptionsT],
        request: StreamRequest,
        calls: _Places,
        nursery: trio.Nursery,
    ) -> None:
        self._transcriber = transcriber
        self._request = request
        self._calls = calls
        self._nursery = nursery
        self._current: _Collected | None = None
        self._latest = trio.Event()
        self._latest.set()
        self._no_draft_before = 0.0

    async def begin_utterance(self, utterance_id: str, start_sample: int) -> None:
        self._current = _Collected(utterance_id, start_sample)
        await trio.lowlevel.checkpoint()

    async def feed(self, chunk: Chunk) -> None:
        if self._current is not None:
            self._current.chunks.append(chunk)
            self._consider_draft(self._current, chunk.end_sample)
        await trio.lowlevel.checkpoint()

    async def end_utterance(self, utterance_id: str, end_sample: int, cause: str) -> None:
        del cause
        said, self._current = self._current, None
        if said is not None and said.utterance_id == utterance_id:
            if said.draft is not None:
                said.draft.cancel()
            before, self._latest = self._latest, trio.Event()
            self._nursery.start_soon(self._final, said, end_sample, before, self._latest)
        await trio.lowlevel.checkpoint()

    async def flush(self) -> None:
        await self._latest.wait()

    # --- drafts --------------------------------------------------------------------------

    def _consider_draft(self, said: _Collected, end_sample: int) -> None:
        every_s = self._transcriber.draft_every_s
        if every_s is None or said.draft is not None:
            return
        heard = end_sample - said.start_sample
        due = heard - said.drafted_samples >= every_s * SAMPLE_RATE_HZ
        if not due or trio.current_time() < self._no_draft_before:
            return
        if not self._request.wants_drafts():
            return
        scope = trio.CancelScope()
        place = self._calls.draft(scope)
        if place is not None:
            said.draft, said.drafted_samples = scope, heard
            self._nursery.start_soon(self._draft, said, self._audio(said, None), scope, place)

    async def _draft(
        self, said: _Collected, audio: UtteranceAudio, scope: trio.CancelScope, place: object
    ) -> None:
        try:
            with scope:
                result = await self._call(audio)
                if said is self._current and isinstance(result, UtteranceText) and result.text:
                    self._emit(said, audio, result, final=False)
        except TranscriberError as error:
            if not error.retryable:
                raise
            pause_s = max(_NO_DRAFTS_S, error.retry_after_s or 0.0)
            self._no_draft_before = trio.current_time() + pause_s
        finally:
            said.draft = None
            self._calls.done(place)

    # --- finals --------------------------------------------------------------------------

    async def _final(
        self, said: _Collected, end_sample: int, before: trio.Event, done: trio.Event
    ) -> None:
        audio = self._audio(said, end_sample)
        async with self._calls.final():
            result = await self._call(audio)
        await before.wait()
        if isinstance(result, UntranscribedAudio):
            self._request.emit(result)
        else:
            self._emit(said, audio, result, final=True)
        done.set()

    def _audio(self, said: _Collected, end_sample: int | None) -> UtteranceAudio:
        return UtteranceAudio(
            bot_id=self._request.bot_id,
            track_id=self._request.track_id,
            utterance_id=said.utterance_id,
            start_sample=said.start_sample,
            pcm=said.pcm(end_sample),
            language=self._request.language,
            vocabulary=self._request.terms() or self._request.vocabulary,
            draft=end_sample is None,
        )

    async def _call(self, audio: UtteranceAudio) -> UtteranceText | UntranscribedAudio:
        limit_s = self._transcriber.capabilities.call_timeout_s
        try:
            with trio.fail_after(limit_s):
                result = await self._transcriber.transcribe(audio)
        except trio.TooSlowError as error:
            raise TranscriberError(
                "network",
                f"{self._transcriber.name} gave no text within {limit_s:g} s.",
                retryable=True,
            ) from error
        if isinstance(result, UtteranceText) and result.usage is not None:
            self._request.used(result.usage)
        return result

    def _emit(
        self, said: _Collected, audio: UtteranceAudio, result: UtteranceText, *, final: bool
    ) -> None:
        said.revision += 1
        start_s, end_s = (
            audio.start_sample / SAMPLE_RATE_HZ,
            audio.end_sample / SAMPLE_RATE_HZ,
        )
        self._request.emit(
            Hypothesis(
                utterance_id=said.utterance_id,
                revision=said.revision,
                text=result.text,
                words=tuple(_placed(word, start_s, end_s) for word in result.words),
                final=final,
                confidence=result.confidence,
                language=result.language,
                start_s=start_s,
                end_s=end_s,
            )
        )


def _placed(word: Word, start_s: float, end_s: float) -> Word:
    """Return a word with its times on the call's clock, within its utterance."""
    first = min(max(start_s + word.start_s, start_s), end_s)
    last = min(max(start_s + word.end_s, first), end_s)
    return Word(word.text, round(first, 4), round(last, 4), word.confidence, word.speaker)
