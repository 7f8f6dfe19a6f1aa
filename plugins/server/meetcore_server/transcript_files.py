"""Transcripts that were made of a bot's recording, as they lie in its folder. Blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from meetcore import NameSource, Segment, Word, parse_time
from meetcore.gateway import NoSuchTranscript, RevisionState, TranscriptRevision

__all__ = ["highest_number", "made_beside", "transcript_path", "transcript_segments"]

_FILES = "files"
_NAME = re.compile(r"transcript-([0-9]{1,9})")


def transcript_path(folder: Path, number: int) -> Path:
    """Return where the sink `files` and `meetcore transcribe` keep a transcript as JSON."""
    return folder / _FILES / f"transcript-{number}.json"


def _numbers(folder: Path) -> list[int]:
    found = (_NAME.fullmatch(path.stem) for path in (folder / _FILES).glob("transcript-*.*"))
    return sorted({int(match[1]) for match in found if match})


def highest_number(folder: Path) -> int:
    """Return the highest number of a transcript that lies there, 0 for none."""
    return max(_numbers(folder), default=0)


def made_beside(folder: Path, bot_id: str, known: set[int]) -> list[TranscriptRevision]:
    """Return what `meetcore transcribe` made beside the server; what is `known` is left out."""
    found: list[TranscriptRevision] = []
    for number in _numbers(folder):
        body = _body(transcript_path(folder, number)) if number not in known else None
        if body is None:
            continue
        found.append(
            TranscriptRevision(
                bot_id=bot_id,
                revision=number,
                state=RevisionState.DONE,
                transcriber=_text(body.get("transcriber")),
                language=_text(body.get("language")),
                ended_at=_time(body.get("transcribed_at")),
            )
        )
    return found


def transcript_segments(folder: Path, number: int) -> list[Segment]:
    """Return a transcript, in the order of speech; one in which nothing was said has no file.

    Raises:
        NoSuchTranscript: The file cannot be read.
    """
    path = transcript_path(folder, number)
    if not path.exists():
        return []
    body = _body(path)
    try:
        return [_segment(each) for each in (body or {})["segments"]]
    except (KeyError, TypeError, ValueError) as error:
        raise NoSuchTranscript(
            f"Transcript {number} of this bot cannot be read: its file is damaged.",
            "Have the recording transcribed once more.",
        ) from error


def _body(path: Path) -> dict[str, Any] | None:
    try:
        body = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _segment(body: Mapping[str, Any]) -> Segment:
    known = {name: value for name, value in body.items() if name not in ("words",)}
    words = tuple(Word(**word) for word in body["words"])
    source = NameSource(known.pop("speaker_source"))
    return Segment(**known, finalized=True, speaker_source=source, words=words)
