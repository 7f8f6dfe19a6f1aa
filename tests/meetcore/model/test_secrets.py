"""What the redactor takes out beyond what law 9 asks for: spellings, users, short codes."""

from __future__ import annotations

from attrs import frozen

from meetcore.model.secrets import Redactor, Secret, secrets_in


def test_every_spelling_of_a_secret_goes():
    redactor = Redactor(["p@ss word/1"])
    for spelling in ("p@ss word/1", "p%40ss%20word%2F1", "p%40ss+word%2F1"):
        assert redactor.redact(f"x {spelling} y") == "x [redacted] y"


def test_a_short_code_goes_only_where_it_stands_alone():
    redactor = Redactor(["42"])
    assert redactor.redact("code 42, room 1420 at 4:42") == (
        "code [redacted], room 1420 at 4:[redacted]"
    )


def test_the_user_of_a_url_goes_and_what_is_no_secret_stays():
    redactor = Redactor([None, "", Secret("tok-1234")])
    assert redactor.redact("https://ada:pw@x.example/r") == "https://x.example/r"
    assert redactor.redact("nothing to hide?") == "nothing to hide?"


def test_secrets_are_found_in_options_however_deep():
    @frozen
    class Inner:
        keys: tuple[Secret, ...]

    @frozen
    class Options:
        inner: Inner
        by_name: dict[str, Secret]
        url: str = "x"

    options = Options(Inner((Secret("a"),)), {"x": Secret("b")})
    assert [s.reveal() for s in secrets_in(options)] == ["a", "b"]


def test_secrets_compare_by_their_value():
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
