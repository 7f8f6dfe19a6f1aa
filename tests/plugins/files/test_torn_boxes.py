"""An MP4 that breaks off within the head of a fragment, where ffmpeg alone would not open it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_files.audio_file import M4aFile
from meetcore_files.playback import played_duration_s, remake
from meetcore_files.torn_boxes import whole_bytes
from meetcore_files.video_file import VideoFile, finish_video
from tests.moving_pictures import FRAMES_PER_S, pictures


def boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Return kind, beginning and length of each box at the top."""
    found, at = [], 0
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append((kind, at, length))
        at += length
    return found


def growing_video(path: Path) -> bytes:
    file = VideoFile(path)
    for number, unit in enumerate(pictures(8.0)):
        file.picture(number / FRAMES_PER_S, unit)
    data = path.read_bytes()
    file.close()
    return data


def growing_sound(path: Path) -> bytes:
    file = M4aFile(path, 32)
    noise = np.random.default_rng(7).normal(0, 3_000, 8 * 16_000).astype(np.int16)
    for at in range(0, len(noise), 1_600):
        file.write(noise[at : at + 1_600])
    data = path.read_bytes()
    file.close()
    return data


@pytest.mark.parametrize("name", ["video.mp4", "mix.m4a"])
def test_a_file_cut_in_the_head_of_a_fragment_plays_up_to_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data = growing_video(path) if name == "video.mp4" else growing_sound(path)
    heads = [box for box in boxes(data) if box[0] == b"moof"]
    _, at, length = heads[len(heads) // 2]
    assert len(heads) > 3
    for cut in range(at + 1, at + length, 7):
        path.write_bytes(data[:cut])
        if name == "video.mp4":
            assert finish_video(path) > 1.0
        else:
            remake(path)
            assert played_duration_s(path) > 1.0


@given(st.binary(max_size=100))
def test_any_bytes_have_a_beginning_that_can_be_read(data: bytes) -> None:
    assert 0 <= whole_bytes(io.BytesIO(data)) <= len(data)


def test_sound_or_picture_that_breaks_off_is_read_up_to_there() -> None:
    torn = struct.pack(">I4s", 8, b"free") + struct.pack(">I4s", 100, b"mdat") + b"x" * 20
    assert whole_bytes(io.BytesIO(torn)) == len(torn)
    large = struct.pack(">I4sQ", 1, b"mdat", 10**10) + b"x" * 20
    assert whole_bytes(io.BytesIO(large)) == len(large)
    assert whole_bytes(io.BytesIO(torn[:8] + struct.pack(">I4s", 100, b"moof") + b"x")) == 8
