"""The sink over a real journal, a real encoder and real files; killed, and with a full disk."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore.audio.media import MediaFragment
from meetcore.log.journal import Journal
from meetcore.model.commands import Command
from meetcore.model.errors import StorageUnavailable
from meetcore.model.events import (
    ArtifactWritten,
    AudioLost,
    BotRequested,
    CaptureStarted,
    Event,
    MediaLost,
    ParticipantJoined,
    SegmentFinalized,
    TrackOpened,
)
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word
from meetcore.plugin.sink import SinkContext
from meetcore_files.audio_file import OpusFile
from meetcore_files.completion import MeetingFacts, file_name_part, recover_audio
from meetcore_files.manifest import Manifest, ManifestEntry, sha256_of
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s
from meetcore_files.sink import FilesSink
from tests.moving_pictures import FRAMES_PER_S, pictures

RATE = 16_000
BLOCK = 1_600
NOISE = np.random.default_rng(3).normal(0, 3_000, 60 * RATE).astype(np.int16)


def said(text: str, start_s: float) -> SegmentFinalized:
    return SegmentFinalized(
        segment=Segment(
            id=f"s{start_s:g}",
            revision=1,
            finalized=True,
            track_id="t1",
            participant_id="p1",
            speaker_name="Ada",
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=text,
            words=tuple(
                Word(word, start_s + n / 10, start_s + (n + 1) / 10, 0.9)
                for n, word in enumerate(text.split())
            ),
            start_s=start_s,
            end_s=start_s + 1,
        )
    )


def begin_meeting(journal: Journal) -> None:
    events: list[Event] = [
        BotRequested(
            platform="sim", native_id="r", public_url="https://sim.example/r", display_name="Bot"
        ),
        ParticipantJoined(participant=Participant(id="p1", name="Ada")),
        TrackOpened(
            track_id="t1", participant_id="p1", kind="participant", name_source=NameSource.TRACK
        ),
        CaptureStarted(offset_s=1.0),
    ]
    for event in events:
        journal.append(event)


@contextmanager
def a_context(folder: Path) -> Iterator[SinkContext]:
    async def perform(command: Command) -> None:
        raise AssertionError(command)

    journal = Journal(folder / "journal.jsonl", "b", fsync=False)
    try:
        yield SinkContext(
            name="files",
            bot_id="b",
            folder=folder,
            journal=journal,
            report=journal.append,
            perform=perform,
        )
    finally:
        journal.close()


def chunks(seconds: float, track_id: str = "t1") -> list[Chunk]:
    return [
        Chunk(track_id, at, NOISE[at : at + BLOCK]) for at in range(0, int(seconds * RATE), BLOCK)
    ]


def events(context: SinkContext, kind: type[Event]) -> list[Event]:
    return [event for event in context.journal.read() if isinstance(event, kind)]


async def test_a_meeting_leaves_recordings_transcripts_and_a_manifest_that_agrees_with_them(
    tmp_path: Path,
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)  # type: ignore[arg-type]
        sink = FilesSink(FilesOptions())
        async with sink.open(context):
            for pair in zip(chunks(4), chunks(4, "t/2"), strict=True):
                for chunk in pair:
                    await sink.on_audio(chunk)
            context.report(said("good morning everyone", 2.0))
            await sink.finish()
        written = events(context, ArtifactWritten)
    folder = tmp_path / "files"
    manifest = Manifest.read(folder)
    assert manifest is not None
    assert manifest.complete
    names = {entry.path for entry in manifest.files}
    assert names | {"manifest.json"} == {path.name for path in folder.iterdir()}
    assert len(names) == 7
    for entry in manifest.files:
        path = folder / entry.path
        assert (entry.size_bytes, entry.sha256) == (path.stat().st_size, sha256_of(path))
        if entry.kind.startswith("audio"):
            assert entry.duration_s == 5.0
            assert played_duration_s(path) == pytest.approx(5.0, abs=0.03)
    (first,) = [entry for entry in manifest.files if entry.track_id == "t1"]
    assert (first.participant_id, first.speaker_name) == ("p1", "Ada")
    assert {event.path for event in written if isinstance(event, ArtifactWritten)} == {
        f"files/{name}" for name in (*names, "manifest.json")
    }
    transcript = json.loads((folder / "transcript.json").read_bytes())
    assert transcript["meeting"] == "https://sim.example/r"
    assert [s["text"] for s in transcript["segments"]] == ["good morning everyone"]
    assert (folder / "transcript.txt").read_text() == "[00:00:02] Ada: good morning everyone\n"


async def test_a_cancelled_bot_leaves_whole_recordings_and_no_thread(tmp_path: Path) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        with trio.CancelScope() as scope:
            sink = FilesSink(FilesOptions(mix=False))
            async with sink.open(context):
                for chunk in chunks(3):
                    await sink.on_audio(chunk)
                scope.cancel()
                await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert played_duration_s(tmp_path / "files/track-t1.opus") == pytest.approx(3, abs=0.03)
        lines = await FilesSink(FilesOptions()).recover(context)
    assert lines[0] == "track-t1.opus plays 3.0 s."
    manifest = Manifest.read(tmp_path / "files")
    assert manifest is not None
    assert manifest.complete


async def test_a_meeting_in_which_nothing_was_said_leaves_no_empty_transcripts(
    tmp_path: Path,
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)  # type: ignore[arg-type]
        sink = FilesSink()
        async with sink.open(context):
            await sink.finish()
        written = [e.path for e in events(context, ArtifactWritten)]  # type: ignore[attr-defined]
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["manifest.json"]
    assert written == ["files/manifest.json"]


def tags_of(path: Path) -> dict[str, str]:
    with av.open(str(path)) as file:
        return {**file.metadata, **file.streams.audio[0].metadata}


@pytest.mark.parametrize("audio_format", ["opus", "flac", "mp3", "m4a", "wav"])
async def test_a_track_carries_its_persons_name_and_each_file_is_its_own(
    tmp_path: Path, audio_format: str
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)  # type: ignore[arg-type]
        sink = FilesSink(FilesOptions(format=audio_format))
        async with sink.open(context):
            for track_id in ("t1", "t2", "t3", "t4"):
                for chunk in chunks(1, track_id):
                    await sink.on_audio(chunk)
            for track_id, who, name in (("t2", "p2", "Ada"), ("t3", "p3", "سارا / ../x")):
                context.report(ParticipantJoined(participant=Participant(id=who, name=name)))
                context.report(
                    TrackOpened(
                        track_id=track_id,
                        participant_id=who,
                        kind="participant",
                        name_source=NameSource.TRACK,
                    )
                )
            await sink.finish()
    folder = tmp_path / "files"
    expected = {"t1": "-Ada", "t2": "-Ada", "t3": "-سارا-x", "t4": ""}
    for track_id, part in expected.items():
        path = folder / f"track-{track_id}{part}.{audio_format}"
        assert played_duration_s(path) == pytest.approx(2, abs=0.07)  # AAC's frames are 64 ms
        tags = {key.lower(): value for key, value in tags_of(path).items()}
        assert tags["comment"] == f"track {track_id}"
        assert tags["album"] == "https://sim.example/r"
        artist = {"": None, "-Ada": "Ada"}.get(part, "سارا / ../x")
        assert tags.get("artist") == artist
        assert tags["title"] == f"{artist or f'Track {track_id}'}, https://sim.example/r"
    manifest = Manifest.read(folder)
    assert manifest is not None
    assert {e.path for e in manifest.files} | {"manifest.json"} == {
        path.name for path in folder.iterdir()
    }


async def test_a_kill_between_the_naming_and_the_manifest_loses_no_track(tmp_path: Path) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        begin_meeting(context.journal)  # type: ignore[arg-type]
        sink = FilesSink(FilesOptions(mix=False))
        async with sink.open(context):
            for track_id in ("t1", "t1-Ada"):
                for chunk in chunks(1, track_id):
                    await sink.on_audio(chunk)
            await sink.finish()
        folder = tmp_path / "files"
        manifest = Manifest.read(folder)
        assert manifest is not None
        begun = [evolve(e, path=f"track-{e.track_id}.opus") for e in manifest.files]
        Manifest(bot_id="b", files=begun, offset_s=1.0).write(folder)
        await FilesSink().recover(context)
        after = Manifest.read(folder)
    assert after is not None
    assert sorted((e.track_id or "", e.path) for e in after.files) == sorted(
        (e.track_id or "", e.path) for e in manifest.files
    )


@given(name=st.text())
def test_any_name_gives_a_part_of_a_file_name_that_is_safe(name: str) -> None:
    part = file_name_part(name)
    assert len(part.encode()) <= 80
    assert not set(part) & set('/\\:*?"<>|. \0\n\t')


async def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file where the folder should be")
    refused = pytest.raises(StorageUnavailable, match="files cannot be written")
    with a_context(tmp_path) as context, refused as caught:
        async with FilesSink().open(context):
            pytest.fail("it opened")
    assert "--out" in caught.value.remedy


@contextmanager
def a_full_disk(limit_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond the limit: the kernel refuses like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("audio_format", ["opus", "flac", "mp3", "m4a", "wav"])
async def test_a_full_disk_stops_the_recording_with_one_clear_line_and_loses_nothing_recorded(
    tmp_path: Path, audio_format: str
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        sink = FilesSink(FilesOptions(mix=False, format=audio_format))
        async with sink.open(context):
            with a_full_disk(40_000):
                with pytest.raises(StorageUnavailable, match="Recording has stopped") as caught:
                    for chunk in chunks(60):
                        await sink.on_audio(chunk)
                        await trio.sleep(0.005)
                assert "\n" not in str(caught.value)
            with pytest.raises(StorageUnavailable):
                await sink.finish()
        lost = events(context, AudioLost)
        assert sum(event.samples for event in lost if isinstance(event, AudioLost)) > 0
        path = tmp_path / f"files/track-t1.{audio_format}"
        played_s = played_duration_s(path)
        first_lost = min(e.start_sample for e in lost if isinstance(e, AudioLost))
        assert played_s >= first_lost / RATE - 1.0
        manifest = Manifest.read(tmp_path / "files")
        assert manifest is not None
        assert not manifest.complete
        lines = await FilesSink().recover(context)
    assert f"plays {played_s:.1f} s" in lines[0]
    manifest = Manifest.read(tmp_path / "files")
    assert manifest is not None
    assert manifest.complete


async def test_a_sink_that_was_detached_before_its_finish_completes_when_it_closes(
    tmp_path: Path,
) -> None:
    with a_context(tmp_path) as context, trio.fail_after(90):
        sink = FilesSink(FilesOptions(mix=False))
        async with sink.open(context):
            await sink.on_audio(chunks(1)[0])
    manifest = Manifest.read(tmp_path / "files")
    assert manifest is not None
    assert manifest.complete


RECORDING_PROCESS = """
import sys, pathlib, numpy as np, trio
from meetcore.audio.chunk import Chunk
from meetcore.plugin.sink import SinkContext
from meetcore.model.events import BotRequested
from meetcore.log.journal import Journal
from meetcore_files.options import FilesOptions
from meetcore_files.sink import FilesSink

