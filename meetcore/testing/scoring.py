"""How good a transcript is: word error rate, and share of words given to the right person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from attrs import field, frozen

from meetcore.testing.script import ReferenceWord, words_of

__all__ = [
    "HypothesisWord",
    "Score",
    "Share",
    "WordErrors",
    "align",
    "attribute",
    "normalise",
    "score_transcript",
    "word_errors",
]

ONES = "one two three four five six seven eight nine"
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
SMALL = ("zero", *ONES.split(), *TEENS.split())
TENS = ("", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
SCALES = ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred"))


def normalise(text: str) -> tuple[str, ...]:
    """Split text into comparable words: lower case, no punctuation, digits written out.

    `"It's 42, OK?"` becomes `("it's", "forty", "two", "ok")`.
    """
    words: list[str] = []
    for word in words_of(text.replace(",", " ").replace("%", " percent ")):
        if word.isascii() and word.isdigit() and len(word) <= 9:
            words.extend(_spoken(int(word)))
        else:
            words.append(word)
    return tuple(words)


def _spoken(number: int) -> list[str]:
    for size, name in SCALES:
        if number >= size:
            rest = number % size
            return [*_spoken(number // size), name, *(_spoken(rest) if rest else [])]
    if number >= 20:
        tens, ones = divmod(number, 10)
        return [TENS[tens], *([SMALL[ones]] if ones else [])]
    return [SMALL[number]]


def align(
    reference: Sequence[str], hypothesis: Sequence[str]
) -> list[tuple[int | None, int | None]]:
    """Align two word sequences with the fewest changes (Levenshtein).

    Among alignments with equally few changes it takes one with the most words in common.

    Returns:
        Pairs of indices in order: (i, j) for a match or a substitution, (i, None) for a
        missing word, (None, j) for an inserted one.
    """
    change = len(reference) + len(hypothesis) + 1  # outweighs any number of lost matches
    rows = [[change * j for j in range(len(hypothesis) + 1)]]
    for i, word in enumerate(reference, 1):
        above = rows[-1]
        row = [change * i]
        for j, other in enumerate(hypothesis, 1):
            exchange = 0 if word == other else change + 1
            row.append(min(above[j - 1] + exchange, above[j] + change, row[j - 1] + change))
        rows.append(row)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(reference), len(hypothesis)
    while i or j:
        here = rows[i][j]
        same = i > 0 and j > 0 and reference[i - 1] == hypothesis[j - 1]
        if i and j and here == rows[i - 1][j - 1] + (0 if same else change + 1):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and here == rows[i - 1][j] + change:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


@frozen
class WordErrors:
    """Counts of an alignment. They add up: `a + b` is the count over both."""

    reference: int = 0
    substituted: int = 0
    missing: int = 0
    inserted: int = 0

    @property
    def errors(self) -> int:
        """Substituted, missing and inserted words together."""
        return self.substituted + self.missing + self.inserted

    @property
    def rate(self) -> float:
        """Word error rate: errors per reference word; 0 for nothing against nothing."""
        if self.reference == 0:
            return 1.0 if self.inserted else 0.0
        return self.errors / self.reference

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.reference + other.reference,
            self.substituted + other.substituted,
            self.missing + other.missing,
            self.inserted + other.inserted,
        )


def word_errors(reference: str | Sequence[str], hypothesis: str | Sequence[str]) -> WordErrors:
    """Count the word errors of a hypothesis; texts are normalised first, sequences are not."""
    ref = normalise(reference) if isinstance(reference, str) else reference
    hyp = normalise(hypothesis) if isinstance(hypothesis, str) else hypothesis
    pairs = align(ref, hyp)
    return WordErrors(
        reference=len(ref),
        substituted=sum(i is not None and j is not None and ref[i] != hyp[j] for i, j in pairs),
        missing=sum(j is None for _, j in pairs),
        inserted=sum(i is None for i, _ in pairs),
    )


@frozen
class HypothesisWord:
    """One word of a transcript, in seconds on the clock of the reference.

    Attributes:
        text: The word as transcribed.
        who: Id of the person it was given to; None for unknown.
        start_s: Its start.
        end_s: Its end.
    """

    text: str
    who: str | None
    start_s: float
    end_s: float


@frozen
class Share:
    """So many of so many."""

    right: int = 0
    of: int = 0

    @property
    def value(self) -> float:
        """The share, 1.0 when there was nothing to get wrong."""
        return self.right / self.of if self.of else 1.0

    def __add__(self, other: Share) -> Share:
        return Share(self.right + other.right, self.of + other.of)


@frozen(kw_only=True)
class Score:
    """What a transcript is worth.

    Attributes:
        words: Errors over all people: each person's words against what was given to that
            person, so a word given to the wrong one counts as missing here and inserted there.
        words_by_person: The same for each person.
        attributed_in_overlaps: Of the reference words found in the transcript that were said
            while somebody else spoke: how many carry the right person.
        attributed_alone: The same for words said while nobody else spoke.
    """

    words: WordErrors
    words_by_person: dict[str, WordErrors] = field(factory=dict)
    attributed_in_overlaps: Share
    attributed_alone: Share

    @property
    def attributed(self) -> Share:
        """All words together."""
        return self.attributed_in_overlaps + self.attributed_alone


def score_transcript(
    reference: Iterable[ReferenceWord],
    hypothesis: Iterable[HypothesisWord],
    *,
    slack_s: float = 2.0,
) -> Score:
    """Score a transcript against what was said.

    Args:
        reference: What was said, from `Script.reference_words`.
        hypothesis: What was transcribed, on the same clock.
        slack_s: How far the two clocks may be apart for a word to count as found.
    """
    said = sorted((w for word in reference for w in _split_reference(word)), key=_start_s)
    found = sorted((w for word in hypothesis for w in _split(word)), key=_start_s)
    people = {word.who for word in said} | {word.who for word in found if word.who is not None}
    by_person = {
        who: word_errors(
            [word.text for word in said if word.who == who],
            [word.text for word in found if word.who == who],
        )
        for who in sorted(people)
    }
    nobodys = WordErrors(inserted=sum(word.who is None for word in found))
    shares = {True: Share(), False: Share()}
    for word, who in attribute(said, found, slack_s=slack_s):
        shares[word.overlapped] += Share(int(who == word.who), 1)
    return Score(
        words=sum(by_person.values(), nobodys),
        words_by_person=by_person,
        attributed_in_overlaps=shares[True],
        attributed_alone=shares[False],
    )


def attribute(
    reference: Iterable[ReferenceWord], hypothesis: Iterable[HypothesisWord], *, slack_s: float
) -> list[tuple[ReferenceWord, str | None]]:
    """Say for each reference word that was transcribed to whom it was given.

    Each line is aligned with what each person is said to have said around that time. Where a
    word is found with several people, the one with most words of that line is meant: "the" in
    somebody else's sentence is no rival to a whole sentence.

    Returns:
        The found words with the person they carry; words not found are left out.
    """
    lines: dict[int, list[ReferenceWord]] = defaultdict(list)
    for word in reference:
        lines[word.line].append(word)
    spoken: dict[str | None, list[HypothesisWord]] = defaultdict(list)
    for heard in hypothesis:
        spoken[heard.who].append(heard)
    result: list[tuple[ReferenceWord, str | None]] = []
    for line in lines.values():
        start_s, end_s = line[0].start_s - slack_s, line[-1].end_s + slack_s
        texts = [word.text for word in line]
        matches: dict[str | None, set[int]] = {}
        for who, words in spoken.items():
            near = [w.text for w in words if w.end_s > start_s and w.start_s < end_s]
            matches[who] = {
                i
                for i, j in align(texts, near)
                if i is not None and j is not None and texts[i] == near[j]
            }
        for index, word in enumerate(line):
            with_it = [who for who, indices in matches.items() if index in indices]
            if with_it:
                best = max(with_it, key=lambda who: (len(matches[who]), who == word.who))
                result.append((word, best))
    return result


def _start_s(word: ReferenceWord | HypothesisWord) -> float:
    return word.start_s


def _split(word: HypothesisWord) -> list[HypothesisWord]:
    return [
        HypothesisWord(text, word.who, word.start_s, word.end_s) for text in normalise(word.text)
    ]


def _split_reference(word: ReferenceWord) -> list[ReferenceWord]:
    return [
        ReferenceWord(text, word.who, word.line, word.start_s, word.end_s, word.overlapped)
        for text in normalise(word.text)
    ]
