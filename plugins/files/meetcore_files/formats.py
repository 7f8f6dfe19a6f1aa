"""The transcript in its four formats, as text. Pure.

SubRip has no standard; what VLC and mpv read is taken: a number, a line of times with a comma, the
text, an empty line. WebVTT is W3C's: a voice tag for the speaker, `&`, `<` and `>` escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from meetcore.transcript import Segment
from meetcore_files.cues import Cue, cues_of, one_line

__all__ = ["FORMATS", "TranscriptFormat", "to_json", "to_srt", "to_txt", "to_vtt"]


_ARROW = re.compile("-{2,}>")


def to_json(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return everything that is known: words with times and confidence, speaker and source.

    Args:
        segments: Finalized segments in the order they were spoken.
        about: Put before the segments: the bot's id, the meeting.
    """
    listed = [_segment(segment) for segment in segments]
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
    """Return SubRip subtitles; an arrow within the text becomes `->`, or it would read as times."""
    del about
    blocks = [
        f"{number}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{_srt_line(cue)}\n"
        for number, cue in enumerate(cues_of(segments), 1)
    ]
    return "\n".join(blocks)


def _srt_line(cue: Cue) -> str:
    line = f"{cue.speaker}: {cue.text}" if cue.speaker else cue.text
    return _ARROW.sub("->", line)


def to_vtt(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return WebVTT subtitles with a voice tag for who speaks."""
    del about
    blocks = [
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_vtt_line(cue)}\n"
        for cue in cues_of(segments)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _vtt_line(cue: Cue) -> str:
    text = _escaped(cue.text)
    return f"<v {_escaped(cue.speaker)}>{text}" if cue.speaker else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def to_txt(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return lines of `[00:01:02] Name: text`."""
    del about
    return "".join(
        f"[{_time(max(0, round(s.start_s * 1000)), '.')[:-4]}] "
        f"{one_line(s.speaker_name or '') or 'Unknown'}: {one_line(s.text)}\n"
        for s in segments
    )


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{ms:03d}"


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
