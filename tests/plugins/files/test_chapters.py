"""Chapters in the files of a meeting: as a player reads them, after a kill and a rewriting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
import trio

import meetcore
from meetcore.model.events import Event, ParticipantJoined, StateChanged, TopicMarked
from meetcore.model.lifecycle import State
from meetcore.model.roster import Participant
from meetcore.plugin.sink import SinkContext
from meetcore_files.chapter_marks import chapters_in
from meetcore_files.options import FilesOptions
from meetcore_files.playback import played_duration_s, remake
from meetcore_files.sink import FilesSink
from meetcore_files.video_file import PICTURES, finish_video, replace_sound
from tests.moving_pictures import FRAMES_PER_S, pictures

from .test_sink import a_context, begin_meeting, chunks

EXPECTED = [
    (0.0, 1.5, "Recording"),
    (1.5, 2.75, "Budget: 5 % more, =;#\\ and [so] on"),
    (2.75, 3.8, "Budget: 5 % more, =;#\\ and [so] on: Zoë 🎈 joined"),
    (3.8, None, "次の議題"),
]


def what_happened() -> list[tuple[float, Event]]:
    return [
        (0.0, StateChanged(state=State.IN_CALL)),
        (0.0, StateChanged(state=State.RECORDING)),
        (1.5, TopicMarked(topic=EXPECTED[1][2])),
        (2.75, ParticipantJoined(participant=Participant(id="z", name="Zoë 🎈"))),
        (3.8, TopicMarked(topic=EXPECTED[3][2])),
        (90.0, TopicMarked(topic="after the end")),
    ]


@contextmanager
def a_meeting(folder: Path) -> Iterator[SinkContext]:
    with a_context(folder) as context:
        journal = context.journal
        begin_meeting(journal)  # type: ignore[arg-type]
        for at_s, event in what_happened():
            journal.meeting_clock = lambda at_s=at_s: at_s  # type: ignore[attr-defined]
            journal.append(event)  # type: ignore[attr-defined]
        yield context


def chapters(path: Path) -> list[tuple[float, float | None, str]]:
    """Return what a file has by its own word; of the last one not where it ends."""
    with av.open(str(path)) as container:
        found = chapters_in(container)
    told = [(each.start_s, each.end_s, each.title) for each in found]
    return [*told[:-1], (told[-1][0], None, told[-1][2])] if told else []


def fragments() -> Iterator[meetcore.MediaFragment]:
    for number, unit in enumerate(pictures(4.0)):
        yield meetcore.MediaFragment(
            track_id="page",
            number=number,
            kind="video",
            container=PICTURES,
            data=unit,
            at_s=number / FRAMES_PER_S,
            duration_s=1 / FRAMES_PER_S,
        )


async def record(context: SinkContext, options: FilesOptions, *, finish: bool = True) -> None:
    sink = FilesSink(options)
    async with sink.open(context):
        for chunk in chunks(4):
            await sink.on_audio(chunk)
        for fragment in fragments():
            await sink.on_media(fragment)
        if finish:
            await sink.finish()


@pytest.mark.parametrize("audio_format", ["opus", "mp3", "m4a", "flac", "wav"])
async def test_the_mix_and_the_video_have_them_where_their_format_has_any(
    tmp_path: Path, audio_format: str
) -> None:
    with a_meeting(tmp_path) as context, trio.fail_after(60):
        await record(context, FilesOptions(format=audio_format, bit_rate_kbps=48))
    mix = tmp_path / f"files/mix.{audio_format}"
    assert chapters(mix) == ([] if audio_format in ("flac", "wav") else EXPECTED)
    assert played_duration_s(mix) == pytest.approx(5.0, abs=0.07)
    assert chapters(tmp_path / "files/video.mp4") == EXPECTED
    with av.open(str(tmp_path / "files/video.mp4")) as container:
        assert (container.duration or 0) / 1_000_000 == pytest.approx(5.0, abs=0.15)
        assert sum(1 for _ in container.decode(video=0)) == 40


async def test_recovery_writes_them_too(tmp_path: Path) -> None:
    with a_meeting(tmp_path) as context, trio.fail_after(60):
        await record(context, FilesOptions())
        folder = tmp_path / "files"
        (folder / "manifest.json").unlink()
        for path in (folder / "mix.opus", folder / "video.mp4"):
            without(path)
            assert chapters(path) == []
        await FilesSink(FilesOptions()).recover(context)
        assert chapters(folder / "mix.opus") == EXPECTED
        assert chapters(folder / "video.mp4") == EXPECTED


async def test_recovery_of_a_meeting_with_somebody_excluded_does_not_lose_them(
    tmp_path: Path,
) -> None:
    with a_meeting(tmp_path) as context, trio.fail_after(60):
        await record(context, FilesOptions())
        context.report(meetcore.ParticipantExcluded(participant_id="p1", name="Ada", since_s=None))
        (tmp_path / "files/manifest.json").unlink()
        lines = await FilesSink(FilesOptions()).recover(context)
        assert any("without people who were excluded" in line for line in lines)
    assert chapters(tmp_path / "files/mix.opus") == EXPECTED
    assert chapters(tmp_path / "files/video.mp4") == EXPECTED


def without(path: Path) -> None:
    """Copy a file without its chapters."""
    part = path.with_name(f"without{path.suffix}")
    with av.open(str(path)) as old, av.open(str(part), "w") as new:
        kept = [*old.streams.video, *old.streams.audio]
        streams = {each.index: new.add_stream_from_template(each) for each in kept}
        for packet in old.demux(kept):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    part.replace(path)


async def test_a_file_that_is_written_anew_keeps_them(tmp_path: Path) -> None:
    with a_meeting(tmp_path) as context, trio.fail_after(60):
        await record(context, FilesOptions())
    mix, video = tmp_path / "files/mix.opus", tmp_path / "files/video.mp4"
    remake(mix)
    remake(mix, {"title": "another"})
    assert chapters(mix) == EXPECTED
    length_s = finish_video(video)
    assert length_s == pytest.approx(5.0, abs=0.15)
    replace_sound(video, iter(()))
    assert chapters(video) == EXPECTED
    with av.open(str(video)) as container:
        assert [each.type for each in container.streams][:2] == ["video", "audio"]


def test_a_topic_is_in_the_public_face() -> None:
    assert meetcore.MarkTopic("budget").topic == "budget"
