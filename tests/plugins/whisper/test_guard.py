"""Windows, limits, and what is not believed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore_whisper.guard import (
    Decoded,
    agreed_words,
    cut_points,
    is_hallucinated,
    needs_full_window,
    token_limit,
    window_s,
)


@pytest.mark.parametrize(
    ("length_s", "seen_s"), [(0.5, 30), (1.5, 10), (7, 10), (9, 12), (26, 29), (29, 30), (40, 30)]
)
def test_a_decode_sees_some_silence_behind_the_speech(length_s: float, seen_s: float) -> None:
    assert window_s(length_s) == seen_s


def test_a_draft_of_a_word_sees_no_thirty_seconds() -> None:
    assert window_s(0.8, shortest=True) == 10


def decoded(**changes: object) -> Decoded:
    fields: dict[str, object] = {
        "text": "the release is on friday",
        "tokens": 8,
        "limit": 40,
        "logprob": -0.2,
        "no_speech": 0.1,
        "window_s": 10.0,
    }
    return Decoded(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes", [{"tokens": 40}, {"text": "no, " * 20}, {"logprob": -1.2}], ids=str
)
def test_what_looks_like_a_loop_is_decoded_again_over_the_whole_window_once(
    changes: dict[str, object],
) -> None:
    assert not needs_full_window(decoded())
    assert needs_full_window(decoded(**changes))
    assert not needs_full_window(decoded(**changes, window_s=30.0))


def test_doubt_and_repetition_are_not_believed() -> None:
    assert not is_hallucinated(decoded())
    assert not is_hallucinated(decoded(text="Thank you."))
    assert is_hallucinated(decoded(no_speech=0.7))
    assert is_hallucinated(decoded(text="I don't know. " * 20))


def test_nobody_says_more_words_than_the_limit() -> None:
    assert token_limit(1.0) == 20
    assert token_limit(20.0) == 172


def test_two_drafts_agree_up_to_the_first_other_word() -> None:
    assert agreed_words(["The", "plan,", "is"], ["the", "plan", "was"]) == 2
    assert agreed_words([], ["the"]) == 0


@given(st.floats(0.1, 70), st.integers(0, 2**32 - 1))
def test_long_speech_is_cut_into_pieces_that_are_neither_long_nor_tiny(
    length_s: float, seed: int
) -> None:
    samples = np.random.default_rng(seed).normal(0, 0.1, int(length_s * 16_000)).astype(np.float32)
    cuts = cut_points(samples, 20.0)
    borders = [0, *cuts, len(samples)]
    assert borders == sorted(set(borders))
    assert all(b - a <= 20 * 16_000 for a, b in pairwise(borders))
    assert bool(cuts) == (len(samples) > 20 * 16_000)


def test_the_cut_is_where_it_is_quiet() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 30 * 16_000).astype(np.float32)
    samples[15 * 16_000 : 16 * 16_000] = 0
    (cut,) = cut_points(samples, 20.0)
    assert 15 * 16_000 < cut < 16 * 16_000
