"""A bot's recording: its video, or its sound in an MP4 container, as it is; and the sound alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from meetcore import BotHistory, NoSuchFile
from meetcore.gateway import BotGone, BotRow, Service, mixed_audio, video_of
from meetcore_spoke.create_request import AUDIO_ONLY

__all__ = ["audio_path", "mp4_path", "remux"]


async def mp4_path(service: Service, row: BotRow, history: BotHistory) -> str | None:
    """Return the name of what `mp4` links to, made where it has to be.

    It is the video where there is one. Otherwise it is the meeting's sound in an MP4 container, or
    for a bot that was to record sound alone an MP3 file, which the server makes when the link is
    followed. None where nothing was recorded, it has been deleted, or it cannot be read.
    """
    video, audio = video_of(history), mixed_audio(history)
    if video is not None:
        return video.path
    if audio is None:
        return None
    if row.extras.get("asked", {}).get("recording_mode") == AUDIO_ONLY:
        return str(PurePosixPath(audio).with_suffix(".mp3"))
    import av

    name = str(PurePosixPath(audio).with_suffix(".mp4"))
    try:
        await (await service.media(row)).derive(name, audio, remux)
    except (BotGone, NoSuchFile, OSError, ValueError, av.error.FFmpegError):
        return None
    return name


def audio_path(history: BotHistory) -> str | None:
    """Return the name of what `audio` links to: a WAV file, made when the link is followed."""
    audio = mixed_audio(history)
    return None if audio is None else str(PurePosixPath(audio).with_suffix(".wav"))


def remux(source: Path, target: Path) -> None:
    """Copy the first audio stream of a file into an MP4 file; blocks.

    Raises:
        OSError: One of them cannot be read or written.
        ValueError: It has no sound.
        av.error.FFmpegError: It is no recording.
    """
    import av

    options = {"movflags": "+faststart", "strict": "-2"}
    with av.open(str(source)) as given:
        if not given.streams.audio:
            raise ValueError(f"{source} has no sound")
        stream = given.streams.audio[0]
        with av.open(str(target), "w", format="mp4", options=options) as made:
            out = made.add_stream_from_template(stream)
            for packet in given.demux(stream):
                if packet.dts is not None:
                    packet.stream = out
                    made.mux(packet)
