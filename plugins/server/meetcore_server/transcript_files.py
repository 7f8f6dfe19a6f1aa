"""Transcripts that were made of a bot's recording, as they are among its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import trio

from meetcore import MediaStore, NameSource, NoSuchFile, Segment, Word, parse_time
from meetcore.gateway import NoSuchTranscript, RevisionState, TranscriptRevision

__all__ = ["highest_number", "made_beside", "transcript_segments"]

_FILES = "files"
_NAME = re.compile(r"transcript-([0-9]{1,9})")


def _name_of(number: int) -> str:
    """Return what the sink `files` and `meetcore transcribe` call a transcript as JSON."""
    return f"{_FILES}/transcript-{number}.json"


async def _numbers(media: MediaStore) -> list[int]:
    found: set[int] = set()
    async with aclosing(media.files(_FILES)) as files:
        async for file in files:
            match = _NAME.fullmatch(PurePosixPath(file.name).stem)
            if match and PurePosixPath(file.name).parent == PurePosixPath(_FILES):
                found.add(int(match[1]))
    return sorted(found)


async def highest_number(media: MediaStore) -> int:
    """Return the highest number of a transcript that is there, 0 for none."""
    return max(await _numbers(media), default=0)


async def made_beside(media: MediaStore, bot_id: str, known: set[int]) -> list[TranscriptRevision]:
    """Return what `meetcore transcribe` made beside the server; what is `known` is left out."""
    found: list[TranscriptRevision] = []
    for number in await _numbers(media):
        body = await _body(media, number) if number not in known else None
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


async def transcript_segments(media: MediaStore, number: int) -> list[Segment]:
    """Return a transcript, in the order of speech; one in which nothing was said has no file.

    Raises:
        NoSuchTranscript: The file cannot be read.
    """
    if await media.stat(_name_of(number)) is None:
        return []
    body = await _body(media, number)
    try:
        return [_segment(each) for each in (body or {})["segments"]]
    except (KeyError, TypeError, ValueError) as error:
        raise NoSuchTranscript(
            f"Transcript {number} of this bot cannot be read: its file is damaged.",
            "Have the recording transcribed once more.",
        ) from error


async def _body(media: MediaStore, number: int) -> dict[str, Any] | None:
    try:
        data = await media.read_bytes(_name_of(number))
        body = await trio.to_thread.run_sync(json.loads, data)
    except (NoSuchFile, OSError, ValueError):
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
