"""Fields are read the same for every vendor; its table says what a client is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.gateway import BadField, BodyFields, FieldWords, is_web_address
from tests.json_values import JSON

KINDS = (
    *("body", "required", "text", "long", "zero", "choice", "flag", "whole", "range"),
    *("url", "link", "time", "part", "list"),
)
WORDS = FieldWords({kind: f"{{dotted}}: {kind}" for kind in KINDS})
COLLECTING = FieldWords(WORDS.sentences, collects=True, loose=True)


def fields(words: FieldWords = WORDS, **body: Any) -> BodyFields:
    return BodyFields.of(body, words)


READS = {
    "text": (lambda f: f.text("x", longest=5), "abc"),
    "choice": (lambda f: f.choice("x", ("a", "b")), "b"),
    "flag": (lambda f: f.flag("x"), False),
    "whole": (lambda f: f.whole("x", 1, 9), 7),
    "url": (lambda f: f.url("x"), "https://a.example/b?c=d"),
    "time": (lambda f: f.time("x"), "2026-01-05T09:30:00Z"),
}


@pytest.mark.parametrize("kind", READS)
def test_a_good_value_is_read_and_null_is_none(kind):
    read, value = READS[kind]
    expected = datetime(2026, 1, 5, 9, 30, tzinfo=UTC) if kind == "time" else value
    assert read(fields(x=value)) == expected
    assert read(fields(x=None)) is read(fields()) is None


@pytest.mark.parametrize("kind", READS)
def test_a_value_of_another_type_is_told_in_the_vendors_words(kind):
    with pytest.raises(BadField) as caught:
        READS[kind][0](fields(x=["no"]))
    (problem,) = caught.value.problems
    assert problem.kind in (kind, "text")
    assert caught.value.message == problem.text == f"x: {problem.kind}"


@pytest.mark.parametrize(
    ("value", "kind"),
    [("abcdef", "long"), ("a\x00", "zero"), (5, "text")],
)
def test_what_is_wrong_with_a_text(value, kind):
    with pytest.raises(BadField, match=f"x: {kind}"):
        fields(x=value).text("x", longest=5)


@pytest.mark.parametrize("value", [None, "", "  ", "\u200b"])
def test_what_has_to_be_there_is_more_than_blanks(value):
    with pytest.raises(BadField, match="x: required"):
        fields(x=value).required("x")


def test_without_a_sentence_length_and_zero_pass():
    assert fields(FieldWords({}), x="a\x00").text("x") == "a\x00"
    assert BodyFields.of("no object", FieldWords({})).body == {}


def test_all_that_is_wrong_is_told_at_once_where_the_vendor_does():
    read = fields(COLLECTING, name=3, part={"limit": 100, "on": "maybe"}, many="x")
    part = read.part("part")
    assert (read.text("name"), part.whole("limit", 1, 60), part.flag("on")) == (None, None, None)
    assert read.list("many") == []
    with pytest.raises(BadField, match="name: text") as caught:
        read.check()
    told = [(each.dotted, each.kind) for each in caught.value.problems]
    expected = [("name", "text"), ("part.limit", "range"), ("part.on", "flag"), ("many", "list")]
    assert told == expected


def test_loose_vendors_take_numbers_and_flags_as_texts():
    read = fields(COLLECTING, a="7", b="1", c=0, d=7.0)
    assert (read.whole("a", 0, 9), read.flag("b"), read.flag("c")) == (7, True, False)
    assert read.whole("d", 0, 9) == 7
    with pytest.raises(BadField, match="a: whole"):
        fields(a="7").whole("a", 0, 9)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("https://a.example", True),
        ("http://[::1]:80/x", True),
        ("ftp://a.example", False),
        ("https://", False),
        ("https://a.example:99999", False),
        ("https://a b.example", False),
        ("https://ä.example", True),
    ],
)
def test_a_web_address_has_a_scheme_and_a_host(text, good):
    assert is_web_address(text) is good
    assert is_web_address(text, ascii_only=True) is (good and text.isascii())


@given(JSON, st.booleans())
def test_whatever_is_sent_is_read_or_told(body, collects):
    words = COLLECTING if collects else WORDS
    try:
        read = BodyFields.of(body, words)
        for name in [*read.body, "absent"]:
            for method in (read.text, read.flag, read.url, read.time, read.part, read.list):
                method(name)
            read.whole(name, 0, 10)
        read.check()
    except BadField as bad:
        told = bad.problems
    else:
        told = ()
    assert all(problem.kind in KINDS and problem.text for problem in told)
