"""The transcript in the two shapes Spoke has for it, and who spoke. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NotRequired, TypedDict

from meetcore.story import Story
from meetcore.transcript import Segment, Word

__all__ = ["Line", "StoredLine", "line", "speakers", "stored_lines"]

UNKNOWN = "Unknown"


class LineWord(TypedDict):
    """A word in `complete`."""

    start: float
    end: float
    word: str


class Line(TypedDict):
    """What one speaker said, in `complete`; the times are later additions."""

    speaker: str
    words: list[LineWord]
    offset: NotRequired[float]
    start_time: NotRequired[float]
    end_time: NotRequired[float]


class StoredWord(TypedDict):
    """A word in `meeting_data`."""

    id: int
    bot_id: int
    start_time: float
    end_time: float
    text: str


class StoredLine(TypedDict):
    """What one speaker said, in `meeting_data`."""

    id: int
    bot_id: int
    speaker: str
    start_time: float
    end_time: float
    lang: str | None
    user_id: int | None
    words: list[StoredWord]


def _words(segment: Segment) -> Sequence[Word]:
    """Return a segment's words; where none have times, its text as one."""
    return segment.words or (Word(segment.text, segment.start_s, segment.end_s),)


def line(segment: Segment, *, extended: bool) -> Line:
    """Return a segment as in `complete`.

    Args:
        segment: The segment.
        extended: Whether the later fields are in it.
    """
    spoken: Line = {
        "speaker": segment.speaker_name or UNKNOWN,
        "words": [
            {"start": word.start_s, "end": word.end_s, "word": word.text}
            for word in _words(segment)
        ],
    }
    if extended:
        spoken["offset"] = spoken["start_time"] = segment.start_s
        spoken["end_time"] = segment.end_s
    return spoken


def stored_lines(segments: Iterable[Segment], bot_number: int) -> list[StoredLine]:
    """Return segments as in `meeting_data`, lines and words numbered from 1."""
    lines: list[StoredLine] = []
    words_so_far = 0
    for number, segment in enumerate(segments, 1):
        words: list[StoredWord] = [
            {
                "id": words_so_far + index,
                "bot_id": bot_number,
                "start_time": word.start_s,
                "end_time": word.end_s,
                "text": word.text,
            }
            for index, word in enumerate(_words(segment), 1)
        ]
        words_so_far += len(words)
        lines.append(
            {
                "id": number,
                "bot_id": bot_number,
                "speaker": segment.speaker_name or UNKNOWN,
                "start_time": segment.start_s,
                "end_time": segment.end_s,
                "lang": segment.language,
                "user_id": None,
                "words": words,
            }
        )
    return lines


def speakers(story: Story, segments: Iterable[Segment] = ()) -> list[str]:
    """Return the names of those who spoke, in the order they first did; nobody is guessed."""
    first_s: dict[str, float] = {}
    for span in story.timeline.spans:
        presence = story.people.get(span.participant_id)
        if presence is not None and not presence.participant.is_self:
            name = presence.participant.name
            first_s[name] = min(span.start_s, first_s.get(name, span.start_s))
    for segment in segments:
        name = segment.speaker_name or ""
        if name:
            first_s[name] = min(segment.start_s, first_s.get(name, segment.start_s))
    return sorted(first_s, key=lambda name: first_s[name])
