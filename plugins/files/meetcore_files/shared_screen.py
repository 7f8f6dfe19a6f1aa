"""A screen that somebody shares: an MP4 of its own, and a still whenever it has changed. Blocks.

Time in the file is the share's own: it begins with its first picture. It has no sound: that is the
meeting's, and in the meeting's recordings. A still is judged, and written, of pictures that stand
alone only, which come every two seconds: a slide is there for longer, and nothing else has to be
decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field

from meetcore import Event, ParticipantExcluded, Segment, ShareStarted, ShareStopped
from meetcore.log import private_file
from meetcore_files.atomic import write_atomically
from meetcore_files.video_file import VideoFile, stands_alone

__all__ = [
    "INDEX_NAME",
    "SHARE_KIND",
    "STILL_KIND",
    "STILL_TYPE",
    "SharedScreen",
    "SharesSeen",
    "StillJudge",
    "remove_shares",
    "share_stem",
    "stills_of",
    "write_index",
]

INDEX_NAME = "shares.json"
SHARE_KIND = "video.share"
STILL_KIND = "still.share"
STILL_TYPE = "image/png"
SMALL = (64, 36)
"""What is compared: width and height."""
DIFFERS_MEAN = 2.0
DIFFERS_MUCH = 32
DIFFERS_PART = 0.01
"""A picture is another if its small one differs by more than 2 of 255 on the whole, or by more than
32 in one of a hundred places: a slide, a line of text; not the pointer, nor an encoder's noise."""
MOST_STILLS = 500
MOMENT_S = 10.0
"""What is said so long before and after a still stands beside it."""
_STILL = re.compile(r"share-(\d+)-(\d+)\.png")


def share_stem(number: int) -> str:
    """Return the name of a share's files without their endings; they count from 1."""
    return f"share-{number}"


class StillJudge:
    """Tells whether a picture shows something else than the one before that was kept."""

    def __init__(self) -> None:
        self._kept: Any = None

    def changed(self, small: Any) -> bool:
        """Take a picture's luma, made small; keep it if it is another."""
        now = np.asarray(small, np.int16)
        if self._kept is not None:
            apart = np.abs(now - self._kept)
            much = float((apart > DIFFERS_MUCH).mean())
            if float(apart.mean()) <= DIFFERS_MEAN and much <= DIFFERS_PART:
                return False
        self._kept = now
        return True


class SharedScreen:
    """One stretch of sharing, as it comes.

    Args:
        folder: Where its files go.
        number: Which share of the meeting it is, from 1.
        tags: What players show of the file.
    """

    def __init__(self, folder: Path, number: int, tags: Mapping[str, str]) -> None:
        self._folder = folder
        self._number = number
        self._video = VideoFile(folder / f"{share_stem(number)}.mp4", tags, silent=True)
        self._base_s: float | None = None
        self._judge = StillJudge()
        self._stills = 0

    @property
    def path(self) -> Path:
        """The MP4."""
        return self._video.path

    @property
    def begun(self) -> bool:
        """Whether there is a picture."""
        return self._video.begun

    @property
    def duration_s(self) -> float:
        """How long it is so far."""
        return self._video.duration_s

    def see(self, at_s: float, data: bytes) -> None:
        """Take a picture.

        Args:
            at_s: When it was seen, in seconds of meeting time.
            data: An access unit of H.264.

        Raises:
            OSError: The disk took it not.
        """
        alone = stands_alone(data)
        if self._base_s is None:
            if not alone:
                return
            self._base_s = at_s
        self._video.picture(max(0.0, at_s - self._base_s), data)
        if alone and self._stills < MOST_STILLS:
            self._still(at_s, data)

    def gap(self) -> None:
        """Learn that pictures are missing."""
        self._video.gap()

    def close(self) -> None:
        """Complete the file.

        Raises:
            OSError: The disk took it not.
        """
        self._video.close()

    def _still(self, at_s: float, data: bytes) -> None:
        picture = next(_decoded(data), None)
        if picture is None:
            return
        small = picture.reformat(width=SMALL[0], height=SMALL[1], format="gray")
        if not self._judge.changed(small.to_ndarray()):
            return
        self._stills += 1
        at_ms = max(0, round(at_s * 1000))
        path = self._folder / f"{share_stem(self._number)}-{at_ms:09d}.png"
        private_file(path).write_bytes(_png(picture))


