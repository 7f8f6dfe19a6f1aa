"""The transcript in its formats, as text. Pure."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from meetcore import Segment
from meetcore.model import (
    VTT_HEAD,
    Paragraph,
    cues_of,
    one_line,
    paragraphs_of,
    spoken_order,
    srt_block,
    txt_paragraph,
    vtt_block,
)

__all__ = [
    "FORMATS",
    "TranscriptFormat",
    "to_html",
    "to_json",
    "to_md",
    "to_srt",
    "to_txt",
    "to_vtt",
]


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
        "voice": segment.voice,
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
    """Return a line of `[00:01:02] Name: text` for what somebody says in a row."""
    del about
    return "".join(txt_paragraph(each) for each in paragraphs_of(segments))


def to_md(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return Markdown: a paragraph for what somebody says in a row, the name in front of it."""
    rows = (
        f"\n**{_md(_name(each))}** *{_clock(each.start_s)}*  \n{_md(each.text)}\n"
        for each in paragraphs_of(segments)
    )
    return "".join([f"# {_md(_title(about))}\n", *rows])


def to_html(segments: Sequence[Segment], about: Mapping[str, Any]) -> str:
    """Return a page that stands alone: no script, nothing that is loaded from elsewhere."""
    title = html.escape(_title(about))
    rows = "".join(
        f'<section id="{html.escape(each.segment_ids[0])}"><h2>{html.escape(_name(each))} '
        f"<time>{_clock(each.start_s)}</time></h2><p>{html.escape(each.text)}</p></section>\n"
        for each in paragraphs_of(segments)
    )
    spoken = Counter(segment.language for segment in segments if segment.language)
    language = html.escape(spoken.most_common(1)[0][0] if spoken else "und")
    return _PAGE.format(title=title, style=_STYLE, rows=rows, language=language)


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
body { max-width: 42rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1rem; margin: 1.6rem 0 0 } p { margin: .2rem 0 }
time { font-weight: 400; opacity: .6; font-variant-numeric: tabular-nums; margin-left: .5rem }
"""
_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style>
<h1>{title}</h1>
{rows}</html>
"""


def _title(about: Mapping[str, Any]) -> str:
    source = str(about.get("source") or "")
    return one_line(str(about.get("meeting") or Path(source).name or "Transcript"))


def _name(paragraph: Paragraph) -> str:
    return one_line(paragraph.speaker_name or "") or "Unknown"


def _clock(seconds: float) -> str:
    minutes, second = divmod(max(0, int(seconds)), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}"


def _md(text: str) -> str:
    """Return a text with what Markdown would read as its own taken for what it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


@frozen
class TranscriptFormat:
    """A transcript's name for people, file name, media type and writer."""

    name: str
    file_name: str
    media_type: str
    write: Callable[[Sequence[Segment], Mapping[str, Any]], str]
    for_people: bool = False


FORMATS: tuple[TranscriptFormat, ...] = (
    TranscriptFormat("json", "transcript.json", "application/json", to_json),
    TranscriptFormat("srt", "transcript.srt", "application/x-subrip", to_srt),
    TranscriptFormat("vtt", "transcript.vtt", "text/vtt", to_vtt),
    TranscriptFormat("txt", "transcript.txt", "text/plain; charset=utf-8", to_txt, True),
    TranscriptFormat("md", "transcript.md", "text/markdown; charset=utf-8", to_md, True),
    TranscriptFormat("html", "transcript.html", "text/html; charset=utf-8", to_html, True),
)
"""Every format a transcript can be written in."""
