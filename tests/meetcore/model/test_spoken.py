"""What was said of a text by a moment: by the times that came with the sound, else by its share."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.spoken import SpokenText


def said(spoken: SpokenText, upto_s: float, made_s: float, *, whole: bool = True) -> str:
    return " ".join(word.text for word in spoken.words(upto_s, made_s, whole=whole))


def test_words_have_the_share_of_the_time_that_they_have_of_the_letters():
    spoken = SpokenText("one two three four five")
    assert said(spoken, 0.0, 4.8) == ""
    assert said(spoken, 1.0, 4.8) == "one"
    assert said(spoken, 2.4, 4.8) == "one two three"
    assert said(spoken, 4.8, 4.8) == "one two three four five"
    words = spoken.words(4.8, 4.8, whole=True)
    assert [(word.start_s, word.end_s) for word in words][:2] == [(0.0, 0.8), (0.8, 1.6)]
    assert words[-1].end_s == pytest.approx(4.8)


def test_while_the_end_is_not_there_its_length_is_taken_from_how_fast_letters_are_said():
    spoken = SpokenText("a word " * 40, letters_per_s=10.0)
    assert said(spoken, 1.0, 1.2, whole=False) == "a word a"
    assert said(spoken, 1.0, 56.0, whole=False) == "a word"


def test_what_comes_with_the_sound_says_it_better():
    spoken = SpokenText("Good morning. I take notes.")
    spoken.stretch(0.0, "Good morning.")
    spoken.stretch(3.0, " I take\nnotes. ")
    spoken.stretch(9.0, "  ")
    assert spoken.text == "Good morning. I take notes."
    assert said(spoken, 2.9, 4.0) == "Good morning."
    assert said(spoken, 3.6, 4.0) == "Good morning. I take"
    word = spoken.words(3.02, 4.0, whole=True)[-1]
    assert (word.text, word.start_s) == ("morning.", pytest.approx(1.071, abs=0.01))


def test_an_agent_that_gives_its_words_as_it_goes_needs_no_text_beforehand():
    spoken = SpokenText()
    assert (spoken.text, said(spoken, 5.0, 5.0)) == ("", "")
    spoken.stretch(0.0, "Yes.")
    spoken.stretch(0.5, "I")
    spoken.stretch(0.7, "am here")
    assert spoken.text == "Yes. I am here"
    assert said(spoken, 0.6, 2.0, whole=False) == "Yes. I"


def test_how_fast_it_was_said_is_kept_for_the_next_text():
    spoken = SpokenText("twenty letters or so, yes")
    assert spoken.pace(2.5) == 10.0
    assert SpokenText("no", 12.0).pace(2.5) == 12.0
    assert spoken.pace(0.0) == 15.0


@given(
    text=st.text(max_size=60),
    stretches=st.lists(st.tuples(st.floats(0, 20), st.text(max_size=20)), max_size=6),
    made_s=st.floats(0, 30),
    whole=st.booleans(),
    moments=st.tuples(st.floats(0, 40), st.floats(0, 40)).map(sorted),
)
def test_more_time_never_takes_a_word_back_and_times_follow_each_other(
    text, stretches, made_s, whole, moments
):
    spoken = SpokenText(text)
    for at_s, words in sorted(stretches):
        spoken.stretch(at_s, words)
    before, after = (spoken.words(at, made_s, whole=whole) for at in moments)
    assert [w.text for w in after][: len(before)] == [w.text for w in before]
    times = [time for word in after for time in (word.start_s, word.end_s)]
    assert all(b >= a - 0.002 for a, b in pairwise(times))