folder, audio_format = pathlib.Path(sys.argv[1]), sys.argv[2]
noise = np.random.default_rng(3).normal(0, 3000, 16000 * 60).astype(np.int16)

async def main():
    journal = Journal(folder / "journal.jsonl", "b")
    journal.append(BotRequested(platform="sim", native_id="r", public_url="u", display_name="Bot"))
    context = SinkContext(name="files", bot_id="b", folder=folder, journal=journal,
                          report=journal.append, perform=None)
    sink = FilesSink(FilesOptions(format=audio_format))
    async with sink.open(context):
        began = trio.current_time()
        for at in range(0, len(noise), 1600):
            await trio.sleep_until(began + at / 16000)
            for track in ("t1", "t2"):
                await sink.on_audio(Chunk(track, at, noise[at:at + 1600]))
            print(at + 1600, flush=True)

trio.run(main)
"""


async def record_until_killed(folder: Path, audio_format: str, blocks: int, delay_s: float) -> int:
    """Record in a child process, kill it some time after a block; return the samples it heard."""
    await trio.Path(folder).mkdir()
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", RECORDING_PROCESS, str(folder), audio_format],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    told = b""
    async for data in process.stdout:
        told += data
        if told.count(b"\n") >= blocks and process.poll() is None:
            await trio.sleep(delay_s)
            os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await process.stdout.aclose()
    return int(told.split()[-1])


@pytest.mark.law(4)
@pytest.mark.parametrize("audio_format", ["opus", "flac", "mp3", "m4a", "wav"])
async def test_a_process_killed_at_any_moment_leaves_recordings_that_play_up_to_the_last_seconds(
    tmp_path: Path, audio_format: str
) -> None:
    dice = random.Random(audio_format)
    heard: dict[Path, int] = {}

    async def one(number: int) -> None:
        folder = tmp_path / f"bot{number}"
        blocks, delay_s = dice.randint(25, 60), dice.random() / 10
        heard[folder] = await record_until_killed(folder, audio_format, blocks, delay_s)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(one, number)
        for folder, samples in heard.items():
            stems = ("track-t1", "track-t2", "mix")
            paths = [folder / "files" / f"{stem}.{audio_format}" for stem in stems]
            for path in paths:
                assert played_duration_s(path) >= samples / RATE - 2.0
            before = [played_duration_s(path) for path in paths]
            with a_context(folder) as context:
                context.report(said("good morning", 0.5))
                lines = await FilesSink(FilesOptions()).recover(context)
                assert len(lines) == 4
                assert await FilesSink(FilesOptions()).recover(context) == ()
            after = [played_duration_s(path) for path in paths]
            assert after == pytest.approx(before, abs=0.05)
            manifest = Manifest.read(folder / "files")
            assert manifest is not None
            assert manifest.complete
            assert {e.track_id for e in manifest.files if e.kind == "audio.track"} == {"t1", "t2"}
            assert "good morning" in (folder / "files/transcript.txt").read_text()


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
