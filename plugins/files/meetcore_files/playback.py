"""Checks a recording by playing it, makes a whole file of a torn one, tags one. Blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meetcore.log import private_file
from meetcore.model import Chapter
from meetcore_files.atomic import replace_atomically
from meetcore_files.chapter_marks import chapters_in, mark_chapters
from meetcore_files.torn_boxes import opened

__all__ = ["played_duration_s", "remake", "tags_in"]


_NOT_TAGS = frozenset(
    {"encoder", "major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id",
     "language", "creation_time"}
)  # fmt: skip
_CONTAINERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    ".opus": ("ogg", {"page_duration": "200000"}),
    ".mp3": ("mp3", {}),
    ".m4a": ("ipod", {"movflags": "+faststart"}),
    ".wav": ("wav", {}),
}


def played_duration_s(path: Path) -> float:
    """Return how much sound a file gives when it is played from start to end; 0 for none.

    A file that breaks off is played up to there.
    """
    import av

    seconds = 0.0
    try:
        with opened(path) as container:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
    except (av.FFmpegError, IndexError):
        return round(seconds, 3)
    return round(seconds, 3)


def remake(
    path: Path,
    tags: Mapping[str, str] | None = None,
    *,
    suffix: str | None = None,
    chapters: Sequence[Chapter] = (),
) -> None:
    """Rewrite what plays of a file into a whole one, and put that in its place.

    Packets are copied as they are. FLAC is encoded again, without loss, because its header
    carries length and checksum.

    Args:
        path: The file.
        tags: The tags it is to have, None for those it has.
        suffix: Its format by its ending, None for the one it has.
        chapters: What it is to have, where its format has any; without any it keeps its own.

    Raises:
        OSError: The new file cannot be written; the old one is untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        suffix = suffix or path.suffix
        with opened(path, suffix) as old:
            if suffix == ".flac":
                _encode_again(old, part, tags_in(old) if tags is None else tags)
            else:
                tags = tags_in(old) if tags is None else tags
                _copy_packets(old, part, suffix, tags, chapters)
        replace_atomically(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def tags_in(file: Any) -> dict[str, str]:
    """Return the tags of an open file: Ogg has them in its stream, others in the container."""
    found = {**file.metadata, **file.streams.audio[0].metadata}
    return {name: value for name, value in found.items() if name not in _NOT_TAGS}


def _copy_packets(
    old: Any, part: Path, suffix: str, tags: Mapping[str, str], chapters: Sequence[Chapter]
) -> None:
    import av

    container, options = _CONTAINERS[suffix]
    with av.open(str(private_file(part)), "w", format=container, options=dict(options)) as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        new.metadata.update(tags)
        mark_chapters(new, suffix, chapters or chapters_in(old))
        try:
            for packet in old.demux(audio=0):
                if packet.is_corrupt and suffix == ".m4a":
                    return  # the torn end
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
        except av.InvalidDataError:
            return  # the torn end


def _encode_again(old: Any, part: Path, tags: Mapping[str, str]) -> None:
    import av

    rate = old.streams.audio[0].rate
    with av.open(str(private_file(part)), "w", format="flac") as new:
        stream = new.add_stream("flac", rate=rate, layout="mono")
        new.metadata.update(tags)
        try:
            for frame in old.decode(audio=0):
                new.mux(stream.encode(frame))
        except av.InvalidDataError:
            pass  # the torn end
        new.mux(stream.encode(None))
