"""A stretch of a meeting's MP4 as a file of its own: packets as they are, nothing encoded again.

A picture can be shown from a key frame on only, so the packets begin at the last one before the
stretch; the file's edit list says that a player begins at the stretch itself. Blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from meetcore.log import private_file
from meetcore_files.atomic import replace_atomically
from meetcore_files.chapter_marks import chapters_between, chapters_in, mark_chapters
from meetcore_files.torn_boxes import opened
from meetcore_files.video_file import KEPT_TAGS

__all__ = ["cut_video", "has_picture"]

_EARLIER_S = 15.0
"""By how much earlier is looked for a key frame, where the file has no index yet."""


def has_picture(path: Path) -> bool:
    """Return whether a file has a picture that moves."""
    import av

    try:
        with opened(path) as container:
            return bool(container.streams.video)
    except (av.FFmpegError, OSError):
        return False


def cut_video(
    source: Path,
    target: Path,
    start_s: float,
    end_s: float,
    progress: Callable[[float], None] | None = None,
) -> float:
    """Write a stretch of an MP4 into another.

    Args:
        source: The recording; also one that is being written.
        target: The file; it is there whole, or not at all.
        start_s: Where the stretch begins.
        end_s: Where it ends; infinity for the recording's end.
        progress: Told how many seconds were written, again and again.

    Returns:
        How long the clip is, in seconds; 0 where the recording has nothing there, and no file is.

    Raises:
        OSError, av.FFmpegError: It cannot be read or written.
    """
    import av

    part = target.with_name(f".{target.name}.part")
    try:
        with opened(source) as recording:
            _seek(recording, start_s)
            made: Any = av.open(
                str(private_file(part)), "w", format="mp4", options={"movflags": "faststart"}
            )
            with made:
                kept = [*recording.streams.video[:1], *recording.streams.audio[:1]]
                streams = {each: made.add_stream_from_template(each) for each in kept}
                tags = recording.metadata.items()
                made.metadata.update({name: value for name, value in tags if name in KEPT_TAGS})
                chapters = chapters_between(chapters_in(recording), start_s, end_s)
                mark_chapters(made, target.suffix, chapters)
                written_s = _copy(recording, made, streams, start_s, end_s, progress)
        if written_s > 0:
            replace_atomically(part, target)
        return written_s
    finally:
        part.unlink(missing_ok=True)


def _seek(recording: Any, start_s: float) -> None:
    import av

    if start_s <= 0:
        return
    try:
        picture = recording.streams.video[0]
        recording.seek(round(start_s / picture.time_base), stream=picture)
    except av.FFmpegError:
        recording.seek(round(max(0.0, start_s - _EARLIER_S) * av.time_base))


def _copy(
    recording: Any,
    made: Any,
    streams: dict[Any, Any],
    start_s: float,
    end_s: float,
    progress: Callable[[float], None] | None,
) -> float:
    """Pass on the packets of a stretch, their times counted from its beginning."""
    import av

    waiting: list[Any] = []  # since the last key frame before the stretch
    over: set[Any] = set()
    begun, last_s = False, 0.0
    try:
        for packet in recording.demux(list(streams)):
            if packet.dts is None or packet.is_corrupt:
                continue
            stream = packet.stream
            at_s = float(packet.pts * packet.time_base)
            until_s = at_s + float((packet.duration or 0) * packet.time_base)
            if at_s >= end_s:
                over.add(stream)
                if len(over) == len(streams):
                    break
                continue
            picture = stream.type == "video"
            if picture and not begun:
                if packet.is_keyframe and at_s <= start_s:
                    waiting.clear()
                waiting.append(packet)
                if at_s < start_s and until_s <= start_s:
                    continue
                begun = True
                for each in waiting:
                    _pass_on(each, made, streams, start_s)
            elif picture or until_s > start_s:
                _pass_on(packet, made, streams, start_s)
            last_s = max(last_s, min(until_s, end_s) - start_s)
            if progress is not None:
                progress(last_s)
    except av.InvalidDataError:
        pass  # the torn end of one that is being written
    return round(last_s, 3) if begun else 0.0


def _pass_on(packet: Any, made: Any, streams: dict[Any, Any], start_s: float) -> None:
    shift = round(start_s / packet.time_base)
    packet.pts -= shift
    packet.dts -= shift
    packet.stream = streams[packet.stream]
    made.mux(packet)
