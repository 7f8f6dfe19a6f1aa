"""How well a bot did at a rehearsal: its transcript and attribution held against the script."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from meetcore import Event, LedgerClosed, SegmentFinalized, StateChanged, Transcript
from meetcore.testing import HypothesisWord, Score, Script, WordErrors, score_transcript

__all__ = ["RehearsalScore", "score_rehearsal"]


@frozen
class RehearsalScore:
    """What a rehearsal's summary says.

    Attributes:
        segments: How many segments were finalized.
        score: Word errors and attribution.
        human: Ids of people whose lines are recordings of a human voice.
        captured_samples: How much audio was captured, over all tracks, at 16 kHz.
        lost_samples: How much of it a consumer did not get, over all consumers.
        balanced: Whether the ledger closes to the sample.
    """

    segments: int
    score: Score
    human: frozenset[str]
    captured_samples: int
    lost_samples: int
    balanced: bool

    @property
    def synthetic_voices(self) -> WordErrors:
        """Word errors of the synthetic voices together."""
        total = WordErrors()
        for who, errors in self.score.words_by_person.items():
            if who not in self.human:
                total += errors
        return total

    @property
    def human_voices(self) -> WordErrors:
        """Word errors of the human voices together."""
        total = WordErrors()
        for who, errors in self.score.words_by_person.items():
            if who in self.human:
                total += errors
        return total

    def lines(self) -> list[str]:
        """Return the summary as lines of text."""
        synthetic, human = self.synthetic_voices, self.human_voices
        score = self.score
        wrong = f"{synthetic.errors} of {synthetic.reference} words"
        found = [
            f"  segments            {self.segments}",
            f"  word error rate     {synthetic.rate:.1%} ({wrong}, synthetic voices)",
        ]
        if human.reference:
            of = f"{human.errors} of {human.reference} words"
            found.append(f"                      {human.rate:.1%} ({of}, human voice)")
        attributed = (
            f"{score.attributed.value:.1%} of the words; "
            f"{score.attributed_alone.value:.1%} outside of overlaps"
        )
        seconds = self.captured_samples / 16_000
        ledger = "closes to the sample" if self.balanced else "DOES NOT CLOSE"
        return [
            *found,
            f"  right person        {attributed}",
            f"  audio ledger        {ledger}: {seconds:.1f} s captured, "
            f"{self.lost_samples} samples lost",
        ]


def score_rehearsal(
    script: Script, events: Iterable[Event], clock_started_at: float | None
) -> RehearsalScore:
    """Hold a bot's journal against the script that was played to it.

    Args:
        script: The script.
        events: The bot's journal.
        clock_started_at: When the script clock was 0, in seconds since the epoch.
    """
    transcript = Transcript()
    shift_s = 0.0
    ledger: LedgerClosed | None = None
    for event in events:
        if isinstance(event, StateChanged) and event.state == "in_call" and clock_started_at:
            shift_s = clock_started_at - event.at.timestamp()
        elif isinstance(event, LedgerClosed):
            ledger = event
        elif isinstance(event, SegmentFinalized):
            transcript.finalized(event.segment)
    words = [
        HypothesisWord(
            word.text, segment.participant_id, word.start_s - shift_s, word.end_s - shift_s
        )
        for segment in transcript.segments
        for word in segment.words
    ]
    entries = ledger.entries if ledger else ()
    captured = {entry.track_id: entry.captured for entry in entries}
    return RehearsalScore(
        segments=len(transcript.segments),
        score=score_transcript(script.reference_words(), words),
        human=frozenset(line.who for line in script.lines if line.human),
        captured_samples=sum(captured.values()),
        lost_samples=sum(entry.lost for entry in entries),
        balanced=ledger is not None and ledger.balanced,
    )
