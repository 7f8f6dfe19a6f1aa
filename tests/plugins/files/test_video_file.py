"""The MP4 of a meeting: together to the frame, playable at any moment, whole when it is over."""

from __future__ import annotations

import io
import resource
import shutil
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore_files.video_file import (
    VideoFile,
    finish_video,
    plays_until_s,
    stands_alone,
    video_duration_s,
)
from tests.moving_pictures import FRAMES_PER_S, pictures

RATE = 16_000


def sound(seconds: float, click_every_s: float = 2.0) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return silence with a click of 20 ms where the pictures have their flash."""
    pcm = np.zeros(round(seconds * RATE), np.int16)
    for at in np.arange(0.5, seconds, click_every_s):
        first = round(at * RATE)
        length = min(320, len(pcm) - first)
        pcm[first : first + length] = 20_000 * np.sign(np.sin(np.arange(length) * 0.8))
    return pcm


def write(
    file: VideoFile, seconds: float, *, begin_s: float = 0.0, sound_late_s: float = 1.0
) -> Iterator[float]:
    """Write as a recorder does, the sound a little later; yield what was written up to."""
    pcm, heard = sound(seconds), 0
    for number, unit in enumerate(pictures(seconds)):
        at_s = number / FRAMES_PER_S
        file.picture(begin_s + at_s, unit)
        upto = max(0, round((at_s - sound_late_s) * RATE))
        if upto > heard:
            file.sound(Chunk("mix", round(begin_s * RATE) + heard, pcm[heard:upto]))
            heard = upto
        yield begin_s + at_s
    file.sound(Chunk("mix", round(begin_s * RATE) + heard, pcm[heard:]))


def flashes_and_clicks(path: Path) -> tuple[list[float], list[float]]:
    """Return when the picture turns white, and when the sound begins to be loud, by playing it."""
    clicks, loud_until = [], -1.0
    with av.open(str(path)) as container:
        flashes = [
            float(frame.time or 0)
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 200
        ]
    with av.open(str(path)) as container:
        for block in container.decode(audio=0):
            pcm = np.abs(block.to_ndarray().reshape(-1))
            for at in np.nonzero(pcm > 0.2)[0] / RATE + float(block.time or 0):
                if at > loud_until:
                    clicks.append(float(at))
                loud_until = at + 0.5
    return flashes, clicks


def together(path: Path, *, torn: bool = False) -> float:
    """Return the largest distance between a flash and its click, in seconds."""
    flashes, clicks = flashes_and_clicks(path)
    assert flashes
    assert abs(len(flashes) - len(clicks)) <= (1 if torn else 0), (flashes, clicks)
    return max(abs(one - other) for one, other in zip(flashes, clicks, strict=not torn))


def atoms(path: Path) -> list[bytes]:
    found, data, at = [], path.read_bytes(), 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 8])
        at += max(8, size)
    return found


def test_picture_and_sound_are_together_and_the_index_is_in_front(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    file = VideoFile(path, {"title": "Everybody"})
    for _ in write(file, 12.0):
        pass
    file.close()
    assert finish_video(path) == pytest.approx(12.0, abs=0.2)
    assert together(path) < 0.05
    order = atoms(path)
    assert order.index(b"moov") < order.index(b"mdat")
    assert b"moof" not in order
    with av.open(str(path)) as container:
        assert container.metadata["title"] == "Everybody"
        assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
        assert sum(1 for _ in container.decode(video=0)) == 120


def test_time_is_meeting_time_and_a_pause_is_the_last_picture_and_silence(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    file = VideoFile(path)
    for _ in write(file, 4.0, begin_s=3.0):
        pass
    file.gap()
    for _ in write(file, 4.0, begin_s=67.0):
        pass
    file.close()
    assert finish_video(path) == pytest.approx(71.0, abs=0.2)
    flashes, clicks = flashes_and_clicks(path)
    assert flashes == pytest.approx([3.5, 5.5, 67.5, 69.5], abs=0.05)
    assert clicks == pytest.approx([3.5, 5.5, 67.5, 69.5], abs=0.05)


def test_at_every_moment_all_but_the_last_two_seconds_plays(tmp_path: Path) -> None:
    """A process that is killed leaves what the kernel has: the file as it is read here."""
    path, left = tmp_path / "video.mp4", tmp_path / "left.mp4"
    file = VideoFile(path)
    for at_s in write(file, 20.0):
        if at_s < 3 or round(at_s * FRAMES_PER_S) % 7:
            continue
        shutil.copy(path, left)
        assert finish_video(left) >= at_s - 1.7
        assert video_duration_s(left) >= at_s - 1.7
    file.close()


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 1.0))
def test_cut_at_any_byte_it_is_made_whole_or_left_as_it_is(fragmented: Path, share: float) -> None:
    whole = fragmented
    left = whole.with_name("left.mp4")
    data = whole.read_bytes()
    kept = data[: round(share * len(data))]
    left.write_bytes(kept)
    seconds = finish_video(left)
    if seconds == 0:
        assert left.read_bytes() == kept
    else:
        assert seconds < 3 or together(left, torn=True) < 0.05
        assert atoms(left).index(b"moov") < atoms(left).index(b"mdat")
    assert not list(whole.parent.glob(".*.part"))


@pytest.fixture(scope="module")
def fragmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "video.mp4"
    file = VideoFile(path)
    for _ in write(file, 8.0):
        pass
    file.close()
    return path


def test_after_a_gap_the_next_picture_stands_alone(tmp_path: Path) -> None:
    path, units = tmp_path / "video.mp4", pictures(6.0)
    assert [n for n, unit in enumerate(units) if stands_alone(unit)] == [0, 20, 40]
    file = VideoFile(path)
    for number in (*range(5, 25), *range(30, 60)):
        if number == 30:
            file.gap()
        file.picture(number / FRAMES_PER_S, units[number])
    file.close()
    assert file.left_out == 15 + 10
    finish_video(path)
    with av.open(str(path)) as container:
        times = [round(float(frame.time or 0), 2) for frame in container.decode(video=0)]
    assert times[1:6] == [2.1, 2.2, 2.3, 2.4, 4.0], "the first one stands from the beginning on"
    assert len(times) == 25


def test_a_meeting_without_a_sound_and_one_whose_clock_goes_back(tmp_path: Path) -> None:
    path, units = tmp_path / "video.mp4", pictures(6.0)
    file = VideoFile(path)
    for number, unit in enumerate(units):
        back_s = 0.25 if number > 30 else 0.0  # a small correction
        file.picture(number / FRAMES_PER_S - back_s, unit)
    file.close()
    assert finish_video(path) == pytest.approx(5.7, abs=0.2)
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 60
    with av.open(str(path)) as container:
        assert sum(block.samples for block in container.decode(audio=0)) > 5 * RATE


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    file = VideoFile(path)
    file.picture(0.0, b"\0\0\0\1\x41nothing to begin with")
    assert not file.begun
    file.close()
    assert not path.exists()
    path.write_bytes(b"no film")
    assert finish_video(path) == 0.0
    assert path.read_bytes() == b"no film"


def test_a_disk_that_is_full_is_an_error_and_what_was_written_plays(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file, upto_s = VideoFile(path), 0.0
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="large"):
            for at_s in write(file, 20.0):
                upto_s = at_s
        with suppress(OSError):
            file.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert upto_s > 5
    assert finish_video(path) >= upto_s - 2.5


def test_without_any_sound_a_killed_recording_plays_to_its_last_two_seconds(tmp_path: Path) -> None:
    """In a call in which nobody else is there, pictures wait for no sound."""
    path, left = tmp_path / "video.mp4", tmp_path / "left.mp4"
    file = VideoFile(path)
    for number, unit in enumerate(pictures(9.0)):
        at_s = number / FRAMES_PER_S
        file.picture(at_s, unit)
        if at_s >= 3 and number % 7 == 0:
            shutil.copy(path, left)
            assert plays_until_s(left) >= at_s - 1.7
    file.close()


def test_somebody_who_is_heard_late_is_not_cut(tmp_path: Path) -> None:
    """The mix waits for one who became quiet; what the others said meanwhile comes after it."""
    path, pcm = tmp_path / "video.mp4", sound(9.0)
    file = VideoFile(path)
    for number, unit in enumerate(pictures(9.0)):
        file.picture(number / FRAMES_PER_S, unit)
        if number == round(5.5 * FRAMES_PER_S):
            file.sound(Chunk("mix", 0, pcm[: 5 * RATE]))
    file.sound(Chunk("mix", 5 * RATE, pcm[5 * RATE :]))
    file.close()
    assert together(path) < 0.05, "every flash has its click"


@pytest.mark.parametrize("live", [False, True])
def test_an_hour_of_pause_costs_little_memory_and_a_live_stream_no_time(
    tmp_path: Path, live: bool
) -> None:
    units, into = pictures(2.0), io.BytesIO() if live else None
    file = VideoFile(tmp_path / "video.mp4", into=into)
    file.picture(0.0, units[0])
    file.sound(Chunk("mix", 0, sound(1.0)))
    tracemalloc.start()
    try:
        file.picture(3600.0, units[0])
        file.sound(Chunk("mix", 3600 * RATE, sound(1.0)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    file.close()
    assert most < 20_000_000
    if into is not None:
        into.seek(0)
        with av.open(into) as container:
            blocks = list(container.decode(audio=0))
        assert sum(block.samples for block in blocks) < 30 * RATE
        assert float(blocks[-1].time or 0) == pytest.approx(3601, abs=0.2)
