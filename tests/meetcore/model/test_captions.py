"""Captions: lines that grow, are rewritten, scroll away and come again, made into text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.captions import CaptionReader, CaptionText
from meetcore.model.signals import CaptionSeen


class Screen:
    """Shows captions to a reader and keeps what it makes of them."""

    def __init__(self, **options: float) -> None:
        self.reader = CaptionReader(**options)
        self.told: list[CaptionText] = []
        self.now = 0.0

    def show(
        self,
        text: str,
        at_s: float,
        *,
        key: str = "k",
        name: str = "Ada",
        who: str | None = "ada",
        final: bool = False,
    ) -> list[CaptionText]:
        self.now = at_s
        caption = CaptionSeen(who, name, text, final=final, key=key)
        new = self.reader.see(caption, at_s, at_s)
        self.told += new
        return new

    def settle(self, at_s: float) -> list[CaptionText]:
        self.now = at_s
        new = self.reader.settle(at_s)
        self.told += new
        return new

    def finish(self) -> None:
        self.told += self.reader.finish()

    @property
    def texts(self) -> list[str]:
        """The newest revision of every finished text, in order."""
        newest = {text.id: text for text in self.told if text.final}
        return [newest[key].text for key in sorted(newest)]


def short(texts: list[CaptionText]) -> list[tuple[str, bool]]:
    return [(text.text, text.final) for text in texts]


def test_a_line_that_grows_is_a_draft_and_finished_once_it_stands_still():
    screen = Screen()
    assert short(screen.show("Good", 1)) == [("Good", False)]
    assert short(screen.show("Good mourning", 1.5)) == [("Good mourning", False)]
    assert short(screen.show("Good morning everyone", 2)) == [("Good morning everyone", False)]
    assert screen.reader.due_s == 5
    assert screen.settle(4.9) == []
    (done,) = screen.settle(5)
    assert (done.text, done.final, done.start_s, done.end_s) == (
        "Good morning everyone",
        True,
        1,
        2,
    )
    assert [text.revision for text in screen.told] == [1, 2, 3, 4]
    assert {text.id for text in screen.told} == {done.id}
    assert screen.reader.due_s == float("inf")


def test_a_repeat_is_nothing_new_and_keeps_no_line_open():
    screen = Screen()
    screen.show("Good morning", 1)
    for at_s in (2, 3, 3.9):
        assert screen.show("Good morning", at_s) == []
    assert short(screen.settle(4)) == [("Good morning", True)]


def test_what_the_platform_calls_final_is_finished_at_once():
    screen = Screen()
    assert short(screen.show("Good morning", 1, final=True))[-1] == ("Good morning", True)


def test_what_a_finished_line_grows_by_is_another_segment():
    screen = Screen()
    screen.show("Good morning.", 1)
    screen.settle(5)
    assert short(screen.show("Good morning. We begin", 9)) == [("We begin", False)]
    screen.finish()
    assert screen.texts == ["Good morning.", "We begin"]


def test_a_correction_of_what_was_finished_is_a_later_revision_of_it():
    screen = Screen()
    screen.show("I saw there dog", 1)
    (done,) = screen.settle(5)
    (again, more) = screen.show("I saw their dog. It barked", 9)
    assert (again.id, again.revision, again.final) == (done.id, done.revision + 1, True)
    assert again.text == "I saw their dog."
    assert (again.start_s, again.end_s) == (done.start_s, done.end_s)
    assert more.text == "It barked"


def test_what_scrolls_out_of_view_stays_as_it_was():
    screen = Screen()
    screen.show("one two three four five six", 1)
    screen.show("four five six seven eight", 2)
    screen.show("seven eight nine", 3)
    screen.finish()
    assert screen.texts == ["one two three four five six seven eight nine"]


def test_a_word_that_is_cut_at_the_front_is_no_correction():
    screen = Screen()
    screen.show("consequently two three four five six", 1)
    screen.show("… four five six seven", 2)
    screen.finish()
    assert screen.texts == ["consequently two three four five six seven"]


def test_a_line_drawn_again_under_another_key_is_not_said_again():
    screen = Screen()
    screen.show("we talk about the budget", 1, key="a")
    screen.settle(5)
    assert screen.show("we talk about the budget", 6, key="b") == []
    assert screen.show("talk about the budget", 7, key="c") == []
    assert short(screen.show("we talk about the budget today", 8, key="d")) == [("today", False)]


def test_the_same_few_words_said_again_are_said_again():
    screen = Screen()
    screen.show("yes of course", 1, key="a")
    screen.show("yes of course", 2, key="b")
    screen.finish()
    assert screen.texts == ["yes of course", "yes of course"]


def test_the_same_words_of_another_person_are_theirs():
    screen = Screen()
    screen.show("we talk about the budget", 1, key="a")
    screen.show("we talk about the budget", 2, key="b", name="Bob", who="bob")
    screen.finish()
    assert screen.texts == ["we talk about the budget"] * 2


def test_a_key_used_for_another_line_ends_the_one_before():
    screen = Screen()
    screen.show("good morning to everyone here", 1)
    told = short(screen.show("the budget", 2))
    assert told == [("good morning to everyone here", True), ("the budget", False)]


def test_where_lines_have_no_key_each_speaker_has_one():
    screen = Screen()
    screen.show("good morning", 1, key="")
    screen.show("hello", 1.5, key="", name="Bob", who=None)
    screen.show("good morning everyone", 2, key="")
    screen.show("hello Ada", 2.5, key="", name="Bob", who=None)
    screen.finish()
    assert screen.texts == ["good morning everyone", "hello Ada"]


def test_a_speaker_who_begins_another_line_has_finished_the_one_before():
    screen = Screen()
    screen.show("good morning", 1, key="a")
    assert short(screen.show("the budget", 1.5, key="b")) == [
        ("good morning", True),
        ("the budget", False),
    ]


def test_a_name_that_is_corrected_is_corrected_in_what_was_finished_too():
    screen = Screen()
    screen.show("good morning everyone", 1, name="Speaker", who=None)
    screen.settle(5)
    (again, more) = screen.show("good morning everyone we begin", 6, name="Ada", who="ada")
    assert (again.text, again.name, again.participant_id) == ("good morning everyone", "Ada", "ada")
    assert (more.text, more.name) == ("we begin", "Ada")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One two. Three four. Five", "One two. Three four."),
        ("one two three four five", "one two three four five"),
    ],
)
def test_a_monologue_is_cut_at_the_end_of_a_sentence_if_it_has_one(text, first):
    screen = Screen(longest_s=10)
    words = text.split()
    for count in range(1, len(words) + 1):
        screen.show(" ".join(words[:count]), count * 2.5)
    assert screen.texts == [first]
    screen.finish()
    assert " ".join(screen.texts) == text


def test_nothing_that_was_shown_in_a_pause_goes_out_whenever_it_comes_again():
    screen = Screen(lag_s=3)
    screen.show("before we begin", 1)
    screen.told += screen.reader.pause()
    screen.show("before we begin the password is hunter2", 2)
    screen.reader.resume(4)
    screen.show("before we begin the password is hunter2 in letters", 6)
    screen.show("before we begin the password is hunter2 in letters and now aloud", 7.5)
    screen.show("the password is hunter2 in letters", 8, key="again")
    screen.show("the pass word is hunter2 in letters", 9, key="and again")
    screen.finish()
    assert screen.texts == ["before we begin", "and now aloud"]


def test_a_correction_seen_in_a_pause_is_none():
    screen = Screen()
    screen.show("I like", 1)
    screen.told += screen.reader.pause()
    screen.show("I liked secrets", 2)
    screen.reader.resume(3)
    screen.show("I liked secrets a lot", 9)
    screen.show("I like secrets a lot", 9)
    screen.finish()
    assert screen.texts == ["I like", "a lot"]


def test_a_short_private_line_that_is_rewritten_stays_private_until_it_is_clear():
    screen = Screen()
    screen.told += screen.reader.pause()
    screen.show("secrets", 1)
    screen.reader.resume(2)
    screen.show("Seek rats", 9)
    screen.show("Seeker", 9.2)
    screen.show("Seeker and now it is public", 9.4)
    screen.show("entirely different words here", 20)
    screen.finish()
    assert screen.texts == ["and now it is public", "entirely different words here"]


def test_an_empty_line_is_nothing():
    assert Screen().show("  ", 1) == []


WORDS = [f"word{n}" for n in range(60)]


@given(st.data())
def test_however_a_line_grows_and_scrolls_every_word_is_told_once(data):
    screen = Screen(longest_s=20)
    shown, first, now = 0, 0, 0.0
    while shown < len(WORDS):
        if shown - first > 8 and data.draw(st.booleans()):
            first += data.draw(st.integers(1, shown - first - 4))
        shown = min(len(WORDS), shown + data.draw(st.integers(1, 6)))
        now += data.draw(st.sampled_from([0.2, 1.0, 5.0]))
        screen.show(" ".join(WORDS[first:shown]), now)
        if data.draw(st.booleans()):
            now += data.draw(st.sampled_from([1.0, 4.0]))
            screen.settle(now)
    screen.finish()
    assert " ".join(screen.texts).split() == WORDS


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["grow", "rewrite", "pause", "resume", "settle", "redraw", "scroll"]),
            st.sampled_from([0.1, 1.0, 4.0]),
        ),
        max_size=40,
    )
)
def test_whatever_happens_no_private_word_is_told_and_revisions_only_rise(steps):
    screen = Screen()
    words: list[str] = []
    paused, private_until, key = False, -1.0, 0
    for number, (step, wait_s) in enumerate(steps):
        now = screen.now = screen.now + wait_s
        if step == "grow":
            kind = "secret" if paused or now < private_until else "open"
            words.append(f"{kind}{number}")
        elif step == "rewrite" and words:
            words[-1] = words[-1].partition("x")[0] + f"x{number}"
        elif step == "scroll" and len(words) > 6:
            del words[:2]
        elif step == "redraw":
            key += len(words) >= 4
        elif step == "pause":
            screen.told += screen.reader.pause()
            paused = True
        elif step == "resume" and paused:
            screen.reader.resume(now)
            paused, private_until = False, now + 3
        elif step == "settle":
            screen.settle(now)
            continue
        if words:
            screen.show(" ".join(words), now, key=str(key))
    screen.finish()
    assert not [text for text in screen.told if "secret" in text.text]
    newest: dict[str, int] = {}
    for text in screen.told:
        assert text.revision > newest.get(text.id, 0)
        newest[text.id] = text.revision
