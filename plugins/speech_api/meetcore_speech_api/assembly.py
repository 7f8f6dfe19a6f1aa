"""From a provider's results, on its connection's clock, to the core's utterances. Pure.

A provider cuts what it hears as it likes: into ranges, turns, sentences. The core names utterances
by its own voice detector. What both have in common is the audio: each utterance is a stretch of
what was sent over the connection, so a word belongs to the utterance in whose stretch its middle
lies. Words that a provider will not change any more are *settled*, others are its guess so far.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable

from attrs import define, evolve, field, frozen

from meetcore import SAMPLE_RATE_HZ, Hypothesis, StreamClock, UntranscribedAudio, Word

__all__ = ["SpokenPiece", "SpokenWord", "UtteranceAssembly"]

REACH_S = 1.0
"""Results this far behind the end of what was sent are about nothing that was said."""
MOST_FINISHED = 500


@frozen
class SpokenWord:
    """A word as a provider has it, its times in seconds of its connection's clock."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str | None = None

    @property
    def middle_s(self) -> float:
        """The middle of the word."""
        return (self.start_s + self.end_s) / 2


@frozen(kw_only=True)
class SpokenPiece:
    """What a provider says about a stretch of the audio.

    Attributes:
        start_s: Where the stretch begins, in seconds of its connection's clock.
        end_s: Where it ends.
        words: Its words.
        text: How it is written where all of it stays together; empty for the words, spaced.
        language: BCP-47 tag, None where it does not say.
    """

    start_s: float
    end_s: float
    words: tuple[SpokenWord, ...] = ()
    text: str = ""
    language: str | None = None

    def only(self, words: tuple[SpokenWord, ...]) -> SpokenPiece:
        """Return a part of it: with fewer words it is written as these words."""
        return self if words == self.words else evolve(self, words=words, text="")

    @property
    def written(self) -> str:
        """How it is written."""
        return self.text.strip() or " ".join(word.text for word in self.words)


@define
class _SentUtterance:
    """An utterance, as a stretch of the connection's audio."""

    utterance_id: str
    from_s: float
    start_sample: int
    to_s: float | None = None
    end_sample: int = 0
    finished: bool = False
    revision: int = 0
    settled: list[SpokenPiece] = field(factory=list)
    guess: list[SpokenPiece] = field(factory=list)
    shown: tuple[str, int] = ("", 0)


