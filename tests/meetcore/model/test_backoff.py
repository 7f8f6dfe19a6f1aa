"""The pause before the next try: doubling, bounded, shorter by chance."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.backoff import backoff_s


@given(
    st.integers(1, 10_000),
    st.floats(0.01, 10),
    st.floats(10, 1000),
    st.floats(0, 1),
    st.integers(0, 9),
)
def test_it_is_bounded_and_the_same_chance_gives_the_same(
    failures: int, first_s: float, longest_s: float, jitter: float, seed: int
) -> None:
    whole = backoff_s(failures, first_s, longest_s)
    pause = backoff_s(failures, first_s, longest_s, Random(seed), jitter=jitter)
    assert (1 - jitter) * whole <= pause <= whole <= longest_s
    assert pause == backoff_s(failures, first_s, longest_s, Random(seed), jitter=jitter)


def test_without_chance_it_doubles_until_it_is_longest() -> None:
    assert [backoff_s(n, 1, 60) for n in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
