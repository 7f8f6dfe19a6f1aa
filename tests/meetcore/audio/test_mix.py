"""Many tracks to one, against a plain sum on the clock."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meetcore.audio.chunk import Chunk
from meetcore.audio.mix import CallMix, Mixer

LENGTH = 2000


@st.composite
def schedules(draw):
    """Draw tracks cut into chunks, and an order in which the chunks of all tracks arrive."""
    tracks = {}
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1)):
        at, chunks = draw(st.integers(0, 300)), []
        seed = draw(st.integers(0, 1000))
        while at < LENGTH:
            size = draw(st.integers(250, 900))
            gap = draw(st.sampled_from([0, 0, 0, 150]))
            pcm = np.random.default_rng(seed + at).integers(-30_000, 30_000, size, np.int16)
            chunks.append(Chunk(name, at, pcm))
            at += size + gap
        tracks[name] = chunks
    order = []
    left = {name: list(chunks) for name, chunks in tracks.items()}
    while left:
        name = draw(st.sampled_from(sorted(left)))
        order.append(left[name].pop(0))
        if not left[name]:
            del left[name]
    return tracks, order


@settings(max_examples=80)
@given(schedule=schedules(), take_every=st.integers(1, 5))
def test_the_mix_is_the_sum_wherever_the_tracks_are_cut_and_whenever_it_is_taken(
    schedule, take_every
):
    tracks, order = schedule
    mixer = Mixer(max_lag_s=10)
    for name in tracks:
        mixer.open_track(name, 0)
    got = []
    for number, chunk in enumerate(order):
        mixer.add(chunk)
        if number % take_every == 0:
            got.append(mixer.settled())
            assert mixer.position == sum(map(len, got))
    got.append(mixer.rest())
    wanted = np.zeros(max(chunk.end_sample for chunk in order), np.int64)
    for chunk in order:
        wanted[chunk.start_sample : chunk.end_sample] += chunk.pcm
    assert np.array_equal(np.concatenate(got), np.clip(wanted, -32768, 32767))
    assert mixer.late_samples == 0


def ones(track_id: str, start: int, samples: int, value: int = 1) -> Chunk:
    return Chunk(track_id, start, np.full(samples, value, np.int16))


def test_a_track_that_lags_is_waited_for_up_to_the_limit_and_what_is_late_is_counted():
    mixer = Mixer(max_lag_s=0.1)
    mixer.open_track("slow", 0)
    mixer.add(ones("quick", 0, 1600))
    assert len(mixer.settled()) == 0
    mixer.add(ones("quick", 1600, 1600))
    assert mixer.settled().tolist() == [1] * 1600
    mixer.add(ones("slow", 1000, 1000, 10))
    assert mixer.late_samples == 600
    assert mixer.rest().tolist() == [11] * 400 + [1] * 1200


def test_a_closed_or_skipped_track_holds_nothing_up():
    mixer = Mixer(start_sample=500)
    for name in ("gone", "muted"):
        mixer.open_track(name, 500)
    mixer.add(ones("here", 500, 1000))
    assert len(mixer.settled()) == 0
    mixer.close_track("gone")
    mixer.skip("muted", 1200)
    assert (len(mixer.settled()), mixer.position) == (700, 1200)


def test_loud_voices_together_are_clipped_not_wrapped():
    mixer = Mixer()
    for name in "ab":
        mixer.add(ones(name, 0, 10, 30_000))
    assert mixer.rest().tolist() == [32_767] * 10
    assert len(mixer.rest()) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 3000), st.integers(1, 3000)), max_size=30
    )
)
def test_the_mix_of_a_call_is_its_tracks_added_up_but_for_what_is_late(steps):
    mix, ends, out, total = CallMix(), {"a": 0, "b": 0}, [], 0
    for track, hole, samples in steps:
        if hole:
            out += mix.skip(track, ends[track], hole)
        start = ends[track] + hole
        out += mix.add(Chunk(track, start, np.full(samples, 7, np.int16)))
        ends[track] = start + samples
        total += samples
    out += mix.rest()
    assert all(a.end_sample <= b.start_sample for a, b in pairwise(out))
    heard = sum(int(chunk.pcm.astype(np.int64).sum()) for chunk in out)
    assert heard == 7 * (total - mix.late_samples)


def test_a_hole_that_is_too_long_is_left_out_on_the_same_clock():
    mix = CallMix(longest_hole_s=1.0)
    first = mix.add(Chunk("a", 0, np.ones(1600, np.int16)))
    second = mix.add(Chunk("a", 160_000, np.ones(1600, np.int16)))
    assert [(chunk.start_sample, chunk.samples) for chunk in first + second] == [
        (0, 1600),
        (160_000, 1600),
    ]


def test_after_a_long_hole_a_track_that_lags_adds_to_nothing_that_was_handed_out():
    mix = CallMix(longest_hole_s=1.0)
    for name in ("a", "b"):
        mix.open_track(name)
    out = mix.add(Chunk("a", 0, np.full(3200, 1, np.int16)))
    out += mix.add(Chunk("b", 0, np.full(1600, 2, np.int16)))
    out += mix.skip("a", 3200, 48_000)
    out += mix.add(Chunk("b", 1600, np.full(1600, 2, np.int16)))
    out += mix.add(Chunk("b", 3200, np.full(1600, 2, np.int16)))
    out += mix.rest()
    places = [(chunk.start_sample, chunk.end_sample) for chunk in out]
    assert places == sorted(places)
    assert all(before[1] <= after[0] for before, after in pairwise(places))
    assert mix.late_samples == 1600
