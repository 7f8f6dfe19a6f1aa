"""One supervised transcriber session per track: what fails in it ends one scope, and it goes on.

The rules come from what live systems lost audio by: any failure of the stream (a send, a result,
a silence where an answer was due) ends the same scope; another stream is opened after a pause that
grows; the utterances that had no final are replayed to it; and what is not replayed is a
`TranscriptionGap`, never silence. An utterance is replayed once, since it may be what breaks the
stream; more often where nobody has heard it, since the provider is not to be reached or takes no
more for now. Of one whose first words were settled already, those are kept and only the rest is
replayed; one that gets further in this way is tried again. Whose stream it is, is the runner's to
say: another transcriber gets the same replay.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import trio
from attrs import evolve

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.ledger import Account
from meetcore.bot.context import BotContext
from meetcore.bot.fallback import NextStep, TranscriberTrouble
from meetcore.bot.held_transcriber import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    MOST_RETRIES,
    HeldTranscriber,
)
from meetcore.bot.owed_utterance import LatestFinals, OwedUtterance
from meetcore.bot.stream_usage import stream_usage
from meetcore.bot.tracks import BeginUtterance, EndUtterance, FeedItem
from meetcore.log.mailbox import Wake
from meetcore.model.attribution import label_in_stream
from meetcore.model.backoff import backoff_s
from meetcore.model.errors import TranscriberError, found_in
from meetcore.model.events import (
    AudioLost,
    TranscriberRestarted,
    TranscriptionGap,
    TranscriptionStopped,
)
from meetcore.model.plain import rounded_s
from meetcore.model.transcript import Hypothesis, Word
from meetcore.plugin.transcriber import (
    ProviderUsage,
    StreamRequest,
    TranscriberStream,
    UntranscribedAudio,
)

__all__ = ["TrackTranscription", "TranscriberLineup"]

HEALTHY_S = 30.0
MOST_REPLAYS = {"network": 10, "rate": 10}
"""How often an utterance is said again after trouble of a kind; once after any other."""

FEED_LIMIT_S = 60.0
LEAD_SAMPLES = SAMPLE_RATE_HZ


class TranscriberLineup(Protocol):
    """Who transcribes a bot's tracks: what a track asks of it."""

    def choice(self, track_id: str) -> HeldTranscriber:
        """Return who transcribes a track now."""
        ...

    def spares(self, index: int) -> frozenset[int]:
        """Return the places of all transcribers but one."""
        ...

    def finished(self, track_id: str, held: HeldTranscriber, sound: Sequence[Chunk]) -> None:
        """Take it that an utterance had its final, and of what sound."""

    def trouble(self, trouble: TranscriberTrouble) -> NextStep:
        """Take a failure; return what the track does."""
        ...