def _decoded(data: bytes) -> Iterator[Any]:
    import av

    decoder: Any = av.CodecContext.create("h264", "r")
    try:
        yield from decoder.decode(av.Packet(data))
        yield from decoder.decode(None)
    except av.FFmpegError:
        return  # a picture that cannot be read is none


def _png(picture: Any) -> bytes:
    import av

    encoder: Any = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    encoder.time_base = Fraction(1, 1)
    plain = picture.reformat(format="rgb24")
    plain.pts, plain.time_base = 0, Fraction(1, 1)
    packets = [*encoder.encode(plain), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


# --- afterwards -----------------------------------------------------------------------------


@define
class _SeenShare:
    participant_id: str | None
    name: str | None
    from_s: float
    to_s: float | None = None


@define
class SharesSeen:
    """Who shared a screen when, by the journal. A reducer.

    Attributes:
        by_id: Each stretch, by its id: the track of its media.
        gone: Who was excluded since the beginning: nothing of their screens stays.
    """

    by_id: dict[str, _SeenShare] = field(factory=dict)
    gone: set[str] = field(factory=set)

    def take(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, ShareStarted):
            seen = _SeenShare(event.participant_id, event.name, event.meeting_s or 0.0)
            self.by_id[event.share_id] = seen
        elif isinstance(event, ShareStopped) and event.share_id in self.by_id:
            self.by_id[event.share_id].to_s = event.meeting_s
        elif isinstance(event, ParticipantExcluded) and event.since_s is None:
            self.gone.add(event.participant_id)

    def sharer(self, share_id: str | None) -> tuple[str | None, str | None]:
        """Return who shared, by id and name, as far as known."""
        seen = self.by_id.get(share_id or "")
        return (None, None) if seen is None else (seen.participant_id, seen.name)

    def gone_with(self, share_id: str | None) -> bool:
        """Return whether a share is of somebody who was excluded since the beginning."""
        return self.sharer(share_id)[0] in self.gone


def stills_of(folder: Path, number: int) -> list[tuple[float, Path]]:
    """Return a share's stills: when each was seen in the meeting, in seconds, and its file."""
    named = [(_STILL.fullmatch(path.name), path) for path in folder.glob("share-*.png")]
    return sorted(
        (int(match[2]) / 1000, path) for match, path in named if match and int(match[1]) == number
    )


def remove_shares(folder: Path, numbers: Sequence[int]) -> None:
    """Delete the stills of some shares, and leave nothing in their files.

    A file that grew may be on its way to a bucket: another of its name takes its place there.

    Raises:
        OSError: One cannot be deleted or written.
    """
    for number in numbers:
        write_atomically(folder / f"{share_stem(number)}.mp4", b"")
        for _, path in stills_of(folder, number):
            path.unlink()


def write_index(
    folder: Path,
    shares: Mapping[int, str | None],
    seen: SharesSeen,
    segments: Sequence[Segment],
) -> bool:
    """Write who shared what when, with each still, and what was said around it.

    Args:
        folder: Where the files are.
        shares: The id of each share, by its number.
        seen: What the journal says of them.
        segments: The finalized segments.

    Returns:
        Whether there was anything to write.

    Raises:
        OSError: It cannot be written.
    """
    index = []
    for number, share_id in sorted(shares.items()):
        known = seen.by_id.get(share_id or "")
        stills = [
            {"file": path.name, "at_s": at_s, "said": _said(segments, at_s)}
            for at_s, path in stills_of(folder, number)
        ]
        index.append(
            {
                "file": f"{share_stem(number)}.mp4",
                "participant_id": known.participant_id if known else None,
                "name": known.name if known else None,
                "from_s": known.from_s if known else None,
                "to_s": known.to_s if known else None,
                "stills": stills,
            }
        )
    if index:
        text = json.dumps({"version": 1, "shares": index}, ensure_ascii=False, indent=2)
        write_atomically(folder / INDEX_NAME, text.encode() + b"\n")
    return bool(index)


def _said(segments: Sequence[Segment], at_s: float) -> list[dict[str, Any]]:
    near = [
        each
        for each in segments
        if each.text and each.end_s >= at_s - MOMENT_S and each.start_s <= at_s + MOMENT_S
    ]
    return [
        {
            "speaker": each.speaker_name,
            "text": each.text,
            "start_s": each.start_s,
            "end_s": each.end_s,
        }
        for each in sorted(near, key=lambda each: each.start_s)
    ]
