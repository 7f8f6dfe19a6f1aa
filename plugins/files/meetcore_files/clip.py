"""A stretch of a recording as a file of its own, and of its transcript. Blocks."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, frozen

from meetcore import MeetcoreError, Pcm, Segment
from meetcore.log import private_file
from meetcore_files.atomic import replace_atomically
from meetcore_files.chapter_marks import chapters_between, chapters_in, mark_chapters
from meetcore_files.clip_video import cut_video, has_picture
from meetcore_files.manifest import MANIFEST_NAME, Manifest
from meetcore_files.playback import tags_in
from meetcore_files.torn_boxes import opened

__all__ = [
    "CLIP_FORMATS",
    "VIDEO_SUFFIX",
    "ClipRefused",
    "check_format",
    "check_stretch",
    "cut",
    "heard_between",
    "recording_in",
    "seconds_of",
]

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)s?")
_EARLIER_S = 1.0
_LONGEST_GAP_S = 0.1


class ClipRefused(MeetcoreError):
    """A clip cannot be made: no recording, no such stretch, no such format."""

    code = "invalid"


@frozen
class _Format:
    container: str
    codec: str
    rates_hz: tuple[int, ...] = ()
    bit_rate_kbps: int | None = None
    options: tuple[tuple[str, str], ...] = ()


_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)
_MP3_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
CLIP_FORMATS: dict[str, _Format] = {
    ".opus": _Format("ogg", "libopus", _OPUS_RATES, 32),
    ".flac": _Format("flac", "flac"),
    ".wav": _Format("wav", "pcm_s16le"),
    ".mp3": _Format("mp3", "libmp3lame", _MP3_RATES, 64),
    ".m4a": _Format("ipod", "aac", (), 64, (("movflags", "+faststart"),)),
}
"""What a clip of sound can be, by its file's ending."""
VIDEO_SUFFIX = ".mp4"
"""The ending of a clip with the picture."""


