"""Times of words on the call's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore_pocketsphinx.utterance import SampleMap


@given(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 4000)), min_size=1, max_size=20),
)
def test_a_sample_is_placed_where_its_block_lay_whatever_the_holes(
    start: int, blocks: list[tuple[int, int]]
) -> None:
    clock, expected, at = SampleMap(), [], start
    for hole, samples in blocks:
        at += hole
        clock.add(at, samples)
        expected += [at, at + samples - 1]
        at += samples
    decoder, found = 0, []
    for _, samples in blocks:
        found += [clock.call_sample(decoder), clock.call_sample(decoder + samples - 1)]
        decoder += samples
    assert found == expected
    assert clock.samples == decoder
