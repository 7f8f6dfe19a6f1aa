"""What synthesizers share: a text in sentences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore import spoken_sentences
from meetcore.plugin.synthesizer import LONGEST_SENTENCE_CHARS


@given(st.text(max_size=1500))
def test_sentences_are_short_lines_and_lose_no_word(text: str) -> None:
    pieces = list(spoken_sentences(text))
    assert all(0 < len(piece) <= LONGEST_SENTENCE_CHARS for piece in pieces)
    assert all(len(piece.splitlines()) == 1 for piece in pieces)
    letters = [c for c in text if c.isalnum()]
    assert [c for piece in pieces for c in piece if c.isalnum()] == letters
