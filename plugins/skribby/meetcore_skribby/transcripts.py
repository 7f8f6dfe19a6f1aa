"""Segments as Skribby writes them, with a whole number for each speaker. Pure."""

from __future__ import annotations

from typing import TypedDict

from attrs import define, field

from meetcore import Segment

__all__ = ["LiveSegment", "RestSegment", "SpeakerNumbers", "live_segment", "rest_segment"]


class LiveSegment(TypedDict):
    """A segment in frames."""

    transcript: str
    start: float
    end: float
    speaker: int
    speaker_name: str | None


class RestWord(TypedDict):
    """A word in the bot object."""

    word: str
    start: float
    end: float
    speaker: int
    confidence: float | None


class RestUtterance(TypedDict):
    """A stretch of speech in the bot object, with its words."""

    transcript: str
    start: float
    end: float
    speaker: int
    confidence: float | None
    words: list[RestWord]


class RestSegment(LiveSegment):
    """A segment in the bot object."""

    potential_speaker_names: None
    confidence: float | None
    utterances: list[RestUtterance]


@define
class SpeakerNumbers:
    """Numbers speakers from 0 in the order they are first transcribed.

    Somebody unknown is numbered by the track they were heard on: two unknown people on a mix are
    one number, because nothing tells them apart.
    """

    _numbers: dict[str, int] = field(factory=dict)

    def number(self, segment: Segment) -> int:
        """Return the speaker's number, the same for the whole meeting."""
        who = segment.participant_id
        key = f"person {who}" if who is not None else f"track {segment.track_id}"
        return self._numbers.setdefault(key, len(self._numbers))


def live_segment(segment: Segment, speaker: int) -> LiveSegment:
    """Return a segment as in `ts` and `connected`."""
    return {
        "transcript": segment.text,
        "start": segment.start_s,
        "end": segment.end_s,
        "speaker": speaker,
        "speaker_name": segment.speaker_name,
    }


def rest_segment(segment: Segment, speaker: int) -> RestSegment:
    """Return a segment as in the bot object."""
    words: list[RestWord] = [
        {
            "word": word.text,
            "start": word.start_s,
            "end": word.end_s,
            "speaker": speaker,
            "confidence": word.confidence,
        }
        for word in segment.words
    ]
    utterance: RestUtterance = {
        "transcript": segment.text,
        "start": segment.start_s,
        "end": segment.end_s,
        "speaker": speaker,
        "confidence": segment.confidence,
        "words": words,
    }
    return {
        **live_segment(segment, speaker),
        "potential_speaker_names": None,
        "confidence": segment.confidence,
        "utterances": [utterance] if words else [],
    }
