"""Any rate to 16 kHz, or another: the count is exact, and a tone stays the tone it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.audio.chunk import SAMPLE_RATE_HZ, Chunk
from meetcore.audio.resample import BareResampler, Resampler, position

rates = st.sampled_from([8000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000])


@settings(max_examples=60)
@given(
    rate=rates,
    to_hz=st.sampled_from([16_000, 24_000, 48_000]),
    start=st.integers(0, 10**7),
    cuts=st.lists(
        st.tuples(st.integers(1, 6000), st.sampled_from([0, 0, 0, 777])), min_size=1, max_size=15
    ),
)
def test_the_count_is_exact_and_every_sample_has_its_place(rate, to_hz, start, cuts):
    resampler = Resampler(rate, to_hz=to_hz)
    out: list[Chunk] = []
    at, stretches = start, [[start, start]]
    for size, gap in cuts:
        if gap:
            at += gap
            stretches.append([at, at])
        out += resampler.feed(Chunk("t", at, np.zeros(size, np.int16), rate))
        at += size
        stretches[-1][1] = at
    out += resampler.flush("t")
    assert resampler.flush("t") == []
    assert all(chunk.sample_rate_hz == to_hz and chunk.samples for chunk in out)
    covered = [(c.start_sample, c.end_sample) for c in out]
    merged: list[list[int]] = []
    for first, last in covered:
        if merged and merged[-1][1] == first:
            merged[-1][1] = last
        else:
            merged.append([first, last])
    wanted: list[list[int]] = []
    for first, last in ((position(a, rate, to_hz), position(b, rate, to_hz)) for a, b in stretches):
        if wanted and wanted[-1][1] == first:
            wanted[-1][1] = last
        elif last > first:
            wanted.append([first, last])
    assert merged == [stretch for stretch in wanted if stretch[0] < stretch[1]]


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [440.0, 1000.0, 3000.0])
def test_a_tone_keeps_its_frequency_and_its_loudness(rate, hz):
    t = np.arange(rate * 2) / rate
    tone = (10_000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)
    resampler = Resampler(rate)
    out = []
    for at in range(0, len(tone), rate // 10):
        out += resampler.feed(Chunk("t", at, tone[at : at + rate // 10], rate))
    out += resampler.flush("t")
    sound = np.concatenate([chunk.pcm for chunk in out])
    assert len(sound) == 2 * SAMPLE_RATE_HZ
    middle = sound[8000:24_000] * np.hanning(16_000)
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == pytest.approx(hz, abs=1)
    assert np.abs(sound[8000:24_000]).max() == pytest.approx(10_000, rel=0.02)


@given(
    to_hz=st.sampled_from([8_000, 16_000, 24_000, 48_000]),
    sizes=st.lists(st.integers(0, 3_000), max_size=12),
)
def test_a_bare_stream_has_the_length_of_what_came(to_hz, sizes):
    resampler, out = BareResampler(to_hz), b""
    for size in sizes:
        out += resampler.feed(b"\1\0" * size)
    out += resampler.feed(b"", last=True)
    assert abs(len(out) / 2 - sum(sizes) * to_hz / 16_000) <= 1


def test_what_lies_above_half_the_new_rate_does_not_come_back_as_something_else():
    t = np.arange(48_000) / 48_000
    high = (10_000 * np.sin(2 * np.pi * 11_000 * t)).astype(np.int16)
    resampler = Resampler(48_000)
    out = [*resampler.feed(Chunk("t", 0, high, 48_000)), *resampler.flush("t")]
    assert np.abs(np.concatenate([c.pcm for c in out])[500:-500]).max() <= 3


@given(samples=st.lists(st.integers(0, 10**9), min_size=2, max_size=2).map(sorted), rate=rates)
def test_positions_never_go_backwards(samples, rate):
    assert position(samples[0], rate) <= position(samples[1], rate)
    assert position(samples[0], SAMPLE_RATE_HZ) == samples[0]
