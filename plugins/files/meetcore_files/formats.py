"""The transcript in its four formats, as text. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from meetcore import Segment
from meetcore.model import VTT_HEAD, cues_of, spoken_order, srt_block, txt_line, vtt_block

__all__ = ["FORMATS", "TranscriptFormat", "to_json", "to_srt", "to_txt", "to_vtt"]


def to_json(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return everything that is known: words with times and confidence, speaker and source.

    Args:
        segments: Finalized segments, in any order.
        about: Put before the segments: the bot's id, the meeting.
    """
    listed = [_segment(segment) for segment in sorted(segments, key=spoken_order)]
    return json.dumps({**about, "segments": listed}, ensure_ascii=False, indent=2) + "\n"


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "revision": segment.revision,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "speaker_name": segment.speaker_name,
        "participant_id": segment.participant_id,
        "speaker_source": str(segment.speaker_source.value),
        "speaker_confidence": segment.speaker_confidence,
        "track_id": segment.track_id,
        "text": segment.text,
        "confidence": segment.confidence,
        "language": segment.language,
        "words": [
            {"text": w.text, "start_s": w.start_s, "end_s": w.end_s, "confidence": w.confidence}
            for w in segment.words
        ],
    }


def to_srt(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return SubRip subtitles."""
    del about
    return "".join(srt_block(number, cue) for number, cue in enumerate(cues_of(segments), 1))


def to_vtt(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return WebVTT subtitles with a voice tag for who speaks."""
    del about
    return VTT_HEAD + "".join(vtt_block(cue) for cue in cues_of(segments))


def to_txt(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return lines of `[00:01:02] Name: text`."""
    del about
    return "".join(txt_line(segment) for segment in sorted(segments, key=spoken_order))


@frozen
class TranscriptFormat:
    """A transcript's file name, media type and writer."""

    file_name: str
    media_type: str
    write: Callable[[Sequence[Segment], Mapping[str, Any]], str]


FORMATS: tuple[TranscriptFormat, ...] = (
    TranscriptFormat("transcript.json", "application/json", to_json),
    TranscriptFormat("transcript.srt", "application/x-subrip", to_srt),
    TranscriptFormat("transcript.vtt", "text/vtt", to_vtt),
    TranscriptFormat("transcript.txt", "text/plain; charset=utf-8", to_txt),
)
"""Every format a transcript is written in."""
