"""Lays the tracks of a call, and their mix, into files in which time is meeting time.

Everything is placed by sample index: what is missing (before somebody came, while the bot was
paused, what was lost on the way) becomes silence of exactly its length. Plain code without a
thread or a clock; it runs on the encoder thread.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define, field

from meetcore import SAMPLE_RATE_HZ, CallMix, Chunk, MediaFragment, Pcm
from meetcore_files.audio_file import AudioFile, audio_file_class
from meetcore_files.options import FilesOptions
from meetcore_files.shared_screen import SharedScreen
from meetcore_files.video_file import KEPT_BEFORE_PICTURE, VIDEO_NAME, VIDEO_TYPE, VideoFile

__all__ = ["MIX_STEM", "MissingPictures", "RecordedFile", "Recorder", "stem_for_track"]

MIX_STEM = "mix"
_TRACK_SILENT_S = 5
_JUMP_S = 10


@define
class RecordedFile:
    """A file and what is in it; `track_id` is None for the mix and the meeting's video."""

    path: Path
    media_type: str
    track_id: str | None
    samples: int = 0
    tags: Mapping[str, str] = field(factory=dict)

    @property
    def is_video(self) -> bool:
        """Whether it has a picture."""
        return self.media_type == VIDEO_TYPE


@define
class MissingPictures:
    """Stands where pictures of a track are missing that never come."""

    track_id: str


