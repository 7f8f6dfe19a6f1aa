"""The frames between transcriber and worker."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.plugin.worker_frames import (
    MAX_PAYLOAD_BYTES,
    FrameError,
    WorkerAudio,
    WorkerFrames,
    WorkerMessage,
    encode_frame,
)

FRAMES = st.one_of(
    st.builds(
        WorkerMessage, st.dictionaries(st.text(max_size=5), st.integers() | st.text(), max_size=3)
    ),
    st.builds(
        WorkerAudio,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**62),
        st.binary(max_size=40).map(lambda raw: raw[: len(raw) // 2 * 2]),
    ),
)


@given(st.lists(FRAMES, max_size=8), st.integers(1, 9))
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(
    frames: list[WorkerMessage | WorkerAudio], step: int
) -> None:
    stream = b"".join(encode_frame(frame) for frame in frames)
    buffer, out = WorkerFrames(), []
    for at in range(0, len(stream), step):
        buffer.feed(stream[at : at + step])
        out += list(buffer.frames())
    assert out == frames
    assert not buffer.holds_frame


@given(st.binary(max_size=200))
def test_any_bytes_give_frames_or_a_protocol_error_and_nothing_else(data: bytes) -> None:
    buffer = WorkerFrames()
    buffer.feed(data)
    out: list[WorkerMessage | WorkerAudio] = []
    with contextlib.suppress(FrameError):
        out.extend(buffer.frames())
    assert all(isinstance(frame, WorkerMessage | WorkerAudio) for frame in out)


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_read() -> None:
    buffer = WorkerFrames()
    buffer.feed((MAX_PAYLOAD_BYTES + 1).to_bytes(4, "big") + b"\x00")
    with pytest.raises(FrameError, match="4194305 bytes"):
        list(buffer.frames())


def test_half_a_sample_is_no_audio() -> None:
    whole = encode_frame(WorkerAudio(1, 0, b"\x00\x00"))
    torn = (len(whole) - 5 - 1).to_bytes(4, "big") + whole[4:-1]
    buffer = WorkerFrames()
    buffer.feed(torn)
    with pytest.raises(FrameError, match="audio frame"):
        list(buffer.frames())
