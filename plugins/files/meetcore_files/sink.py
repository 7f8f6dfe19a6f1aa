"""The sink `files`: hears every track, and writes what is for afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import trio

from meetcore import (
    SAMPLE_RATE_HZ,
    ArtifactWritten,
    AudioLost,
    Chunk,
    MediaFragment,
    MediaLost,
    Sink,
    SinkContext,
    StorageUnavailable,
)
from meetcore.log import make_private_folder
from meetcore_files.chapter_marks import has_chapters
from meetcore_files.completion import (
    MeetingFacts,
    audio_entry,
    complete,
    recover_audio,
    silence_recordings,
    write_transcripts,
)
from meetcore_files.encoder_thread import EncoderThread, Recordable
from meetcore_files.manifest import MANIFEST_NAME, Manifest
from meetcore_files.options import FilesOptions
from meetcore_files.playback import remake
from meetcore_files.recorder import MissingPictures, RecordedFile, Recorder
from meetcore_files.video_file import PICTURES, finish_video

__all__ = ["FilesSink"]

T = TypeVar("T")
_EVENTS_AT_A_TIME = 100
FINISH_WITHIN_S = 60.0
"""How long the end of a recording may take that has no video."""
SLOW_DISK_BYTES_PER_S = 10_000_000
"""Of a video, which is read and written several times: on a disk that is slow, or shared."""


class FilesSink(Sink[FilesOptions]):
    """Recordings per track and mixed, a video, the transcript in four formats, a manifest.

    Everything lies in `<bot's folder>/files`. Time in each recording is meeting time.
    """

    name: ClassVar[str] = "files"
    wants_events: ClassVar[bool] = False
    wants_audio: ClassVar[bool] = True
    wants_own_voice: ClassVar[bool] = True
    keeps: ClassVar[bool] = True
    wants_media: ClassVar[bool] = True

    def __init__(self, options: FilesOptions | None = None) -> None:
        super().__init__(options)
        self._context: SinkContext | None = None
        self._encoder: EncoderThread | None = None
        self._files: list[RecordedFile] = []
        self._tags: dict[str | None, Mapping[str, str]] = {}
        self._meeting = MeetingFacts()
        self._read_seq = 0
        self._offset_s: float | None = None
        self._completed = False
        self._told_of_trouble = False
        self._picture_bytes = 0

    @property
    def _folder(self) -> Path:
        assert self._context is not None
        return self._context.folder / self._context.name

    @asynccontextmanager
    async def open(self, context: SinkContext) -> AsyncIterator[None]:
        """Run the encoder thread; when this ends every file is closed.

        Raises:
            StorageUnavailable: The folder cannot be written.
        """
        self._context = context
        self._encoder = EncoderThread(self._start_recorder)
        _make_folder(self._folder)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._encoder.run)
            yield
            if not self._completed:
                await self._complete_late()
            nursery.cancel_scope.cancel()

    async def on_audio(self, chunk: Chunk) -> None:
        """Take a chunk; waits while the encoder is behind.

        Raises:
            StorageUnavailable: Recording has stopped, for instance because the disk is full.
        """
        assert self._context is not None
        assert self._encoder is not None
        if chunk.track_id not in self._tags:
            await self._read_on()
            self._tags[chunk.track_id] = self._meeting.tags_of(chunk.track_id)
        await self._put(chunk)

    async def on_media(self, fragment: MediaFragment) -> None:
        """Take a piece of the picture; other media is not written.

        Raises:
            StorageUnavailable: As for `on_audio`.
        """
        if fragment.container == PICTURES and not fragment.header:
            self._picture_bytes += len(fragment.data)
            self.finish_timeout_s = FINISH_WITHIN_S + self._picture_bytes / SLOW_DISK_BYTES_PER_S
            await self._put(fragment)

    async def on_media_gap(self, track_id: str, first: int, fragments: int, cause: str) -> None:
        """Learn that pieces of the picture never come.

        Raises:
            StorageUnavailable: As for `on_audio`.
        """
        if self._offset_s is not None:  # before there is anything, nothing is missing
            await self._put(MissingPictures(track_id))

    async def _put(self, item: Recordable) -> None:
        assert self._encoder is not None
        if self._offset_s is None:
            await self._read_on()
            self._offset_s = self._meeting.offset_s
            self._tags[None] = self._meeting.tags_of(None)
        try:
            await self._encoder.put(item)
        except StorageUnavailable:
            self._told_of_trouble = True
            self._declare_unwritten()
            raise

    async def finish(self) -> None:
        """Complete the recordings, write transcripts and manifest, and report each file.

        Raises:
            StorageUnavailable: Something could not be written; the rest is there.
        """
        assert self._context is not None
        assert self._encoder is not None
        self._completed = True
        trouble: StorageUnavailable | None = None
        try:
            await self._encoder.close()
        except StorageUnavailable as error:
            trouble = error
            self._declare_unwritten()
        await self._read_on()
        meeting = self._meeting
        meeting.offset_s = self._offset_s or 0.0
        # Words first: to rewrite hours of a video takes minutes, and room.
        words = partial(
            write_transcripts, self._folder, meeting.transcript.segments, meeting.about,
            self.options.transcripts, fillers=self.options.fillers,
        )  # fmt: skip
        untold: StorageUnavailable | None = None
        try:
            await _on_thread(words)
        except StorageUnavailable as error:
            untold = error  # whoever is left out is taken out all the same
        if trouble is None:
            try:
                await _on_thread(partial(self._silence, meeting))
                await _on_thread(partial(self._tag_again, meeting))
            except StorageUnavailable as error:
                trouble = error
        trouble = trouble or untold
        for file in self._files:
            if file.is_video:
                try:
                    await self._finish_video(file)
                except StorageUnavailable as error:  # as it was written it plays, too
                    trouble = trouble or error
        manifest = await _on_thread(
            partial(
                complete,
                self._folder,
                self._context.bot_id,
                meeting,
                [audio_entry(file, meeting) for file in self._files],
                self.options,
                sound=trouble is None,
            )
        )
        _report(self._context, manifest)
        if trouble is not None:
            raise trouble

    async def _finish_video(self, file: RecordedFile) -> None:
        chapters = self._meeting.chapters.until(file.samples / SAMPLE_RATE_HZ)
        of_all = file.track_id is None
        seconds = await _on_thread(partial(finish_video, file.path, chapters if of_all else ()))
        file.samples = round(seconds * SAMPLE_RATE_HZ)

    async def recover(self, context: SinkContext) -> Sequence[str]:
        """Make whole files of what a killed process left, and write transcripts and manifest.

        Raises:
            StorageUnavailable: Something could not be written.
        """
        folder = context.folder / context.name
        known = await _on_thread(partial(Manifest.read, folder))
        if not folder.is_dir() or (known is not None and known.complete):
            return ()
        meeting = await _meeting(context)
        if known is not None:
            meeting.offset_s = known.offset_s
        entries, lines = await _on_thread(partial(recover_audio, folder, meeting))
        silence = partial(silence_recordings, folder, meeting, entries, self.options)
        if silenced := await _on_thread(silence):
            lines.append(f"{silenced} recordings are without people who were excluded.")
        manifest = await _on_thread(
            partial(complete, folder, context.bot_id, meeting, entries, self.options, sound=True)
        )
        _report(context, manifest)
        if segments := len(meeting.transcript.segments):
            lines = [*lines, f"{segments} segments written as transcripts."]
        return lines or ["The manifest was completed."]

    async def _read_on(self) -> None:
        """Take what the journal has since the last time, letting others in between."""
        assert self._context is not None
        for event in self._context.journal.read(self._read_seq):
            self._meeting.take(event)
            self._read_seq = event.seq
            if event.seq % _EVENTS_AT_A_TIME == 0:
                await trio.lowlevel.checkpoint()

    def _silence(self, meeting: MeetingFacts) -> None:
        """Take out what was recorded of people who were excluded; blocks."""
        audio = [audio_entry(file, meeting) for file in self._files]
        silence_recordings(self._folder, meeting, audio, self.options)

    def _tag_again(self, meeting: MeetingFacts) -> None:
        """Tag the files anew whose people became known after they were begun; blocks.

        The mix gets its chapters.
        """
        for file in self._files:
            if file.is_video:
                continue
            if file.track_id is None:
                chapters = meeting.chapters.until(file.samples / SAMPLE_RATE_HZ)
                if chapters and has_chapters(file.path):
                    remake(file.path, chapters=chapters)
            elif (tags := meeting.tags_of(file.track_id)) != file.tags:
                remake(file.path, tags)

    async def _complete_late(self) -> None:
        """Do what `finish` would have done, for a sink that was detached before it."""
        try:
            await self.finish()
        except StorageUnavailable:
            if not self._told_of_trouble:
                raise

    def _start_recorder(self) -> Recorder:
        """Begin to record (on the encoder thread)."""
        offset_samples = round((self._offset_s or 0.0) * SAMPLE_RATE_HZ)
        return Recorder(
            self._folder, self.options, offset_samples, self._begun, lambda id_: self._tags[id_]
        )

    def _begun(self, file: RecordedFile) -> None:
        """Note a new file (on the encoder thread), so that recovery knows what it holds."""
        assert self._context is not None
        self._files.append(file)
        Manifest(
            bot_id=self._context.bot_id,
            offset_s=self._offset_s or 0.0,
            files=[audio_entry(known) for known in self._files],
        ).write(self._folder)

    def _declare_unwritten(self) -> None:
        assert self._context is not None
        assert self._encoder is not None
        pictures: dict[str, list[MediaFragment]] = {}
        for item in self._encoder.take_unwritten():
            if isinstance(item, MediaFragment):
                pictures.setdefault(item.track_id, []).append(item)
            elif isinstance(item, Chunk):
                self._context.report(
                    AudioLost(
                        track_id=item.track_id,
                        consumer=self._context.name,
                        start_sample=item.start_sample,
                        samples=item.samples,
                        cause="storage_failed",
                    )
                )
        for track_id, lost in pictures.items():
            self._context.report(
                MediaLost(
                    track_id=track_id,
                    consumer=self._context.name,
                    first=lost[0].number,
                    fragments=len(lost),
                    cause="storage_failed",
                )
            )


async def _meeting(context: SinkContext) -> MeetingFacts:
    """Read the journal up to here, letting others in between: it may be long."""
    meeting = MeetingFacts()
    for event in context.journal.read():
        meeting.take(event)
        if event.seq % _EVENTS_AT_A_TIME == 0:
            await trio.lowlevel.checkpoint()
    return meeting


def _make_folder(folder: Path) -> None:
    try:
        make_private_folder(folder)
        probe = folder / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageUnavailable(
            f"The folder {folder} cannot be written: {error.strerror}.",
            "Choose another with --out.",
        ) from error


async def _on_thread(call: partial[T]) -> T:
    try:
        return await trio.to_thread.run_sync(call)
    except OSError as error:
        raise StorageUnavailable(
            f"A file for afterwards could not be written: {error.strerror or error}.",
            "Make room, then run `meetcore recover`.",
        ) from error


def _report(context: SinkContext, manifest: Manifest) -> None:
    for entry in manifest.files:
        context.report(
            ArtifactWritten(
                kind=entry.kind,
                path=f"{context.name}/{entry.path}",
                media_type=entry.media_type,
                size_bytes=entry.size_bytes or 0,
                duration_s=entry.duration_s,
            )
        )
    path = context.folder / context.name / MANIFEST_NAME
    context.report(
        ArtifactWritten(
            kind="manifest",
            path=f"{context.name}/{MANIFEST_NAME}",
            media_type="application/json",
            size_bytes=path.stat().st_size,
        )
    )
