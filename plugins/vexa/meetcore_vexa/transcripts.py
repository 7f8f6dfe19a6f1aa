"""The one place where a segment gets its Vexa form, for REST and for every frame.

Clients of E1 and E2 tell segments apart by the text of `absolute_start_time`, so it is made here
alone, from two facts of the journal that do not change: when the bot came in, and the segment's
onset. Two people may begin in the same millisecond; the digits below it, which the onset leaves
free, come from the segment's id, so that one does not replace the other.

A segment's seconds have both names, `start` and `start_time`, `end` and `end_time`, wherever it
stands: servers and documentation differ, and Vexa's own rendering library sorts by `start_time`
whatever it was given.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from attrs import frozen

from meetcore import Segment
from meetcore_vexa.variants import Variant, naive, zulu

__all__ = ["SegmentForm", "SessionFacts", "language_of", "segment_body", "shown_start_s"]


class SegmentForm(Enum):
    """Where a segment stands; some of its keys depend on it."""

    REST = "rest"
    MUTABLE = "mutable"
    FINALIZED = "finalized"
    BUNDLE = "bundle"


@frozen(kw_only=True)
class SessionFacts:
    """What all segments of a bot share.

    Attributes:
        uid: Names the attendance.
        began_at: When the bot was first in the call: second 0 of the meeting.
        language: What was ordered, for segments that do not say.
    """

    uid: str
    began_at: datetime | None = None
    language: str | None = None

    def absolute(self, at_s: float, extra_us: int = 0) -> str | None:
        """Return the wall time of a second of the meeting; None while its start is unknown."""
        if self.began_at is None:
            return None
        passed = timedelta(milliseconds=round(at_s * 1000), microseconds=extra_us)
        return zulu(self.began_at + passed)


def language_of(tag: str | None) -> str | None:
    """Return the language of a BCP-47 tag: `en` of `en-US`."""
    return tag.partition("-")[0].lower() if tag else None


def shown_start_s(segment: Segment) -> float:
    """Return the start that stays, whatever was heard of a segment later."""
    return segment.start_s if segment.onset_s is None else segment.onset_s


def segment_body(
    segment: Segment, at: datetime, session: SessionFacts, variant: Variant, form: SegmentForm
) -> dict[str, Any]:
    """Return a segment as a JSON object.

    Args:
        segment: The segment.
        at: When that revision of it came.
        session: Whose it is.
        variant: For whom.
        form: Where it will stand.
    """
    start_s = shown_start_s(segment)
    end_s = max(start_s, segment.end_s)
    extra_us = zlib.crc32(segment.id.encode("utf-8", "replace")) % 1000
    body: dict[str, Any] = {
        "segment_id": segment.id,
        "start": round(start_s, 3),
        "start_time": round(start_s, 3),
        "end": round(end_s, 3),
        "end_time": round(end_s, 3),
        "text": segment.text,
        "language": language_of(segment.language or session.language),
        "completed": segment.finalized,
        "speaker": segment.speaker_name,
        "absolute_start_time": session.absolute(start_s, extra_us),
        "absolute_end_time": session.absolute(end_s, extra_us),
        "updated_at": zulu(at),
    }
    if form in (SegmentForm.MUTABLE, SegmentForm.FINALIZED):
        body["session_uid"] = session.uid
    if form is SegmentForm.MUTABLE:
        body["speaker_mapping_status"] = "MAPPED" if segment.speaker_name else "UNKNOWN"
    if form is SegmentForm.REST:
        body["created_at"] = zulu(at) if variant is Variant.E4 else naive(at)
    if variant is Variant.E4:
        body["speaker_key"] = segment.participant_id or segment.track_id
        if form is SegmentForm.REST:
            body |= _detail(segment)
    return body


def _detail(segment: Segment) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if segment.confidence is not None:
        detail["confidence"] = segment.confidence
    if segment.words:
        detail["words"] = [
            {
                "word": word.text,
                "start": word.start_s,
                "end": word.end_s,
                "probability": word.confidence,
            }
            for word in segment.words
        ]
    return detail
