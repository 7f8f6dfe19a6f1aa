"""Words, segments and the assembler: from a transcriber's hypotheses to who said what.

A segment is *mutable* while it is a draft and *finalized* once; its id is stable over
both, its revision only grows. Who said it comes with how that is known (law 10): a
track that belongs to one participant is certain; over a mix, the words are intersected
with the speaking timeline, and what no span covers stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby

from attrs import define, evolve, field, frozen

from meetcore.model.roster import NameSource, Roster, SpeakingTimeline

__all__ = [
    "Attribution",
    "Hypothesis",
    "Segment",
    "Transcript",
    "TranscriptAssembler",
    "Word",
    "revised",
    "spoken_order",
]


@frozen
class Word:
    """One recognised word.

    Attributes:
        text: The word as it should be shown.
        start_s: Start, in seconds of meeting time.
        end_s: End, in seconds of meeting time.
        confidence: 0 to 1, None where the transcriber does not say.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


@frozen(kw_only=True)
class Hypothesis:
    """What a transcriber believes an utterance says, so far or for good.

    Attributes:
        utterance_id: The utterance it is about, as the core named it.
        revision: Counts up within the utterance; a late one with a lower number is ignored.
        text: The whole text of the utterance so far (not an addition to it).
        words: The words with times in seconds on the call's sample clock.
        final: True when it will not change any more.
        confidence: 0 to 1, None where unknown.
        language: BCP-47 tag, None where unknown.
        start_s: Start of the utterance where there are no words.
        end_s: End of the utterance where there are no words.
    """

    utterance_id: str
    revision: int
    text: str
    words: tuple[Word, ...] = ()
    final: bool = False
    confidence: float | None = None
    language: str | None = None
    start_s: float | None = None
    end_s: float | None = None


@frozen(kw_only=True)
class Segment:
    """A stretch of transcript by one speaker.

    Attributes:
        id: Stable over all revisions, unique within the bot.
        revision: Counts up; the highest is the newest.
        finalized: False for a draft.
        track_id: The track it was heard on.
        participant_id: Who said it, None where unknown.
        speaker_name: Their name at the time, None where unknown.
        speaker_source: How it is known who said it.
        speaker_confidence: 0 to 1.
        text: The words as text.
        words: The words with their times.
        start_s: Start, in seconds of meeting time.
        end_s: End, in seconds of meeting time.
        confidence: The transcriber's confidence, 0 to 1 or None.
        language: BCP-47 tag or None.
        onset_s: Start as it was first shown, the same in every revision; None for `start_s`.
            A client that tells segments apart by their start needs one that stays.
    """

    id: str
    revision: int
    finalized: bool
    track_id: str
    participant_id: str | None
    speaker_name: str | None
    speaker_source: NameSource
    speaker_confidence: float
    text: str
    words: tuple[Word, ...] = ()
    start_s: float
    end_s: float
    confidence: float | None = None
    language: str | None = None
    onset_s: float | None = None


def spoken_order(segment: Segment) -> tuple[float, float, str]:
    """Return what segments are sorted by wherever a transcript is shown: start, then end."""
    return segment.start_s, segment.end_s, segment.id


@frozen
class Attribution:
    """Who a word or a segment belongs to, how that is known and how surely (0 to 1)."""

    participant_id: str | None
    source: NameSource
    confidence: float


NOBODY = Attribution(None, NameSource.UNKNOWN, 0.0)


def attribute(timeline: SpeakingTimeline, start_s: float, end_s: float) -> Attribution:
    """Return who spoke most within [start_s, end_s] according to the timeline.

    The confidence is the winner's share of the stretch, divided among those who spoke
    over each other; nobody's share below a third makes a name.
    """
    length = max(end_s - start_s, 1e-3)
    shares = timeline.shares(start_s, end_s)
    if not shares:
        return NOBODY
    winner, seconds = max(shares.items(), key=lambda item: (item[1], item[0]))
    confidence = min(1.0, seconds / max(length, sum(shares.values())))
    if confidence < 1 / 3:
        return NOBODY
    source = next(
        span.source for span in timeline.between(start_s, end_s) if span.participant_id == winner
    )
    return Attribution(winner, source, round(confidence, 3))


