"""A chunk and its place on the clock."""

from __future__ import annotations

import numpy as np

from meetcore.audio.chunk import Chunk


def test_a_chunk_knows_its_end_and_does_not_print_its_samples():
    chunk = Chunk("t", 100, np.zeros(50, np.int16))
    assert (chunk.samples, chunk.end_sample, chunk.sample_rate_hz) == (50, 150, 16_000)
    assert "<50 samples>" in repr(chunk)
