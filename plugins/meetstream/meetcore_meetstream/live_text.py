"""Live transcription: a segment as MeetStream's chunks tell it. Pure."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from meetcore.model.transcript import Segment, Word
from meetcore_meetstream.variants import Variant, stamp

__all__ = ["UNKNOWN", "NewText", "bare", "chunk"]

UNKNOWN = "Unknown"


def bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    return word.strip(string.punctuation + "…“”„«»¿¡") or word


@define
class NewText:
    """Finds what a chunk adds to the one before it of the same segment."""

    _told: dict[str, str] = field(factory=dict)

    def of(self, segment: Segment) -> str:
        """Return what is new in a segment; all of it where its beginning has changed."""
        before = self._told.pop(segment.id, "")
        if not segment.finalized:
            self._told[segment.id] = segment.text
        if before and segment.text.startswith(before):
            return segment.text[len(before) :].strip()
        return segment.text


def chunk(
    segment: Segment,
    variant: Variant,
    *,
    bot_id: str,
    at: datetime,
    in_call_at: datetime | None,
    attributes: Mapping[str, Any],
    new_text: str | None = None,
) -> dict[str, Any]:
    """Return the body of one chunk.

    Args:
        segment: The segment, finalized or not.
        variant: Which dialect.
        bot_id: The bot's id.
        at: When it was told, for the case that there is no `in_call_at`.
        in_call_at: Where the meeting's time begins.
        attributes: The custom attributes.
        new_text: What is new in it; None for all of it.
    """
    name = segment.speaker_name or UNKNOWN
    begun = at if in_call_at is None else in_call_at + timedelta(seconds=segment.start_s)
    words = [_word(word, name) for word in segment.words]
    if variant is Variant.LEGACY:
        return {
            "speakerName": name,
            "timestamp": stamp(begun),
            "transcript": segment.text,
            "words": words,
            "bot_id": bot_id,
            "custom_attributes": dict(attributes),
        }
    return {
        "bot_id": bot_id,
        "speakerId": segment.participant_id or "",
        "speakerName": name,
        "timestamp": stamp(begun),
        "new_text": segment.text if new_text is None else new_text,
        "transcript": segment.text,
        "utterance": segment.text if segment.finalized else "",
        "words": [{**word, "word_is_final": segment.finalized} for word in words],
        "is_final": segment.finalized,
        "end_of_turn": segment.finalized,
        "turn_is_formatted": segment.finalized,
        "transcription_mode": "sentence" if segment.finalized else "raw",
        "custom_attributes": dict(attributes),
    }


def _word(word: Word, speaker: str) -> dict[str, Any]:
    confidence = word.confidence if word.confidence is not None else 0
    return {
        "word": bare(word.text),
        "start": word.start_s,
        "end": word.end_s,
        "confidence": confidence,
        "speaker": speaker,
        "punctuated_word": word.text,
        "speech_confidence": confidence,
    }