class UtteranceAssembly:
    """The utterances of one connection, and what was said in each.

    Args:
        clock: The connection's clock, which is told what is sent.
        emit: Takes results for the core.
    """

    def __init__(
        self, clock: StreamClock, emit: Callable[[Hypothesis | UntranscribedAudio], None]
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._all: list[_SentUtterance] = []

    # --- what the core says ---------------------------------------------------------------

    def begin(self, utterance_id: str, start_sample: int) -> None:
        """Take it that what is sent from now on is of an utterance."""
        self._all.append(_SentUtterance(utterance_id, self._clock.sent_s, start_sample))
        while len(self._all) > MOST_FINISHED and self._all[0].finished:
            del self._all[0]

    def end(self, utterance_id: str, end_sample: int) -> None:
        """Take it that all of an utterance was sent."""
        for stretch in self._all:
            if stretch.utterance_id == utterance_id and not stretch.finished:
                stretch.to_s, stretch.end_sample = self._clock.sent_s, end_sample

    # --- what is open ---------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether an utterance has no final."""
        return any(not stretch.finished for stretch in self._all)

    @property
    def owed_to_s(self) -> float | None:
        """Where the oldest utterance ended whose final is owed; None where none is."""
        return next((s.to_s for s in self._all if not s.finished and s.to_s is not None), None)

    @property
    def owed_from_s(self) -> float | None:
        """Where that utterance begins."""
        return next((s.from_s for s in self._all if not s.finished and s.to_s is not None), None)

    def guesses_before(self, end_s: float) -> bool:
        """Whether words are guessed, and not settled, before a time."""
        return any(
            word.middle_s < end_s
            for stretch in self._all
            if not stretch.finished
            for piece in stretch.guess
            for word in piece.words or (_placeholder(piece),)
        )

    # --- what the provider says --------------------------------------------------------------

    def settle(self, piece: SpokenPiece) -> None:
        """Take what will not change any more; each word once."""
        for stretch, part in self._placed(piece):
            if not stretch.finished:
                stretch.settled.append(part)
            elif part.written:
                self._late(part)

    def guess(self, pieces: Iterable[SpokenPiece]) -> None:
        """Take all that is guessed so far: what was guessed before and is not in it is gone."""
        for stretch in self._all:
            stretch.guess.clear()
        for piece in pieces:
            for stretch, part in self._placed(piece):
                if not stretch.finished:
                    stretch.guess.append(part)

    def show(self) -> None:
        """Emit a draft of each utterance that has changed."""
        for stretch in self._all:
            if stretch.finished:
                continue
            draft = self._hypothesis(stretch, final=False)
            if draft.text and (draft.text, draft.settled_words) != stretch.shown:
                stretch.revision += 1
                stretch.shown = (draft.text, draft.settled_words)
                self._emit(evolve(draft, revision=stretch.revision))

    def finish(self, until_s: float) -> None:
        """Emit the final of each utterance that ended up to a time: all about it is settled."""
        for stretch in self._all:
            if not stretch.finished and stretch.to_s is not None and stretch.to_s <= until_s:
                stretch.finished = True
                stretch.revision += 1
                self._emit(evolve(self._hypothesis(stretch, final=True), revision=stretch.revision))

    def relabel(self, labelled: Iterable[SpokenWord]) -> None:
        """Take new labels for what was settled before; utterances with a final come again.

        Args:
            labelled: Stretches and whose they are; one may hold several words.
        """
        stretches = list(labelled)
        for stretch in self._all:
            before = [*stretch.settled]
            stretch.settled = [_relabelled(piece, stretches) for piece in before]
            if stretch.finished and stretch.settled != before:
                stretch.revision += 1
                again = self._hypothesis(stretch, final=True)
                self._emit(evolve(again, revision=stretch.revision))

    # --- words into utterances ---------------------------------------------------------------

    def _placed(self, piece: SpokenPiece) -> list[tuple[_SentUtterance, SpokenPiece]]:
        """Return the parts of a piece, each with the utterance it is of."""
        begins = [stretch.from_s for stretch in self._all]
        sent_s = self._clock.sent_s
        parts: dict[int, list[SpokenWord]] = {}
        for word in piece.words or ((_placeholder(piece),) if piece.text else ()):
            if begins and sent_s > 0 and word.start_s < sent_s + REACH_S:
                place = max(0, bisect_right(begins, word.middle_s) - 1)
                if self._all[place].finished and word.end_s > [*begins, math.inf][place + 1]:
                    place += 1  # it began at the end of an utterance that has its final
                parts.setdefault(place, []).append(word)
        if not piece.words:
            return [(self._all[place], piece) for place in parts]
        return [(self._all[place], piece.only(tuple(words))) for place, words in parts.items()]

    def _late(self, part: SpokenPiece) -> None:
        """Say that words came after the final they belong to: they are in no transcript."""
        self._emit(
            UntranscribedAudio(
                start_sample=self._clock.sample_at(part.words[0].start_s if part.words else 0.0),
                end_sample=self._clock.sample_at(part.end_s, end=True),
                cause="came_after_the_final",
            )
        )

    def _hypothesis(self, stretch: _SentUtterance, *, final: bool) -> Hypothesis:
        settled = sorted(stretch.settled, key=_begins)
        guess = [] if final else sorted(stretch.guess, key=_begins)
        pieces = [*settled, *guess]
        words = tuple(self._word(stretch, word) for piece in pieces for word in piece.words)
        confident = [word.confidence for word in words if word.confidence is not None]
        languages = [piece.language for piece in pieces if piece.language]
        return Hypothesis(
            utterance_id=stretch.utterance_id,
            revision=stretch.revision,
            text=" ".join(piece.written for piece in pieces if piece.written),
            words=words,
            final=final,
            confidence=round(sum(confident) / len(confident), 4) if confident else None,
            language=max(languages, key=languages.count) if languages else None,
            start_s=stretch.start_sample / SAMPLE_RATE_HZ,
            end_s=max(stretch.start_sample, stretch.end_sample) / SAMPLE_RATE_HZ,
            settled_words=sum(len(piece.words) for piece in settled),
        )

    def _word(self, stretch: _SentUtterance, word: SpokenWord) -> Word:
        start_s = max(self._clock.call_s(word.start_s), stretch.start_sample / SAMPLE_RATE_HZ)
        end_s = self._clock.call_s(word.end_s, end=True)
        if stretch.to_s is not None:
            end_s = min(end_s, stretch.end_sample / SAMPLE_RATE_HZ)
        return Word(
            word.text,
            round(start_s, 4),
            round(max(start_s, end_s), 4),
            word.confidence,
            word.speaker,
        )


def _placeholder(piece: SpokenPiece) -> SpokenWord:
    """Return a word that stands for a piece without words."""
    return SpokenWord(piece.text, piece.start_s, piece.end_s)


def _begins(piece: SpokenPiece) -> float:
    return piece.words[0].start_s if piece.words else piece.start_s


def _relabelled(piece: SpokenPiece, labelled: Iterable[SpokenWord]) -> SpokenPiece:
    labelled = list(labelled)
    words = list(piece.words)
    for place, word in enumerate(words):
        for each in labelled:
            if each.start_s <= word.middle_s <= each.end_s:
                words[place] = evolve(word, speaker=each.speaker)
    return evolve(piece, words=tuple(words))
