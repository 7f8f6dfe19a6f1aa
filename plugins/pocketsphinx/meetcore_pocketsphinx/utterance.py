"""One utterance in a decoder: samples in, words with times on the call's sample clock out."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, TypedDict

from meetcore_pocketsphinx.settings import SAMPLE_RATE_HZ

__all__ = ["DecodedUtterance", "SampleMap", "WordJson"]

_SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // 100
_PRONUNCIATION = re.compile(r"\(\d+\)$")
_OVERDUE_STEPS = 4
_FILLER = re.compile(r"^(?:<.*>|\[.*\]|\+\+.*\+\+)$")


class WordJson(TypedDict):
    """A word as the worker sends it; times in seconds on the call's sample clock."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None


class SampleMap:
    """Maps samples as the decoder counts them to samples of the call's clock.

    The two differ by the utterance's start and by every hole in the audio since.
    """

    def __init__(self) -> None:
        self._decoder_starts: list[int] = []
        self._call_starts: list[int] = []
        self.samples = 0

    def add(self, call_start: int, samples: int) -> None:
        """Note that the decoder heard `samples` more, the first of them at `call_start`."""
        if not self._call_starts or self.call_sample(self.samples) != call_start:
            self._decoder_starts.append(self.samples)
            self._call_starts.append(call_start)
        self.samples += samples

    def call_sample(self, decoder_sample: int) -> int:
        """Return where on the call's clock the decoder's sample lies."""
        run = max(0, bisect_right(self._decoder_starts, decoder_sample) - 1)
        return self._call_starts[run] + decoder_sample - self._decoder_starts[run]


class DecodedUtterance:
    """Feeds one utterance to a decoder and reads hypotheses from it.

    Args:
        decoder: A pocketsphinx decoder that nobody else uses meanwhile.
        utterance_id: The caller's name for the utterance.
        partial_every_ms: Audio between two partial hypotheses.
        posteriors: Whether the end of the utterance gives word posteriors (bestpath).
    """

    def __init__(
        self, decoder: Any, utterance_id: str, partial_every_ms: int, *, posteriors: bool
    ) -> None:
        self.utterance_id = utterance_id
        self._decoder = decoder
        self._posteriors = posteriors
        self._step = partial_every_ms * SAMPLE_RATE_HZ // 1000
        self._next_partial = self._step
        self._clock = SampleMap()
        self._last_words: list[str] = []
        decoder.start_utt()

    def hear(self, start_sample: int, pcm: bytes) -> None:
        """Decode the next samples; an empty block is passed over (pocketsphinx raises on it)."""
        if pcm:
            self._clock.add(start_sample, len(pcm) // 2)
            self._decoder.process_raw(pcm)

    @property
    def partial_due(self) -> bool:
        """Whether enough audio came since the last partial hypothesis."""
        return self._clock.samples >= self._next_partial

    @property
    def partial_overdue(self) -> bool:
        """Whether so much came that a partial hypothesis is worth its time even to one behind."""
        return self._clock.samples >= self._next_partial + _OVERDUE_STEPS * self._step

    def partial(self) -> list[WordJson] | None:
        """Return the words so far, or None when they are those of the last time."""
        self._next_partial = self._clock.samples + self._step
        words = self._words(posteriors=False)
        texts = [word["text"] for word in words]
        if texts == self._last_words:
            return None
        self._last_words = texts
        return words

    def finish(self) -> list[WordJson]:
        """End the utterance and return its words."""
        self._decoder.end_utt()
        return self._words(posteriors=self._posteriors)

    def abandon(self) -> None:
        """End the utterance without a result."""
        self._decoder.end_utt()

    def _words(self, *, posteriors: bool) -> list[WordJson]:
        if not self._clock.samples or self._decoder.hyp() is None:
            return []
        words: list[WordJson] = []
        for segment in self._decoder.seg() or ():
            if _FILLER.match(segment.word):
                continue
            words.append(
                WordJson(
                    text=_PRONUNCIATION.sub("", segment.word),
                    start_s=self._seconds(segment.start_frame),
                    end_s=self._seconds(segment.end_frame + 1),
                    confidence=round(min(1.0, float(segment.prob)), 4) if posteriors else None,
                )
            )
        return words

    def _seconds(self, frame: int) -> float:
        sample = min(frame * _SAMPLES_PER_FRAME, self._clock.samples)
        return round(self._clock.call_sample(sample) / SAMPLE_RATE_HZ, 4)
