"""Whose words are by a platform's captions: its text beside ours, at the same time, has a name.

A caption comes seconds after the words, is worded by another recogniser, and two people may say
the same. So words are held against the lines that may be of their time, and count where several
in a row are the same, or where a line or an utterance is the same from end to end. Words between
those of one line are that line's too: there the two recognisers heard different things.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from difflib import SequenceMatcher
from math import inf

from attrs import define, field, frozen

from meetcore.model.transcript import Word, spoken_form

__all__ = ["CAPTION_LAG_S", "CaptionNames", "NamedLine"]

CAPTION_LAG_S = 5.0
"""How long after its words a line of captions begins to be seen, at most."""

_EARLY_S = 2.0
_TELLING = 3


@frozen(kw_only=True)
class NamedLine:
    """A finished line of captions and who said it.

    Attributes:
        key: What stays the same over all revisions of the line.
        participant_id: Who speaks, None where that is not known.
        text: What the line shows.
        start_s: When it was first seen, in seconds of meeting time.
        end_s: When it last grew.
    """

    key: str
    participant_id: str | None
    text: str
    start_s: float
    end_s: float


@define
class _Beside:
    """What is best known of one word: whose it is, by how many words in a row."""

    length: int = 0
    whose: str | None = None


@define
class CaptionNames:
    """The lines of captions of a meeting, as evidence for names."""

    _lines: dict[str, NamedLine] = field(factory=dict)
    _order: list[tuple[float, str]] = field(factory=list)
    _longest_s: float = 0.0

    def take(self, line: NamedLine) -> float | None:
        """Take a line, or a later revision of one.

        Returns:
            Since when, in seconds of meeting time, words may be somebody else's by it; None if it
            changes nothing.
        """
        before = self._lines.get(line.key)
        if before == line:
            return None
        since_s = line.start_s if before is None else min(line.start_s, before.start_s)
        if before is not None:
            self._order.remove((before.start_s, before.key))
        self._lines[line.key] = line
        place = (line.start_s, line.key)
        self._order.insert(bisect_left(self._order, place), place)
        self._longest_s = max(self._longest_s, line.end_s - line.start_s)
        return since_s - CAPTION_LAG_S

    def speakers(self, words: Sequence[Word]) -> list[str | None]:
        """Return for each word who said it by the captions, None where they do not tell."""
        if not words or not self._order:
            return [None] * len(words)
        beside = [_Beside() for _ in words]
        heard = [spoken_form(word.text) for word in words]
        first = (words[0].start_s - _EARLY_S - self._longest_s, "")
        last = (words[-1].end_s + CAPTION_LAG_S, "")
        at, end = bisect_left(self._order, first), bisect_left(self._order, last)
        for _, key in self._order[at:end]:
            line = self._lines[key]
            if line.participant_id is not None:
                self._lay(line, line.participant_id, words, heard, beside)
        return [each.whose for each in beside]

    @staticmethod
    def _lay(
        line: NamedLine,
        who: str,
        words: Sequence[Word],
        heard: Sequence[str],
        beside: Sequence[_Beside],
    ) -> None:
        """Lay one line beside the words that may be of its time."""
        may = [
            place
            for place, word in enumerate(words)
            if line.start_s - CAPTION_LAG_S <= word.end_s and word.start_s <= line.end_s + _EARLY_S
        ]
        if not may:
            return
        shown = [spoken_form(token) for token in line.text.split()]
        ours = heard[may[0] : may[-1] + 1]
        blocks = SequenceMatcher(None, ours, shown, autojunk=False).get_matching_blocks()
        enough = min(_TELLING, len(shown), len(words))
        telling = [block for block in blocks if block.size >= enough]
        previous = inf
        for block in telling:
            begin = may[0] + block.a
            # What lies between two telling stretches of one line was said by the same person.
            for place in range(begin, begin + block.size):
                _best(beside[place], who, block.size)
            if previous < begin:
                for place in range(int(previous), begin):
                    _best(beside[place], who, 1)
            previous = begin + block.size


def _best(known: _Beside, who: str, length: int) -> None:
    if length > known.length:
        known.length, known.whose = length, who
    elif length == known.length and known.whose != who:
        known.whose = None
