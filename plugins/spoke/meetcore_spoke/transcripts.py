"""The transcript in the two shapes Spoke has for it, and who spoke. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NotRequired, TypedDict

from attrs import define

from meetcore import BotHistory, Segment, Word

__all__ = ["SpeakerNames", "StoredLine", "StoredLines", "TranscriptLine", "line", "speakers"]

UNKNOWN = "Unknown"


class LineWord(TypedDict):
    """A word in `complete`."""

    start: float
    end: float
    word: str


class TranscriptLine(TypedDict):
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


def line(segment: Segment, *, extended: bool) -> TranscriptLine:
    """Return a segment as in `complete`.

    Args:
        segment: The segment.
        extended: Whether the later fields are in it.
    """
    spoken: TranscriptLine = {
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


@define
class StoredLines:
    """Makes the lines of `meeting_data` one by one, and numbers lines and words from 1.

    Args:
        bot_number: The bot.
    """

    bot_number: int
    _lines: int = 0
    _words: int = 0

    def line(self, segment: Segment) -> StoredLine:
        """Return the next segment."""
        words: list[StoredWord] = [
            {
                "id": self._words + index,
                "bot_id": self.bot_number,
                "start_time": word.start_s,
                "end_time": word.end_s,
                "text": word.text,
            }
            for index, word in enumerate(_words(segment), 1)
        ]
        self._words += len(words)
        self._lines += 1
        return {
            "id": self._lines,
            "bot_id": self.bot_number,
            "speaker": segment.speaker_name or UNKNOWN,
            "start_time": segment.start_s,
            "end_time": segment.end_s,
            "lang": segment.language,
            "user_id": None,
            "words": words,
        }


class SpeakerNames:
    """Who spoke, by what is known without the transcript and by each segment taken.

    Args:
        history: The bot's.
    """

    def __init__(self, history: BotHistory) -> None:
        self._first_s: dict[str, float] = {}
        for span in history.timeline.spans:
            presence = history.people.get(span.participant_id)
            if presence is not None and not presence.participant.is_self:
                self._spoke(presence.participant.name, span.start_s)

    def _spoke(self, name: str, start_s: float) -> None:
        self._first_s[name] = min(start_s, self._first_s.get(name, start_s))

    def take(self, segment: Segment) -> None:
        """Take a segment."""
        if segment.speaker_name:
            self._spoke(segment.speaker_name, segment.start_s)

    @property
    def names(self) -> list[str]:
        """Their names, in the order they first spoke; nobody is guessed."""
        return sorted(self._first_s, key=lambda name: self._first_s[name])


def speakers(history: BotHistory, segments: Iterable[Segment] = ()) -> list[str]:
    """Return the names of those who spoke, in the order they first did."""
    known = SpeakerNames(history)
    for segment in segments:
        known.take(segment)
    return known.names
