"""Words read out of grammars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore_pocketsphinx.grammar import jsgf_words, keyphrase_words

GRAMMAR = """#JSGF V1.0 UTF-8 en;
grammar commands; // the commands
import <other.rule>;
/* public <old> = never read; */
public <command> = /10/ [please] (stop | leave) the <room> {DO it = "now;"} | "start recording" ;
<room> = meeting+ | call*;
"""


def test_the_words_of_a_grammar_are_its_words_without_names_tags_weights_and_comments() -> None:
    assert jsgf_words(GRAMMAR) == [
        "please", "stop", "leave", "the", "start", "recording", "meeting", "call",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["yes", "no", "maybe"]), min_size=1))
def test_every_alternative_is_found_once(words: list[str]) -> None:
    text = f"#JSGF V1.0;\ngrammar g;\npublic <s> = {' | '.join(words)};\n"
    assert jsgf_words(text) == list(dict.fromkeys(words))


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert all(isinstance(word, str) for word in jsgf_words(text) + keyphrase_words(text))


def test_keyphrases_are_read_without_their_thresholds() -> None:
    assert keyphrase_words("stop recording /1e-20/\nplease leave /1e-30/\n") == [
        "stop", "recording", "please", "leave",
    ]  # fmt: skip
