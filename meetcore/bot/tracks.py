"""One track's path from its intake to its consumers, all stages fused.

chunk → 16 kHz → voice detector → utterances → audio sinks and the transcriber's feed: plain
calls within one task, no queue between them. A queue hop costs more than the detector does; there
is one at the intake and one at each consumer that may be slow, and none elsewhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from attrs import define, field, frozen

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.ledger import Account, Ledger
from meetcore.audio.resample import Resampler, position
from meetcore.audio.utterance import EndCause, SpeechBegan, SpeechEnded, SpeechRules
from meetcore.audio.utterance import UtteranceDetector as _UtteranceDetector
from meetcore.audio.vad import VoiceDetector
from meetcore.log.mailbox import AudioMailbox, Lost, lost_chunk
from meetcore.model.errors import PluginError

__all__ = [
    "AudioConsumer",
    "BeginUtterance",
    "EndUtterance",
    "FeedItem",
    "SpeechFeed",
    "TrackIntake",
    "TrackPath",
]

INTAKE_LIMIT_S = 10.0


class AudioConsumer(Protocol):
    """Somebody who gets the audio of a track by a plain call that returns at once."""

    def put(self, item: Chunk | Lost) -> None:
        """Take a chunk, or the news that samples are missing."""


@frozen
class BeginUtterance:
    """An utterance begins on a transcriber's feed."""

    utterance_id: str
    start_sample: int


@frozen
class EndUtterance:
    """An utterance ends on a transcriber's feed."""

    utterance_id: str
    end_sample: int
    cause: EndCause


FeedItem: TypeAlias = Chunk | BeginUtterance | EndUtterance


class SpeechFeed(Protocol):
    """The transcriber's end of a track's path."""

    def put(self, item: FeedItem) -> None:
        """Take the beginning or end of an utterance, or audio; returns at once."""


