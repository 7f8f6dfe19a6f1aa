"""The sink over a real journal, a real encoder and real files; killed, and with a full disk."""

from __future__ import annotations

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

import av
import numpy as np
import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore.log.journal import Journal
from meetcore.model.commands import Command
from meetcore.model.errors import StorageUnavailable
from meetcore.model.events import (
    ArtifactWritten,
    AudioLost,
    BotRequested,
    CaptureStarted,
    Event,
    ParticipantJoined,
    SegmentFinalized,
    TrackOpened,
)
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment, Word
from meetcore.plugin.sink import SinkContext
from meetcore_files.completion import file_name_part
from meetcore_files.manifest import Manifest, sha256_of
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s
from meetcore_files.sink import FilesSink

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
