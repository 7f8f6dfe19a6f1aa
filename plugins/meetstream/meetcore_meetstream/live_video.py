"""A meeting's picture and sound as fragmented MP4, piece by piece; only the sound is encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import frozen

from meetcore import SAMPLE_RATE_HZ, CallMix, Chunk, MediaFragment
from meetcore_files.video_file import AAC_BIT_RATE, VideoFile, stands_alone

__all__ = ["LiveVideo", "VideoBegun"]

_LONGEST_HOLE_S = 10
_ABSENT_S = 5
_MOST_FRAMES_PER_S = 60


@frozen
class VideoBegun:
    """What a stream is like, for whoever is told before its first bytes."""

    width: int
    height: int
    frames_per_s: int

    def told(self, bot_id: str) -> dict[str, Any]:
        """Return the message `video_stream_start`."""
        return {
            "type": "video_stream_start",
            "bot_id": bot_id,
            "codec": "h264",
            "audio_codec": "aac",
            "container": "fmp4",
            "width": self.width,
            "height": self.height,
            "framerate": self.frames_per_s,
            "audio_sample_rate": SAMPLE_RATE_HZ,
            "audio_bitrate": f"{AAC_BIT_RATE // 1000}k",
        }


class _MuxedBytes:
    """Takes what the muxer writes, until it is fetched."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        """Take bytes."""
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data, self._pieces = b"".join(self._pieces), []
        return data


class LiveVideo:
    """One stream, from a picture that stands alone on. Its time begins there.

    Attributes:
        begun: What it is like, None before it has begun.
    """

    def __init__(self) -> None:
        self.begun: VideoBegun | None = None
        self._written = _MuxedBytes()
        self._file = VideoFile(Path("live.mp4"), into=self._written)  # type: ignore[arg-type]
        self._mix = CallMix(longest_hole_s=_LONGEST_HOLE_S, absent_s=_ABSENT_S)
        self._first: MediaFragment | None = None
        self._base_s = 0.0

    @property
    def duration_s(self) -> float:
        """How long it is so far."""
        return self._file.duration_s

    def picture(self, fragment: MediaFragment) -> bytes:
        """Take a picture; return the bytes that are due."""
        if self._first is None:
            if not stands_alone(fragment.data):
                return b""
            self._first, self._base_s = fragment, fragment.at_s
            return b""
        if self.begun is None:
            self._file.picture(0.0, self._first.data)
            apart_s = max(fragment.at_s - self._base_s, 1 / _MOST_FRAMES_PER_S)
            self.begun = VideoBegun(*self._file.size, max(1, round(1 / apart_s)))
        self._file.picture(fragment.at_s - self._base_s, fragment.data)
        return self._written.taken()

    def shows(self, track_id: str) -> bool:
        """Whether its pictures are those of a track."""
        return self._first is not None and self._first.track_id == track_id

    def gap(self) -> None:
        """Learn that pictures are missing."""
        self._file.gap()

    def sound(self, chunk: Chunk) -> bytes:
        """Take sound of a track; return the bytes that are due."""
        shift = round(self._base_s * SAMPLE_RATE_HZ)
        for mixed in self._mix.add(chunk):
            if self.begun is not None:
                placed = Chunk(mixed.track_id, mixed.start_sample - shift, mixed.pcm)
                self._file.sound(placed)
        return self._written.taken()

    def end(self) -> bytes:
        """Return the last bytes."""
        if self.begun is not None:
            self._file.close()
        return self._written.taken()
