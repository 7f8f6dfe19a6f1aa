"""Since when nobody has spoken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from meetcore.bot.quiet import Quiet


def test_hold_music_keeps_nobody_in_a_meeting() -> None:
    quiet = Quiet()
    quiet.listens(100.0)
    for start in (110.0, 130.0, 150.0):
        quiet.speech("t", speaking=True, now=start)
        quiet.speech("t", speaking=False, now=start + 19)
        quiet.no_words("t")
    quiet.speech("t", speaking=True, now=170.0)
    assert not quiet.speaking
    assert quiet.since == 100.0


def test_words_make_a_track_count_again() -> None:
    quiet = Quiet()
    quiet.listens(0.0)
    quiet.speech("t", speaking=True, now=1.0)
    quiet.speech("t", speaking=False, now=2.0)
    quiet.no_words("t")
    quiet.speech("t", speaking=True, now=5.0)
    assert not quiet.speaking
    quiet.words("t", 6.0)
    assert quiet.speaking
    quiet.speech("t", speaking=False, now=8.0)
    assert quiet.since == 8.0


def test_a_cough_takes_nothing_from_what_was_said_before_and_by_others() -> None:
    quiet = Quiet()
    quiet.listens(0.0)
    quiet.speech("ada", speaking=True, now=10.0)
    quiet.words("ada", 12.0)
    quiet.speech("ada", speaking=False, now=13.0)
    quiet.speech("ben", speaking=True, now=20.0)
    quiet.speech("ben", speaking=False, now=21.0)
    quiet.speech("ada", speaking=True, now=30.0)
    quiet.speech("ada", speaking=False, now=31.0)
    quiet.no_words("ada")
    assert quiet.since == 21.0


told = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["begin", "end", "words", "none"])),
    max_size=30,
)


@given(told)
def test_it_never_lies_ahead_and_never_before_the_last_words(
    acts: list[tuple[str, str]],
) -> None:
    quiet = Quiet()
    quiet.listens(0.0)
    last_words = 0.0
    for now, (track, act) in enumerate(acts, 1):
        if act in ("begin", "end"):
            quiet.speech(track, speaking=act == "begin", now=float(now))
        elif act == "words":
            quiet.words(track, float(now))
            last_words = float(now)
        else:
            quiet.no_words(track)
        assert quiet.since is not None
        assert last_words <= quiet.since <= now
