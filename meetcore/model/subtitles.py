"""Segments as subtitles and as text: cues short enough to read, each with a time of its own. Pure.

SubRip has no standard; what VLC and mpv read is taken: a number, a line of times with a comma, the
text, an empty line. WebVTT is W3C's: a voice tag for the speaker, `&`, `<` and `>` escaped.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import define, field, frozen

from meetcore.model.printable import one_line
from meetcore.model.transcript import Segment, Word, spoken_order

__all__ = [
    "VTT_HEAD",
    "Cue",
    "CueQueue",
    "cues_of",
    "srt_block",
    "vtt_block",
]

_MAX_CHARACTERS = 84
_MAX_SECONDS = 7.0
_LEAST_MS = 1
_ARROW = re.compile("-{2,}>")

VTT_HEAD = "WEBVTT\n"
"""What a WebVTT file begins with."""


@frozen
class Cue:
    """A line to show from `start_ms` to `end_ms` (milliseconds of meeting time).

    Attributes:
        start_ms: When it appears.
        end_ms: When it goes; always later.
        speaker: Who says it, None where unknown.
        text: One line, without control characters.
    """

    start_ms: int
    end_ms: int
    speaker: str | None
    text: str


@define
class CueQueue:
    """Puts the cues of segments in order, while the segments come in the order of speech.

    A long segment is cut into several cues, and another voice may begin between two of them: a cue
    waits here until nothing can come before it.
    """

    _waiting: list[tuple[int, int, int, Cue]] = field(factory=list)
    _taken: int = 0

    def take(self, segment: Segment) -> list[Cue]:
        """Return the cues that are due before the next segment, which is this one."""
        begins_ms = _ms(segment.start_s)
        due = self._due(begins_ms)
        for cue in _cut(segment):
            self._taken += 1
            heapq.heappush(self._waiting, (cue.start_ms, cue.end_ms, self._taken, cue))
        return due

    def rest(self) -> list[Cue]:
        """Return what still waits, after the last segment."""
        return self._due(None)

    def _due(self, before_ms: int | None) -> list[Cue]:
        due: list[Cue] = []
        while self._waiting and (before_ms is None or self._waiting[0][0] < before_ms):
            due.append(heapq.heappop(self._waiting)[3])
        return due


def cues_of(segments: Iterable[Segment]) -> list[Cue]:
    """Return the cues of finalized segments, by start, then by end.

    A segment is cut at its words' times into cues of at most 84 characters and about seven seconds.
    One whose words do not make up its text stays whole.
    """
    queue = CueQueue()
    cues: list[Cue] = []
    for segment in sorted(segments, key=spoken_order):
        cues += queue.take(segment)
    return cues + queue.rest()


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _cut(segment: Segment) -> Iterator[Cue]:
    speaker = one_line(segment.speaker_name or "") or None
    begins_ms = _ms(segment.start_s)
    for start_s, end_s, text in _pieces(segment):
        start_ms = max(begins_ms, _ms(start_s))
        yield Cue(start_ms, max(start_ms + _LEAST_MS, _ms(end_s)), speaker, text)


def _pieces(segment: Segment) -> list[tuple[float, float, str]]:
    text = one_line(segment.text)
    words = [word for word in segment.words if one_line(word.text)]
    if " ".join(one_line(word.text) for word in words) != text:
        return [(segment.start_s, segment.end_s, text)] if text else []
    return [
        (run[0].start_s, run[-1].end_s, " ".join(one_line(word.text) for word in run))
        for run in _runs(words)
    ]


def _runs(words: Sequence[Word]) -> list[list[Word]]:
    runs: list[list[Word]] = []
    length = 0
    for word in words:
        longer = length + 1 + len(one_line(word.text))
        if runs and longer <= _MAX_CHARACTERS and word.end_s - runs[-1][0].start_s <= _MAX_SECONDS:
            runs[-1].append(word)
            length = longer
        else:
            runs.append([word])
            length = len(one_line(word.text))
    return runs


def srt_block(number: int, cue: Cue) -> str:
    """Return the cue with a number, from 1, in SubRip.

    An arrow within the text becomes `->`, or it would read as times.
    """
    line = f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text
    line = _ARROW.sub("->", line)
    gap = "\n" if number > 1 else ""
    return f"{gap}{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{line}\n"


def vtt_block(cue: Cue) -> str:
    """Return a cue in WebVTT, with a voice tag for who speaks."""
    text = _escaped(cue.text)
    line = f"<v {_escaped(cue.speaker)}>{text}" if cue.speaker else text
    return f"\n{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{line}\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{ms:03d}"