def revised(before: Segment, after: Segment) -> Segment:
    """Return what a reviser made of a segment, with text and words that say the same.

    A reviser that changes `text` and leaves `words`, or the other way round, would leave behind
    what it took out. Where only the words changed, the text is theirs. Where the text changed,
    words that do not spell it are laid over it: a word that stayed keeps its time, a stretch that
    became another of as many words, or one word, has the stretch's; where neither fits, there are
    no words rather than guessed ones. Identity is not the reviser's to change.
    """
    after = evolve(
        after,
        id=before.id,
        revision=before.revision,
        finalized=before.finalized,
        track_id=before.track_id,
        onset_s=before.onset_s,
    )
    if after.text == before.text:
        if _texts(after.words) == _texts(before.words):
            return after
        return evolve(after, text=" ".join(_texts(after.words)))
    if _texts(after.words) != _texts(before.words) and _letters(after.text) == _letters(
        "".join(_texts(after.words))
    ):
        return after
    return evolve(after, words=tuple(_laid_over(after.words, after.text.split())))


def _texts(words: Iterable[Word]) -> list[str]:
    return [word.text for word in words]


def _letters(text: str) -> str:
    return "".join(text.split())


def _spoken(token: str) -> str:
    """Return a token without what is not heard, so that `Hello,` and `hello` are one word."""
    heard = "".join(character for character in token.casefold() if character.isalnum())
    return heard or token


def _laid_over(words: Sequence[Word], tokens: Sequence[str]) -> Iterator[Word]:
    """Yield a word for each token with the times of the words it stands for; none if any has none.

    Every word yielded has a token's text, so nothing of the old words is left.
    """
    old, new = [_spoken(word.text) for word in words], [_spoken(token) for token in tokens]
    laid: list[Word] = []
    for _, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if d - c == b - a:
            pairs = zip(words[a:b], tokens[c:d], strict=True)
            laid += [evolve(word, text=token) for word, token in pairs]
        elif d - c == 1 and b > a:
            laid.append(Word(tokens[c], words[a].start_s, words[b - 1].end_s))
        elif d > c:
            return
    yield from laid