class TrackTranscription:
    """The transcriber's end of one track: a bounded feed, and the task that serves it.

    Args:
        track_id: The track.
        lineup: Says who transcribes it.
        bot: The bot's records.
        account: Counts what was fed and what was lost.
        take_hypothesis: Called with each result of the track.
        meeting_time: Says where a sample of the call's clock lies in the meeting, in seconds.
        stopped: Called when the track is not transcribed any more.
    """

    def __init__(
        self,
        track_id: str,
        lineup: TranscriberLineup,
        bot: BotContext,
        account: Account,
        *,
        take_hypothesis: Callable[[str, Hypothesis], None],
        meeting_time: Callable[[int], float],
        stopped: Callable[[TranscriberError], None],
    ) -> None:
        self.track_id = track_id
        self._lineup = lineup
        self._held = lineup.choice(track_id)
        self._bot = bot
        self._take_hypothesis = take_hypothesis
        self._meeting_time = meeting_time
        self._tell_stopped = stopped
        self._account = account
        self._attempts: dict[int, int] = {}
        self._most_replays = 1
        self._began = False
        self._sessions = 0
        self._opened_at: float | None = None
        self._sent = 0
        self._usage: list[ProviderUsage] = []
        self._items: deque[FeedItem] = deque()
        self._waiting = 0
        self._wake = Wake()
        self._closed = False
        self._speaking = False
        self._between: deque[Chunk] = deque()
        self._open: dict[str, OwedUtterance] = {}
        self._finals = LatestFinals()
        self._current: OwedUtterance | None = None
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
                start_s=rounded_s(self._meeting_time(start_sample)),
                end_s=rounded_s(self._meeting_time(end_sample)),
                cause=cause,
            )
        )

    def look_again(self) -> None:
        """Take it that who transcribes may be another now."""
        self._wake.set()

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
            self._lineup.finished(self.track_id, self._held, utterance.chunks)
            self._settle(result.utterance_id)

    def _terms(self) -> tuple[str, ...]:
        """Return the vocabulary, and whoever is there by name."""
        terms = dict.fromkeys(self._bot.config.vocabulary)
        if self._bot.config.transcription.offer_names:
            excluded = self._bot.exclusions.times.now
            present = (who for who in self._bot.roster.others if not excluded(who.id))
            others = (person.name for person in present if person.name)
            terms.update(dict.fromkeys(others))
        return tuple(terms)

    def _labelled(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Keep the labels of voices apart: after a reconnect the provider counts anew."""
        if self._sessions < 2 or not any(word.speaker for word in words):
            return words
        return tuple(
            evolve(word, speaker=label_in_stream(word.speaker, self._sessions))
            if word.speaker
            else word
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

    def _take_settled(self, utterance: OwedUtterance) -> None:
        """Make a final of the words that were settled, where nothing more will come."""
        if utterance.settled:
            final = utterance.as_settled()
            utterance.revision = final.revision
            self._take_hypothesis(self.track_id, final)

    # --- the task ----------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the feed until it is closed and everything is final, or stop for good."""
        while True:
            if not await self._something_to_do():
                return
            self._held = held = await self._chosen()
            opened_at = trio.current_time()
            try:
                async with held.slots.place(self, self._wake):
                    opened_at = trio.current_time()
                    if not self._leaving:  # who waited for a place may be another's by now
                        await self._session(held)
                continue
            except Exception as error:  # noqa: BLE001  whatever it is, the track goes on
                if trio.current_time() - opened_at > HEALTHY_S:
                    self._attempts.pop(held.index, None)
                trouble = self._sort_out(error)
            attempt = self._attempts[held.index] = self._attempts.get(held.index, 0) + 1
            step = self._after(trouble, attempt, opened_at)
            if step is NextStep.STOP:
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
            if step is NextStep.RETRY:
                pause_s = backoff_s(attempt, FIRST_RETRY_S, LONGEST_RETRY_S, self._bot.random)
                await self._pause(max(pause_s, trouble.retry_after_s or 0.0))

    async def _chosen(self) -> HeldTranscriber:
        """Wait for one that is open, whoever's turn it is by then."""
        while True:
            held = self._lineup.choice(self.track_id)
            if held.ready.is_set():
                return held
            await self._wake.wait()

    async def _pause(self, seconds: float) -> None:
        """Wait before the next try, as long as it is the same one's turn."""
        with trio.move_on_after(seconds):
            while self._lineup.choice(self.track_id) is self._held:
                await self._wake.wait()

    def _after(self, trouble: TranscriberError, attempt: int, opened_at: float) -> NextStep:
        """Have it decided what follows from a failure."""
        now_s, held = trio.current_time(), self._held
        owed = [each.ended_at for each in self._open.values() if each.end_sample is not None]
        self._most_replays = MOST_REPLAYS.get(trouble.kind, 1)
        spares, untried = self._lineup.spares(held.index), frozenset[int]()
        for each in self._open.values() if spares else ():
            if each.replays.get(held.index, 0) >= self._most_replays:
                untried |= spares - each.replays.keys()
        return self._lineup.trouble(
            TranscriberTrouble(
                track_id=self.track_id,
                index=held.index,
                error=trouble,
                since_s=min([now_s, *owed] if self._began else [opened_at]),
                now_s=now_s,
                exhausted=attempt > MOST_RETRIES,
                untried=untried,
            )
        )

    @property
    def _leaving(self) -> bool:
        """Whether it is another's turn: the stream ends when nothing of it is open."""
        return self._lineup.choice(self.track_id) is not self._held

    async def _session(self, held: HeldTranscriber) -> None:
        """Open a stream and serve it until there is nothing to do; tell what it used."""
        self._draining = False
        self._began = False
        self._sessions += 1
        self._sent = 0
        self._usage.clear()
        self._opened_at = trio.current_time()
        request = StreamRequest(
            bot_id=self._bot.id,
            track_id=self.track_id,
            emit=self._emit,
            used=self._used,
            notice=partial(self._bot.transcriber_notice, held.name, track_id=self.track_id),
            wants_drafts=lambda: self._bot.drafts.wanted,
            language=held.language,
            vocabulary=self._bot.config.vocabulary,
            terms=self._terms,
            diarize=self._bot.config.transcription.diarize,
        )
        try:
            with trio.fail_after(held.limits.open_timeout_s) as scope:
                async with held.transcriber.stream(request) as stream:
                    scope.deadline = math.inf
                    self._began = True
                    try:
                        await self._replay(stream)
                        await self._serve(stream)
                    finally:
                        scope.deadline = trio.current_time() + held.limits.call_timeout_s
        except Exception:
            self._tell_usage()
            raise
        self._tell_usage()

    def _tell_usage(self) -> None:
        """Tell, once for each stream, what it used."""
        opened_at, self._opened_at = self._opened_at, None
        if opened_at is not None and (self._sent or self._usage):
            open_s = trio.current_time() - opened_at
            self._bot.record(
                stream_usage(self._held.name, self.track_id, self._sent, open_s, self._usage)
            )

    async def _call(self, call: Awaitable[None]) -> None:
        with trio.fail_after(self._held.limits.call_timeout_s):
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
            self._bot.plugin_failed(self._held.name, "transcriber stream", error)
            trouble = TranscriberError("crashed", f"{type(error).__name__}", retryable=True)
        return trouble

    async def _replay(self, stream: TranscriberStream) -> None:
        index = self._held.index
        for key, utterance in list(self._open.items()):
            if len(utterance.settled) > len(utterance.kept):
                utterance.kept = utterance.settled
                utterance.replays.clear()
            if utterance.replays.get(index, 0) >= self._most_replays:
                heard_to = utterance.last_sample
                self._gap(utterance.unsettled_from, heard_to, "failed_twice")
                if utterance.end_sample is not None:
                    self._take_settled(utterance)
                    self._settle(key)
                    continue
                # It is still being spoken: what comes of it from now on is tried afresh.
                utterance.start_sample = heard_to
                utterance.chunks.clear()
                utterance.replays.clear()
                utterance.replays[index] = -1
            utterance.replays[index] = utterance.replays.get(index, 0) + 1
            utterance.revision_base = utterance.revision
            await self._call(stream.begin_utterance(key, utterance.unsettled_from))
            for chunk in utterance.unsettled_chunks():
                await self._feed(stream, chunk)
            if utterance.end_sample is not None:
                await self._end(stream, utterance)

    async def _serve(self, stream: TranscriberStream) -> None:
        """Pass on what comes, until the feed is closed or there is nothing to do for long."""
        limits, slots = self._held.limits, self._held.slots
        while True:
            while self._items and not self._at_border:
                await self._pass_on(stream, self._items.popleft())
            if self._at_border and not self._open:
                return
            if self._closed and not self._open:
                return
            if self._closed and not self._draining:
                self._draining = True
                await self._call(stream.flush())
                continue
            if not self._open:
                steady = limits.wants == "continuous"
                if (slots.wanted and not steady) or await self._idle():
                    return
                continue
            due = min(
                (
                    u.ended_at + limits.final_timeout_s
                    for u in self._open.values()
                    if u.end_sample is not None
                ),
                default=math.inf,
            )
            with trio.move_on_at(due) as overdue:
                await self._wake.wait()
            if overdue.cancelled_caught:
                raise TranscriberError(
                    "server",
                    f"No final result within {limits.final_timeout_s:g} s.",
                    retryable=True,
                )

    @property
    def _at_border(self) -> bool:
        """Whether another transcriber gets what follows: nobody is in the middle of speaking."""
        return not self._speaking and self._leaving

    async def _idle(self) -> bool:
        """Wait for something to do; return whether it took so long that the stream is to go."""
        limit_s = self._held.limits.idle_timeout_s
        with trio.move_on_after(math.inf if limit_s is None else limit_s):
            await self._wake.wait()
            return False
        return not self._items

    async def _pass_on(self, stream: TranscriberStream, item: FeedItem) -> None:
        # What was taken off the feed is put into the replay store before the plugin sees
        # it, so that a failure in mid-call loses nothing.
        if isinstance(item, BeginUtterance):
            utterance = OwedUtterance(item.utterance_id, item.start_sample)
            utterance.chunks.extend(self._lead(item.start_sample))
            self._open[item.utterance_id] = self._current = utterance
            self._speaking = True
            await self._call(stream.begin_utterance(item.utterance_id, item.start_sample))
            if not self._continuous:
                for chunk in list(utterance.chunks):
                    self._account.withheld -= chunk.samples
                    self._account.delivered += chunk.samples
                    await self._feed(stream, chunk)
        elif isinstance(item, EndUtterance):
            ended = self._open.get(item.utterance_id)
            self._current = None
            self._speaking = False
            if ended is not None:
                ended.end_sample, ended.cause = item.end_sample, item.cause
                await self._end(stream, ended)
        else:
            self._waiting -= item.samples
            if not self._speaking:
                self._between.append(item)
                while self._between[0].end_sample < item.end_sample - LEAD_SAMPLES:
                    self._between.popleft()
                if not self._continuous:
                    self._account.withheld += item.samples
                    return
            self._account.delivered += item.samples
            if self._current is not None:
                self._current.chunks.append(item)
            await self._feed(stream, item)

    @property
    def _continuous(self) -> bool:
        return self._held.limits.wants == "continuous"

    def _lead(self, start_sample: int) -> Iterator[Chunk]:
        """Yield the beginning of an utterance that came before it was known to be one.

        That is so where one of the transcribers wants what is between utterances, too.
        """
        while self._between:
            chunk = self._between.popleft()
            if chunk.end_sample > start_sample:
                first = max(0, start_sample - chunk.start_sample)
                yield Chunk(chunk.track_id, chunk.start_sample + first, chunk.pcm[first:])

    async def _end(self, stream: TranscriberStream, utterance: OwedUtterance) -> None:
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
