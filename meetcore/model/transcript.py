"""Words, hypotheses, segments and the transcript: who said what.

A segment is *mutable* while it is a draft and *finalized* once; its id is stable over
both, its revision only grows. Who said it comes with how that is known (law 10): a
track that belongs to one participant is certain; over a mix, the words are intersected
with the speaking timeline, and what no span covers stays unknown.

Who spoke may be learned late, or corrected. Then finalized segments come again as higher
revisions. Where one of them has no words any more, since they became another's, its last
revision is empty (`Segment.withdrawn`): a reader who keeps the newest revision of each id, and
knows nothing else, shows no word twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher

from attrs import define, evolve, field, frozen

from meetcore.model.roster import NameSource

__all__ = [
    "Hypothesis",
    "Segment",
    "Transcript",
    "Word",
    "revised",
    "spoken_form",
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
        speaker: The label that the transcriber tells voices on one track apart by, None where it
            does not. It is no name: see `Segment.participant_id`.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str | None = None


@frozen(kw_only=True)
class Hypothesis:
    """What a transcriber believes an utterance says, so far or for good.

    One more `final` one with a higher revision, after the utterance's final, corrects which voice
    said what: the labels of its words are put on the words at the same time, and nothing else is
    taken of it. Providers that tell voices apart learn better later.

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
        settled_words: How many of its first words will not change any more, though others may:
            they are kept, and not heard again, when the stream breaks.
        stable_words: How many of the first words of `text`, as spaces part them, will hardly change
            any more: the settled ones, and those that were the same in the draft before. See
            `SegmentDraft.stable_words`.
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
    settled_words: int = 0
    stable_words: int = 0


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
        correction: Whether it changes who said what was finalized before, or where one speaker's
            words end and another's begin. Whoever can only add text to what was shown passes such
            a revision over; whoever keeps the newest of each id has all words once.
        voice: The transcriber's label on this track for who speaks, where a participant's track
            carries several voices or nothing names the voice; None elsewhere. `NameVoice` names it.
        echo_of: In a withdrawn one, the segment that has the same words from another track.
        by_bot: Whether the bot itself said it.
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
    correction: bool = False
    voice: str | None = None
    echo_of: str | None = None
    by_bot: bool = False

    @property
    def withdrawn(self) -> bool:
        """Whether it says nothing any more: its words are another segment's now."""
        return self.finalized and not self.text and not self.words

    def without_text(self, echo_of: str | None = None) -> Segment:
        """Return its next revision, that takes it out of what is shown, as an echo or not."""
        return evolve(
            self,
            revision=self.revision + 1,
            text="",
            words=(),
            end_s=self.start_s,
            correction=True,
            echo_of=echo_of,
        )


def spoken_order(segment: Segment) -> tuple[float, float, str]:
    """Return what segments are sorted by wherever a transcript is shown: start, then end."""
    return segment.start_s, segment.end_s, segment.id


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
        correction=before.correction,
        by_bot=before.by_bot,
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


def spoken_form(token: str) -> str:
    """Return a token without what is not heard, so that `Hello,` and `hello` are one word."""
    heard = "".join(character for character in token.casefold() if character.isalnum())
    return heard or token


def _laid_over(words: Sequence[Word], tokens: Sequence[str]) -> Iterator[Word]:
    """Yield a word for each token with the times of the words it stands for; none if any has none.

    Every word yielded has a token's text, so nothing of the old words is left.
    """
    old, new = [spoken_form(word.text) for word in words], [spoken_form(token) for token in tokens]
    laid: list[Word] = []
    for _, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if d - c == b - a:
            pairs = zip(words[a:b], tokens[c:d], strict=True)
            laid += [evolve(word, text=token) for word, token in pairs]
        elif d - c == 1 and b > a:
            first, last = words[a], words[b - 1]
            label = first.speaker if first.speaker == last.speaker else None
            laid.append(Word(tokens[c], first.start_s, last.end_s, speaker=label))
        elif d > c:
            return
    yield from laid


@define
class Transcript:
    """The finalized segments of a meeting and the drafts of the moment. A reducer.

    What was withdrawn is remembered, so that nothing older comes back, and not shown.
    """

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

    def newest(self, segment_id: str) -> Segment | None:
        """Return the newest finalized revision of a segment, a withdrawn one too."""
        return self._finalized.get(segment_id)

    @property
    def segments(self) -> list[Segment]:
        """Finalized segments in the order they were spoken."""
        shown = (segment for segment in self._finalized.values() if not segment.withdrawn)
        return sorted(shown, key=spoken_order)

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
