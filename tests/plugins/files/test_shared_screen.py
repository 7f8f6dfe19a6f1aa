"""Screens that are shared: a file of their own each, stills when they change, and their index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from meetcore.audio.chunk import Chunk
from meetcore.audio.media import MediaFragment
from meetcore.model.events import (
    ArtifactWritten,
    CaptureStarted,
    Event,
    ParticipantExcluded,
    ParticipantJoined,
    SegmentFinalized,
    ShareStarted,
    ShareStopped,
)
from meetcore.model.roster import NameSource, Participant
from meetcore.model.transcript import Segment
from meetcore_files.shared_screen import StillJudge
from meetcore_files.sink import FilesSink
from tests.moving_pictures import pictures
from tests.plugins.websocket.users_server import Stage, running

PER_S = 5
SIZE = (320, 180)


@cache
def slides(*greys: int, each_s: int = 6) -> tuple[bytes, ...]:
    """Return access units of still slides, one after another, with keys every 2 s."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt = "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, PER_S), Fraction(PER_S)
    keys = 2 * PER_S
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={keys}:min-keyint={keys}:scenecut=0",
    }
    units = []
    for number in range(len(greys) * each_s * PER_S):
        grey = greys[number // (each_s * PER_S)]
        frame = av.VideoFrame.from_ndarray(
            np.full((SIZE[1], SIZE[0], 3), grey, np.uint8), format="rgb24"
        )
        frame.pts = number
        units += [bytes(packet) for packet in encoder.encode(frame)]
    units += [bytes(packet) for packet in encoder.encode(None)]
    return tuple(units)


async def share(
    stage: Stage[FilesSink], track_id: str, units: Iterable[bytes], *, at_s: float
) -> None:
    for number, unit in enumerate(units):
        await stage.sink.on_media(
            MediaFragment(
                track_id=track_id, number=number, kind="screen", container="video/H264",
                data=unit, at_s=at_s + number / PER_S, duration_s=1 / PER_S,
            )
        )  # fmt: skip


async def meet(stage: Stage[FilesSink], *, from_s: float = 0.0, to_s: float = 60.0) -> None:
    """Let the meeting itself be heard and seen."""
    await stage.sink.on_audio(
        Chunk("t1", round(from_s * 16_000), np.zeros(round((to_s - from_s) * 16_000), np.int16))
    )
    for number, unit in enumerate(pictures(4.0)):
        await stage.sink.on_media(
            MediaFragment(
                track_id="screen", number=number, kind="tab", container="video/H264",
                data=unit, at_s=from_s + number / 10, duration_s=0.1,
            )
        )  # fmt: skip


def said(text: str, start_s: float) -> SegmentFinalized:
    return SegmentFinalized(
        segment=Segment(
            id=f"s{start_s}",
            track_id="t1",
            participant_id="ada",
            speaker_name="Ada",
            speaker_source=NameSource.TRACK,
            speaker_confidence=1.0,
            text=text,
            words=(),
            start_s=start_s,
            end_s=start_s + 2.0,
            revision=1,
            finalized=True,
        )
    )


BEGIN: tuple[Event, ...] = (
    CaptureStarted(offset_s=0.0),
    ParticipantJoined(participant=Participant(id="ada", name="Ada")),
    ParticipantJoined(participant=Participant(id="ben", name="Ben")),
)


def append(stage: Stage[FilesSink], *events: Event) -> None:
    for event in events:
        stage.journal.append(event)


def length_s(path: Path) -> float:
    with av.open(str(path)) as container:
        assert not container.streams.audio
        last = [packet.pts for packet in container.demux(video=0) if packet.pts is not None][-1]
        return float(last * container.streams.video[0].time_base)


async def test_each_stretch_is_a_file_with_stills_and_what_was_said(tmp_path: Path) -> None:
    async with running(tmp_path, FilesSink()) as stage:
        append(stage, *BEGIN, ShareStarted(share_id="x", participant_id="ada", name="Ada"))
        await meet(stage)
        await share(stage, "x", slides(60, 200, 90), at_s=10.0)
        append(
            stage,
            said("long before", 1.0),
            said("the second slide", 17.0),
            ShareStopped(share_id="x", participant_id="ada", name="Ada"),
            ShareStarted(share_id="y", participant_id="ben", name="Ben"),
        )
        await share(stage, "y", slides(120), at_s=40.0)
        await stage.sink.finish()
        events = [e for e in stage.journal.read() if isinstance(e, ArtifactWritten)]
    folder = tmp_path / "files"
    assert length_s(folder / "share-1.mp4") == pytest.approx(17.8, abs=0.01)
    assert length_s(folder / "share-2.mp4") == pytest.approx(5.8, abs=0.01)
    index = json.loads((folder / "shares.json").read_text())["shares"]
    assert [(each["file"], each["name"]) for each in index] == [
        ("share-1.mp4", "Ada"),
        ("share-2.mp4", "Ben"),
    ]
    stills = index[0]["stills"]
    assert [each["at_s"] for each in stills] == pytest.approx([10.0, 16.0, 22.0], abs=0.01)
    assert [[line["text"] for line in each["said"]] for each in stills] == [
        ["long before", "the second slide"],
        ["the second slide"],
        ["the second slide"],
    ]
    with av.open(str(folder / stills[1]["file"])) as picture:
        frame = next(picture.decode(video=0))
        assert (frame.width, frame.height) == SIZE
        assert frame.to_ndarray(format="gray").mean() == pytest.approx(200, abs=6)
    with av.open(str(folder / "video.mp4")) as video:
        assert len(list(video.decode(video=0))) == 40, "the meeting's own picture is apart"
    kinds = sorted(event.kind for event in events)
    assert kinds.count("video.share") == 2
    assert kinds.count("still.share") == 4
    assert kinds.count("shares") == kinds.count("video") == 1
    manifest = json.loads((folder / "manifest.json").read_text())["files"]
    entry = next(each for each in manifest if each["path"] == "share-1.mp4")
    assert (entry["track_id"], entry["participant_id"], entry["speaker_name"]) == (
        "x", "ada", "Ada",
    )  # fmt: skip


async def test_a_killed_bots_shares_are_made_whole(tmp_path: Path) -> None:
    sink = FilesSink()
    async with running(tmp_path, sink) as stage:
        append(stage, *BEGIN, ShareStarted(share_id="x", participant_id="ada", name="Ada"))
        await meet(stage)
        await share(stage, "x", slides(60, 200), at_s=10.0)
        assert sink._encoder is not None
        await sink._encoder.close()
        sink._completed = True
        assert sink._context is not None
        lines = await FilesSink().recover(sink._context)
    folder = tmp_path / "files"
    assert [line for line in lines if line.startswith("share-1.mp4 plays")]
    assert length_s(folder / "share-1.mp4") == pytest.approx(11.8, abs=0.01)
    [entry] = json.loads((folder / "shares.json").read_text())["shares"]
    assert len(entry["stills"]) == 2
    assert entry["name"] == "Ada"


async def test_of_who_was_excluded_since_the_beginning_no_screen_stays(tmp_path: Path) -> None:
    async with running(tmp_path, FilesSink()) as stage:
        append(
            stage,
            *BEGIN,
            ShareStarted(share_id="x", participant_id="ada", name="Ada"),
            ShareStarted(share_id="y", participant_id="ben", name="Ben"),
        )
        await meet(stage)
        await share(stage, "x", slides(60), at_s=10.0)
        await share(stage, "y", slides(120), at_s=20.0)
        append(
            stage,
            ParticipantExcluded(
                participant_id="ben", name="Ben", since_s=None, by="optout", remains=()
            ),
        )
        await stage.sink.finish()
    names = {path.name for path in (tmp_path / "files").iterdir()}
    assert {"share-1.mp4", "share-1-000010000.png"} <= names
    assert [name for name in names if name.startswith("share-2")] == ["share-2.mp4"]
    assert (tmp_path / "files" / "share-2.mp4").stat().st_size == 0
    assert "share-2" not in (tmp_path / "files" / "manifest.json").read_text()
    index = (tmp_path / "files" / "shares.json").read_text()
    assert "Ben" not in index


async def test_pieces_that_are_missing_leave_out_up_to_one_that_stands_alone(
    tmp_path: Path,
) -> None:
    units = slides(60, 200)
    async with running(tmp_path, FilesSink()) as stage:
        append(stage, *BEGIN)
        await share(stage, "x", units[:5], at_s=10.0)
        await stage.sink.on_media_gap("x", 5, 10, "consumer_behind")
        await share(stage, "x", units[15:], at_s=13.0)
        await stage.sink.finish()
    with av.open(str(tmp_path / "files" / "share-1.mp4")) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(times) == 5 + len(units) - 20
    assert times[5] == pytest.approx(4.0, abs=0.01)


def test_a_pointer_and_noise_are_no_other_picture_and_a_line_of_text_is() -> None:
    chance, judge = np.random.default_rng(3), StillJudge()
    slide = chance.integers(0, 255, (36, 64))
    assert judge.changed(slide)
    assert not judge.changed(np.clip(slide + chance.integers(-2, 3, slide.shape), 0, 255))
    pointer = slide.copy()
    pointer[10:13, 20:23] = 255
    assert not judge.changed(pointer)
    text = slide.copy()
    text[20, 5:50] = 255 - text[20, 5:50]
    assert judge.changed(text)
    assert not judge.changed(text)
