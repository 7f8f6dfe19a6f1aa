"""Who said it, learned late: finalized text is cut again, and nothing is shown twice."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from meetcore.model.assembler import NOBODY, Attribution, TranscriptAssembler
from meetcore.model.roster import NameSource, Participant, Roster, SpeakingTimeline, SpeechMark
from meetcore.model.transcript import Hypothesis, Segment, Transcript, Word

CSRC = NameSource.CONTRIBUTING_SOURCE
SHOWN = NameSource.ACTIVE_SPEAKER


class Stage:
    """An assembler and what is shown of it, with evidence that comes as the test says."""

    def __init__(self, track: str = "mix") -> None:
        self.roster, self.timeline = Roster(), SpeakingTimeline()
        for who in ("ada", "ben", "cem"):
            self.roster.joined(Participant(id=who, name=who.title()))
        self.made = TranscriptAssembler(self.roster, self.timeline)
        self.track = track
        if track == "mix":
            self.made.mix(track)
        self.shown = Transcript()
        self.revisions: list[Segment] = []

    def show(self, segments: list[Segment]) -> None:
        for segment in segments:
            before = self.shown.newest(segment.id)
            assert before is None or segment.revision > before.revision
            assert segment.correction is (bool(before) or segment.correction)
            self.shown.finalized(segment)
            self.revisions.append(segment)

    def says(
        self, *words: str, key: str = "u", at: float = 0.0, text: str | None = None, voices=""
    ) -> None:
        """Finalize an utterance with a word every second, most of a second long."""
        labels = voices.ljust(len(words))
        told = tuple(
            Word(w, at + i, at + i + 0.9, speaker=labels[i].strip() or None)
            for i, w in enumerate(words)
        )
        text = " ".join(words) if text is None else text
        self.show(self.made.take(self.track, Hypothesis(
            utterance_id=key, revision=1, text=text, words=told, final=True,
            start_s=at, end_s=at + len(words),
        )))  # fmt: skip

    def speaks(self, who: str, at_s: float, speaking: bool = True, track=None) -> None:
        mark = SpeechMark(at_s, speaking, SHOWN)
        if self.timeline.mark(who, mark, track):
            self.recut(None, at_s)

    def identified(self, who: str | None, since_s: float | None = None, track="") -> None:
        whose = NOBODY if who is None else Attribution(who, CSRC, 0.9)
        self.made.own(track or self.track, whose, since_s)
        self.recut(track or self.track, since_s)

    def recut(self, track, since_s) -> None:
        for key in list(self.made.outdated(track, since_s)):
            parts = [self.shown.newest(part) for part in self.made.parts(key)]
            self.show(self.made.recut(key, [part for part in parts if part]))

    @property
    def lines(self) -> list[tuple[str | None, str]]:
        return [(s.speaker_name, s.text) for s in self.shown.segments]


def test_evidence_that_comes_after_the_text_cuts_it_again():
    stage = Stage()
    stage.says("one", "two", "three", "four")
    assert stage.lines == [(None, "one two three four")]
    stage.speaks("ben", 2.0)
    stage.speaks("ada", 2.0, False)
    stage.speaks("ada", 0.0)
    assert stage.lines == [("Ada", "one two"), ("Ben", "three four")]
    first, second = stage.shown.segments
    assert (first.id, second.id) == ("u", "u.1")
    assert (first.correction, second.correction) == (True, True)
    assert (first.onset_s, second.onset_s) == (0.0, 2.0)


def test_a_part_that_vanishes_is_withdrawn_and_may_come_back():
    stage = Stage()
    stage.speaks("ada", 0.0)
    stage.speaks("ada", 2.0, False)
    stage.speaks("ben", 2.0)
    stage.says("one", "two", "three", "four")
    assert stage.lines == [("Ada", "one two"), ("Ben", "three four")]
    stage.speaks("ben", 2.0, False)
    stage.speaks("ada", 2.0)
    assert stage.lines == [("Ada", "one two three four")]
    gone = stage.shown.newest("u.1")
    assert (gone.withdrawn, gone.text, gone.words, gone.finalized) == (True, "", (), True)
    stage.speaks("cem", 2.1)
    stage.speaks("ada", 2.1, False)
    assert stage.lines == [("Ada", "one two"), ("Cem", "three four")]
    assert [s.id for s in stage.shown.segments] == ["u", "u.1"]


def test_a_boundary_that_moves_keeps_both_ids():
    stage = Stage()
    stage.speaks("ada", 0.0)
    stage.speaks("ada", 2.0, False)
    stage.speaks("ben", 2.0)
    stage.says("one", "two", "three", "four")
    stage.speaks("ada", 3.0, False)
    stage.speaks("ada", 2.0)
    stage.speaks("ben", 2.0, False)
    stage.speaks("ben", 3.0)
    assert stage.lines == [("Ada", "one two three"), ("Ben", "four")]
    assert [s.id for s in stage.shown.segments] == ["u", "u.1"]


def test_text_that_was_not_taken_apart_keeps_its_spelling():
    stage = Stage()
    stage.says("hello", "there", text="Hello, there!")
    stage.speaks("ada", 0.0)
    assert stage.lines == [("Ada", "Hello, there!")]


def test_what_a_reviser_took_out_does_not_come_back():
    stage = Stage()
    stage.says("my", "secret", "is", "out")
    (segment,) = stage.shown.segments
    stage.shown.finalized(evolve(segment, text="my *** is out", words=tuple(
        evolve(word, text="***") if word.text == "secret" else word for word in segment.words
    )))  # fmt: skip
    stage.speaks("ada", 0.0)
    stage.speaks("ben", 2.0)
    stage.speaks("ada", 2.0, False)
    assert stage.lines == [("Ada", "my ***"), ("Ben", "is out")]


def test_text_without_words_is_named_again_as_a_whole():
    stage = Stage()
    stage.show(stage.made.take("mix", Hypothesis(
        utterance_id="u", revision=1, text="all of it", final=True, start_s=1.0, end_s=3.0
    )))  # fmt: skip
    stage.speaks("ben", 1.5)
    stage.speaks("ben", 1.6)
    assert stage.lines == [("Ben", "all of it")]
    assert len(stage.revisions) == 2, "what changes no name is no revision"


def test_a_slot_is_one_persons_after_the_others():
    stage = Stage("slot")
    stage.says("one", "two", "three", "four")
    stage.identified("ben", since_s=2.0)
    assert stage.lines == [(None, "one two"), ("Ben", "three four")]
    stage.identified("ada", since_s=0.0)
    assert stage.lines == [("Ada", "one two"), ("Ben", "three four")]
    stage.identified("cem", since_s=3.0)
    stage.identified(None, since_s=2.0)
    assert stage.lines == [("Ada", "one two"), (None, "three"), ("Cem", "four")]
    stage.identified("ada")
    assert stage.lines == [("Ada", "one two three four")]
    assert {s.speaker_confidence for s in stage.shown.segments} == {0.9}


def test_what_is_said_on_another_mix_names_nobody_here():
    stage = Stage()
    stage.says("one", "two")
    stage.speaks("ada", 0.0, track="other")
    assert stage.lines == [(None, "one two")]
    stage.speaks("ben", 0.0, track="mix")
    assert stage.lines == [("Ben", "one two")]


def test_an_unknown_voice_is_not_taken_for_somebody_with_a_track_of_their_own():
    stage = Stage("theirs")
    stage.identified("ada", track="adas")
    stage.speaks("ada", 0.0)
    stage.says("one", "two")
    assert stage.lines == [(None, "one two")]


marks = st.tuples(
    st.sampled_from(["ada", "ben"]), st.integers(0, 13), st.booleans(),
    st.sampled_from([None, "mix"]),
)  # fmt: skip
evidence = st.lists(marks, max_size=14)


@given(before=evidence, after=evidence)
def test_late_evidence_leads_where_early_evidence_would_have_led(before, after):
    late, early = Stage(), Stage()
    for who, at, speaking, track in [*before, *after]:
        early.speaks(who, at, speaking, track)
    for who, at, speaking, track in before:
        late.speaks(who, at, speaking, track)
    for stage in (late, early):
        stage.says(*"abcdef", key="u")
        stage.says(*"ghijkl", key="v", at=7)
    for who, at, speaking, track in after:
        late.speaks(who, at, speaking, track)
        words = [word for segment in late.shown.segments for word in segment.words]
        assert "".join(word.text for word in words) == "abcdefghijkl", "each word, once"
    assert late.lines == early.lines
    shown = late.shown.segments
    assert len({segment.id for segment in shown}) == len(shown)
    assert all(one.end_s <= two.start_s for one, two in pairwise(shown))


owned = st.tuples(
    st.sampled_from(["ada", "ben", None]), st.sampled_from([None, 0.0, 2.0, 4.0, 8.0])
)


@given(steps=st.lists(owned, max_size=8), spoken_after=st.integers(0, 8))
def test_a_tracks_owners_learned_late_lead_where_learned_early_they_would_have(steps, spoken_after):
    late, early = Stage("slot"), Stage("slot")
    for who, since_s in steps:
        early.identified(who, since_s)
    early.says(*"abcdef")
    for number, (who, since_s) in enumerate(steps):
        if number == spoken_after:
            late.says(*"abcdef")
        late.identified(who, since_s)
    if spoken_after >= len(steps):
        late.says(*"abcdef")
    assert late.lines == early.lines


def test_a_voice_that_the_transcriber_tells_apart_is_one_segment_and_one_name():
    stage = Stage()
    stage.speaks("ada", 0.0)
    stage.speaks("ada", 2.4, False)
    stage.speaks("ben", 2.9)
    stage.speaks("ben", 6.0, False)
    stage.says("one", "two", "three", "four", "five", "six", voices="AAABBB")
    assert stage.lines == [("Ada", "one two three"), ("Ben", "four five six")]
    assert {s.speaker_source for s in stage.shown.segments} == {SHOWN}


def test_a_voice_is_known_again_where_nothing_else_says_who_speaks():
    stage = Stage()
    stage.speaks("ada", 0.0)
    stage.speaks("ada", 3.0, False)
    stage.says("one", "two", "three", voices="AAA")
    stage.says("four", "five", key="v", at=10.0, voices="AB")
    assert stage.lines == [("Ada", "one two three"), ("Ada", "four"), (None, "five")]
    again = stage.shown.segments[1]
    assert (again.speaker_source, again.speaker_confidence) == (NameSource.DIARIZATION, 1.0)


def test_a_voice_heard_for_a_moment_or_with_two_people_is_nobodys():
    short, divided = Stage(), Stage()
    short.speaks("ada", 0.0)
    short.speaks("ada", 1.0, False)
    short.says("one", voices="A")
    short.says("two", key="v", at=10.0, voices="A")
    assert short.lines[-1] == (None, "two")
    for who, at in (("ada", 0.0), ("ben", 2.0)):
        divided.speaks(who, at)
        divided.speaks(who, at + 2.0, False)
    divided.says("one", "two", key="u1", voices="AA")
    divided.says("three", "four", key="u2", at=2.0, voices="AA")
    divided.says("five", key="u3", at=10.0, voices="A")
    assert divided.lines[-1] == (None, "five")


def test_labels_cut_nothing_on_a_track_that_is_one_persons():
    stage = Stage("t")
    stage.identified("ada")
    stage.says("one", "two", voices="AB")
    assert stage.lines == [("Ada", "one two")]


def corrected(stage: Stage, *labels: str, key: str = "u") -> bool:
    """Say whose the words of an utterance are, one label a second; cut it again."""
    words = tuple(
        Word("other", i, i + 0.9, speaker=label.strip() or None) for i, label in enumerate(labels)
    )
    known = stage.made.relabel(
        stage.track,
        Hypothesis(utterance_id=key, revision=2, text="other", words=words, final=True),
    )
    if known:
        shown = [stage.shown.newest(part) for part in stage.made.parts(key)]
        stage.show(stage.made.recut(key, [part for part in shown if part]))
    return known


def test_labels_that_are_corrected_cut_the_text_again_and_change_no_word():
    stage = Stage("mix")
    stage.speaks("ada", 0.0)
    stage.speaks("ada", 2.0, speaking=False)
    stage.speaks("ben", 2.0)
    stage.speaks("ben", 4.0, speaking=False)
    stage.says("one", "two", "three", "four", text="One, two. Three, four.", voices="0000")
    assert corrected(stage, "0", "0", "1", "1")
    assert stage.lines == [("Ada", "one two"), ("Ben", "three four")]
    assert not corrected(stage, "0", "0", "1", "1"), "it is known already"
    assert corrected(stage, "1", "1", "1", "1")
    assert [text for _, text in stage.lines] == ["one two three four"]


def test_a_correction_of_what_nobody_knows_is_none():
    stage = Stage("mix")
    stage.says("one", voices="0")
    assert not corrected(stage, "1", key="v")
    assert corrected(stage, "1")
