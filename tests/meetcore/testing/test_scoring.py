"""Scoring: the word error rate and the share of words given to the right person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.testing.scoring import (
    HypothesisWord,
    WordErrors,
    align,
    normalise,
    score_transcript,
    word_errors,
)
from meetcore.testing.script import Line, Person, Script

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Good morning, everyone!", ["good", "morning", "everyone"]),
        ("It’s OK.", ["it's", "ok"]),
        ("We need 42 of 1,500", ["we", "need", "forty", "two", "of", "one", "five", "hundred"]),
        ("0 and 10 and 119", ["zero", "and", "ten", "and", "one", "hundred", "nineteen"]),
        ("2000000 of 2000", ["two", "million", "of", "two", "thousand"]),
        ("half-hearted 5%", ["half", "hearted", "five", "percent"]),
        ("", []),
    ],
)
def test_case_punctuation_and_digits_make_no_difference(text: str, words: list[str]) -> None:
    assert list(normalise(text)) == words


def test_errors_are_counted_by_kind() -> None:
    errors = word_errors("the cat sat on the mat", "the cat sit on mat now")
    assert (errors.substituted, errors.missing, errors.inserted) == (1, 1, 1)
    assert errors.rate == pytest.approx(0.5)


def test_a_rate_without_a_reference_is_defined() -> None:
    assert WordErrors().rate == 0
    assert word_errors("", "something").rate == 1


@given(WORDS, WORDS)
def test_an_alignment_uses_every_word_once_and_in_order(ref: list[str], hyp: list[str]) -> None:
    pairs = align(ref, hyp)
    assert [i for i, _ in pairs if i is not None] == list(range(len(ref)))
    assert [j for _, j in pairs if j is not None] == list(range(len(hyp)))


@given(WORDS, WORDS, WORDS)
def test_the_number_of_errors_is_a_distance(a: list[str], b: list[str], c: list[str]) -> None:
    assert word_errors(a, a).errors == 0
    assert word_errors(a, b).errors == word_errors(b, a).errors
    assert word_errors(a, c).errors <= word_errors(a, b).errors + word_errors(b, c).errors
    assert abs(len(a) - len(b)) <= word_errors(a, b).errors <= max(len(a), len(b))


SCRIPT = Script(
    people=(Person(id="ada", name="Ada"), Person(id="ben", name="Ben")),
    lines=(
        Line(who="ada", at_s=1, text="we will meet on monday", duration_s=3),
        Line(who="ben", at_s=3, text="that is the best day", duration_s=2),
        Line(who="ada", at_s=10, text="thank you", duration_s=1),
    ),
)


def perfect() -> list[HypothesisWord]:
    return [
        HypothesisWord(word.text, word.who, word.start_s, word.end_s)
        for word in SCRIPT.reference_words()
    ]


def given_to(words: list[HypothesisWord], who: str | None) -> list[HypothesisWord]:
    return [HypothesisWord(word.text, who, word.start_s, word.end_s) for word in words]


def test_a_perfect_transcript_scores_perfectly() -> None:
    score = score_transcript(SCRIPT.reference_words(), perfect())
    assert score.words.errors == 0
    assert score.attributed.value == 1
    assert score.attributed.of == 12
    assert score.attributed_in_overlaps.of == 5


def test_words_given_to_the_wrong_person_are_found_in_and_outside_of_overlaps() -> None:
    score = score_transcript(SCRIPT.reference_words(), given_to(perfect(), "ada"))
    assert score.attributed_in_overlaps.right == 2
    assert score.attributed_in_overlaps.of == 5
    assert score.attributed_alone.right == 5
    assert score.attributed_alone.of == 7
    assert score.words_by_person["ben"].missing == 5


def test_words_given_to_nobody_are_wrong() -> None:
    score = score_transcript(SCRIPT.reference_words(), given_to(perfect(), None))
    assert score.attributed.right == 0
    assert score.words.inserted == 12


def test_swapped_people_score_nothing() -> None:
    other = {"ada": "ben", "ben": "ada"}
    swapped = [
        HypothesisWord(word.text, other[str(word.who)], word.start_s, word.end_s)
        for word in perfect()
    ]
    assert score_transcript(SCRIPT.reference_words(), swapped).attributed.right == 0


def test_a_missed_word_counts_in_the_rate_and_not_in_the_attribution() -> None:
    score = score_transcript(SCRIPT.reference_words(), perfect()[:-1])
    assert score.words.missing == 1
    assert score.attributed.of == 11
    assert score.attributed.value == 1


def test_words_at_another_time_are_not_the_line() -> None:
    late = [
        HypothesisWord(word.text, word.who, word.start_s + 60, word.end_s + 60)
        for word in perfect()
    ]
    assert score_transcript(SCRIPT.reference_words(), late).attributed.of == 0


def test_the_summed_rate_is_that_of_all_words_together() -> None:
    assert WordErrors(10, 1, 1, 1) + WordErrors(20, 0, 0, 1) == WordErrors(30, 1, 1, 2)
