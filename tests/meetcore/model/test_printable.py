"""What can be seen of a text, and what of it stands in one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.printable import is_blank, one_line


@pytest.mark.parametrize(
    "text",
    ["", " ", "\t", "\n", "\u00a0", "\u200b", "\u200b \u200d\t", "\ufeff", "\u2060", "\u3164",
     "\u2800", "\u115f", "\u0301", "\ufe0f", "\u202e", "\U000e0020", "\x00"],
)  # fmt: skip
def test_a_text_of_which_nothing_can_be_seen_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " \u200ba", "é", "e\u0301", "日", "🙂", ".", "\ue000"])
def test_a_text_of_which_something_can_be_seen_is_not(text):
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d💻 and 👨\u200d👩\u200d👧", "👩\u200d💻 and 👨\u200d👩\u200d👧"),
        ("\u200fשלום!\u200f", "\u200fשלום!\u200f"),
        ("ab\u202ecd\u202c\u2066ef\u2069", "abcdef"),
        ("a\r\n\nb\u2028c\u2029d\x85e\x0bf", "a b c d e f"),
        ("a\x00\x1b[31mb", "a [31mb"),
        ("a \t\u00a0 b", "a b"),
        ("a\ud800b", "a b"),
    ],
)
def test_joiners_and_marks_stay_and_line_breaks_and_controls_go(text, line):
    assert one_line(text) == line


@given(st.text(st.characters()))
def test_a_line_is_one_line_and_can_be_written(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert one_line(line) == line
    line.encode()
