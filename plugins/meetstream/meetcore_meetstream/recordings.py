"""What a bot recorded, in MeetStream's words: what a video is like, and each person's sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from meetcore import ArtifactWritten, BotHistory, NoSuchFile
from meetcore.gateway import BotGone, BotRow, Service

__all__ = ["separate_streams", "shared_screens", "video_info"]

_NOBODY = "Unknown"


async def video_info(service: Service, row: BotRow, video: ArtifactWritten) -> dict[str, Any]:
    """Return what a video is like; it is looked through once, and that is kept beside it.

    Raises:
        BotGone: It is not there any more.
        av.error.FFmpegError: It cannot be read.
    """
    media = await service.media(row)
    name = str(PurePosixPath(video.path).with_suffix(".info.json"))
    try:
        await media.derive(name, video.path, _look_through)
        info: dict[str, Any] = json.loads(await media.read_bytes(name))
    except NoSuchFile as error:
        raise BotGone(error.message) from error
    return info


def _look_through(source: Path, target: Path) -> None:
    """Write what a video is like into a file of JSON; blocks."""
    import av

    frames = corrupted = 0
    with av.open(str(source)) as file:
        picture = file.streams.video[0]
        for packet in file.demux(picture):
            frames += packet.size > 0
            corrupted += bool(packet.is_corrupt)
        length_s = (file.duration or 0) / av.time_base
        rate = picture.average_rate
        info = {
            "duration": _shortest(round(length_s, 3)),
            "size_mb": round(source.stat().st_size / 1_000_000, 3),
            "resolution": f"{picture.width}x{picture.height}",
            "fps": _shortest(round(float(rate), 2)) if rate else 0,
            "frames_processed": frames,
            "corrupted_frames": corrupted,
        }
    target.write_text(json.dumps(info))


def _shortest(number: float) -> int | float:
    """Return a number as JSON writes it shortest, as the vendor does: 25 and not 25.0."""
    return int(number) if number == int(number) else number


async def separate_streams(
    service: Service, row: BotRow, history: BotHistory, link: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return each participant with the recordings that are theirs alone.

    Args:
        service: Has them.
        row: The bot.
        history: The bot's history.
        link: Makes a link to a file.
    """
    found = await _entries(service, row, history, "audio.track")
    return _streams(found, link, stream_of="track_id")


async def shared_screens(
    service: Service, row: BotRow, history: BotHistory, link: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return who shared a screen with the videos of it; the arguments as for `separate_streams`."""
    found = await _entries(service, row, history, "video.share")
    return _streams(found, link, stream_of="path")


def _streams(
    found: dict[str, dict[str, Any]], link: Callable[[str], str], *, stream_of: str
) -> list[dict[str, Any]]:
    people: dict[str, list[dict[str, Any]]] = {}
    for file, about in found.items():
        name = str(about.get("speaker_name") or _NOBODY)
        segment = {
            "segment_index": 0,
            "url": link(file),
            "filename": PurePosixPath(file).name,
            "duration_seconds": about.get("duration_s"),
        }
        stream = {"stream_id": str(about.get(stream_of)), "segments": [segment]}
        people.setdefault(name, []).append(stream)
    return [{"participant_name": name, "streams": streams} for name, streams in people.items()]


async def _entries(
    service: Service, row: BotRow, history: BotHistory, kind: str
) -> dict[str, dict[str, Any]]:
    """Return recordings of a kind, with what the recorder's manifest says of each."""
    manifests = [file.path for file in history.artifacts.values() if file.kind == "manifest"]
    if not manifests:
        return {}
    folder = PurePosixPath(manifests[-1]).parent
    try:
        told = json.loads(await (await service.media(row)).read_bytes(manifests[-1]))
        entries = [each for each in told["files"] if each["kind"] == kind]
        return {str(folder / each["path"]): each for each in entries}
    except (BotGone, NoSuchFile, ValueError, LookupError, TypeError):
        return {}
