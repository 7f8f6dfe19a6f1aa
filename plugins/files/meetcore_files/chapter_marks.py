"""Chapters in the head of a file: written before its first packet, and read back. Blocks.

MP4 and M4A have them as a track of text and as Nero's list, MP3 as frames of ID3v2 (`CHAP`), Ogg
as comments. FLAC and WAV have none that libavformat writes.

Facts of libavformat (62):

* It rounds the seconds of an Ogg chapter by themselves and then adds the milliseconds, so that
  1.5 s becomes 2.5 s. The comments are therefore written here, in the form that it reads.
* A file of MP4 with chapters has one more stream, of the kind `data` and without a codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from meetcore.model import Chapter

__all__ = ["chapters_between", "chapters_in", "has_chapters", "mark_chapters"]

_WITH_CHAPTERS = frozenset({".mp4", ".m4a", ".mp3", ".opus"})
_TICKS = 1000
"""Of a chapter's time, a second."""
_MOST_IN_OGG = 1000
"""Its comments are numbered with three digits."""


def has_chapters(path: Path) -> bool:
    """Whether files of this format can have chapters."""
    return path.suffix in _WITH_CHAPTERS


def mark_chapters(container: Any, suffix: str, chapters: Sequence[Chapter]) -> None:
    """Give a file its chapters; nothing may be written to it yet.

    Args:
        container: PyAV's container, open for writing.
        suffix: Its format by its ending; one that has no chapters gets none.
        chapters: In order; where the last one's end is not known it is where it begins.
    """
    if suffix == ".opus":
        for number, chapter in enumerate(chapters[:_MOST_IN_OGG]):
            name = f"CHAPTER{number:03d}"
            container.metadata[name] = _clock(chapter.start_s)
            container.metadata[f"{name}NAME"] = chapter.title
    elif suffix in _WITH_CHAPTERS:
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": round(chapter.start_s * _TICKS),
                    "end": round((chapter.end_s or chapter.start_s) * _TICKS),
                    "time_base": Fraction(1, _TICKS),
                    "metadata": {"title": chapter.title},
                }
                for number, chapter in enumerate(chapters)
            ]
        )


def chapters_in(container: Any) -> list[Chapter]:
    """Return the chapters of a file that is open for being read."""
    return [
        Chapter(
            start_s=round(float(each["start"] * each["time_base"]), 3),
            end_s=round(float(each["end"] * each["time_base"]), 3),
            title=each["metadata"].get("title", ""),
        )
        for each in container.chapters()
    ]


def chapters_between(chapters: Sequence[Chapter], start_s: float, end_s: float) -> list[Chapter]:
    """Return the chapters of a stretch, in its own time; one that it begins amid begins with it."""
    found: list[Chapter] = []
    for each in chapters:
        begins_s = max(each.start_s, start_s)
        ends_s = end_s if each.end_s is None else min(each.end_s, end_s)
        if begins_s < ends_s:
            begins_s, ends_s = begins_s - start_s, ends_s - start_s
            found.append(Chapter(start_s=begins_s, end_s=ends_s, title=each.title))
    return found


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * _TICKS), _TICKS)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"
