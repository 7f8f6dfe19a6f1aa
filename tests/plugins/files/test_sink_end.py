"""The sink's videos, and its end: with a full disk, killed amid it, with what lies beside them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from attrs import evolve

from meetcore.audio.media import MediaFragment
from meetcore.model.errors import StorageUnavailable
from meetcore.model.events import ArtifactWritten, MediaLost
from meetcore_files.audio_file import OpusFile
from meetcore_files.completion import MeetingFacts, recover_audio
from meetcore_files.manifest import Manifest, ManifestEntry
from meetcore_files.options import FilesOptions
from meetcore_files.sink import FilesSink
from tests.moving_pictures import FRAMES_PER_S, pictures
from tests.plugins.files.test_sink import (
    NOISE,
    RATE,
    a_context,
    begin_meeting,
    chunks,
    events,
    said,
)


def shown(track_id: str, at_s: float, data: bytes, number: int, kind: str = "video") -> Any:
    return MediaFragment(
        track_id=track_id,
        kind=kind,
        container="video/H264",
        number=number,
        data=data,
        at_s=at_s,
        duration_s=1 / FRAMES_PER_S,
    )


async def record_video(sink: FilesSink, *track_ids: str) -> None:
    for number, unit in enumerate(pictures(2.0)):
        for track_id in track_ids:
            kind = "screen" if track_id.startswith("share") else "video"
            await sink.on_media(shown(track_id, number / FRAMES_PER_S, unit, number, kind))
    for chunk in chunks(2):
        await sink.on_audio(chunk)


async def test_a_video_that_cannot_be_rewritten_costs_neither_words_nor_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(path: Path, chapters: object = ()) -> float:
        raise OSError(errno.ENOSPC, "No space left on device")

    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        context.journal.append(said("good morning", 1.0))
        sink = FilesSink()
        async with sink.open(context):
            await record_video(sink, "page")
            with monkeypatch.context() as patch:
                patch.setattr("meetcore_files.sink.finish_video", no_room)
                with pytest.raises(StorageUnavailable):
                    await sink.finish()
        kinds = [e.kind for e in events(context, ArtifactWritten) if isinstance(e, ArtifactWritten)]
        assert {"transcript", "video", "audio.mix", "audio.track", "manifest"} <= set(kinds)
        assert (tmp_path / "files/transcript.json").exists()
        manifest = Manifest.read(tmp_path / "files")
        assert manifest is not None
        assert not manifest.complete
        assert any("video.mp4 plays" in line for line in await FilesSink().recover(context))


async def test_how_long_the_end_may_take_goes_by_the_size_of_the_video(tmp_path: Path) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        sink = FilesSink()
        async with sink.open(context):
            await record_video(sink, "page")
            assert sink.finish_timeout_s == pytest.approx(60, abs=1)
            sink._picture_bytes = 5_000_000_000
            await sink.on_media(shown("page", 3.0, pictures(0.5)[0], 99))
            assert sink.finish_timeout_s > 500
            await sink.finish()


async def test_pictures_that_are_withheld_before_the_call_are_no_clock(tmp_path: Path) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        sink = FilesSink()
        async with sink.open(context):
            await sink.on_media_gap("page", 0, 3, "paused")
            begin_meeting(context.journal)
            for chunk in chunks(1):
                await sink.on_audio(chunk)
            await sink.finish()
    manifest = Manifest.read(tmp_path / "files")
    assert manifest is not None
    assert manifest.offset_s == 1.0


async def test_a_clip_beside_the_recordings_is_nobodys_voice_at_recovery(tmp_path: Path) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        sink = FilesSink()
        async with sink.open(context):
            for chunk in chunks(2):
                await sink.on_audio(chunk)
            await sink.finish()
        folder = tmp_path / "files"
        manifest = Manifest.read(folder)
        assert manifest is not None
        evolve(manifest, complete=False).write(folder)
        mix = (folder / "mix.opus").read_bytes()
        clips = ["mix-000000-000010", "track-t1-000000-000010", "track-t1-000010-end", "my-own"]
        for name in clips:
            (folder / f"{name}.opus").write_bytes(mix)
        await FilesSink().recover(context)
        manifest = Manifest.read(folder)
        assert manifest is not None
        sounds = sorted(each.path for each in manifest.files if each.path.endswith(".opus"))
        assert sounds == ["mix.opus", "track-t1-Ada.opus"]
        for name in clips:
            kept = (folder / f"{name}.opus").read_bytes()
            assert kept == mix, "somebody's own file is left alone"


@pytest.mark.parametrize("name", ["14155550123", "123456-7890123", "Ada"])
def test_a_person_whose_name_is_a_number_is_no_clip(tmp_path: Path, name: str) -> None:
    """Killed between the naming of files and the manifest, they have new names."""
    meeting = MeetingFacts()
    meeting.names["p1"], meeting.owners["user-16778240"] = name, "p1"
    entry = {"path": "track-user-16778240.opus", "track_id": "user-16778240"}
    manifest = Manifest(
        bot_id="b",
        files=[ManifestEntry(kind="audio.track", media_type="audio/ogg", **entry)],
    )
    manifest.write(tmp_path)
    file = OpusFile(tmp_path / f"track-user-16778240-{name}.opus", 24)
    file.write(NOISE[:RATE])
    file.close()
    entries, _ = recover_audio(tmp_path, meeting)
    assert [(each.track_id, each.speaker_name) for each in entries] == [("user-16778240", name)]


async def test_whoever_is_left_out_is_taken_out_though_the_words_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silenced: list[Path] = []

    def cannot(*args: object, **more: object) -> None:
        raise OSError(errno.EISDIR, "Is a directory")

    def silence(folder: Path, *args: object) -> int:
        silenced.append(folder)
        return 0

    monkeypatch.setattr("meetcore_files.sink.write_transcripts", cannot)
    monkeypatch.setattr("meetcore_files.sink.silence_recordings", silence)
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        sink = FilesSink()
        async with sink.open(context):
            for chunk in chunks(1):
                await sink.on_audio(chunk)
            with pytest.raises(StorageUnavailable):
                await sink.finish()
    assert silenced == [tmp_path / "files"]
    manifest = Manifest.read(tmp_path / "files")
    assert manifest is not None
    assert not manifest.complete


async def test_what_a_full_disk_cost_is_said_of_each_picture_there_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        sink = FilesSink()
        async with sink.open(context):
            unwritten = [
                shown(track_id, 1.0, b"x", number)
                for number in (4, 5)
                for track_id in ("page", "share-1")
            ]
            assert sink._encoder is not None
            monkeypatch.setattr(sink._encoder, "take_unwritten", lambda: unwritten)
            sink._declare_unwritten()
            lost = [e for e in events(context, MediaLost) if isinstance(e, MediaLost)]
            assert [(e.track_id, e.first, e.fragments) for e in lost] == [
                ("page", 4, 2),
                ("share-1", 4, 2),
            ]
            monkeypatch.undo()
            await sink.finish()


@pytest.mark.parametrize("mix", [True, False])
async def test_what_was_said_before_the_first_picture_is_in_the_video(
    tmp_path: Path, mix: bool
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)
        sink = FilesSink(FilesOptions(mix=mix))
        async with sink.open(context):
            for chunk in chunks(3):
                await sink.on_audio(chunk)
            for number, unit in enumerate(pictures(2.0)):
                await sink.on_media(shown("page", 3 + number / FRAMES_PER_S, unit, number))
            await sink.finish()
    with av.open(str(tmp_path / "files/video.mp4")) as container:
        loud = [
            float(block.time or 0)
            for block in container.decode(audio=0)
            if np.abs(block.to_ndarray()).mean() > 0.02
        ]
    assert 0.9 <= loud[0] < 1.3, "the recording begins one second into the meeting"