@define
class TranscriptAssembler:
    """Turns hypotheses into segments with ids, revisions and speakers. Pure: no clock, no I/O.

    Args:
        roster: Names of participants.
        timeline: Who spoke when, for tracks that mix several people.
        owners: For each track the participant it belongs to (None for a mix), and how
            that is known.
    """

    roster: Roster
    timeline: SpeakingTimeline
    owners: dict[str, tuple[str | None, NameSource]] = field(factory=dict)
    _revisions: dict[str, int] = field(factory=dict)
    _onsets: dict[str, float] = field(factory=dict)
    _finalized: set[str] = field(factory=set)

    def own(self, track_id: str, participant_id: str | None, source: NameSource) -> None:
        """Say whose track this is; None for a mix of several people."""
        self.owners[track_id] = (participant_id, source)

    def _owner(self, track_id: str) -> Attribution | None:
        owner, source = self.owners.get(track_id, (None, NameSource.UNKNOWN))
        if owner is None:
            return None
        return Attribution(owner, source, 1.0 if source is NameSource.TRACK else 0.8)

    def renamed(self, segment: Segment) -> Segment:
        """Return the next revision of a segment, by the owner its track has now."""
        whose = self._owner(segment.track_id) or NOBODY
        return evolve(
            segment,
            revision=segment.revision + 1,
            participant_id=whose.participant_id,
            speaker_name=self.roster.name_of(whose.participant_id),
            speaker_source=whose.source,
            speaker_confidence=whose.confidence,
        )

    def take(self, track_id: str, hypothesis: Hypothesis, offset_s: float = 0.0) -> list[Segment]:
        """Turn one hypothesis into segments: none, one, or, over a mix, one per speaker.

        Args:
            track_id: The track the utterance was heard on.
            hypothesis: What the transcriber believes.
            offset_s: Added to its times, to get from the call's sample clock to meeting time.

        Returns:
            The segments to publish: empty for stale revisions, repeated finals and empty
            drafts. A final hypothesis without text gives none.
        """
        key = hypothesis.utterance_id
        if key in self._finalized:
            return []
        if hypothesis.revision < self._revisions.get(key, 0) and not hypothesis.final:
            return []
        self._revisions[key] = max(hypothesis.revision, self._revisions.get(key, 0) + 1)
        if hypothesis.final:
            self._finalized.add(key)
        words = tuple(
            evolve(w, start_s=round(w.start_s + offset_s, 3), end_s=round(w.end_s + offset_s, 3))
            for w in hypothesis.words
        )
        text = hypothesis.text.strip()
        if not text and not words:
            return []
        whose = self._owner(track_id)
        if whose is not None:
            return [self._segment(track_id, key, hypothesis, whose, text, words, offset_s)]
        if not hypothesis.final or not words:
            start, end = self._bounds(hypothesis, words, offset_s)
            whose = attribute(self.timeline, start, end)
            return [self._segment(track_id, key, hypothesis, whose, text, words, offset_s)]
        return self._split(track_id, key, hypothesis, words, offset_s)

    def _split(
        self,
        track_id: str,
        key: str,
        hypothesis: Hypothesis,
        words: tuple[Word, ...],
        offset_s: float,
    ) -> list[Segment]:
        whose = [attribute(self.timeline, word.start_s, word.end_s) for word in words]
        runs = [
            list(run)
            for _, run in groupby(zip(words, whose, strict=True), lambda p: p[1].participant_id)
        ]
        segments = []
        for number, run in enumerate(runs):
            part = tuple(word for word, _ in run)
            confidence = sum(a.confidence for _, a in run) / len(run)
            first = run[0][1]
            attribution = Attribution(first.participant_id, first.source, round(confidence, 3))
            segments.append(
                self._segment(
                    track_id,
                    key if number == 0 else f"{key}.{number}",
                    hypothesis,
                    attribution,
                    hypothesis.text.strip() if len(runs) == 1 else " ".join(w.text for w in part),
                    part,
                    offset_s,
                )
            )
        return segments

    @staticmethod
    def _bounds(
        hypothesis: Hypothesis, words: Sequence[Word], offset_s: float
    ) -> tuple[float, float]:
        if words:
            return words[0].start_s, words[-1].end_s
        start = (hypothesis.start_s or 0.0) + offset_s
        end = (hypothesis.end_s if hypothesis.end_s is not None else start - offset_s) + offset_s
        return round(start, 3), round(max(start, end), 3)

    def _segment(
        self,
        track_id: str,
        segment_id: str,
        hypothesis: Hypothesis,
        whose: Attribution,
        text: str,
        words: tuple[Word, ...],
        offset_s: float,
    ) -> Segment:
        start_s, end_s = self._bounds(hypothesis, words, offset_s)
        onset_s = self._onsets.setdefault(segment_id, start_s)
        if hypothesis.final:
            del self._onsets[segment_id]
        return Segment(
            id=segment_id,
            revision=self._revisions[hypothesis.utterance_id],
            finalized=hypothesis.final,
            track_id=track_id,
            participant_id=whose.participant_id,
            speaker_name=self.roster.name_of(whose.participant_id),
            speaker_source=whose.source,
            speaker_confidence=whose.confidence,
            text=text or " ".join(word.text for word in words),
            words=words,
            start_s=start_s,
            end_s=end_s,
            confidence=hypothesis.confidence,
            language=hypothesis.language,
            onset_s=onset_s,
        )


@define
class Transcript:
    """The finalized segments of a meeting and the drafts of the moment. A reducer."""

    _finalized: dict[str, Segment] = field(factory=dict)
    _drafts: dict[str, Segment] = field(factory=dict)

    def finalized(self, segment: Segment) -> None:
        """Take a finalized segment, or a later revision of one; its draft goes."""
        self._drafts.pop(segment.id, None)
        known = self._finalized.get(segment.id)
        if known is None or segment.revision >= known.revision:
            self._finalized[segment.id] = segment

    def drafted(self, segment: Segment) -> bool:
        """Take a draft; return False for one that is older than what is known."""
        if segment.id in self._finalized:
            return False
        known = self._drafts.get(segment.id)
        if known is not None and known.revision >= segment.revision:
            return False
        self._drafts[segment.id] = segment
        return True

    @property
    def segments(self) -> list[Segment]:
        """Finalized segments in the order they were spoken."""
        return sorted(self._finalized.values(), key=spoken_order)

    @property
    def drafts(self) -> list[Segment]:
        """The drafts of the moment in the order they were spoken."""
        return sorted(self._drafts.values(), key=spoken_order)

    @property
    def text(self) -> str:
        """The transcript as lines of `name: text`."""
        return "\n".join(f"{s.speaker_name or 'Unknown'}: {s.text}" for s in self.segments)

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> Transcript:
        """Build one from finalized segments."""
        transcript = cls()
        for segment in segments:
            transcript.finalized(segment)
        return transcript
