"""The sound of any audio or video file, by PyAV: as tracks of 16 kHz mono. Blocks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen

from meetcore import SAMPLE_RATE_HZ, MeetcoreError, Pcm, RecordedTrack
from meetcore_files.manifest import MANIFEST_NAME, Manifest

__all__ = ["MEDIA_SUFFIXES", "MediaUnreadable", "RecordedMedia", "recording_of", "sound_of"]

MEDIA_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("aac", "aiff", "amr", "au", "caf", "flac", "g722", "m4a", "mka", "mp2", "mp3", "oga"),
        *("ogg", "opus", "wav", "wma"),
        *("avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv"),
    )
)
"""Endings of files that are looked at in a folder."""

_OPEN_TIMEOUT_S = 30.0


class MediaUnreadable(MeetcoreError):
    """A file, folder or address without sound that can be read."""

    code = "media_unreadable"


@frozen(kw_only=True)
class RecordedMedia:
    """A recording that can be transcribed.

    Attributes:
        source: What a person named.
        tracks: Its sound.
        duration_s: How long all tracks are together, None where that is not known.
        folder: Where a bot's files lie, None for a file that is not a bot's.
    """

    source: str
    tracks: tuple[RecordedTrack, ...]
    duration_s: float | None
    folder: Path | None = None


def sound_of(source: str, stream: int = 0, channel: int | None = None) -> Iterator[Pcm]:
    """Yield the sound of a file in blocks; a file that breaks off gives what there is.

    Args:
        source: Path or address.
        stream: Which of its audio streams.
        channel: Which of the stream's channels, None for all of them mixed.

    Raises:
        MediaUnreadable: It cannot be opened, or gives no sound at all.
    """
    import av

    layout = "mono" if channel is None else None
    given = 0
    try:
        with av.open(source, timeout=_OPEN_TIMEOUT_S) as container:
            resampler = av.AudioResampler("s16", layout, SAMPLE_RATE_HZ)
            for frame in container.decode(audio=stream):
                frame.pts = None
                for block in _blocks(resampler, frame, channel):
                    given += len(block)
                    yield block
            yield from _blocks(resampler, None, channel)
    except (av.FFmpegError, IndexError, OSError) as error:
        if not given:
            raise _unreadable(source, "gives no sound", error) from error


def _blocks(resampler: Any, frame: Any, channel: int | None) -> Iterator[Pcm]:
    for piece in resampler.resample(frame):
        samples = piece.to_ndarray()
        if channel is None:
            yield np.ascontiguousarray(samples.reshape(-1), dtype=np.int16)
        else:
            interleaved = samples.reshape(-1, len(piece.layout.channels))
            yield np.ascontiguousarray(interleaved[:, channel], dtype=np.int16)


def recording_of(source: str, *, split_channels: bool = False) -> RecordedMedia:
    """Return what a file, a bot's folder or an address holds, looked at and not yet read.

    A bot's recording has its tracks, with the names of those who spoke. A file with several audio
    streams has a track for each.

    Args:
        source: What a person named.
        split_channels: Whether each channel of a file is somebody's own.

    Raises:
        MediaUnreadable: There is no sound.
    """
    path = Path(source)
    if path.is_dir():
        return _bots_recording(path)
    if "://" not in source and not path.is_file():
        raise MediaUnreadable(f"{source} is neither a file, a folder nor an address.")
    import av

    try:
        with av.open(source, timeout=_OPEN_TIMEOUT_S) as container:
            streams = [stream.channels for stream in container.streams.audio]
            length = container.duration
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(source, "cannot be read", error) from error
    if not streams:
        raise MediaUnreadable(f"{source} has no sound.", "Name a file with an audio stream.")
    tracks: list[RecordedTrack] = []
    for stream, channels in enumerate(streams):
        if split_channels and channels > 1:
            tracks += [
                RecordedTrack(
                    track_id=f"{stream + 1}.{channel + 1}",
                    pcm=partial(sound_of, source, stream, channel),
                    participant_id=f"channel-{stream + 1}.{channel + 1}",
                    speaker_name=f"Channel {channel + 1}",
                )
                for channel in range(channels)
            ]
        else:
            tracks.append(
                RecordedTrack(
                    track_id=str(stream + 1),
                    pcm=partial(sound_of, source, stream),
                    several=True,
                )
            )
    known = length / av.time_base * len(tracks) if length else None
    return RecordedMedia(source=source, tracks=tuple(tracks), duration_s=known)


def _unreadable(source: str, what: str, error: Exception) -> MediaUnreadable:
    """Return why there is no sound: a file is none, or an address did not give one."""
    import av

    if "://" not in source or isinstance(error, av.InvalidDataError | IndexError):
        return MediaUnreadable(f"{source} {what}: {error}.", "Is it an audio or video file?")
    if isinstance(error, av.ProtocolNotFoundError):
        scheme = source.partition("://")[0]
        return MediaUnreadable(
            f"{source} cannot be fetched: nothing here speaks {scheme!r}.",
            "Addresses begin with https:// or http://.",
        )
    why = _ANSWERS.get(type(error).__name__) or str(error).partition(": ")[0]
    return MediaUnreadable(
        f"{source} cannot be fetched: {why}.",
        "Is the address right, and can this machine reach it? A downloaded file works, too.",
    )


_ANSWERS = {
    "HTTPBadRequestError": "the server answers 400, a bad request",
    "HTTPUnauthorizedError": "the server answers 401, it wants to know who asks",
    "HTTPForbiddenError": "the server answers 403, it gives this to others only",
    "HTTPNotFoundError": "the server answers 404, there is nothing there",
    "HTTPOtherClientError": "the server refuses",
    "HTTPServerError": "the server has a fault of its own (5xx)",
    "TimeoutError": "there was no answer in time",
    "ExitError": "there was no answer in time",
}
"""What an address that gives nothing says, by the name of PyAV's error."""


def _bots_recording(path: Path) -> RecordedMedia:
    folder = next(
        (each for each in (path, path / "files") if (each / MANIFEST_NAME).is_file()), None
    )
    manifest = Manifest.read(folder) if folder is not None else None
    if folder is None or manifest is None:
        raise MediaUnreadable(
            f"{path} holds no recording, and is no bot's folder: it has no {MANIFEST_NAME}.",
            "Name a bot's folder, a folder of recordings, or files.",
        )
    entries = [each for each in manifest.files if each.kind == "audio.track"]
    if not entries:
        entries = [each for each in manifest.files if each.kind == "audio.mix"]
    if not entries:
        raise MediaUnreadable(f"The bot in {path} recorded no sound.")
    tracks = tuple(
        RecordedTrack(
            track_id=entry.track_id or "mix",
            pcm=partial(sound_of, str(folder / entry.path)),
            participant_id=entry.participant_id,
            speaker_name=entry.speaker_name,
            several=entry.kind == "audio.mix",
        )
        for entry in entries
    )
    total = sum(entry.duration_s or 0.0 for entry in entries)
    return RecordedMedia(source=str(path), tracks=tracks, duration_s=total or None, folder=folder)
