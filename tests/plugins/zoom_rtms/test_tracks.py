"""Packets to chunks: contiguous, in order, each sample once, silence where nobody spoke."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore import Chunk
from meetcore_zoom_rtms.tracks import FILL_AFTER_MS, JITTER_MS, Clocks, Hole, Tracks

BEGAN = 1_790_000_000_000
PACKET = 1600  # samples, 100 ms


def pcm(value: int, samples: int = PACKET) -> bytes:
    return np.full(samples, value, "<i2").tobytes()


def end_of(item: Chunk | Hole) -> int:
    return item.start_sample + item.samples


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("packet"),
            st.integers(0, 2),
            st.integers(-JITTER_MS, 400),
            st.integers(1, 3200),
        ),
        st.tuples(st.just("fill"), st.integers(0, 2000)),
        st.tuples(st.just("interrupted")),
        st.tuples(st.just("resumed")),
        st.tuples(st.just("again"), st.integers(0, 2)),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_comes_each_track_goes_on_without_gap_or_overlap(steps):
    tracks, now_ms = Tracks(), BEGAN
    ends: dict[str, int] = {}
    last: dict[str, tuple[int, bytes]] = {}
    for step in steps:
        if step[0] == "packet":
            track_id, after_ms, samples = f"t{step[1]}", step[2], step[3]
            now_ms += max(0, after_ms)
            packet = (now_ms + min(0, after_ms), pcm(7, samples))
            last[track_id] = packet
            made = tracks.take(track_id, *packet)
        elif step[0] == "again" and f"t{step[1]}" in last:
            made = tracks.take(f"t{step[1]}", *last[f"t{step[1]}"])
        elif step[0] == "fill":
            now_ms += step[1]
            made = tracks.fill(now_ms)
        else:
            made = []
            if step[0] == "interrupted":
                tracks.interrupted()
            elif step[0] == "resumed":
                tracks.resumed()
        for each in made:
            assert each.samples > 0
            assert each.start_sample >= 0
            assert each.start_sample == ends.get(each.track_id, each.start_sample)
            ends[each.track_id] = end_of(each)


@given(st.lists(st.integers(-JITTER_MS // 2, JITTER_MS // 2), min_size=2, max_size=50))
def test_stamps_that_jitter_cost_and_add_no_sample(jitter):
    tracks = Tracks()
    heard = []
    for number, off_ms in enumerate([0, *jitter]):
        heard += tracks.take("a", BEGAN + number * 100 + off_ms, pcm(number))
    assert all(isinstance(each, Chunk) for each in heard)
    assert sum(each.samples for each in heard) == (len(jitter) + 1) * PACKET
    assert tracks.repeated == 0


def test_a_pause_between_words_is_silence_and_a_broken_connection_a_hole():
    tracks = Tracks()
    tracks.take("a", BEGAN, pcm(1))
    silence, word = tracks.take("a", BEGAN + 500, pcm(2))
    assert (silence.start_sample, silence.samples, silence.pcm.any()) == (PACKET, 6400, False)
    assert word.start_sample == 8000
    tracks.interrupted()
    tracks.resumed()
    hole, word = tracks.take("a", BEGAN + 1600, pcm(3))
    assert hole == Hole("a", 9600, 16_000)
    assert word.start_sample == 25_600
    silence, word = tracks.take("a", BEGAN + 2000, pcm(4))
    assert isinstance(silence, Chunk)


def test_nothing_is_filled_while_the_connection_is_away():
    tracks = Tracks()
    tracks.take("a", BEGAN, pcm(1))
    tracks.interrupted()
    assert tracks.fill(BEGAN + 60_000) == []
    tracks.resumed()
    (hole,) = tracks.fill(BEGAN + 60_000)
    assert isinstance(hole, Hole)


def test_what_comes_twice_is_heard_once():
    tracks = Tracks()
    tracks.take("a", BEGAN, pcm(1, 4 * PACKET))
    assert tracks.take("a", BEGAN + 100, pcm(2, 2 * PACKET)) == []
    (rest,) = tracks.take("a", BEGAN + 300, pcm(3, 2 * PACKET))
    assert (rest.start_sample, rest.samples) == (4 * PACKET, PACKET)
    assert tracks.repeated == 3 * PACKET


def test_a_clock_that_jumps_makes_no_hours_of_silence():
    tracks = Tracks()
    tracks.take("a", BEGAN, pcm(1))
    for stamp in (BEGAN + 3_600_000, 5, 10**15):
        made = tracks.take("a", stamp, pcm(2))
        assert [type(each) for each in made] == [Chunk]
    assert tracks.newest_sample == 4 * PACKET


def test_long_silence_comes_in_pieces():
    tracks = Tracks()
    tracks.take("a", BEGAN, pcm(1))
    made = tracks.fill(BEGAN + 20_000 + FILL_AFTER_MS)
    assert max(each.samples for each in made) <= 80_000
    assert end_of(made[-1]) == 320_000


@pytest.mark.parametrize("drift", [-0.05, 0.0, 0.05])
def test_zooms_clock_is_followed_where_it_drifts(drift):
    clocks = Clocks()
    assert clocks.stamp_at(0.0) is None
    for second in range(200):
        clocks.saw(1000.0 + second * (1 + drift) - 0.2 * (second % 2), float(second))
    assert abs(clocks.stamp_at(199.0) - (1000.0 + 199 * (1 + drift))) < 1.1
