"""Which language a track speaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore_whisper.spoken import TrackLanguage, commonest


def test_a_wish_is_not_asked_about() -> None:
    assert not TrackLanguage(wish="es").is_asked


def test_it_is_settled_once_it_is_sure() -> None:
    track = TrackLanguage()
    assert track.is_asked
    assert track.heard([("es", 0.95), ("pt", 0.03)], 3.0) == "es"
    assert track.settled == "es"
    assert not track.is_asked


def test_a_short_word_settles_nothing() -> None:
    track = TrackLanguage()
    assert track.heard([("nn", 0.9)], 0.4) == "nn"
    assert track.settled is None


def test_two_unsure_guesses_that_agree_settle_it() -> None:
    track = TrackLanguage()
    track.heard([("de", 0.6)], 2.0)
    assert track.settled is None
    track.heard([("de", 0.55)], 2.0)
    assert track.settled == "de"


def test_what_it_is_unsure_about_is_taken_to_be_in_the_others_language() -> None:
    assert TrackLanguage().heard([("cy", 0.3), ("en", 0.25)], 1.0, others="en") == "en"


def test_someone_who_switches_is_believed_when_it_is_sure_twice() -> None:
    track = TrackLanguage()
    track.heard([("en", 0.99)], 4.0)
    for _ in range(4):
        assert not track.is_asked
        track.passed_by()
    assert track.is_asked
    assert track.heard([("fr", 0.97)], 4.0) == "fr"
    assert track.settled == "en"
    assert track.is_asked
    track.heard([("fr", 0.95)], 4.0)
    assert track.settled == "fr"


def test_one_odd_guess_changes_nothing() -> None:
    track = TrackLanguage()
    track.heard([("en", 0.99)], 4.0)
    track.heard([("fr", 0.97)], 4.0)
    track.heard([("en", 0.97)], 4.0)
    track.heard([("fr", 0.97)], 4.0)
    assert track.settled == "en"


@given(
    st.lists(
        st.tuples(st.sampled_from(["en", "de", "ja"]), st.floats(0.05, 1), st.floats(0.2, 20)),
        min_size=1,
    )
)
def test_it_is_always_one_of_those_that_were_heard(heard: list[tuple[str, float, float]]) -> None:
    track = TrackLanguage()
    for language, probability, length_s in heard:
        assert track.heard([(language, probability)], length_s) in {each[0] for each in heard}
    assert track.settled in {None, *(each[0] for each in heard)}


def test_the_commonest_language() -> None:
    assert commonest(["en", None, "de", "en"]) == "en"
    assert commonest([None]) is None
