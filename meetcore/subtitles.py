"""Segments as subtitles and as text: cues short enough to read, each with a time of its own. Pure.

SubRip has no standard; what VLC and mpv read is taken: a number, a line of times with a comma, the
text, an empty line. WebVTT is W3C's: a voice tag for the speaker, `&`, `<` and `>` escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from attrs import frozen

from meetcore.transcript import Segment, Word

__all__ = ["VTT_HEAD", "Cue", "cues_of", "one_line", "srt_block", "txt_line", "vtt_block"]

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


def one_line(text: str) -> str:
    """Return `text` with line breaks, runs of space and control characters as single spaces."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())


def cues_of(segments: Iterable[Segment]) -> list[Cue]:
    """Return the cues of finalized segments, ordered by start.

    A segment is cut at its words' times into cues of at most 84 characters and about seven seconds.
    One whose words do not make up its text stays whole.
    """
    cues: list[Cue] = []
    for segment in segments:
        speaker = one_line(segment.speaker_name or "") or None
        for start_s, end_s, text in _pieces(segment):
            start_ms = max(0, round(start_s * 1000))
            end_ms = max(start_ms + _LEAST_MS, round(end_s * 1000))
            cues.append(Cue(start_ms, end_ms, speaker, text))
    return sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))


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


def txt_line(segment: Segment) -> str:
    """Return a segment as a line of `[00:01:02] Name: text`."""
    at = _time(max(0, round(segment.start_s * 1000)), ".")[:-4]
    name = one_line(segment.speaker_name or "") or "Unknown"
    return f"[{at}] {name}: {one_line(segment.text)}\n"


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{ms:03d}"
