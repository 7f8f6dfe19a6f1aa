"""Checks a recording by playing it, and makes a whole file of a torn one. Blocks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meetcore.folders import private_file
from meetcore_files.atomic import replace_atomically

__all__ = ["played_duration_s", "remake"]


def played_duration_s(path: Path) -> float:
    """Return how much sound a file gives when it is played from start to end; 0 for none.

    A file that breaks off is played up to there.
    """
    import av

    seconds = 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
    except (av.FFmpegError, IndexError):
        return round(seconds, 3)
    return round(seconds, 3)


def remake(path: Path) -> None:
    """Rewrite what plays of a file into a whole one, and put that in its place.

    Opus packets are copied as they are. FLAC is encoded again, without loss, because its header
    carries length and checksum.

    Raises:
        OSError: The new file cannot be written; the old one is untouched.
    """
    import av

    part = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(path)) as old:
            if path.suffix == ".flac":
                _encode_again(old, part)
            else:
                _copy_packets(old, part)
        replace_atomically(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _copy_packets(old: Any, part: Path) -> None:
    import av

    options = {"page_duration": "200000"}
    with av.open(str(private_file(part)), "w", format="ogg", options=options) as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        try:
            for packet in old.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
        except av.InvalidDataError:
            return  # the torn end


def _encode_again(old: Any, part: Path) -> None:
    import av

    rate = old.streams.audio[0].rate
    with av.open(str(private_file(part)), "w", format="flac") as new:
        stream = new.add_stream("flac", rate=rate, layout="mono")
        try:
            for frame in old.decode(audio=0):
                new.mux(stream.encode(frame))
        except av.InvalidDataError:
            pass  # the torn end
        new.mux(stream.encode(None))
