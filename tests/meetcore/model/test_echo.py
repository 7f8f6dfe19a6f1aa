"""Echo: one copy of the same words on two tracks is shown, and no repetition is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.echo import EchoFilter
from meetcore.model.roster import NameSource
from meetcore.model.transcript import Segment, Transcript, Word

TEXT = "we will ship it on friday then"


def said(key, track, at, text=TEXT, *, confidence=0.9, pace=0.3, **more) -> Segment:
    words = tuple(
        Word(word, round(at + n * pace, 3), round(at + (n + 1) * pace - 0.05, 3), confidence)
        for n, word in enumerate(text.split())
    )
    return Segment(
        id=key, revision=1, finalized=True, track_id=track, participant_id=track,
        speaker_name=track, speaker_source=NameSource.TRACK, speaker_confidence=1.0,
        text=text, words=words, start_s=words[0].start_s, end_s=words[-1].end_s, **more,
    )  # fmt: skip


def played(*segments: Segment) -> Transcript:
    echo, transcript = EchoFilter(), Transcript()
    for segment in segments:
        for each in echo.take(segment):
            before = transcript.newest(each.id)
            assert before is None or each.revision > before.revision
            transcript.finalized(each)
    return transcript


def ids(transcript: Transcript) -> list[str]:
    return [segment.id for segment in transcript.segments]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("lag", [-0.9, -0.2, 0.2, 0.9])
def test_the_copy_that_was_recognised_less_surely_goes_whichever_comes_first(order, lag):
    both = [said("a", "ada", 5.0), said("b", "ben", 5.0 + lag, confidence=0.6)]
    transcript = played(*[both[n] for n in order])
    assert ids(transcript) == ["a"]
    gone = transcript.newest("b")
    assert (gone.withdrawn, gone.echo_of, gone.correction) == (True, "a", True)


@pytest.mark.parametrize("confidence", [0.9, None])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_as_sure_as_each_other_the_later_goes(order, confidence):
    both = [said("a", "ada", 5.0, confidence=confidence), said("b", "ben", 5.2, confidence=None)]
    assert ids(played(*[both[n] for n in order])) == ["a"]


def test_two_recognitions_of_one_sound_differ_in_a_word():
    other = said("b", "ben", 5.2, "we will ship it on fried then", confidence=0.5)
    assert ids(played(said("a", "ada", 5.0), other)) == ["a"]


def test_a_word_more_is_somebodys_own():
    more = said("b", "ben", 5.2, TEXT + " no", confidence=0.5)
    assert ids(played(said("a", "ada", 5.0), more)) == ["b"], "the shorter is the echo"
    apart = said("b", "ben", 5.2, "no we will ship it on friday", confidence=0.5)
    assert ids(played(said("a", "ada", 5.0), apart)) == ["a", "b"]


@pytest.mark.parametrize("text", ["yes", "yes that is", "no no no no no", "yes yes no no yes"])
def test_short_answers_and_words_that_repeat_are_answers(text):
    assert len(ids(played(said("a", "ada", 5.0, text), said("b", "ben", 5.1, text)))) == 2


@pytest.mark.parametrize("lag", [1.1, 2.2, -2.2, 30.0])
def test_a_repetition_is_no_echo(lag):
    assert len(ids(played(said("a", "ada", 50.0), said("b", "ben", 50.0 + lag)))) == 2


def test_words_in_another_order_are_no_echo():
    text = " ".join(reversed(TEXT.split()))
    assert len(ids(played(said("a", "ada", 5.0), said("b", "ben", 5.2, text)))) == 2


def test_an_echo_that_was_cut_elsewhere_is_one():
    long = said("a", "ada", 5.0, "one two three four five six seven eight")
    halves = [
        said("b", "ben", 5.2, "one two three four", confidence=0.5),
        said("c", "ben", 6.4, "five six seven eight", confidence=0.5),
    ]
    assert ids(played(long, *halves)) == ["a"]
    assert ids(played(*halves, long)) == ["a"]
    assert ids(played(halves[0], long, halves[1])) == ["a"]


def test_what_stands_for_an_echo_is_no_echo_itself():
    first = said("a", "ada", 5.0, confidence=0.6)
    echo = said("b", "ben", 5.2, confidence=0.5)
    better = said("c", "cem", 5.1, confidence=0.9)
    transcript = played(first, echo, better)
    assert transcript.newest("b").echo_of == "a"
    assert ids(transcript) == ["a"]
    assert transcript.newest("c").echo_of == "a"


def test_the_same_track_has_no_echo_of_itself():
    assert len(ids(played(said("a", "ada", 5.0), said("b", "ada", 5.2)))) == 2


utterances = st.lists(
    st.tuples(
        st.sampled_from(["ada", "ben", "cem"]),
        st.integers(0, 30),
        st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=9),
        st.sampled_from([None, 0.4, 0.6, 0.9]),
    ),
    max_size=8,
)
copies = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(["ada", "ben", "cem"]),
        st.sampled_from([-0.9, -0.3, 0.0, 0.1, 0.5, 0.9, 1.2]),
        st.sampled_from([None, 0.4, 0.9]),
    ),
    max_size=8,
)


@given(spoken=utterances, echoed=copies, shuffled=st.randoms(use_true_random=False))
def test_whatever_comes_each_segment_is_shown_or_is_an_echo_of_one_that_is(
    spoken, echoed, shuffled
):
    segments = [
        said(f"u{n}", track, at / 2, " ".join(text), confidence=confidence)
        for n, (track, at, text, confidence) in enumerate(spoken)
    ]
    for n, (which, track, lag, confidence) in enumerate(echoed):
        if which < len(spoken):
            _, at, text, _ = spoken[which]
            copy = said(f"e{n}", track, at / 2 + lag, " ".join(text), confidence=confidence)
            segments.append(copy)
    shuffled.shuffle(segments)
    transcript = played(*segments)
    shown = {segment.id: segment for segment in transcript.segments}
    for segment in segments:
        newest = transcript.newest(segment.id)
        if not newest.withdrawn:
            assert newest == segment
            continue
        kept = shown[newest.echo_of]
        assert kept.track_id != segment.track_id
        assert kept.start_s < segment.end_s + 1
        assert segment.start_s < kept.end_s + 1
        assert len(segment.words) >= 4


@given(
    text=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12),
    gap=st.floats(0, 5),
    turns=st.integers(2, 5),
    pace=st.sampled_from([0.1, 0.15, 0.3]),
)
def test_people_who_repeat_each_other_one_after_the_other_are_all_shown(text, gap, turns, pace):
    at, segments = 0.0, []
    for turn in range(turns):
        segments.append(said(f"u{turn}", f"t{turn}", at, " ".join(text), pace=pace))
        at = segments[-1].end_s + gap
    assert len(ids(played(*segments))) == turns


# --- the bot's own voice ----------------------------------------------------------------------


def own(at, text=TEXT, **more) -> Segment:
    return said("own-voice-1", "own-voice", at, text, by_bot=True, **more)


@pytest.mark.parametrize("lag", [0.0, 0.3, 0.9, 1.4])
@pytest.mark.parametrize("order", ["bot first", "echo first"])
def test_what_the_bot_said_goes_wherever_it_comes_back(lag, order):
    echo, heard = EchoFilter(), said("a", "ada", 5.0 + lag, confidence=0.99)
    if order == "bot first":
        assert echo.own(own(5.0)) == []
        (gone,) = echo.take(heard)
    else:
        assert echo.take(heard) == [heard]
        (gone,) = echo.own(own(5.0))
    assert (gone.id, gone.withdrawn, gone.echo_of) == ("a", True, "own-voice-1")


def test_who_repeats_what_the_bot_said_after_it_is_shown():
    echo, repeated = EchoFilter(), said("a", "ada", 5.0 + 7 * 0.3 + 0.3)
    echo.own(own(5.0))
    assert echo.take(repeated) == [repeated]


def test_a_part_of_what_it_said_is_its_echo_and_an_answer_is_none():
    echo = EchoFilter()
    echo.own(own(5.0, "so can we ship it on friday or is that too early for you"))
    (gone,) = echo.take(said("a", "ada", 6.1, "ship it on friday or"))
    assert gone.withdrawn
    answer = said("b", "ada", 9.0, "no we cannot do that")
    assert echo.take(answer) == [answer]


def test_a_single_word_goes_only_on_a_track_that_brings_the_voice_back():
    echo = EchoFilter()
    echo.own(own(5.0, "good morning i am notes"))
    yes = said("a", "ada", 6.3, "notes")
    assert echo.take(yes) == [yes]
    (gone,) = echo.take(said("b", "ben", 6.3, "notes"), echoing=True)
    assert gone.withdrawn
    other = said("c", "ben", 6.4, "wait")
    assert echo.take(other, echoing=True) == [other]


def test_more_of_what_it_says_takes_the_place_of_less():
    echo = EchoFilter()
    echo.own(own(5.0, "we will"))
    heard = said("a", "ada", 5.2)
    assert echo.take(heard) == [heard]
    (gone,) = echo.own(own(5.0))
    assert gone.withdrawn
    assert echo.own(own(5.0)) == []
