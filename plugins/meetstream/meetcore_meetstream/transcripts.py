"""The transcript as get_transcript gives it, one line at a time. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from meetcore import Segment
from meetcore.gateway import format_ms
from meetcore_meetstream.frames import UNKNOWN, bare

__all__ = ["Lines", "raw_line"]


@define
class Lines:
    """Writes lines and numbers their speakers, in the order in which they first speak.

    Args:
        in_call_at: Where the meeting's time begins, None for unknown.
    """

    in_call_at: datetime | None
    _numbers: dict[str, int] = field(factory=dict)

    def line(self, segment: Segment) -> dict[str, Any]:
        """Return a segment as a line."""
        name = segment.speaker_name or UNKNOWN
        number = self._numbers.setdefault(segment.participant_id or name, len(self._numbers))
        return {
            "speaker": name,
            "transcript": segment.text,
            "start_time": segment.start_s,
            "end_time": segment.end_s,
            "absolute_start_time": self._at(segment.start_s),
            "absolute_end_time": self._at(segment.end_s),
            "words": [
                {
                    "word": bare(word.text),
                    "punctuated_word": word.text,
                    "start": word.start_s,
                    "end": word.end_s,
                    "confidence": 0 if word.confidence is None else word.confidence,
                    "speaker": number,
                    "speaker_confidence": segment.speaker_confidence,
                }
                for word in segment.words
            ],
        }

    def _at(self, seconds: float) -> str | None:
        if self.in_call_at is None:
            return None
        return format_ms(self.in_call_at + timedelta(seconds=seconds))


def raw_line(segment: Segment) -> dict[str, Any]:
    """Return a segment as the transcriber gave it."""
    return {
        "id": segment.id,
        "channel": segment.track_id,
        "speaker": segment.speaker_name,
        "speaker_source": segment.speaker_source.value,
        "transcript": segment.text,
        "confidence": segment.confidence,
        "language": segment.language,
        "start": segment.start_s,
        "end": segment.end_s,
        "words": [
            {"word": w.text, "start": w.start_s, "end": w.end_s, "confidence": w.confidence}
            for w in segment.words
        ],
    }
