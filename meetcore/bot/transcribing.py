"""One supervised transcriber session per track: what fails in it ends one scope, and it goes on.

The rules come from what live systems lost audio by: any failure of the stream (a send, a result,
a silence where an answer was due) ends the same scope; another stream is opened after a pause that
grows; the utterances that had no final are replayed to it, each once; and what is not replayed is a
`TranscriptionGap`, never silence. Of an utterance whose first words were settled already, those are
kept and only the rest is replayed; one that gets further in this way is tried again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from attrs import define, evolve, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.ledger import Account
from meetcore.audio.utterance import EndCause
from meetcore.bot.context import BotContext
from meetcore.bot.stream_slots import StreamSlots
from meetcore.bot.tracks import BeginUtterance, EndUtterance, FeedItem
from meetcore.log.mailbox import Wake
from meetcore.model.backoff import backoff_s
from meetcore.model.errors import TranscriberError, found_in
from meetcore.model.events import (
    AudioLost,
    TranscriberRestarted,
    TranscriberUsage,
    TranscriptionGap,
    TranscriptionStopped,
)
from meetcore.model.transcript import Hypothesis, Word
from meetcore.plugin.transcriber import (
    ProviderUsage,
    StreamRequest,
    Transcriber,
    TranscriberStream,
    UntranscribedAudio,
)

__all__ = ["FIRST_RETRY_S", "LONGEST_RETRY_S", "MOST_RETRIES", "TrackTranscription"]

FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 8.0
MOST_RETRIES = 12
HEALTHY_S = 30.0
FEED_LIMIT_S = 60.0
_MOST_FINALS = 1000


@define
class _Utterance:
    """An utterance whose final has not come, with its audio for a replay."""

    utterance_id: str
    start_sample: int
    chunks: list[Chunk] = field(factory=list)
    end_sample: int | None = None
    cause: EndCause = "silence"
    ended_at: float = 0.0
    replays: int = 0
    revision: int = 0
    revision_base: int = 0
    settled: tuple[Word, ...] = ()
    kept: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None

    @property
    def last_sample(self) -> int:
        if self.end_sample is not None:
            return self.end_sample
        return self.chunks[-1].end_sample if self.chunks else self.start_sample

    @property
    def unsettled_from(self) -> int:
        """Where that begins which has no settled words yet."""
        if not self.settled:
            return self.start_sample
        settled_to = math.ceil(round(self.settled[-1].end_s * SAMPLE_RATE_HZ, 3))
        return min(max(self.start_sample, settled_to), max(self.start_sample, self.last_sample))

    def joined(self, result: Hypothesis) -> Hypothesis:
        """Return a result behind the words that earlier streams settled; learn what is settled."""
        if self.kept:
            text = " ".join([*(word.text for word in self.kept), result.text]).strip()
            result = evolve(
                result,
                text=text,
                words=(*self.kept, *result.words),
                settled_words=len(self.kept) + result.settled_words,
            )
        if result.settled_words > len(self.settled):
            self.settled = result.words[: result.settled_words]
        self.confidence, self.language = result.confidence, result.language
        return result

    def unsettled_chunks(self) -> list[Chunk]:
        """Return the audio that has no settled words yet."""
        start, chunks = self.unsettled_from, list[Chunk]()
        for chunk in self.chunks:
            skip = max(0, start - chunk.start_sample)
            if skip < chunk.samples:
                rest = evolve(chunk, start_sample=chunk.start_sample + skip, pcm=chunk.pcm[skip:])
                chunks.append(rest if skip else chunk)
        return chunks

    def as_settled(self) -> Hypothesis:
        """Return what of it was settled, as all that there will be of it."""
        return Hypothesis(
            utterance_id=self.utterance_id,
            revision=self.revision + 1,
            text=" ".join(word.text for word in self.settled),
            words=self.settled,
            final=True,
            confidence=self.confidence,
            language=self.language,
        )


@define
class _Finals:
    """The revisions of the last finals, by utterance: what a correction has to be above of."""

    _revisions: dict[str, tuple[int, int]] = field(factory=dict)

    def add(self, utterance: _Utterance) -> None:
        self._revisions[utterance.utterance_id] = (utterance.revision, utterance.revision_base)
        while len(self._revisions) > _MOST_FINALS:
            del self._revisions[next(iter(self._revisions))]

    def corrected(self, result: Hypothesis) -> Hypothesis | None:
        """Return a correction with its revision, None where it is none."""
        last, base = self._revisions.get(result.utterance_id, (0, 0))
        if not last or not result.final or base + result.revision <= last:
            return None
        self._revisions[result.utterance_id] = (base + result.revision, base)
        return evolve(result, revision=base + result.revision)


class TrackTranscription:
    """The transcriber's end of one track: a bounded feed, and the task that serves it.

    Args:
        track_id: The track.
        transcriber: The plugin.
        bot: The bot's records.
        account: Counts what was fed and what was lost.
        take_hypothesis: Called with each result of the track.
        meeting_time: Says where a sample of the call's clock lies in the meeting, in seconds.
        stopped: Called when the track is not transcribed any more.
        ready: Set once the transcriber is open.
        slots: How many streams may be open at once.
    """

    def __init__(
        self,
        track_id: str,
        transcriber: Transcriber,
        bot: BotContext,
        account: Account,
        *,
        take_hypothesis: Callable[[str, Hypothesis], None],
        meeting_time: Callable[[int], float],
        stopped: Callable[[TranscriberError], None],
        ready: trio.Event,
        slots: StreamSlots,
    ) -> None:
        self.track_id = track_id
        self._transcriber = transcriber
        self._bot = bot
        self._take_hypothesis = take_hypothesis
        self._meeting_time = meeting_time
        self._tell_stopped = stopped
        self._account = account
        self._ready = ready
        self._slots = slots
        self._limits = transcriber.capabilities
        self._request = StreamRequest(
            bot_id=bot.id,
            track_id=track_id,
            emit=self._emit,
            used=self._used,
            notice=partial(bot.transcriber_notice, transcriber.name, track_id=track_id),
            language=bot.config.language,
            vocabulary=bot.config.vocabulary,
            terms=self._terms,
            diarize=bot.config.transcription.diarize,
        )
        self._sessions = 0
        self._opened_at: float | None = None
        self._sent = 0
        self._usage: list[ProviderUsage] = []
        self._items: deque[FeedItem] = deque()
        self._waiting = 0
        self._wake = Wake()
        self._closed = False
        self._open: dict[str, _Utterance] = {}
        self._finals = _Finals()
        self._current: _Utterance | None = None
        self._stopped: TranscriberError | None = None
        self._draining = False

    # --- the feed: called from the track's path, returns at once ---------------------------

    @property
    def backlog_s(self) -> float:
        """How much audio waits to be passed on, in seconds."""
        return self._waiting / SAMPLE_RATE_HZ

    @property
    def unfinished(self) -> int:
        """How many utterances have no final."""
        return len(self._open)

    def put(self, item: FeedItem) -> None:
        """Take the beginning or end of an utterance, or audio."""
        self._items.append(item)
        if isinstance(item, Chunk):
            self._waiting += item.samples
            if self._waiting > FEED_LIMIT_S * SAMPLE_RATE_HZ:
                self._shed()
        self._wake.set()

    def _shed(self) -> None:
        """Give up the oldest audio that waits, and say so."""
        for index, item in enumerate(self._items):
            if isinstance(item, Chunk):
                del self._items[index]
                self._waiting -= item.samples
                self._lose(item, "transcriber_behind")
                return

    def _lose(self, chunk: Chunk, cause: str) -> None:
        self._account.lost += chunk.samples
        self._bot.record(
            AudioLost(
                track_id=self.track_id,
                consumer=self._account.consumer,
                start_sample=chunk.start_sample,
                samples=chunk.samples,
                cause=cause,
            )
        )
        self._gap(chunk.start_sample, chunk.end_sample, cause)

    def _gap(self, start_sample: int, end_sample: int, cause: str) -> None:
        self._bot.record(
            TranscriptionGap(
                track_id=self.track_id,
                start_s=round(self._meeting_time(start_sample), 3),
                end_s=round(self._meeting_time(end_sample), 3),
                cause=cause,
            )
        )

    def close(self) -> None:
        """Say that nothing follows; the task ends once everything had its final."""
        self._closed = True
        self._wake.set()

    # --- results: called by the plugin, at any time ------------------------------------

    def _emit(self, result: Hypothesis | UntranscribedAudio) -> None:
        if isinstance(result, UntranscribedAudio):
            self._gap(result.start_sample, result.end_sample, result.cause)
            for key, lost in list(self._open.items()):
                covered = result.start_sample <= lost.start_sample and lost.end_sample is not None
                if covered and result.end_sample >= lost.last_sample:
                    self._take_settled(lost)
                    self._settle(key)
            return
        utterance = self._open.get(result.utterance_id)
        if utterance is None:
            correction = self._finals.corrected(result)
            if correction is not None:
                labelled = evolve(correction, words=self._labelled(correction.words))
                self._take_hypothesis(self.track_id, labelled)
            return
        utterance.revision = utterance.revision_base + result.revision
        result = evolve(result, revision=utterance.revision, words=self._labelled(result.words))
        result = utterance.joined(result)
        self._take_hypothesis(self.track_id, result)
        if result.final:
            self._settle(result.utterance_id)

    def _terms(self) -> tuple[str, ...]:
        """Return the vocabulary, and whoever is there by name."""
        terms = dict.fromkeys(self._bot.config.vocabulary)
        if self._bot.config.transcription.offer_names:
            others = (person.name for person in self._bot.roster.others if person.name)
            terms.update(dict.fromkeys(others))
        return tuple(terms)

    def _labelled(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Keep the labels of voices apart: after a reconnect the provider counts anew."""
        if self._sessions < 2 or not any(word.speaker for word in words):
            return words
        return tuple(
            evolve(word, speaker=f"{word.speaker}.{self._sessions}") if word.speaker else word
            for word in words
        )

    def _used(self, usage: ProviderUsage) -> None:
        self._usage.append(usage)

    def _settle(self, utterance_id: str) -> None:
        utterance = self._open.pop(utterance_id)
        self._finals.add(utterance)
        if utterance is self._current:
            self._current = None
        self._wake.set()

    def _take_settled(self, utterance: _Utterance) -> None:
        """Make a final of the words that were settled, where nothing more will come."""
        if utterance.settled:
            final = utterance.as_settled()
            utterance.revision = final.revision
            self._take_hypothesis(self.track_id, final)

    # --- the task ----------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the feed until it is closed and everything is final, or stop for good."""
        attempt = 0
        while True:
            if not await self._something_to_do():
                return
            await self._ready.wait()
            opened_at = trio.current_time()
            try:
                async with self._slots.place(self, self._wake):
                    opened_at = trio.current_time()
                    await self._session()
                continue
            except Exception as error:  # noqa: BLE001  whatever it is, the track goes on
                if trio.current_time() - opened_at > HEALTHY_S:
                    attempt = 0
                attempt += 1
                trouble = self._sort_out(error)
            if not trouble.retryable or attempt > MOST_RETRIES:
                self._stop(trouble)
                await self._discard()
                return
            self._bot.record(
                TranscriberRestarted(
                    track_id=self.track_id,
                    kind=trouble.kind,
                    detail=trouble.message,
                    attempt=attempt,
                )
            )
            pause_s = backoff_s(attempt, FIRST_RETRY_S, LONGEST_RETRY_S, self._bot.random)
            await trio.sleep(max(pause_s, trouble.retry_after_s or 0.0))

    async def _session(self) -> None:
        """Open a stream and serve it until there is nothing to do; tell what it used."""
        self._draining = False
        self._sessions += 1
        self._sent = 0
        self._usage.clear()
        self._opened_at = trio.current_time()
        try:
            with trio.fail_after(self._limits.open_timeout_s) as scope:
                async with self._transcriber.stream(self._request) as stream:
                    scope.deadline = math.inf
                    try:
                        await self._replay(stream)
                        await self._serve(stream)
                    finally:
                        scope.deadline = trio.current_time() + self._limits.call_timeout_s
        except Exception:
            self._tell_usage()
            raise
        self._tell_usage()

    def _tell_usage(self) -> None:
        """Tell, once for each stream, what it used."""
        opened_at, self._opened_at = self._opened_at, None
        if opened_at is None or not (self._sent or self._usage):
            return
        costs = [usage.cost for usage in self._usage if usage.cost is not None]
        currencies = [usage.currency for usage in self._usage if usage.currency is not None]
        self._bot.record(
            TranscriberUsage(
                transcriber=self._transcriber.name,
                track_id=self.track_id,
                audio_s=round(self._sent / SAMPLE_RATE_HZ, 3),
                open_s=round(trio.current_time() - opened_at, 3),
                billed_s=sum(usage.billed_s for usage in self._usage) if self._usage else None,
                cost=sum(costs) if costs else None,
                currency=currencies[-1] if currencies else None,
            )
        )

    async def _call(self, call: Awaitable[None]) -> None:
        with trio.fail_after(self._limits.call_timeout_s):
            await call

    async def _feed(self, stream: TranscriberStream, chunk: Chunk) -> None:
        self._sent += chunk.samples
        await self._call(stream.feed(chunk))

    async def _something_to_do(self) -> bool:
        while not self._items and not self._open:
            if self._closed:
                return False
            await self._wake.wait()
        return True

    def _sort_out(self, error: Exception) -> TranscriberError:
        trouble = found_in(error, TranscriberError)
        if trouble is None and found_in(error, trio.TooSlowError) is not None:
            return TranscriberError("network", "It did not answer in time.", retryable=True)
        if trouble is None:
            self._bot.plugin_failed(self._transcriber.name, "transcriber stream", error)
            trouble = TranscriberError("crashed", f"{type(error).__name__}", retryable=True)
        return trouble

    async def _replay(self, stream: TranscriberStream) -> None:
        for key, utterance in list(self._open.items()):
            if len(utterance.settled) > len(utterance.kept):
                utterance.kept, utterance.replays = utterance.settled, 0
            if utterance.replays >= 1:
                heard_to = utterance.last_sample
                self._gap(utterance.unsettled_from, heard_to, "failed_twice")
                if utterance.end_sample is not None:
                    self._take_settled(utterance)
                    self._settle(key)
                    continue
                # It is still being spoken: what comes of it from now on is tried afresh.
                utterance.start_sample = heard_to
                utterance.chunks.clear()
                utterance.replays = -1
            utterance.replays += 1
            utterance.revision_base = utterance.revision
            await self._call(stream.begin_utterance(key, utterance.unsettled_from))
            for chunk in utterance.unsettled_chunks():
                await self._feed(stream, chunk)
            if utterance.end_sample is not None:
                await self._end(stream, utterance)

    async def _serve(self, stream: TranscriberStream) -> None:
        """Pass on what comes, until the feed is closed or there is nothing to do for long."""
        final_timeout_s = self._limits.final_timeout_s
        while True:
            while self._items:
                await self._pass_on(stream, self._items.popleft())
            if self._closed and not self._open:
                return
            if self._closed and not self._draining:
                self._draining = True
                await self._call(stream.flush())
                continue
            if not self._open:
                steady = self._limits.wants == "continuous"
                if (self._slots.wanted and not steady) or await self._idle():
                    return
                continue
            due = min(
                (u.ended_at + final_timeout_s for u in self._open.values() if u.end_sample),
                default=math.inf,
            )
            with trio.move_on_at(due) as overdue:
                await self._wake.wait()
            if overdue.cancelled_caught:
                raise TranscriberError(
                    "server", f"No final result within {final_timeout_s:g} s.", retryable=True
                )

    async def _idle(self) -> bool:
        """Wait for something to do; return whether it took so long that the stream is to go."""
        limit_s = self._limits.idle_timeout_s
        with trio.move_on_after(math.inf if limit_s is None else limit_s):
            await self._wake.wait()
            return False
        return not self._items

    async def _pass_on(self, stream: TranscriberStream, item: FeedItem) -> None:
        # What was taken off the feed is put into the replay store before the plugin sees
        # it, so that a failure in mid-call loses nothing.
        if isinstance(item, BeginUtterance):
            utterance = _Utterance(item.utterance_id, item.start_sample)
            self._open[item.utterance_id] = self._current = utterance
            await self._call(stream.begin_utterance(item.utterance_id, item.start_sample))
        elif isinstance(item, EndUtterance):
            ended = self._open.get(item.utterance_id)
            self._current = None
            if ended is not None:
                ended.end_sample, ended.cause = item.end_sample, item.cause
                await self._end(stream, ended)
        else:
            self._waiting -= item.samples
            self._account.delivered += item.samples
            if self._current is not None:
                self._current.chunks.append(item)
            await self._feed(stream, item)

    async def _end(self, stream: TranscriberStream, utterance: _Utterance) -> None:
        assert utterance.end_sample is not None
        utterance.ended_at = trio.current_time()
        await self._call(
            stream.end_utterance(utterance.utterance_id, utterance.end_sample, utterance.cause)
        )

    # --- the end -----------------------------------------------------------------------

    def _stop(self, trouble: TranscriberError) -> None:
        self._stopped = trouble
        self._bot.record(
            TranscriptionStopped(track_id=self.track_id, kind=trouble.kind, detail=str(trouble))
        )
        self.give_up(f"transcription_stopped_{trouble.kind}")
        self._tell_stopped(trouble)

    def give_up(self, cause: str) -> None:
        """Declare everything that has no final, or was never fed, as not transcribed."""
        self._tell_usage()
        for key, utterance in list(self._open.items()):
            self._take_settled(utterance)
            self._gap(utterance.unsettled_from, utterance.last_sample, cause)
            self._open.pop(key)
        self._current = None
        start: int | None = None
        end = 0
        while self._items:
            item = self._items.popleft()
            if isinstance(item, Chunk):
                self._waiting -= item.samples
                self._account.lost += item.samples
                start = item.start_sample if start is None else start
                end = item.end_sample
        if start is not None:
            self._gap(start, end, cause)

    async def _discard(self) -> None:
        """Keep the account of what would have been transcribed until the feed is closed."""
        assert self._stopped is not None
        cause = f"transcription_stopped_{self._stopped.kind}"
        while not self._closed:
            await self._wake.wait()
            speech_ended = any(isinstance(item, EndUtterance) for item in self._items)
            if speech_ended or self._closed:
                self.give_up(cause)
        self.give_up(cause)
