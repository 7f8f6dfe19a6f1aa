"""A provider's seconds and the call's samples, across holes, padding, replays and reconnects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.audio.clock import StreamClock


def test_what_was_left_out_is_not_in_the_providers_time():
    clock = StreamClock()
    clock.sent(16_000, 16_000)
    clock.sent(80_000, 16_000)
    assert clock.sample_at(0.5) == 24_000
    assert clock.sample_at(1.5) == 88_000
    assert clock.call_s(1.5) == 5.5
    assert clock.sent_at(88_000) == 1.5
    assert clock.sent_at(40_000) is None
    assert clock.sent_s == 2.0
    assert (clock.sample_at(1.0, end=True), clock.sample_at(1.0)) == (32_000, 80_000)


def test_padding_passes_for_the_provider_and_not_for_the_call():
    clock = StreamClock()
    clock.sent(0, 8000)
    clock.padded(8000)
    clock.sent(8000, 8000)
    assert clock.sample_at(0.75) == 8000, "in the padding: the end of what was before it"
    assert clock.sample_at(1.25) == 12_000
    assert clock.sample_at(99.0) == 16_000
    assert clock.sent_at(12_000) == 1.25


def test_a_new_connection_begins_at_0_and_what_is_sent_again_is_where_it_was_sent_last():
    clock = StreamClock()
    clock.sent(0, 32_000)
    clock.restart()
    clock.sent(16_000, 16_000)
    assert clock.sample_at(0.5) == 24_000
    assert clock.sent_at(8000) is None
    clock.sent(16_000, 16_000)
    assert clock.sent_at(16_000) == 1.0


def test_a_time_before_anything_was_sent_is_a_mistake():
    with pytest.raises(ValueError, match="Nothing was sent"):
        StreamClock().sample_at(0.0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sent", "hole", "padded", "replay", "restart"]), st.integers(1, 50_000)
    ),
    min_size=1,
    max_size=40,
)


@given(STEPS, st.data())
def test_every_sample_sent_over_a_connection_is_found_both_ways(steps, data):
    clock, at = StreamClock(), 0
    sent: list[tuple[int, int]] = []
    for step, samples in steps:
        if step == "hole":
            at += samples
        elif step == "padded":
            clock.padded(samples)
        elif step == "restart":
            clock.restart()
            sent.clear()
        else:
            start = max(0, at - samples) if step == "replay" else at
            clock.sent(start, samples)
            sent.append((start, samples))
            at = max(at, start + samples)
    if not sent:
        return
    start, samples = data.draw(st.sampled_from(sent))
    sample = start + data.draw(st.integers(0, samples - 1))
    seconds = clock.sent_at(sample)
    assert seconds is not None
    assert 0 <= seconds < clock.sent_s
    assert clock.sample_at(seconds) == sample