def stem_for_track(track_id: str) -> str:
    """Return a file name's stem for a track: readable, safe, different for different ids."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", track_id).strip(".-")[:48]
    if plain == track_id:
        return f"track-{plain}"
    digest = hashlib.sha256(track_id.encode()).hexdigest()[:8]
    return f"track-{plain}-{digest}" if plain else f"track-{digest}"


class _Lane:
    """A file with a position on the clock."""

    def __init__(self, file: AudioFile, entry: RecordedFile) -> None:
        self.file = file
        self._entry = entry

    def place(self, start: int, pcm: Pcm) -> None:
        missing = start - self.file.samples
        if missing > 0:
            self.file.silence(missing)
        elif missing < 0:
            pcm = pcm[-missing:]
        if len(pcm):
            self.file.write(pcm)
        self._entry.samples = self.file.samples


class Recorder:
    """Takes chunks of any track in any order and keeps the files growing.

    Args:
        folder: Where the files go; it exists.
        options: Which files, in which format.
        offset_samples: Where sample 0 of the call's clock lies in the meeting.
        opened: Is told of each file when it is begun.
        tags_of: Gives the tags of a track's file, and with None those of the mix.
    """

    def __init__(
        self,
        folder: Path,
        options: FilesOptions,
        offset_samples: int,
        opened: Callable[[RecordedFile], None],
        tags_of: Callable[[str | None], Mapping[str, str]] | None = None,
    ) -> None:
        self._folder = folder
        self._options = options
        self._offset = offset_samples
        self._opened = opened
        self._tags_of = tags_of
        self._lanes: dict[str, _Lane] = {}
        self._mix_lane: _Lane | None = None
        tags = tags_of(None) if tags_of is not None else {}
        self._video = VideoFile(folder / VIDEO_NAME, tags)  # begins with its first picture
        self._video_track: str | None = None
        self._early: deque[Chunk] = deque()
        self._video_entry: RecordedFile | None = None
        self._shares: dict[str, SharedScreen] = {}
        self._share_entries: dict[str, RecordedFile] = {}
        self._mix = CallMix(longest_hole_s=_JUMP_S, absent_s=_TRACK_SILENT_S)

    def hear(self, chunk: Chunk) -> None:
        """Take a chunk, 16 kHz.

        Raises:
            OSError: A file could not be opened or written; all files play up to here.
        """
        if self._options.tracks:
            self._track_lane(chunk.track_id).place(chunk.start_sample + self._offset, chunk.pcm)
        if self._options.mix or self._video.begun:
            self._place_mix(self._mix.add(chunk))
        else:  # a video may begin, and has what was heard shortly before
            self._early.append(chunk)
            while self._early[0].end_sample < chunk.start_sample - KEPT_BEFORE_PICTURE:
                self._early.popleft()

    def see(self, item: MediaFragment | MissingPictures) -> None:
        """Take a piece of the picture, or that some are missing.

        Raises:
            OSError: As for `hear`.
        """
        if isinstance(item, MissingPictures):
            if item.track_id in self._shares:
                self._shares[item.track_id].gap()
            elif item.track_id == self._video_track:
                self._video.gap()
            return
        if item.kind == "screen":
            self._see_share(item)
            return
        self._video_track = item.track_id
        self._video.picture(item.at_s + self._offset / SAMPLE_RATE_HZ, item.data)
        while self._early and self._video.begun:
            self._place_mix(self._mix.add(self._early.popleft()))
        if self._video.begun and self._video_entry is None:
            self._video_entry = RecordedFile(self._video.path, VIDEO_TYPE, None)
            self._opened(self._video_entry)
        if self._video_entry is not None:
            self._video_entry.samples = round(self._video.duration_s * SAMPLE_RATE_HZ)

    def _see_share(self, item: MediaFragment) -> None:
        """Take a piece of a screen that is shared: each track of one is a stretch."""
        share = self._shares.get(item.track_id)
        if share is None:
            tags = self._tags_of(None) if self._tags_of is not None else {}
            share = SharedScreen(self._folder, len(self._shares) + 1, tags)
            self._shares[item.track_id] = share
        share.see(item.at_s + self._offset / SAMPLE_RATE_HZ, item.data)
        entry = self._share_entries.get(item.track_id)
        if share.begun and entry is None:
            entry = self._share_entries[item.track_id] = RecordedFile(
                share.path, VIDEO_TYPE, item.track_id
            )
            self._opened(entry)
        if entry is not None:
            entry.samples = round(share.duration_s * SAMPLE_RATE_HZ)

    def close(self) -> None:
        """Complete every file; each is tried whatever happens to the others.

        Raises:
            OSError: The first that failed.
        """
        trouble: OSError | None = None
        try:
            self._place_mix(self._mix.rest())
        except OSError as error:
            trouble = error
        videos: list[VideoFile | SharedScreen] = [self._video, *self._shares.values()]
        for video in videos:
            try:
                video.close()
            except OSError as error:
                trouble = trouble or error
        lanes = [*self._lanes.values(), *([self._mix_lane] if self._mix_lane else [])]
        for lane in lanes:
            try:
                lane.file.close()
            except OSError as error:
                trouble = trouble or error
        self._lanes, self._mix_lane = {}, None
        if trouble is not None:
            raise trouble

    def _open(self, stem: str, track_id: str | None) -> _Lane:
        kind = audio_file_class(self._options.format)
        tags = self._tags_of(track_id) if self._tags_of is not None else {}
        file = kind(self._folder / f"{stem}{kind.suffix}", self._options.bit_rate_kbps, tags)
        entry = RecordedFile(file.path, kind.media_type, track_id, tags=tags)
        self._opened(entry)
        return _Lane(file, entry)

    def _track_lane(self, track_id: str) -> _Lane:
        lane = self._lanes.get(track_id)
        if lane is None:
            lane = self._lanes[track_id] = self._open(stem_for_track(track_id), track_id)
        return lane

    def _place_mix(self, mixed: list[Chunk]) -> None:
        for chunk in mixed:
            self._video.sound(Chunk(MIX_STEM, chunk.start_sample + self._offset, chunk.pcm))
            if not self._options.mix:
                continue
            if self._mix_lane is None:
                self._mix_lane = self._open(MIX_STEM, None)
            self._mix_lane.place(chunk.start_sample + self._offset, chunk.pcm)
