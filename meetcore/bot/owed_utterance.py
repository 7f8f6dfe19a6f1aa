"""An utterance that was heard and has no final yet: its sound for a replay, its settled words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import define, evolve, field

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.utterance import EndCause
from meetcore.model.transcript import Hypothesis, Word

__all__ = ["LatestFinals", "OwedUtterance"]

_MOST_FINALS = 1000


@define
class OwedUtterance:
    """An utterance whose final has not come, with its audio for a replay.

    `replays` counts how often it was said again to each transcriber, by the transcriber's place.
    """

    utterance_id: str
    start_sample: int
    chunks: list[Chunk] = field(factory=list)
    end_sample: int | None = None
    cause: EndCause = "silence"
    ended_at: float = 0.0
    replays: dict[int, int] = field(factory=dict)
    revision: int = 0
    revision_base: int = 0
    settled: tuple[Word, ...] = ()
    kept: tuple[Word, ...] = ()
    confidence: float | None = None
    language: str | None = None

    @property
    def last_sample(self) -> int:
        """Where it ends, as far as it was heard."""
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
                stable_words=_tokens(self.kept) + result.stable_words,
            )
        settled = _tokens(result.words[: result.settled_words])
        if not result.final and settled > result.stable_words:
            result = evolve(result, stable_words=settled)
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
class LatestFinals:
    """The revisions of the last finals, by utterance: what a correction has to be above of."""

    _revisions: dict[str, tuple[int, int]] = field(factory=dict)

    def add(self, utterance: OwedUtterance) -> None:
        """Keep the revision of one that has its final."""
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


def _tokens(words: Iterable[Word]) -> int:
    """Return how many words a reader counts: those that spaces part."""
    return sum(len(word.text.split()) for word in words)