def seconds_of(text: str) -> float:
    """Return the seconds that a time means: `90`, `90.5`, `1:30`, `1:02:03`.

    Raises:
        ClipRefused: It means none.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ClipRefused(f"{text!r} is no time.", "Write seconds, or 1:30, or 1:02:03.")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    if (":" in text and seconds >= 60) or (text.count(":") == 2 and minutes >= 60):
        raise ClipRefused(f"{text!r} is no time: a minute has 60 seconds, an hour 60 minutes.")
    return hours * 3600 + minutes * 60 + seconds


def recording_in(where: Path, track: str | None = None, *, video: bool = False) -> Path:
    """Return the recording that is meant: a file itself, or of a bot's folder one track or all.

    Args:
        where: A file, a bot's folder, or the folder of its files.
        track: The id of a track, or the name of whoever speaks on it; None for all together.
        video: Whether the one with the picture is meant.

    Raises:
        ClipRefused: There is none.
    """
    if where.is_file():
        if track is not None:
            raise ClipRefused(f"{where.name} is one file.", "--track is for a bot's folder.")
        return where
    folder = next(
        (each for each in (where, where / "files") if (each / MANIFEST_NAME).is_file()), None
    )
    manifest = Manifest.read(folder) if folder is not None else None
    if folder is None or manifest is None:
        raise ClipRefused(f"{where} has no recording.", "Name a bot's folder, or a media file.")
    if video:
        seen = [each for each in manifest.files if each.kind == "video"]
        if not seen or track is not None:
            raise ClipRefused(
                f"{where} has no video{'' if track is None else ' of one person'}.",
                "Name a sound format, for instance .m4a.",
            )
        return folder / seen[-1].path
    tracks = [each for each in manifest.files if each.kind == "audio.track"]
    if track is not None:
        found = [each for each in tracks if track in (each.track_id, each.speaker_name)]
    else:
        mixed = [each for each in manifest.files if each.kind == "audio.mix"]
        found = mixed or (tracks if len(tracks) == 1 else [])
    if len(found) == 1:
        return folder / found[0].path
    known = ", ".join(
        f"{each.track_id} ({each.speaker_name})" if each.speaker_name else str(each.track_id)
        for each in tracks
    )
    several = f"{len(found)} tracks" if found else "no track"
    what = "no recording of all" if track is None else f"{several} of {track!r}"
    raise ClipRefused(f"{where} has {what}.", f"Its tracks: {known or 'none'}.")


def check_format(target: Path) -> None:
    """Refuse a file that no clip can be.

    Raises:
        ClipRefused: Its ending is that of no format that is made.
    """
    if target.suffix.lower() not in (*CLIP_FORMATS, VIDEO_SUFFIX):
        raise ClipRefused(
            f"A clip cannot be {target.suffix or 'without an ending'}.",
            f"Its name ends in one of {', '.join((*CLIP_FORMATS, VIDEO_SUFFIX))}.",
        )


def check_stretch(start_s: float, end_s: float) -> None:
    """Refuse a stretch that there cannot be.

    Raises:
        ClipRefused: It ends before it begins, or begins before the recording.
    """
    if not 0 <= start_s < end_s:
        raise ClipRefused(
            "A clip ends after it begins.", "Give a later end, or an earlier beginning."
        )


def cut(
    source: Path,
    target: Path,
    start_s: float,
    end_s: float,
    progress: Callable[[float], None] | None = None,
) -> float:
    """Write a stretch of a recording into a file of its own, whose ending says its format.

    It has the recording's tags: the person as its artist, the meeting as its album.

    Args:
        source: The recording; also one that is being written.
        target: The file; it is there whole, or not at all.
        start_s: Where the stretch begins.
        end_s: Where it ends; what the recording does not have is left out. Infinity for its end.
        progress: Told how many seconds were written, again and again.

    Returns:
        How long the clip is, in seconds.

    Raises:
        ClipRefused: The format is not known, or there is nothing in that stretch.
        OSError: It cannot be read or written.
    """
    import av

    check_format(target)
    suffix = target.suffix.lower()
    form = CLIP_FORMATS.get(suffix)
    check_stretch(start_s, end_s)
    if target.exists():
        raise ClipRefused(f"{target} is there already.", "Name another file with --out.")
    if not target.parent.is_dir():
        raise ClipRefused(f"There is no folder {target.parent}.", "Make it, or name another.")
    if form is None:
        return _with_picture(source, target, start_s, end_s, progress)
    part = target.with_name(f".{target.name}.part")
    written = 0
    try:
        with opened(source) as recording:
            if not recording.streams.audio:
                raise ClipRefused(f"{source} has no sound.")
            given_hz = int(recording.streams.audio[0].rate)
            rate_hz = given_hz if not form.rates_hz or given_hz in form.rates_hz else 48_000
            pieces = _sound(recording, rate_hz, start_s, end_s)
            first = next(pieces, None)
            if first is None:
                raise ClipRefused(f"{source.name} has nothing from {start_s:g} s on.")
            with av.open(
                str(private_file(part)), "w", format=form.container, options=dict(form.options)
            ) as made:
                made.metadata.update(tags_in(recording))
                chapters = chapters_between(chapters_in(recording), start_s, end_s)
                mark_chapters(made, suffix, chapters)
                stream: Any = made.add_stream(form.codec, rate=rate_hz)
                stream.layout = "mono"
                if form.bit_rate_kbps is not None:
                    stream.bit_rate = form.bit_rate_kbps * 1000
                for piece in chain([first], pieces):
                    made.mux(stream.encode(_frame(piece, written, rate_hz)))
                    written += len(piece)
                    if progress is not None:
                        progress(written / rate_hz)
                made.mux(stream.encode(None))
        replace_atomically(part, target)
    except av.FFmpegError as error:
        raise ClipRefused(f"{source.name} cannot be read: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return written / rate_hz


def _with_picture(
    source: Path,
    target: Path,
    start_s: float,
    end_s: float,
    progress: Callable[[float], None] | None,
) -> float:
    import av

    if not has_picture(source):
        raise ClipRefused(f"{source} has no video.", "Name a sound format, for instance .m4a.")
    try:
        length_s = cut_video(source, target, start_s, end_s, progress)
    except av.FFmpegError as error:
        raise ClipRefused(f"{source.name} cannot be read: {error.strerror}.") from error
    if not length_s:
        raise ClipRefused(f"{source.name} has nothing from {start_s:g} s on.")
    return length_s


def _sound(recording: Any, rate_hz: int, start_s: float, end_s: float) -> Iterator[Pcm]:
    """Yield a stretch, from its first sample to its last, as int16 of one channel."""
    import av

    if start_s > _EARLIER_S:
        recording.seek(int((start_s - _EARLIER_S) * av.time_base))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    first, at = round(start_s * rate_hz), None
    last = round(end_s * rate_hz) if isfinite(end_s) else sys.maxsize
    for decoded in recording.decode(audio=0):
        if decoded.time is not None:
            told = round(decoded.time * rate_hz)
            if at is None or abs(told - at) > _LONGEST_GAP_S * rate_hz:
                at = told
        for frame in resampler.resample(decoded):
            at = 0 if at is None else at
            pcm: Pcm = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            begin, end = max(0, first - at), min(len(pcm), last - at)
            at += len(pcm)
            if begin < end:
                yield np.ascontiguousarray(pcm[begin:end])
        if at is not None and at >= last:
            return


def _frame(pcm: Pcm, pts: int, rate_hz: int) -> Any:
    import av

    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, pts, Fraction(1, rate_hz)
    return frame


def heard_between(segments: Sequence[Segment], start_s: float, end_s: float) -> list[Segment]:
    """Return what was said in a stretch, in the clip's own time.

    A segment that reaches over its edges keeps the words that begin inside; one without times of
    its words is in the clip if most of it is.
    """
    found: list[Segment] = []
    for segment in segments:
        words = [word for word in segment.words if start_s <= word.start_s < end_s]
        whole = len(words) == len(segment.words)
        middle_s = (segment.start_s + segment.end_s) / 2
        if not words and (segment.words or not start_s <= middle_s < end_s):
            continue
        text = segment.text if whole else " ".join(word.text for word in words)
        begins_s = segment.start_s if whole else words[0].start_s
        ends_s = segment.end_s if whole else words[-1].end_s
        shifted = [
            evolve(word, start_s=word.start_s - start_s, end_s=min(word.end_s, end_s) - start_s)
            for word in words
        ]
        found.append(
            evolve(
                segment,
                text=text,
                words=tuple(shifted),
                start_s=max(0.0, begins_s - start_s),
                end_s=min(ends_s, end_s) - start_s,
                onset_s=None,
            )
        )
    return found
