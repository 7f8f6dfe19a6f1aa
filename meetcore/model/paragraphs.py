"""A transcript as people read it: what one person says in a row is a paragraph. Pure.

Segments are cut where somebody draws breath; a reader wants sentences. So segments of one speaker
that follow each other, with nobody else in between and without a long pause, are one paragraph, and
a speech that goes on for very long begins a new one at the end of a sentence. The engine's
punctuation, its capitals and its numbers stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import define, frozen

from meetcore.model.printable import one_line
from meetcore.model.transcript import Segment, spoken_order

__all__ = [
    "Paragraph",
    "ParagraphFlow",
    "paragraphs_of",
    "txt_paragraph",
    "without_fillers",
]

LONGEST_PAUSE_S = 4.0
MANY_WORDS = 120

_FILLERS = {
    "en": ("um", "umm", "uh", "uhh", "uhm", "erm", "er", "hmm", "mhm", "mm"),
    "de": ("äh", "ähm", "öhm", "hm", "hmm"),
    "es": ("eh", "em", "mmm"),
    "fr": ("euh", "heu", "hum"),
    "it": ("ehm", "uhm", "mmm"),
    "nl": ("uh", "uhm", "ehm"),
    "pt": ("hum", "hã", "ãh"),
}
_ENDS_SENTENCE = (".", "?", "!", "…", "。", "?", "!")


@frozen(kw_only=True)
class Paragraph:
    """What one person says in a row.

    Attributes:
        speaker_name: Who, None where unknown.
        start_s: Start in seconds of meeting time.
        end_s: End in seconds of meeting time.
        text: The text.
        segment_ids: The segments it is made of, for a citation.
    """

    speaker_name: str | None
    start_s: float
    end_s: float
    text: str
    segment_ids: tuple[str, ...]


@define
class _Open:
    """A paragraph that may go on."""

    first: Segment
    end_s: float
    texts: list[str]
    ids: list[str]
    words: int

    def goes_on_with(self, segment: Segment) -> bool:
        if _who(segment) != _who(self.first) or segment.start_s - self.end_s > LONGEST_PAUSE_S:
            return False
        full = self.words >= MANY_WORDS and self.texts[-1].endswith(_ENDS_SENTENCE)
        return not full

    def closed(self) -> Paragraph:
        return Paragraph(
            speaker_name=self.first.speaker_name,
            start_s=self.first.start_s,
            end_s=self.end_s,
            text=" ".join(self.texts),
            segment_ids=tuple(self.ids),
        )


def _who(segment: Segment) -> tuple[str | None, str | None, str]:
    unknown = segment.participant_id is None and segment.speaker_name is None
    return segment.participant_id, segment.speaker_name, segment.track_id if unknown else ""


@define
class ParagraphFlow:
    """Makes paragraphs of segments that come in the order in which they were spoken.

    Attributes:
        fillers: Whether words like "um" stay.
    """

    fillers: bool = True
    _current: _Open | None = None

    def take(self, segment: Segment) -> list[Paragraph]:
        """Take the next segment; return the paragraph that it does not belong to any more."""
        text = one_line(segment.text)
        if not self.fillers:
            text = without_fillers(text, segment.language)
        if not text:
            return []
        current, count = self._current, len(text.split())
        if current is not None and current.goes_on_with(segment):
            current.texts.append(text)
            current.ids.append(segment.id)
            current.end_s = max(current.end_s, segment.end_s)
            current.words += count
            return []
        self._current = _Open(segment, segment.end_s, [text], [segment.id], count)
        return [] if current is None else [current.closed()]

    def rest(self) -> list[Paragraph]:
        """Return what is still open: nothing follows."""
        current, self._current = self._current, None
        return [] if current is None else [current.closed()]


def paragraphs_of(segments: Iterable[Segment], *, fillers: bool = True) -> list[Paragraph]:
    """Return a transcript's paragraphs in the order they were begun.

    Args:
        segments: Finalized segments, in any order.
        fillers: Whether words like "um" stay.
    """
    flow = ParagraphFlow(fillers)
    whole = [each for s in sorted(segments, key=spoken_order) for each in flow.take(s)]
    return [*whole, *flow.rest()]


def txt_paragraph(paragraph: Paragraph) -> str:
    """Return a paragraph as a line of `[00:01:02] Name: text`."""
    seconds = max(0, int(paragraph.start_s))
    at = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"[{at}] {one_line(paragraph.speaker_name or '') or 'Unknown'}: {paragraph.text}\n"


def without_fillers(text: str, language: str | None) -> str:
    """Return a text without the sounds that people make while they think.

    What a sentence begins with afterwards has the capital that the sound had.

    Args:
        text: One line.
        language: BCP-47 tag; English where it is unknown. Of other languages nothing is taken out.
    """
    known = _FILLERS.get((language or "en").partition("-")[0].lower(), ())
    if not known:
        return text
    kept: list[str] = []
    capital = False
    for word in text.split():
        bare = re.sub(r"[^\w]+", "", word).lower()
        if bare in known:
            capital = capital or (word[:1].isupper() and _begins(kept))
            if word.endswith(_ENDS_SENTENCE) and kept and not kept[-1].endswith(_ENDS_SENTENCE):
                kept[-1] = kept[-1].rstrip(",;:-–") + word[-1]
            continue
        if capital and _begins(kept):
            word = word[:1].upper() + word[1:]
        capital = False
        kept.append(word)
    return " ".join(kept)


def _begins(kept: Sequence[str]) -> bool:
    return not kept or kept[-1].endswith(_ENDS_SENTENCE)
