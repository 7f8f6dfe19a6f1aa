"""One MP4 of a meeting: its picture as it was recorded, and the mix of its sound. Blocks.

While it grows it is fragmented, and each fragment is flushed: what a killed process leaves plays up
to the last second or two. When the meeting is over it is rewritten with its index in front, so that
a browser plays it while it loads.

Time in the file is meeting time: the first picture stands from the beginning on, and what is
missing later (a pause, a recorder that broke off) is the last picture before it, and silence. Both
are placed by the meeting's sound clock, so that they stay together however long it takes.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from meetcore import SAMPLE_RATE_HZ, Chunk, Pcm
from meetcore.log import private_file
from meetcore.model import Chapter
from meetcore_files.atomic import replace_atomically
from meetcore_files.chapter_marks import chapters_in, mark_chapters
from meetcore_files.torn_boxes import opened

__all__ = [
    "KEPT_BEFORE_PICTURE",
    "KEPT_TAGS",
    "PICTURES",
    "VIDEO_NAME",
    "VIDEO_TYPE",
    "VideoFile",
    "finish_video",
    "plays_until_s",
    "replace_sound",
    "stands_alone",
    "video_duration_s",
]

VIDEO_NAME = "video.mp4"
PICTURES = "video/H264"
"""The container of media that goes into it: an access unit of H.264 a fragment, Annex B."""
VIDEO_TYPE = "video/mp4"
TICKS = 90_000
"""The file's units of time a second, for its picture: RTP's for video."""
AAC_FRAME = 1024
AAC_BIT_RATE = 64_000
FRAGMENT_S = 0.5
BEHIND_IN_A_FILE = (7.0, 6.0)
"""By how much the sound may come later than the picture before silence stands for it, and how late
it is then: a mix waits up to 5 s for somebody who has become quiet."""
BEHIND_LIVE = (3.0, 2.0)
KEPT_BEFORE_PICTURE = 10 * SAMPLE_RATE_HZ
"""In samples: so much sound waits for the first picture."""
LONGEST_LIVE_SILENCE = 10 * SAMPLE_RATE_HZ
"""In samples: so much silence is made up at once."""

# NAL unit types (ITU-T H.264, table 7-1): a slice of a picture that stands alone, and a sequence's
# parameters, without which nothing can be decoded.
_IDR, _SPS = 5, 7


def _nal_types(data: bytes) -> set[int]:
    """Return the types of the NAL units in a piece of a byte stream."""
    found, at = set(), data.find(b"\0\0\1")
    while at >= 0 and at + 3 < len(data):
        found.add(data[at + 3] & 0x1F)
        at = data.find(b"\0\0\1", at + 3)
    return found


def stands_alone(data: bytes) -> bool:
    """Return whether a player can begin with this access unit of H.264 (Annex B)."""
    return {_IDR, _SPS} <= _nal_types(data)


class VideoFile:
    """A growing MP4. Give it pictures and sound in any order, each in its own.

    Args:
        path: Where; an existing file is replaced when the first picture comes.
        tags: What players show: `title` and the like.
        into: Takes the bytes instead of the path, as they come; it is only written to.
        silent: Whether it has no sound at all.
    """

    def __init__(
        self,
        path: Path,
        tags: Mapping[str, str] | None = None,
        *,
        into: BinaryIO | None = None,
        silent: bool = False,
    ) -> None:
        self.path = path
        self._silent = silent
        self._into = into
        self._behind = BEHIND_IN_A_FILE if into is None else BEHIND_LIVE
        self.begun = False
        self.left_out = 0
        self._tags = dict(tags or {})
        self._container: Any = None
        self._video: Any = None
        self._sound: Any = None
        self._last_ticks = -1
        self._needs_whole = True
        self._early: deque[Chunk] = deque()
        self._rest: Pcm = np.zeros(0, np.int16)
        self._samples = 0

    @property
    def duration_s(self) -> float:
        """How long the picture is so far."""
        return max(0, self._last_ticks) / TICKS

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture; 0 before the first."""
        if self._video is None:
            return 0, 0
        return self._video.codec_context.width, self._video.codec_context.height

    def picture(self, at_s: float, data: bytes) -> None:
        """Append a picture.

        Args:
            at_s: When it was seen, in seconds of meeting time.
            data: An access unit of H.264, Annex B.

        Raises:
            OSError: The disk took it not; what was written before still plays.
        """
        alone = stands_alone(data)
        if self._needs_whole and not alone:
            self.left_out += 1
            return
        ticks = round(at_s * TICKS)
        if not self.begun:
            self._begin(data)
            ticks = 0
        elif ticks <= self._last_ticks:
            if ticks < self._last_ticks - TICKS // 2:
                self.left_out += 1
                self._needs_whole = True  # what refers to it cannot be shown either
                return
            ticks = self._last_ticks + 1  # the clock was corrected by a little
        self._needs_whole = False
        self._mux_picture(ticks, data, alone)
        self._last_ticks = ticks
        behind_s = at_s - self._samples / SAMPLE_RATE_HZ
        most_s, late_s = self._behind
        if behind_s > most_s:
            self._silence(round((behind_s - late_s) * SAMPLE_RATE_HZ))

    def gap(self) -> None:
        """Learn that pictures are missing: the next one has to stand alone."""
        self._needs_whole = True

    def sound(self, chunk: Chunk) -> None:
        """Append sound of the mix, 16 kHz; its samples are counted in meeting time.

        Raises:
            OSError: As for `picture`.
        """
        if not self.begun:
            self._early.append(chunk)
            kept_from = chunk.end_sample - KEPT_BEFORE_PICTURE
            while self._early[0].end_sample <= kept_from and len(self._early) > 1:
                self._early.popleft()
            return
        missing = chunk.start_sample - self._samples
        pcm = chunk.pcm
        if missing > 0:
            self._silence(missing)
        elif missing < 0:
            pcm = pcm[-missing:]
        self._append(pcm)

    def close(self) -> None:
        """Complete the fragmented file; once.

        Raises:
            OSError: As for `picture`; the file is let go all the same.
        """
        container, self._container = self._container, None
        if container is None:
            return
        if self._silent:
            container.close()
            return
        try:
            self._container = container
            self._silence(max(0, self._last_ticks * SAMPLE_RATE_HZ // TICKS - self._samples))
            self._container = None
            rest = np.zeros(-len(self._rest) % AAC_FRAME, np.int16)
            self._encode(rest, container)
            self._mux_sound(self._sound.encode(None), container)
        finally:
            container.close()

    # --- writing --------------------------------------------------------------------------

    def _begin(self, data: bytes) -> None:
        import av

        target: Any = str(private_file(self.path)) if self._into is None else self._into
        container: Any = av.open(
            target,
            "w",
            format="mp4",
            options={
                "movflags": "frag_keyframe+empty_moov+default_base_moof",
                "frag_duration": str(round(FRAGMENT_S * 1_000_000)),
                "flush_packets": "1",
                # A picture does not wait in memory for the sound of its time.
                "max_interleave_delta": str(round(FRAGMENT_S * 1_000_000)),
            },
        )
        container.metadata.update(self._tags)
        with av.open(io.BytesIO(data), format="h264") as sample:
            self._video = container.add_stream_from_template(sample.streams.video[0])
        self._video.time_base = Fraction(1, TICKS)
        if not self._silent:
            self._sound = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
            self._sound.bit_rate = AAC_BIT_RATE
        self._container, self.begun = container, True
        early, self._early = self._early, deque()
        for chunk in early:
            self.sound(chunk)

    def _mux_picture(self, ticks: int, data: bytes, alone: bool) -> None:
        import av

        if self._container is None:
            return
        packet: Any = av.Packet(data)
        packet.stream = self._video
        packet.time_base = Fraction(1, TICKS)
        packet.pts = packet.dts = ticks
        packet.is_keyframe = alone
        self._container.mux(packet)

    def _silence(self, samples: int) -> None:
        """Let silence stand for what is missing; a live stream has none in a long pause."""
        if self._container is None or self._silent:
            return
        if self._into is not None and samples > LONGEST_LIVE_SILENCE:
            fill = -len(self._rest) % AAC_FRAME
            self._append(np.zeros(fill, np.int16))
            self._samples += samples - fill
            return
        for at in range(0, samples, LONGEST_LIVE_SILENCE):
            self._append(np.zeros(min(LONGEST_LIVE_SILENCE, samples - at), np.int16))

    def _append(self, pcm: Pcm) -> None:
        if len(pcm) and self._container is not None and not self._silent:
            self._encode(pcm, self._container)

    def _encode(self, pcm: Pcm, container: Any) -> None:
        import av

        self._samples += len(pcm)
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) - len(pcm) % AAC_FRAME
        self._rest = pcm[whole:].copy()
        first = self._samples - len(pcm)
        for at in range(0, whole, AAC_FRAME):
            part = np.ascontiguousarray(pcm[at : at + AAC_FRAME])
            frame: Any = av.AudioFrame.from_ndarray(
                part[np.newaxis, :].astype(np.float32) / 32768, format="fltp", layout="mono"
            )
            frame.sample_rate = SAMPLE_RATE_HZ
            frame.pts, frame.time_base = first + at, Fraction(1, SAMPLE_RATE_HZ)
            self._mux_sound(self._sound.encode(frame), container)

    def _mux_sound(self, packets: list[Any], container: Any) -> None:
        for packet in packets:
            # AAC begins with a packet from before the beginning (its priming). A fragmented file
            # cannot say that it is not to be played: it would put everything off by it.
            if packet.pts >= 0:
                container.mux(packet)


def finish_video(path: Path, chapters: Sequence[Chapter] = ()) -> float:
    """Rewrite what plays of an MP4 with its index in front; return its length in seconds.

    A file that breaks off is made whole up to there; one in which nothing plays stays as it is.

    Args:
        path: The file.
        chapters: What it is to have; without any it keeps its own.

    Raises:
        OSError: The new file cannot be written; the old one is untouched.
    """
    import av

    part = path.with_name(f".{path.name}.part")
    end_s = 0.0
    try:
        old: Any
        with opened(path) as old:
            kept = [*old.streams.video, *old.streams.audio]
            if not kept or any(each.codec_context is None for each in kept):
                return 0.0  # cut within the head
            new: Any = av.open(
                str(private_file(part)), "w", format="mp4", options={"movflags": "faststart"}
            )
            with new:
                streams = {each: new.add_stream_from_template(each) for each in kept}
                mark_chapters(new, path.suffix, chapters or chapters_in(old))
                new.metadata.update({k: v for k, v in old.metadata.items() if k in KEPT_TAGS})
                try:
                    for packet in old.demux(kept):
                        if packet.is_corrupt:
                            break  # cut in the middle
                        if packet.dts is None or packet.stream not in streams:
                            continue
                        last = packet.pts + (packet.duration or 0)
                        end_s = max(end_s, float(last * packet.time_base))
                        packet.stream = streams[packet.stream]
                        new.mux(packet)
                except av.InvalidDataError:
                    pass  # the torn end
        if end_s:
            replace_atomically(part, path)
    except (av.InvalidDataError, EOFError):
        return 0.0
    finally:
        part.unlink(missing_ok=True)
    return round(end_s, 3)


def plays_until_s(path: Path) -> float:
    """Return where the last picture of an MP4 is that can be read, in seconds; 0 for none."""
    import av

    end_s = 0.0
    try:
        with opened(path) as container:
            for packet in container.demux(video=0):
                if packet.is_corrupt:
                    break
                if packet.pts is not None:
                    end_s = max(end_s, float(packet.pts * packet.time_base))
    except (av.FFmpegError, IndexError, EOFError):
        return end_s  # the torn end
    return end_s


def replace_sound(path: Path, sound: Iterator[Pcm]) -> None:
    """Rewrite an MP4 that is complete with the same picture and other sound.

    Args:
        path: The file.
        sound: Blocks of 16 kHz mono, from the beginning of the meeting on.

    Raises:
        OSError: The new file cannot be written; the old one is untouched.
    """
    import av

    part = path.with_name(f".{path.name}.part")
    try:
        old: Any
        with av.open(str(path)) as old:
            new: Any = av.open(
                str(private_file(part)), "w", format="mp4", options={"movflags": "faststart"}
            )
            with new:
                picture = old.streams.video[0]
                stream = new.add_stream_from_template(picture)
                mark_chapters(new, path.suffix, chapters_in(old))
                writer = VideoFile(part)
                writer._sound = new.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
                writer._sound.bit_rate = AAC_BIT_RATE
                new.metadata.update({k: v for k, v in old.metadata.items() if k in KEPT_TAGS})
                end_s = 0.0
                for packet in old.demux(picture):
                    if packet.dts is None:
                        continue
                    end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    while writer._samples < end_s * SAMPLE_RATE_HZ:
                        block = next(sound, None)
                        if block is None:
                            break
                        writer._encode(block, new)
                    packet.stream = stream
                    new.mux(packet)
                missing = round(end_s * SAMPLE_RATE_HZ) - writer._samples
                writer._encode(np.zeros(max(0, missing), np.int16), new)
                writer._encode(np.zeros(-len(writer._rest) % AAC_FRAME, np.int16), new)
                writer._mux_sound(writer._sound.encode(None), new)
        replace_atomically(part, path)
    finally:
        part.unlink(missing_ok=True)


KEPT_TAGS = frozenset({"title", "album", "date", "comment"})


def video_duration_s(path: Path) -> float:
    """Return how long an MP4 is by its own word, in seconds; 0 for one that cannot be opened."""
    import av

    try:
        with av.open(str(path)) as container:
            return round((container.duration or 0) / 1_000_000, 3)
    except (av.FFmpegError, OSError):
        return 0.0
