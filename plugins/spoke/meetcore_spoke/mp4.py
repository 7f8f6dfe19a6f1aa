"""The meeting's audio in an MP4 container: the packets as they are, nothing encoded again."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from meetcore import BotHistory, NoSuchFile
from meetcore.gateway import BotGone, BotRow, Service, mixed_audio

__all__ = ["mp4_path", "remux"]


async def mp4_path(service: Service, row: BotRow, history: BotHistory) -> str | None:
    """Make the MP4 file beside the recording, once; return its name.

    None where nothing was recorded, it has been deleted, or it cannot be read.
    """
    audio = mixed_audio(history)
    if audio is None:
        return None
    import av

    name = str(PurePosixPath(audio).with_suffix(".mp4"))
    try:
        await (await service.media(row)).derive(name, audio, remux)
    except (BotGone, NoSuchFile, OSError, ValueError, av.error.FFmpegError):
        return None
    return name


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