@define(eq=False)
class TrackIntake:
    """Where a platform's chunks of one track come in: checked, counted, put in one bounded queue.

    Args:
        track_id: The track.
        ledger: Counts what was captured.
    """

    track_id: str
    ledger: Ledger
    mailbox: AudioMailbox = field(init=False)
    _next: int | None = None
    _rate_hz: int = 0
    _early: list[tuple[int, int, str]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.mailbox = AudioMailbox(int(INTAKE_LIMIT_S * SAMPLE_RATE_HZ), "core_behind")

    def hear(self, chunk: Chunk) -> None:
        """Take a chunk; a hole before it is declared lost.

        Raises:
            PluginError: It starts before the end of the one before, or its rate changed.
        """
        rate, start = chunk.sample_rate_hz, chunk.start_sample
        if start != self._next or rate != self._rate_hz:
            self._seek(start, rate)
        end = start + len(chunk.pcm)
        self._next = end
        if rate == SAMPLE_RATE_HZ:
            self.ledger.capture(self.track_id, end - start)
        else:
            self.ledger.capture(self.track_id, position(end, rate) - position(start, rate))
        self.mailbox.put(chunk)

    def declare_lost(self, start_sample: int, samples: int, cause: str) -> None:
        """Account for samples that never become a chunk."""
        if not self._rate_hz:
            self._early.append((start_sample, samples, cause))
            return
        rate = self._rate_hz
        if self._next is not None and start_sample > self._next:
            self._lose(self._next, start_sample, rate, "gap")
        self._lose(start_sample, start_sample + samples, rate, cause)
        self._next = start_sample + samples

    def _seek(self, start: int, rate_hz: int) -> None:
        if not self._rate_hz:
            self._know_rate(rate_hz)
        if rate_hz != self._rate_hz:
            raise PluginError(
                f"Track {self.track_id!r} changed its rate from {self._rate_hz} to {rate_hz} Hz.",
                "Announce a new track instead.",
            )
        if self._next is None:
            return
        if start < self._next:
            raise PluginError(
                f"A chunk of track {self.track_id!r} starts at sample {start}, "
                f"before the end of the one before it, {self._next}.",
                "Chunks of a track follow each other on the call's sample clock.",
            )
        self._lose(self._next, start, rate_hz, "gap")

    def _know_rate(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        for start, samples, cause in self._early:
            self.declare_lost(start, samples, cause)
        self._early.clear()

    def _lose(self, start: int, end: int, rate_hz: int, cause: str) -> None:
        first, last = position(start, rate_hz), position(end, rate_hz)
        if last > first:
            self.ledger.capture(self.track_id, last - first)
            self.mailbox.put(Lost(self.track_id, first, last - first, cause))

    def close(self) -> None:
        """Say that nothing follows."""
        if not self._rate_hz:
            self._know_rate(SAMPLE_RATE_HZ)
        self.mailbox.close()


class TrackPath:
    """The fused stages of one track. No Trio: `process` is a plain call.

    Args:
        track_id: The track.
        consumers: Who gets all audio.
        native: Who gets it as it comes, before the resampler.
        feed: Who gets speech, None for nobody.
        feed_account: The feed's account, for what is withheld from it.
        rules: When speech begins and ends.
        detector: Says what is speech.
        on_speech: Told of every beginning and end.
        continuous: Whether the feed also gets what is between utterances.
    """

    def __init__(
        self,
        track_id: str,
        *,
        consumers: Sequence[AudioConsumer] = (),
        native: Sequence[AudioConsumer] = (),
        feed: SpeechFeed | None = None,
        feed_account: Account | None = None,
        rules: SpeechRules | None = None,
        detector: VoiceDetector | None = None,
        on_speech: Callable[[SpeechBegan | SpeechEnded], None] | None = None,
        continuous: bool = False,
    ) -> None:
        self.track_id = track_id
        self.paused = False
        self._puts = [consumer.put for consumer in consumers]
        self._native_puts = [consumer.put for consumer in native]
        self._feed = feed
        self._account = feed_account or Account(track_id, "transcriber")
        self._rules = rules or SpeechRules()
        self._detector = detector or VoiceDetector()
        self._on_speech = on_speech
        self._continuous = continuous
        self._utterances: _UtteranceDetector | None = None
        self._resampler: Resampler | None = None
        self._ring: deque[Chunk] = deque()
        reach_ms = self._rules.pre_roll_ms + 20 * self._rules.window_frames + 20
        self._reach = reach_ms * SAMPLE_RATE_HZ // 1000
        self._fed_to = 0
        self._count = 0
        self._open_id = ""
        self._feeding = feed is not None

    def process(self, item: Chunk | Lost) -> None:
        """Take the next chunk, or the next hole, of the track."""
        if self._native_puts:
            held = self.paused and not isinstance(item, Lost)
            for put in self._native_puts:
                put(lost_chunk(item, "paused") if held and isinstance(item, Chunk) else item)
        if isinstance(item, Lost):
            if self._resampler is not None:
                for chunk in self._resampler.flush(self.track_id):
                    self._hear(chunk)
            self._skip(item)
        elif item.sample_rate_hz == SAMPLE_RATE_HZ:
            self._hear(item)
        else:
            if self._resampler is None:
                self._resampler = Resampler(item.sample_rate_hz)
            for chunk in self._resampler.feed(item):
                self._hear(chunk)

    def pause(self, paused: bool) -> None:
        """Hold back everything from now on, or no longer."""
        if paused and not self.paused and self._utterances is not None:
            self._interrupt(self._end_of_ring(), "paused")
        self.paused = paused

    def feed_on(self, feeding: bool) -> None:
        """Feed speech from now on, or no longer: then somebody else hears what follows."""
        if self._feed is None or feeding is self._feeding:
            return
        self._feeding = feeding
        utterances = self._utterances
        if utterances is None:
            return
        if feeding:
            if utterances.speaking:
                self._begin(self._fed_to)
            return
        heard = self._end_of_ring()
        if self._open_id or self._continuous:
            self._feed_up_to(heard)
        if self._open_id:
            self._end(heard, "handed_over")
        self._account.withheld += heard - self._fed_to
        self._fed_to = heard
        self._ring.clear()

    def close(self) -> None:
        """End what is open; nothing follows."""
        if self._resampler is not None:
            for chunk in self._resampler.flush(self.track_id):
                self._hear(chunk)
        if self._utterances is not None:
            self._interrupt(self._end_of_ring(), "track_closed")

    # --- stages ----------------------------------------------------------------------

    def _hear(self, chunk: Chunk) -> None:
        if self.paused:
            self._skip(Lost(self.track_id, chunk.start_sample, chunk.samples, "paused"))
            return
        utterances = self._utterances
        if utterances is None:
            utterances = self._utterances = _UtteranceDetector(self._rules, chunk.start_sample)
            self._fed_to = chunk.start_sample
        for put in self._puts:
            put(chunk)
        marks = utterances.feed(self._detector.feed(chunk.pcm))
        if not self._feeding:
            for mark in marks:
                self._tell(mark)
            self._account.withheld += chunk.samples
            self._fed_to = chunk.end_sample
            return
        self._ring.append(chunk)
        if marks:
            self._marked(marks)
        if self._open_id or self._continuous:
            self._feed_up_to(chunk.end_sample)
        self._forget(chunk.end_sample)

    def _marked(self, marks: Sequence[SpeechBegan | SpeechEnded]) -> None:
        assert self._feed is not None
        for mark in marks:
            self._tell(mark)
            if isinstance(mark, SpeechBegan):
                start = max(mark.start_sample, self._fed_to)
                if not self._continuous:
                    self._account.withheld += start - self._fed_to
                    self._fed_to = start
                self._begin(mark.start_sample)
            else:
                self._feed_up_to(mark.end_sample)
                self._end(mark.end_sample, mark.cause)

    def _begin(self, start_sample: int) -> None:
        assert self._feed is not None
        self._count += 1
        self._open_id = f"{self.track_id}-{self._count:04d}"
        self._feed.put(BeginUtterance(self._open_id, start_sample))

    def _end(self, end_sample: int, cause: EndCause) -> None:
        assert self._feed is not None
        self._feed.put(EndUtterance(self._open_id, end_sample, cause))
        self._open_id = ""

    def _tell(self, mark: SpeechBegan | SpeechEnded) -> None:
        if self._on_speech is not None:
            self._on_speech(mark)

    def _feed_up_to(self, end_sample: int) -> None:
        assert self._feed is not None
        at = self._fed_to
        for chunk in self._ring:
            if chunk.end_sample <= at:
                continue
            if at >= end_sample:
                break
            if at == chunk.start_sample and chunk.end_sample <= end_sample:
                piece = chunk
            else:
                first = at - chunk.start_sample
                last = min(end_sample, chunk.end_sample) - chunk.start_sample
                piece = Chunk(self.track_id, at, chunk.pcm[first:last])
            self._feed.put(piece)
            at = piece.end_sample
        self._fed_to = at

    def _forget(self, end_sample: int) -> None:
        ring = self._ring
        while len(ring) > 1 and ring[0].end_sample < end_sample - self._reach:
            ring.popleft()

    def _end_of_ring(self) -> int:
        if self._ring:
            return self._ring[-1].end_sample
        return self._utterances.next_sample if self._utterances is not None else self._fed_to

    def _interrupt(self, resume_sample: int, cause: EndCause) -> None:
        """End an open utterance where the audio ended, and start over at `resume_sample`."""
        assert self._utterances is not None
        heard = self._end_of_ring()
        self._detector.reset()
        mark = self._utterances.interrupt(resume_sample, cause)
        if mark is not None:
            mark = SpeechEnded(max(mark.end_sample, heard), mark.voice_end_sample, cause)
            if self._feeding:
                self._marked((mark,))
            else:
                self._tell(mark)
        if self._feeding:
            self._account.withheld += heard - self._fed_to
        self._fed_to = resume_sample
        self._ring.clear()

    def _skip(self, lost: Lost) -> None:
        end = lost.start_sample + lost.samples
        if self._utterances is None:
            self._utterances = _UtteranceDetector(self._rules, end)
            self._fed_to = end
        else:
            self._interrupt(end, "paused" if lost.withheld else "gap")
        if self._feed is not None:
            if lost.withheld:
                self._account.withheld += lost.samples
            else:
                self._account.lost += lost.samples
        for put in self._puts:
            put(lost)
